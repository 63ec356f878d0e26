//! The JSON Schema of the file, for editors: the table of keys in another form.

use crate::keys;
use crate::shape::{Form, Need, Shape};
use serde_json::{Map, Value, json};

/// JSON Schema (draft 2020-12) of `trunkline.yaml`.
pub fn schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trunkline delivery file",
    });
    if let (Some(schema), Value::Object(file)) = (schema.as_object_mut(), mapping(&keys::FILE)) {
        schema.extend(file);
    }
    schema
}

fn mapping(shape: &Shape) -> Value {
    let mut properties = Map::new();
    for key in shape.keys {
        let mut value = form(&key.form);
        if let Some(value) = value.as_object_mut() {
            value.insert("description".to_owned(), key.doc.into());
        }
        properties.insert(key.name.to_owned(), value);
    }
    let required: Vec<&str> = shape.keys.iter().filter(|key| key.need == Need::Required).map(|key| key.name).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}

fn form(form_of: &Form) -> Value {
    match form_of {
        // YAML's numbers and booleans are read as they are written where a text is wanted.
        Form::Text | Form::Template => json!({ "type": ["string", "number", "boolean"] }),
        Form::Script => json!({ "type": ["string", "boolean"] }),
        Form::Condition => json!({ "type": ["string", "boolean"] }),
        Form::Duration => json!({ "type": "string", "pattern": "^[0-9]+[smhd]$" }),
        Form::Boolean => json!({ "type": "boolean" }),
        Form::Whole { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Form::Choice(words) => json!({ "enum": words }),
        Form::List(item) => json!({ "type": "array", "items": form(item) }),
        Form::OneOrMore(item) => json!({ "anyOf": [form(item), { "type": "array", "items": form(item) }] }),
        Form::Mapping(shape) => mapping(shape),
        Form::Named(value) => json!({ "type": "object", "additionalProperties": form(value) }),
        Form::Either(forms) => json!({ "anyOf": forms.iter().map(form).collect::<Vec<_>>() }),
        Form::Null => json!({ "type": "null" }),
    }
}
