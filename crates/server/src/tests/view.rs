//! What is answered about what is no longer usual.

use super::{DEPLOY, Server, add_project, delivery_to};
use serde_json::json;

#[test]
fn an_environment_that_left_the_file_is_retired_or_gone() {
    let server = Server::start(2);
    let live = tempfile::tempdir().unwrap();
    let clone = add_project(&server);
    let push = |environments: &[(&str, &str)], release: u32| {
        let file = delivery_to(live.path(), environments);
        let text = format!("good and fine {release}\n");
        clone.commit(&[("trunkline.yaml", &file), ("deploy.sh", DEPLOY), ("app.txt", &text)], "Change it");
        clone.push();
        let last = environments.iter().rfind(|(name, _)| *name != "later").unwrap().0;
        server.until(&format!("projects/shop/environments/{last}"), |body| body["runs"]["release"]["number"] == json!(release));
    };
    let after = "    after: test\n";
    push(&[("test", ""), ("qa", "    after: test\n    tier: staging\n")], 1);
    push(&[("test", ""), ("later", after)], 2);
    let list = server.get("projects/shop/environments");
    let said: Vec<_> = list.as_array().unwrap().iter().map(|one| (one["name"].as_str().unwrap(), one["retired"] == json!(true))).collect();
    assert_eq!(said, [("test", false), ("later", false), ("qa", true)]);
    push(&[("test", "")], 3);
    let list = server.get("projects/shop/environments");
    let said: Vec<_> = list.as_array().unwrap().iter().map(|one| (one["name"].as_str().unwrap(), one["retired"] == json!(true))).collect();
    assert_eq!(said, [("test", false), ("qa", true)], "nothing ever was in 'later'");
    let (_, body) = server.ask("GET", "/api/v1/projects/shop/environments/production", None);
    assert_eq!(body["message"].as_str(), Some("there is no environment shop/production: the project has test, qa"));
    assert_eq!((list[1]["tier"].as_str(), list[1]["runs"]["release"]["number"].as_u64()), (Some("staging"), Some(1)));
}

