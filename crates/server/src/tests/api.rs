//! The API beside its document: the same routes, and what every answer and every reading has.

use super::{Server, add_project, ask};
use crate::route::routes;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn document() -> Value {
    serde_json::from_str(&crate::api_document()).unwrap()
}

/// Method and path of every operation.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        all.extend(methods.as_object().unwrap().iter().map(|(method, one)| (method.to_uppercase(), path.clone(), one)));
    }
    all
}

#[test]
fn the_document_that_is_checked_in_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let made = crate::api_document();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == made,
        "docs/openapi.json is outdated: UPDATE_EXPECTED=1 cargo test -p trunkline-server"
    );
}

/// T1: the program's routes are the document's.
#[test]
fn the_document_has_every_route_and_no_other() {
    let document = document();
    let written: BTreeSet<(String, String)> = operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let served: BTreeSet<(String, String)> =
        routes().into_iter().filter(|route| route.path.starts_with("/api/")).map(|route| (route.method.to_string(), route.path)).collect();
    assert_eq!(written, served);
    assert!(written.len() > 30, "{}", written.len());
}

#[test]
fn every_operation_is_told_whole() {
    let document = document();
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let place = format!("{method} {path}");
        let name = operation["operationId"].as_str().unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && names.insert(name), "{place} is called {name}");
        assert!(operation["summary"].as_str().is_some_and(|words| words.ends_with('.')), "{place} does not say what it does");
        let answers = operation["responses"].as_object().unwrap();
        assert!(answers.keys().any(|status| status.starts_with('2')), "{place} has no good answer");
        let secured = !operation["security"].as_array().unwrap().is_empty();
        assert_eq!(answers.contains_key("401"), secured, "{place}");
        let empty = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&empty);
        for one in parameters {
            assert!(one["description"].as_str().is_some_and(|words| !words.is_empty()), "{place} does not say what {} is", one["name"]);
        }
        let in_path = parameters.iter().filter(|one| one["in"] == "path").count();
        assert_eq!(in_path, path.matches('{').count(), "{place}: every name of the path has a type");
        assert_eq!(method == "GET", operation["requestBody"].is_null(), "{place}");
    }
    for reference in references(&document) {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

/// What a list takes as `limit` is what the document says of it.
#[test]
fn a_list_has_the_limit_that_the_document_says() {
    let server = Server::start(0);
    add_project(&server);
    let document = document();
    let mut lists = 0;
    for (method, path, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for schema in parameters.filter(|one| one["name"] == "limit").map(|one| &one["schema"]) {
            lists += 1;
            assert_eq!(schema["default"], json!(20), "{path}");
            let most = schema["maximum"].as_u64().unwrap();
            let status = |limit: u64| server.ask(&method, &format!("{}?limit={limit}", super::access::filled(&path)), None).0;
            assert_eq!(
                (most, status(most), status(most + 1), status(schema["minimum"].as_u64().unwrap() - 1)),
                (200, 200, 400, 400),
                "{path}"
            );
        }
    }
    assert_eq!(lists, 3);
}

fn references(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(object) => {
            let own = object.get("$ref").and_then(Value::as_str).map(str::to_owned);
            object.values().flat_map(references).chain(own).collect()
        }
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => BTreeSet::new(),
    }
}

/// One reading with all its headers.
fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> ureq::http::Response<ureq::Body> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = agent.get(format!("{}{path}", server.address)).header("authorization", format!("Bearer {}", server.token));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.call().unwrap()
}

#[test]
fn the_document_is_served_with_a_tag() {
    let server = Server::start(0);
    let mut answer = get(&server, "/api/v1/openapi.json", &[]);
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(answer.body_mut().read_to_string().unwrap(), crate::api_document());
    let again = get(&server, "/api/v1/openapi.json", &[("if-none-match", &tag)]);
    assert_eq!((again.status().as_u16(), again.headers()["etag"].to_str().unwrap()), (304, tag.as_str()));
    for (tags, status) in [("\"old\"".to_owned(), 200), ("*".to_owned(), 304), (format!("\"old\", W/{tag}"), 304)] {
        assert_eq!(get(&server, "/api/v1/openapi.json", &[("if-none-match", &tags)]).status().as_u16(), status, "{tags}");
    }
    assert_eq!(ask(&server.address, None, "GET", "/api/v1/openapi.json", None).0, 401);
}

#[test]
fn an_answer_says_what_it_knows_and_a_reading_waits_for_it() {
    let server = Server::start(0);
    add_project(&server);
    let answer = get(&server, "/api/v1/projects/shop", &[]);
    let as_of: u64 = answer.headers()["trunkline-as-of"].to_str().unwrap().parse().unwrap();
    assert_eq!(as_of, server.get("ledger/head")["seq"].as_u64().unwrap());
    assert_eq!(server.get(&format!("projects/shop?wait-for={as_of}"))["name"], "shop");
    // What has not come yet is waited for, and then seen.
    std::thread::scope(|scope| {
        let next = scope.spawn(|| server.get(&format!("projects?wait-for={}", as_of + 1)));
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(server.post("projects", json!({"name": "other"})).0, 200);
        assert_eq!(next.join().unwrap().as_array().unwrap().len(), 2);
    });
    let started = Instant::now();
    let (status, refused) = server.ask("GET", "/api/v1/status?wait-for=1000000", None);
    assert_eq!((status, refused["code"].as_str()), (412, Some("TL0523")), "{refused}");
    assert!(started.elapsed() < Duration::from_secs(10));
    for wrong in ["wait-for=x", "wait-for=", "wait-for=1&wait-for=2", "wait-for=-1"] {
        assert_eq!(server.ask("GET", &format!("/api/v1/status?{wrong}"), None).0, 400, "{wrong}");
    }
    let waited = server.get("wait?after=0");
    assert!(waited["seq"].as_u64().unwrap() > as_of);
}

/// A misspelt parameter or field is never passed over.
#[test]
fn what_nobody_knows_is_refused() {
    let server = Server::start(0);
    add_project(&server);
    for route in routes().into_iter().filter(|route| route.path.starts_with("/api/")) {
        let path = format!("{}?nonsense=1", super::access::filled(&route.path));
        let body = (route.method == "POST").then(|| json!({}));
        let (status, refused) = server.ask(route.method.as_str(), &path, body);
        assert_eq!((status, refused["code"].as_str()), (400, Some("TL0505")), "{} {path}: {refused}", route.method);
        if route.method == "POST" {
            for wrong in [json!({"nonsense": 1}), json!([]), json!(["test"]), json!(null)] {
                let (status, refused) = server.ask("POST", &super::access::filled(&route.path), Some(wrong));
                assert!(matches!(status, 400 | 422) && refused["code"] == "TL0505", "{} {path}: {status} {refused}", route.method);
            }
        }
    }
}
