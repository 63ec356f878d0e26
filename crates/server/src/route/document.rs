//! The document of the API: OpenAPI 3.1, made from the table of routes.

use super::Problem;
use super::asked::{Ask, Nothing};
use super::sketch::{Schemas, Sketch};
use super::table::{Describe, Route};
use crate::access::{Authorized, Look};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use trunkline_domain::foundation::Digest;

/// What is below this path is in the document.
pub const ROOT: &str = "/api/v1";
/// The version of the API: it is in every address, and changes when an old caller would not find its way any more.
const VERSION: &str = "1";

const ABOUT: &str = "Everything that Trunkline's pages and commands show and do. An answer's header `trunkline-as-of` \
    says how many entries of the ledger it knows at least; a reading with `wait-for` knows that many. Fields may be added to \
    answers at any time: ignore those that you do not know. A question with an unknown field is refused. \
    The version of this document is that of the API, which is in every address; the program's own is in `GET /api/v1/health`.";

/// The document, as it is served and as `docs/openapi.json` has it.
pub fn document() -> String {
    let mut text = serde_json::to_string_pretty(&of(&super::table().routes())).expect("texts can be written");
    text.push('\n');
    text
}

fn of(routes: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas =
        Schemas { asked: settings.clone().for_deserialize().into_generator(), told: settings.for_serialize().into_generator() };
    let mut paths = Map::new();
    for route in routes.iter().filter(|route| route.path.starts_with(ROOT)) {
        let entry = paths.entry(&route.path).or_insert_with(|| json!({}));
        entry[route.method.as_str().to_ascii_lowercase()] = Sketch::of(route, &mut schemas);
    }
    let schemas = merged(&mut schemas, &mut paths);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {"title": "Trunkline", "version": VERSION, "description": ABOUT, "license": {"name": "Apache-2.0 OR MIT"}},
        "servers": [{"url": "/", "description": "the server that serves this document"}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "the operator's token: may do everything"},
                "session": {
                    "type": "apiKey", "in": "cookie", "name": crate::access::COOKIE,
                    "description": "of a browser that came by a one-time link: may read",
                },
            },
            "schemas": schemas,
        },
    });
    within_the_type(&mut document);
    document
}

/// Schemas of questions and answers together, by name. A type whose question may leave out what its answer always has is
/// two schemas; the question's has a name of its own, in the paths too.
fn merged(schemas: &mut Schemas, paths: &mut Map<String, Value>) -> Value {
    let mut all = schemas.told.take_definitions(true);
    let mut asked = schemas.asked.take_definitions(true);
    let mut apart: BTreeSet<String> =
        asked.iter().filter(|(name, asked)| all.get(*name).is_some_and(|told| told != *asked)).map(name_of).collect();
    loop {
        // What holds one that is apart is itself apart, if both sides have it.
        let more = asked.iter().filter(|(name, asked)| all.contains_key(*name) && !apart.contains(*name) && refers(asked, &apart));
        let more: Vec<String> = more.map(name_of).collect();
        if more.is_empty() {
            break;
        }
        apart.extend(more);
    }
    asked.values_mut().for_each(|schema| rename(schema, &apart));
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(|methods| methods.values_mut()) {
        if let Some(body) = operation.get_mut("requestBody") {
            rename(body, &apart);
        }
    }
    for (name, schema) in asked {
        let name = if apart.contains(&name) { format!("{name}{ASKED}") } else { name };
        all.insert(name, schema);
    }
    let sorted: BTreeMap<String, Value> = all.into_iter().collect();
    json!(sorted)
}

fn name_of((name, _): (&String, &Value)) -> String {
    name.clone()
}

/// The end of a schema's name, where it is the form of a question alone.
const ASKED: &str = "Asked";
const SCHEMAS: &str = "#/components/schemas/";

