//! One operation of the API's document, while the pieces of its handler add what they know.

use super::table::Route;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The schemas of what is asked, and of what is answered: a field with a default may be left out of a question, and is
/// in every answer.
pub struct Schemas {
    /// Of questions.
    pub asked: SchemaGenerator,
    /// Of answers.
    pub told: SchemaGenerator,
}

/// An operation, half described.
pub struct Sketch<'a> {
    schemas: &'a mut Schemas,
    route: &'a Route,
    parameters: Vec<Value>,
    body: Option<Value>,
    /// By status: what it means, headers, and the form for each kind of content.
    answers: BTreeMap<u16, Told>,
}

#[derive(Default)]
struct Told {
    words: String,
    headers: Map<String, Value>,
    content: BTreeMap<&'static str, Vec<Value>>,
}

impl<'a> Sketch<'a> {
    /// Describes a route.
    pub fn of(route: &'a Route, schemas: &'a mut Schemas) -> Value {
        let mut sketch = Self { schemas, route, parameters: Vec::new(), body: None, answers: BTreeMap::new() };
        (route.describe)(&mut sketch);
        super::head::describe(&mut sketch);
        sketch.finish()
    }

    /// The route that is described.
    pub fn route(&self) -> &'a Route {
        self.route
    }

    /// The names in the path, in order, have the types of this tuple, or this one type.
    pub fn path<T: JsonSchema>(&mut self) {
        let schema = self.schemas.asked.subschema_for::<T>().to_value();
        let schemas = match schema.get("prefixItems") {
            Some(Value::Array(each)) => each.clone(),
            _ => vec![schema],
        };
        let names = self.route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        for (name, schema) in names.zip(schemas) {
            let words = self.words(&schema);
            self.parameters.push(json!({"name": name, "in": "path", "required": true, "description": words, "schema": schema}));
        }
    }

    /// What a type says of itself.
    fn words(&self, schema: &Value) -> Value {
        let name = schema["$ref"].as_str().and_then(|to| to.rsplit('/').next());
        name.and_then(|name| self.schemas.asked.definitions().get(name)).unwrap_or(schema)["description"].clone()
    }

    /// What may come after the question mark.
    pub fn query<T: JsonSchema>(&mut self) {
        let schema = T::json_schema(&mut self.schemas.asked).to_value();
        let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, of) in schema["properties"].as_object().into_iter().flatten() {
            let mut of = of.clone();
            let words = of.as_object_mut().and_then(|of| of.remove("description"));
            // A parameter that is left out is absent; it is never the word "null".
            if let Some(kinds) = of["type"].as_array() {
                of["type"] = kinds[0].clone();
            }
            self.parameter("query", name, words.unwrap_or_default(), of);
            let last = self.parameters.last_mut().expect("it was just added");
            last["required"] = Value::Bool(required.contains(&name.as_str()));
        }
    }

    /// One parameter that may be left out.
    pub fn parameter(&mut self, place: &str, name: &str, words: impl Into<Value>, schema: Value) {
        self.parameters.push(json!({"name": name, "in": place, "required": false, "description": words.into(), "schema": schema}));
    }

    /// The body is JSON of this type.
    pub fn json_body<T: JsonSchema>(&mut self) {
        let schema = self.schemas.asked.subschema_for::<T>();
        self.body = Some(json!({"required": true, "content": {"application/json": {"schema": schema}}}));
    }

    /// The body is bytes.
    pub fn bytes_body(&mut self) {
        self.body = Some(json!({"required": true, "content": {"application/octet-stream": {"schema": {}}}}));
    }

    /// An answer with JSON of this type.
    pub fn json<T: JsonSchema>(&mut self, status: u16, words: &str) {
        let schema = self.schemas.told.subschema_for::<T>().to_value();
        self.content(status, words, ("application/json", schema));
    }

    /// An answer with some other content.
    pub fn content(&mut self, status: u16, words: &str, (kind, schema): (&'static str, Value)) {
        let told = self.told(status, words);
        let forms = told.content.entry(kind).or_default();
        if !forms.contains(&schema) {
            forms.push(schema);
        }
    }

    /// An answer without content.
    pub fn empty(&mut self, status: u16, words: &str) {
        self.told(status, words);
    }

    /// A header of an answer.
    pub fn header(&mut self, status: u16, name: &str, words: &str, schema: Value) {
        let header = json!({"description": words, "required": true, "schema": schema});
        self.told(status, "").headers.insert(name.to_owned(), header);
    }

    /// A no, in the form that all have.
    pub fn refusal(&mut self, status: u16, words: &str) {
        self.json::<trunkline_api::request::Refused>(status, words);
    }

    /// The schema of a type that is answered.
    pub fn told_schema<T: JsonSchema>(&mut self) -> Value {
        self.schemas.told.subschema_for::<T>().to_value()
    }

    fn told(&mut self, status: u16, words: &str) -> &mut Told {
        let told = self.answers.entry(status).or_default();
        if told.words.is_empty() {
            words.clone_into(&mut told.words);
        }
        told
    }

    fn finish(self) -> Value {
        let mut operation = json!({"operationId": self.route.name, "summary": self.route.summary});
        operation["security"] = match self.route.needs {
            None => json!([]),
            Some(crate::access::Level::Reader) => json!([{"token": []}, {"session": []}]),
            Some(crate::access::Level::Operator) => json!([{"token": []}]),
        };
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.into();
        }
        if let Some(body) = self.body {
            operation["requestBody"] = body;
        }
        let answers: Map<String, Value> = self.answers.into_iter().map(|(status, told)| (status.to_string(), told.finish())).collect();
        operation["responses"] = answers.into();
        operation
    }
}

impl Told {
    fn finish(self) -> Value {
        let mut answer = json!({"description": self.words});
        if !self.headers.is_empty() {
            answer["headers"] = self.headers.into();
        }
        for (kind, mut forms) in self.content {
            let schema = if forms.len() == 1 { forms.remove(0) } else { json!({"anyOf": forms}) };
            answer["content"][kind] = json!({"schema": schema});
        }
        answer
    }
}
