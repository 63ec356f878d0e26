//! Runners from outside: one that goes away while its claim waits, one whose log the server lost.

use super::{Server, add_project};
use serde_json::json;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use trunkline_api::runner::{CallRefusal, ClaimRequest, LogEnd, Outcome, ReportRequest};
use trunkline_domain::foundation::Digest;
use trunkline_domain::run::{AttemptResult, JobOutcome};
use trunkline_runner::{CallError, HttpPort, Port};

#[test]
fn nothing_is_given_to_a_caller_who_has_gone_away() {
    let server = Server::start(0);
    let clone = add_project(&server);
    clone.commit(&[("trunkline.yaml", "on: push\njobs: { build: { run: 'true' } }\n")], "Begin");
    let body = json!({ "runner": "gone", "wait_ms": 30_000 }).to_string();
    let mut caller = TcpStream::connect(server.address.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /api/v1/runner/claim HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        server.token,
        body.len()
    );
    caller.write_all(format!("{head}{body}").as_bytes()).unwrap();
    // The claim must have begun to wait, and then its end must have been seen: a call on another connection takes as long.
    std::thread::sleep(Duration::from_millis(300));
    drop(caller);
    std::thread::sleep(Duration::from_millis(300));
    clone.push();
    let port = HttpPort::new(&server.address, &server.token);
    let claim = ClaimRequest { runner: "here".parse().unwrap(), wait_ms: 5_000 };
    let given = port.claim(&claim).unwrap().next.expect("the work was given to nobody else");
    assert_eq!(given.subject.run, "shop/1");
}

#[test]
fn a_report_waits_for_the_bytes_of_its_log() {
    let server = Server::start(0);
    let clone = add_project(&server);
    clone.commit(&[("trunkline.yaml", "on: push\njobs: { build: { run: 'true' } }\n")], "Begin");
    clone.push();
    let port = HttpPort::new(&server.address, &server.token);
    let runner = || "here".parse().unwrap();
    let given = port.claim(&ClaimRequest { runner: runner(), wait_ms: 5_000 }).unwrap().next.unwrap();
    let log = vec![b'a'; 50_000];
    port.log_append(&given.lease, 0, &log[..20_000]).unwrap();
    let outcome = JobOutcome::bare(AttemptResult::Passed);
    let end = LogEnd { bytes: log.len() as u64, digest: Digest::of(&log), inline: None, dropped: 0, spent: false };
    let report = |spent| ReportRequest {
        runner: runner(),
        lease: given.lease.clone(),
        outcome: Outcome::Job(outcome.clone()),
        log: LogEnd { spent, ..end.clone() },
        claim_next: false,
    };
    for _ in 0..2 {
        let refused = port.report(&report(false)).unwrap_err();
        assert!(matches!(refused, CallError::Refused(CallRefusal::Offset { have: 20_000 })), "{refused:?}");
    }
    port.log_append(&given.lease, 20_000, &log[20_000..40_000]).unwrap();
    assert!(port.report(&report(false)).is_err(), "there are still some");
    // A runner that has no more says so, and is not asked again.
    port.report(&report(true)).unwrap();
    let run = server.get("projects/shop/runs/1");
    assert_eq!((run["result"].as_str(), run["jobs"][0]["log_sealed"].as_bool()), (Some("passed"), Some(false)), "{run}");
}