fn refers(schema: &Value, names: &BTreeSet<String>) -> bool {
    match schema {
        Value::Object(object) => {
            let own = object.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix(SCHEMAS));
            own.is_some_and(|name| names.contains(name)) || object.values().any(|value| refers(value, names))
        }
        Value::Array(values) => values.iter().any(|value| refers(value, names)),
        _ => false,
    }
}

fn rename(schema: &mut Value, names: &BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(to)) = object.get_mut("$ref")
                && to.strip_prefix(SCHEMAS).is_some_and(|name| names.contains(name))
            {
                to.push_str(ASKED);
            }
            object.values_mut().for_each(|value| rename(value, names));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, names)),
        _ => {}
    }
}

/// Numbers have the bounds of their types: "format" alone is a remark that no checker need obey.
fn within_the_type(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let bounds = match object.get("format").and_then(Value::as_str) {
                Some("uint32") => Some((0.into(), u32::MAX.into())),
                Some("uint64") => Some((0.into(), u64::MAX.into())),
                Some("int32") => Some((i32::MIN.into(), i32::MAX.into())),
                Some("int64") => Some((i64::MIN.into(), i64::MAX.into())),
                _ => None,
            };
            if let Some((least, most)) = bounds {
                let _: &mut Value = object.entry("minimum").or_insert(least);
                let _: &mut Value = object.entry("maximum").or_insert(most);
            }
            object.values_mut().for_each(within_the_type);
        }
        Value::Array(values) => values.iter_mut().for_each(within_the_type),
        _ => {}
    }
}

/// The document on its way, with its digest as its tag.
pub struct Document(HeaderMap);

impl Describe for Document {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.parameter("header", "if-none-match", "tags of copies that the caller has, or `*`", json!({"type": "string"}));
        sketch.content(200, "the document", ("application/json", json!({"type": "object"})));
        sketch.header(200, "etag", "names this text", json!({"type": "string"}));
        sketch.empty(304, "the caller's copy is the same");
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        static TEXT: OnceLock<(String, String)> = OnceLock::new();
        let (text, tag) = TEXT.get_or_init(|| {
            let text = document();
            let tag = format!("\"{}\"", Digest::of(text.as_bytes()).short());
            (text, tag)
        });
        let headers = [(header::ETAG, tag.as_str()), (header::CACHE_CONTROL, "no-cache")];
        if is_known(&self.0, tag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, [(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
    }
}

/// Whether the caller has a copy of this tag: any does for `*`, and a weak tag is as good (RFC 9110, 13.1.2 and 8.8.3.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    // A comma may be within a tag, but quotes may not: a piece that is ours with its quotes is a whole tag.
    let mut pieces = lists.flat_map(|list| list.split(',')).map(str::trim);
    pieces.any(|piece| piece == "*" || piece.strip_prefix("W/").unwrap_or(piece) == tag)
}

/// Strangers are not told what there is.
pub async fn openapi(_: Authorized<Look>, Ask(Nothing {}): Ask<Nothing>, headers: HeaderMap) -> Result<Document, Problem> {
    Ok(Document(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_known_by_any_of_its_tags() {
        let known = |lists: &[&str]| {
            let lines = lists.iter().map(|list| (header::IF_NONE_MATCH, list.parse().unwrap()));
            is_known(&HeaderMap::from_iter(lines), "\"abc\"")
        };
        for same in
            [&["*"][..], &[" * "], &["\"abc\""], &["W/\"abc\""], &["\"x\",W/\"abc\" , \"y\""], &["\"x,y\", \"abc\""], &["\"x\"", "\"abc\""]]
        {
            assert!(known(same), "{same:?}");
        }
        for other in [&[][..], &[""], &["abc"], &["\"*\""], &["w/\"abc\""], &["W/abc"], &["\"ABC\""], &["\"abc"], &["\"x\", \"y\""]] {
            assert!(!known(other), "{other:?}");
        }
    }

    #[test]
    fn the_version_is_the_one_in_the_addresses() {
        assert_eq!(ROOT.strip_prefix("/api/v"), Some(VERSION));
    }
}
