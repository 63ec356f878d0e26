//! A dry run is answered as the act would be, and leaves nothing behind.

use super::once::facts_of_people;
use super::{DEPLOY, Server, add_project, delivery_to};
use serde_json::{Value, json};

/// The dry run, then the act: where the one is refused, the other is in the same words.
fn both(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    let before = facts_of_people(server);
    let (status, tried) = server.post(&format!("{path}/dry-run"), body.clone());
    assert_eq!(facts_of_people(server), before, "{path} {body}: a dry run was recorded");
    let (acted, done) = server.post(path, body.clone());
    assert_eq!(status, acted, "{path} {body}: {tried} {done}");
    if status != 200 {
        assert_eq!(tried, done, "{path} {body}");
    }
    (status, tried)
}

#[test]
fn a_dry_run_meets_the_no_of_the_act() {
    let server = Server::start(2);
    let live = tempfile::tempdir().unwrap();
    let clone = add_project(&server);
    let file = delivery_to(live.path(), &[("test", ""), ("production", "    after: test\n")]);
    let deploy = format!("while grep -q slow app && ! test -e \"$1.go\"; do sleep 0.05; done\n{DEPLOY}");
    let push = |text: &str| {
        clone.commit(&[("trunkline.yaml", &file), ("deploy.sh", &deploy), ("app.txt", text)], text.trim());
        clone.push();
    };
    for (number, text) in [(1, "good and fine\n"), (2, "good and fine too\n")] {
        push(text);
        server.until("projects/shop/environments/production", |body| body["runs"]["release"]["number"] == json!(number));
    }
    let (promote, back) = ("promote", "environments/test/rollback");
    let to = |name: &str| json!({"environment": name});
    let try_all = |cases: &[(String, Value, u16, &str)]| {
        for (path, body, status, words) in cases {
            let (found, said) = both(&server, &format!("projects/shop/{path}"), body);
            let message = said["message"].as_str().unwrap_or_default();
            assert!(found == *status && message.contains(words), "{path} {body}: {found} {said}");
        }
    };
    push("good but broken\n");
    server.until("projects/shop/releases/3", |body| body["release"]["vetoed_from"] == json!(["test"]));
    server.until("projects/shop/environments/test", |body| body["incoming"].is_null() && body["runs"]["release"]["number"] == json!(2));
    try_all(&[
        (format!("releases/2/{promote}"), to("test"), 409, "not taken"),
        (format!("releases/3/{promote}"), to("test"), 409, "vetoed"),
        (format!("releases/3/{promote}"), to("production"), 409, "vetoed"),
        (format!("releases/1/{promote}"), to("nowhere"), 409, "'nowhere'"),
        (format!("releases/9/{promote}"), to("test"), 404, "no release"),
        (format!("releases/1/{promote}"), json!({"environment": "test", "again": true}), 409, "not taken"),
        (back.to_owned(), json!({"to": "3"}), 409, "verified"),
        ("deployments/1/settle".to_owned(), json!({"runs": "live"}), 409, "ended"),
        ("deployments/1/cancel".to_owned(), json!({}), 409, "ended"),
        ("deployments/99/cancel".to_owned(), json!({}), 404, "no deployment"),
        ("runs/1/cancel".to_owned(), json!({}), 409, "ended"),
        ("environments/test/accept".to_owned(), json!({}), 409, "already"),
        ("environments/nowhere/rollback".to_owned(), json!({}), 409, "no such environment yet"),
    ]);
    // What shows more is named in full: whoever reads it may be in the folder of another project, or in none.
    for (path, view) in
        [("deployments/1", "trunkline deployments view shop/deployment/1 shows"), ("runs/1", "trunkline runs view shop/1 shows")]
    {
        for act in ["cancel", "cancel/dry-run"] {
            let (_, refused) = server.post(&format!("projects/shop/{path}/{act}"), json!({}));
            assert!(refused["help"].as_str().is_some_and(|help| help.starts_with(view)), "{path}/{act}: {refused}");
        }
    }
    push("good and fine but slow\n");
    server.until("projects/shop/releases/4", |body| body.is_object() && body["release"]["number"] == json!(4));
    try_all(&[(format!("releases/4/{promote}"), to("production"), 409, "not verified yet")]);
    for name in ["test.go", "production.go"] {
        std::fs::write(live.path().join(name), "").unwrap();
    }
    server.until("projects/shop/environments/production", |body| body["runs"]["release"]["number"] == json!(4));
    let (status, tried) = both(&server, &format!("projects/shop/{back}"), &json!({"to": "1"}));
    assert_eq!((status, &tried["environment"], &tried["release"]["number"]), (200, &json!("test"), &json!(1)), "{tried}");
}

#[test]
fn who_may_not_act_may_not_try() {
    let server = Server::start(0);
    for path in ["releases/1/promote/dry-run", "environments/test/rollback/dry-run"] {
        let path = format!("/api/v1/projects/shop/{path}");
        assert_eq!(super::ask(&server.address, None, "POST", &path, Some(json!({}))).0, 401);
    }
}
