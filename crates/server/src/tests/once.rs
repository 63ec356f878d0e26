//! Acts that are sent again with their key.

use super::{DEPLOY, Server, add_project, delivery_to};
use crate::route::routes;
use serde_json::{Value, json};
use ureq::http::Request;

/// One act under these keys.
fn act(server: &Server, path: &str, keys: &[&str], body: &Value) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = Request::builder().method("POST").uri(format!("{}/api/v1/{path}", server.address));
    request = request.header("authorization", format!("Bearer {}", server.token)).header("content-type", "application/json");
    for key in keys {
        request = request.header("Idempotency-Key", *key);
    }
    let mut answer = agent.run(request.body(body.to_string()).unwrap()).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap())
}

/// The act, once and again: the same answer, and nothing new in the ledger.
fn twice(server: &Server, path: &str, key: &str, body: &Value, same: &str) -> Value {
    let (status, first) = act(server, path, &[key], body);
    assert_eq!(status, 200, "{path}: {first}");
    let before = facts_of_people(server);
    let (status, again) = act(server, path, &[key], body);
    assert_eq!((status, &again[same]), (200, &first[same]), "{path}: {again}");
    assert_eq!(facts_of_people(server), before, "{path} happened twice");
    first
}

/// Entries that a call of the API made: runners make others all the time.
pub fn facts_of_people(server: &Server) -> usize {
    let store = trunkline_store::SqliteReader::open(&server.folder.path().join("data/trunkline.db")).unwrap();
    let entries = trunkline_engine::Read::entries(&store, 0, 10_000).unwrap();
    entries.iter().filter(|entry| String::from_utf8_lossy(&entry.bytes).contains(r#""via":"api""#)).count()
}

#[test]
fn an_act_that_is_sent_again_with_its_key_happens_once() {
    let server = Server::start(2);
    let live = tempfile::tempdir().unwrap();
    twice(&server, "projects", "begin", &json!({"name": "shop"}), "name");
    assert_eq!(act(&server, "projects", &["begin-again"], &json!({"name": "shop"})).0, 409, "another key is another act");
    let clone = super::Clone::new(&server);
    let file = delivery_to(live.path(), &[("test", "")]).replace("on: { push: { branches: [main] } }", "on: { push: {}, manual: {} }");
    for number in 1..=2 {
        clone.commit(&[("trunkline.yaml", &file), ("deploy.sh", DEPLOY), ("app.txt", "good and fine\n")], &format!("Change {number}"));
        clone.push();
        server.until("projects/shop/environments/test", |body| body["runs"]["release"]["number"] == json!(number));
    }
    let deployed = |number: u64| {
        let path = format!("projects/shop/deployments/{number}");
        server.until(&path, |body| body["status"] == json!({"ended": "succeeded"}));
    };
    // A rollback goes back one release further each time, but for its key.
    let back = twice(&server, "projects/shop/environments/test/rollback", "back", &json!({}), "number");
    deployed(back["number"].as_u64().unwrap());
    let forth = twice(&server, "projects/shop/releases/2/promote", "forth", &json!({"environment": "test"}), "number");
    deployed(forth["number"].as_u64().unwrap());
    // Without the key it is refused by now.
    assert_eq!(act(&server, "projects/shop/releases/2/promote", &[], &json!({"environment": "test"})).0, 409);
    assert_eq!(act(&server, "projects/shop/releases/2/promote", &["forth"], &json!({"environment": "test"})).1["number"], forth["number"]);

    let started = twice(&server, "projects/shop/runs", "nightly", &json!({}), "number");
    // The branch has moved on, and is gone: the run is the one that was started.
    clone.commit(&[], "Go on");
    clone.push();
    clone.git(&["push", "-q", "--delete", "trunkline", "main"]);
    assert_eq!(act(&server, "projects/shop/runs", &["nightly"], &json!({})).1["number"], started["number"]);

    for (path, key, body) in [
        ("projects/shop/runs", "nightly", json!({"reference": "main"})),
        ("projects/shop/environments/test/rollback", "nightly", json!({})),
        ("projects", "begin", json!({"name": "shop", "folder": "a"})),
        ("projects", "begin", json!({"name": "other"})),
    ] {
        let (status, refused) = act(&server, path, &[key], &body);
        assert_eq!((status, refused["code"].as_str()), (409, Some("TL0511")), "{path}: {refused}");
    }
    assert_eq!(server.get("projects").as_array().unwrap().len(), 1);
    // Within the project the key is still free.
    assert_eq!(act(&server, "projects/shop/runs/1/cancel", &["begin"], &json!({})).1["code"], json!("TL0510"));
}

#[test]
fn what_is_ended_with_a_key_is_ended_once() {
    let server = Server::start(1);
    let clone = add_project(&server);
    clone.commit(&[("trunkline.yaml", "on: push\njobs: { a: { run: sleep 60 } }\n")], "Sleep");
    clone.push();
    server.until("projects/shop/runs/1", |body| body["jobs"][0]["status"] == json!("running"));
    twice(&server, "projects/shop/runs/1/cancel", "end", &json!({}), "number");
    server.until("projects/shop/runs/1", |body| body["result"].is_string());
    assert_eq!(act(&server, "projects/shop/runs/1/cancel", &["end"], &json!({})).0, 200, "it was ended by this");
    assert_eq!(act(&server, "projects/shop/runs/1/cancel", &["other"], &json!({})).0, 409);
}

#[test]
fn a_key_that_cannot_be_kept_is_refused() {
    let server = Server::start(0);
    let long = "k".repeat(101);
    for keys in [&[""][..], &["a b"], &["ä"], &[&long], &["a", "b"]] {
        let (status, refused) = act(&server, "projects", keys, &json!({"name": "shop"}));
        assert_eq!((status, refused["code"].as_str()), (400, Some("TL0505")), "{keys:?}: {refused}");
        assert!(refused["message"].as_str().unwrap().contains("idempotency-key"), "{refused}");
    }
    assert_eq!(server.get("projects"), json!([]));
}

/// An act that is new in the table takes a key, or is named here with the reason: it records nothing, or does nothing twice.
#[test]
fn every_act_on_the_record_takes_a_key() {
    let document: Value = serde_json::from_str(&crate::api_document()).unwrap();
    let none = ["/api/v1/links", "/api/v1/resume", "/api/v1/projects/{project}/sync"];
    let records_nothing = |path: &str| path.ends_with("/dry-run");
    for route in routes().iter().filter(|route| route.method == "POST" && route.path.starts_with("/api/v1/")) {
        let parameters = document["paths"][&route.path]["post"]["parameters"].as_array().cloned().unwrap_or_default();
        let takes = parameters.iter().any(|parameter| parameter["name"] == "idempotency-key" && parameter["in"] == "header");
        let expected = !none.contains(&route.path.as_str()) && !records_nothing(&route.path) && !route.path.starts_with("/api/v1/runner/");
        assert_eq!(takes, expected, "{}", route.path);
    }
}
