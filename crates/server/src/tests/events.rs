//! Live events.

use super::{Server, add_project, ask};
use std::io::{BufRead, BufReader, Read};

/// Reads events from a place on, until there are so many.
fn listen(server: &Server, path: &str, last: Option<&str>, count: usize) -> Vec<serde_json::Value> {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(std::time::Duration::from_secs(30))).build().into();
    let mut request = agent.get(format!("{}{path}", server.address)).header("authorization", format!("Bearer {}", server.token));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let answer = request.call().unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut lines = BufReader::new(answer.into_body().into_reader().take(1 << 20)).lines().map(|line| line.unwrap());
    let mut events = Vec::new();
    let mut id = String::new();
    while events.len() < count {
        let line = lines.next().unwrap();
        if let Some(found) = line.strip_prefix("id: ") {
            id = found.to_owned();
        }
        if let Some(data) = line.strip_prefix("data: ") {
            let event: serde_json::Value = serde_json::from_str(data).unwrap();
            assert_eq!(event["seq"].to_string(), id);
            events.push(event);
        }
    }
    events
}

#[test]
fn events_are_replayed_from_any_entry_and_go_on() {
    let server = Server::start(1);
    let clone = add_project(&server);
    clone.commit(&[("trunkline.yaml", "on: push\njobs: { a: { run: 'true' } }\n")], "Begin");
    clone.push();
    server.until("projects/shop/runs/1", |body| body["result"].is_string());
    let size = server.get("ledger/head")["seq"].as_u64().unwrap() as usize;
    let all = listen(&server, "/api/v1/events?after=0", None, size);
    assert_eq!(all.iter().map(|event| event["seq"].as_u64().unwrap()).collect::<Vec<_>>(), (1..=size as u64).collect::<Vec<_>>());
    assert!(all[0]["keys"].as_array().unwrap().iter().any(|key| key == "project/shop"));
    assert!(all[1]["keys"][1].as_str().unwrap().starts_with("run/run_"), "{}", all[1]);
    let rest = listen(&server, "/api/v1/events", Some("2"), size - 2);
    assert_eq!(rest, all[2..]);
    // From now on: what comes while somebody listens.
    std::thread::scope(|scope| {
        let live = scope.spawn(|| listen(&server, "/api/v1/events", None, 1));
        std::thread::sleep(std::time::Duration::from_millis(300));
        clone.commit(&[("a", "1")], "Go on");
        clone.push();
        assert_eq!(live.join().unwrap()[0]["seq"].as_u64().unwrap() as usize, size + 1);
    });
    assert_eq!(ask(&server.address, None, "GET", "/api/v1/events", None).0, 401);
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let wrong = agent.get(format!("{}/api/v1/events", server.address)).header("authorization", format!("Bearer {}", server.token));
    assert_eq!(wrong.header("last-event-id", "x").call().unwrap().status().as_u16(), 400);
    // A place beyond the end is another ledger's: nothing would ever come from there.
    assert_eq!(server.ask("GET", "/api/v1/events?after=999999", None).0, 412);
}
