//! A runner that goes away while its claim waits.

use super::{Server, add_project};
use serde_json::json;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use trunkline_api::runner::ClaimRequest;
use trunkline_runner::{HttpPort, Port};

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
