//! What starts a run, and what does not.

use super::{Server, add_project};
use serde_json::json;
use trunkline_domain::pipeline::SandboxLevel;

const FILE: &str = "on:\n  push: { paths: [\"**\", \"!docs/**\"] }\n  manual: { inputs: { who: { type: string, required: true }, dry: { type: boolean, default: true } } }\n\
jobs:\n  greet: { run: 'echo \"$TRUNKLINE_EVENT $TRUNKLINE_INPUT_WHO $TRUNKLINE_INPUT_DRY\"' }\n  wet: { if: inputs.dry == 'false', run: 'true' }\n";

#[test]
fn a_run_is_started_by_hand_with_inputs() {
    let server = Server::start(1);
    let clone = add_project(&server);
    let first = clone.commit(&[("trunkline.yaml", FILE)], "Begin");
    clone.push();
    let pushed = server.until("projects/shop/runs/1", |body| body["result"].is_string());
    assert_eq!((pushed["trigger"].as_str(), pushed["inputs"]["dry"].as_str()), (Some("push"), Some("true")));
    clone.commit(&[], "Go on");
    clone.push();
    server.until("projects/shop/runs/2", |body| body["result"].is_string());

    let given = json!({"inputs": {"who": "$(touch /tmp/pwned)", "dry": "false"}, "revision": first});
    let (status, started) = server.post("projects/shop/runs", given);
    assert_eq!((status, started["number"].as_u64()), (200, Some(3)), "{started}");
    let run = server.until("projects/shop/runs/3", |body| body["result"].is_string());
    assert_eq!((run["trigger"].as_str(), run["commit"]["revision"].as_str()), (Some("manual"), Some(first.as_str())));
    assert_eq!(run["jobs"][1]["status"], json!({"ended": "passed"}), "its condition saw the input");
    let log = server.ask("GET", &format!("/api/v1/projects/shop/log?work={}", run["jobs"][0]["work"].as_str().unwrap()), None).1;
    assert!(log.as_str().unwrap().contains("manual $(touch /tmp/pwned) false"), "{log}");

    for (asked, status, said) in [
        (json!({}), 400, "'who' is required"),
        (json!({"inputs": {"who": "x", "dry": "maybe"}}), 400, "takes true or false"),
        (json!({"inputs": {"who": "x"}, "reference": "nowhere"}), 404, "'nowhere'"),
        (json!({"inputs": {"who": "x"}, "revision": "0".repeat(40)}), 404, "commit 0000"),
    ] {
        let (found, body) = server.post("projects/shop/runs", asked);
        assert_eq!(found, status, "{body}");
        assert!(body["message"].as_str().unwrap().contains(said), "{body}");
    }
    clone.commit(&[("trunkline.yaml", "on: push\njobs: { a: { run: 'true' } }\n")], "Not by hand");
    clone.push();
    let (status, refused) = server.post("projects/shop/runs", json!({}));
    assert_eq!((status, refused["code"].as_str()), (409, Some("TL0510")), "{refused}");
    let said = refused["message"].as_str().unwrap();
    assert!(said.starts_with("trunkline.yaml at refs/heads/main does not allow") && said.contains("add the line 'manual: {}'"), "{said}");
    // What it says to write is what helps.
    let advised = said.split('\'').rfind(|piece| piece.starts_with("on: {")).unwrap();
    clone.commit(&[("trunkline.yaml", &format!("{advised}\njobs: {{ a: {{ run: 'true' }} }}\n"))], "By hand");
    clone.push();
    assert_eq!(server.post("projects/shop/runs", json!({})).0, 200);
}

#[test]
fn what_asks_for_less_of_a_sandbox_than_is_allowed_is_refused_at_the_push() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_above(SandboxLevel::Landlock, folder, 0);
    let clone = add_project(&server);
    let file = "on: push\njobs:\n  a: { run: 'true', sandbox: landlock }\nrelease: { version: calver }\nenvironments:\n  \
                qa:\n    deploy: { kind: run, apply: 'true' }\n    verify: [{ run: 'true', sandbox: host }]\n";
    clone.commit(&[("trunkline.yaml", file)], "Begin");
    let why = "check 'run' of qa asks for 'sandbox: host', and this server allows no less than 'landlock'";
    let told = clone.push();
    assert!(told.contains(why), "{told}");
    assert!(told.contains("refused for the reason above · trunkline where ") && !told.contains("trunkline check"), "{told}");
    let run = server.until("projects/shop/runs/1", |body| body["result"].is_string());
    assert_eq!((run["result"].as_str(), run["refused"][0].as_str()), (Some("refused"), Some(why)), "{run}");
    let way = server.get(&format!("projects/shop/where/{}", run["commit"]["revision"].as_str().unwrap()));
    let reason = json!(format!("run 1 was refused: {why}"));
    assert!(way["stations"].as_array().unwrap().iter().any(|station| station["reason"] == reason), "{way}");
}

#[test]
fn a_commit_that_starts_nothing_is_recorded_with_its_reason() {
    let server = Server::start(1);
    let clone = add_project(&server);
    clone.commit(&[("trunkline.yaml", FILE)], "Begin");
    clone.push();
    let docs = clone.commit(&[("docs/a.md", "words")], "Write");
    assert!(clone.push().contains("no run: its paths are untouched"));
    let skipped = clone.commit(&[("a", "1")], "Try\n\n[skip ci]");
    assert!(clone.push().contains("its message says [skip ci]"));
    for (commit, why) in [(docs, "paths are untouched"), (skipped, "[skip ci]")] {
        let (status, body) = server.ask("GET", &format!("/api/v1/projects/shop/where/{commit}"), None);
        assert!(status == 404 && body["message"].as_str().unwrap().contains(why), "{body}");
    }
    clone.commit(&[("docs/b.md", "words"), ("b", "2")], "Both");
    assert!(clone.push().contains("run shop/2 for"));
}