#[test]
fn who_put_an_earlier_release_back_is_said_of_the_newer_change() {
    let server = Server::start(2);
    let live = tempfile::tempdir().unwrap();
    let clone = add_project(&server);
    let file = delivery_to(live.path(), &[("test", "")]);
    let mut newest = String::new();
    for (number, text) in [(1, "good and fine 1\n"), (2, "good and fine 2\n")] {
        newest = clone.commit(&[("trunkline.yaml", &file), ("deploy.sh", DEPLOY), ("app.txt", text)], "Change it");
        clone.push();
        server.until("projects/shop/environments/test", |body| body["runs"]["release"]["number"] == json!(number));
    }
    let (status, back) = server.post("projects/shop/environments/test/rollback", json!({}));
    assert_eq!(status, 200, "{back}");
    let environment = server.until("projects/shop/environments/test", |body| body["runs"]["release"]["number"] == json!(1));
    assert_eq!((&environment["runs"]["by"], &environment["rolled_back"]), (&json!("operator"), &json!(null)), "{environment}");
    let change = server.get(&format!("projects/shop/where/{newest}"));
    let station = change["stations"].as_array().unwrap().last().unwrap();
    let version = environment["runs"]["release"]["version"].as_str().unwrap();
    let reason = format!("operator put {version} back there by deployment/3");
    assert_eq!((station["state"].as_str(), station["reason"].as_str()), (Some("rolled-back"), Some(reason.as_str())), "{station}");
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let server = Server::start(1);
    let clone = add_project(&server);
    let said = |path: &str| {
        let (status, body) = server.ask("GET", &format!("/api/v1/projects/shop/{path}"), None);
        assert_eq!(status, 404, "{body}");
        body["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(said("environments/qa"), "there is no environment shop/qa: no release of the project has named one yet");
    assert_eq!(said("runs/9"), "there is no run shop/9: there is none yet");
    assert_eq!(said("deployments/9"), "there is no deployment 9 of project shop: there is none yet");
    assert_eq!(said("releases/9"), "there is no release '9' of project shop: there is none yet");
    clone.commit(&[("trunkline.yaml", "on: push\njobs: { a: { run: 'true' } }\nrelease: { version: '\"1.0\"' }\n")], "Begin");
    clone.push();
    server.until("projects/shop/releases/1", |body| body["release"]["number"] == json!(1));
    assert_eq!(said("runs/9"), "there is no run shop/9: the newest is 1");
    for path in ["runs/1", "deployments/1", "releases/1", "environments/qa", "trace/qa"] {
        let (status, body) = server.ask("GET", &format!("/api/v1/projects/nope/{path}"), None);
        assert_eq!((status, body["message"].as_str().unwrap()), (404, "there is no project 'nope'"), "{body}");
    }
    assert_eq!(said("releases/calm-mole"), "there is no release 'calm-mole' of project shop: the newest is 1");
}

#[test]
fn nothing_is_listed_of_a_project_that_is_not_there() {
    let server = Server::start(0);
    add_project(&server);
    for list in ["runs", "releases", "deployments", "environments"] {
        assert_eq!(server.get(&format!("projects/shop/{list}")), json!([]));
        let (status, body) = server.ask("GET", &format!("/api/v1/projects/gone/{list}"), None);
        assert!(status == 404 && body["message"].as_str().unwrap().contains("gone"), "{list}: {body}");
    }
}

#[test]
fn a_version_that_two_releases_have_names_none_of_them() {
    let server = Server::start(1);
    let clone = add_project(&server);
    let file = "on: push\njobs: { a: { run: 'true' } }\nrelease: { version: '\"1.0\"' }\n";
    clone.commit(&[("trunkline.yaml", file)], "Begin");
    clone.push();
    server.until("projects/shop/releases/1", |body| body["release"]["number"] == json!(1));
    assert_eq!(server.get("projects/shop/releases/1.0")["release"]["number"], json!(1));
    clone.commit(&[("a", "1")], "Go on");
    clone.push();
    server.until("projects/shop/releases/2", |body| body["release"]["number"] == json!(2));
    let refused = [
        server.ask("GET", "/api/v1/projects/shop/releases/1.0", None),
        server.post("projects/shop/releases/1.0/promote", json!({"environment": "test"})),
        server.post("projects/shop/environments/test/rollback", json!({"to": "1.0"})),
    ];
    for (status, body) in refused {
        assert_eq!((status, body["code"].as_str()), (400, Some("TL0505")), "{body}");
        assert!(body["message"].as_str().unwrap().contains("by its number, 1, 2"), "{body}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_as_everything_else_is() {
    let server = Server::start(0);
    add_project(&server);
    let posts = [
        ("projects", json!({"nam": "x"}), "name"),
        ("projects", json!({"name": "No Name"}), "No Name"),
        ("projects/shop/environments/test/rollback", json!([1, 2, 3]), "JSON"),
        ("runner/claim", json!({}), "runner"),
    ];
    for (path, body, said) in posts {
        let (status, refused) = server.post(path, body);
        assert!((400..500).contains(&status) && refused["code"] == json!("TL0505"), "{path}: {status} {refused}");
        assert!(refused["message"].as_str().unwrap().contains(said), "{path}: {refused}");
    }
    let gets = ["wait", "wait?after=x", "projects/shop/runs/seven", "projects/shop/runs?limit=-1", "projects/No%20Name", "blobs/sha256:x"];
    for path in gets {
        let (status, refused) = server.ask("GET", &format!("/api/v1/{path}"), None);
        assert_eq!((status, refused["code"].as_str()), (400, Some("TL0505")), "{path}: {refused}");
    }
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let request = agent.post(format!("{}/api/v1/projects", server.address)).header("authorization", format!("Bearer {}", server.token));
    let mut answer = request.header("content-type", "application/json").send("{not json").unwrap();
    assert!(answer.body_mut().read_to_string().unwrap().contains("TL0505"));
}

#[test]
fn a_page_that_was_paused_does_not_refresh_itself() {
    let server = Server::start(0);
    add_project(&server);
    for (path, refreshes) in [
        ("/", true),
        ("/?refresh=off", false),
        ("/?refresh=on", true),
        ("/c/4f2a91c?refresh=off", false),
        ("/p/shop/c/4f2a91c?refresh=off", false),
    ] {
        let page = server.ask("GET", path, None).1;
        let page = page.as_str().unwrap();
        assert_eq!((page.contains("http-equiv=\"refresh\""), page.contains("?refresh=off")), (refreshes, refreshes), "{path}");
    }
}

#[test]
fn what_lies_behind_the_first_page_is_found() {
    // One slot, so that the runs end in their order.
    let server = Server::start(1);
    let clone = add_project(&server);
    let file = "on: { push: {}, manual: {} }\ndefaults: { sandbox: host }\njobs: { a: { run: 'true' } }\nrelease: { version: calver }\nenvironments: { test: { deploy: { kind: run, apply: 'true', observe: 'echo release=none' } } }\n";
    let first = clone.commit(&[("trunkline.yaml", file)], "Begin");
    clone.push();
    // More than a page of everything: runs, releases, deployments, projects.
    for _ in 0..205 {
        assert_eq!(server.post("projects/shop/runs", json!({})).0, 200);
    }
    for number in 0..205 {
        assert_eq!(server.post("projects", json!({"name": format!("p{number}")})).0, 200);
    }
    server.until("projects/shop/releases?limit=1", |body| body[0]["release"]["number"] == json!(206));
    server.until("projects/shop/deployments?limit=1", |body| body[0]["status"].get("ended").is_some());
    let run = server.get("projects/shop/runs/1");
    assert_eq!((run["release"]["number"].as_u64(), run["commit"]["revision"].as_str()), (Some(1), Some(first.as_str())), "{run}");
    let version = run["release"]["version"].as_str().unwrap();
    assert_eq!(server.get(&format!("projects/shop/releases/{version}"))["release"]["number"], json!(1));
    // One of 205 others may have the same alias; then the newest is meant.
    let alias = server.get("projects/shop/releases/1")["release"]["alias"].clone();
    let named = server.get(&format!("projects/shop/releases/{}", alias.as_str().unwrap()));
    assert_eq!(named["release"]["alias"], alias);
    let pages = [server.get("projects/shop/runs?limit=200"), server.get("projects/shop/runs?limit=200&before=7")];
    assert_eq!(pages.map(|page| page.as_array().unwrap().len()), [200, 6]);
    assert_eq!(server.get("status")["projects"].as_array().unwrap().len(), 206);
    // An old change still knows where it went.
    let change = server.get(&format!("projects/shop/where/{first}"));
    let station = change["stations"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((station["name"].as_str(), station["deployment"].is_number()), (Some("test"), true), "{station}");
}
