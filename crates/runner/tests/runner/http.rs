//! The port over HTTP against the smallest server that speaks the protocol, in front of the server in memory.

use crate::fake::Fake;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use trunkline_api::runner::*;
use trunkline_runner::{CallError, HttpPort, Port, contract};

/// Answers the runner's calls on a free port; returns its address.
fn serve(fake: Arc<Fake>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let fake = fake.clone();
            std::thread::spawn(move || while converse(&fake, stream.as_ref().unwrap()).is_some() {});
        }
    });
    base
}

/// One request and its answer. None: the client has gone.
fn converse(fake: &Fake, mut stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|size| *size > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        assert!(headers.insert(name.to_ascii_lowercase(), value.to_owned()).is_none(), "{name} twice");
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let authorized = headers.get("authorization").is_some_and(|value| value == "Bearer secret");
    let (status, body) = if authorized { answer(fake, &method, &target, &body) } else { (401, b"who are you?".to_vec()) };
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len()).ok()?;
    if method != "HEAD" {
        stream.write_all(&body).ok()?;
    }
    Some(())
}

fn answer(fake: &Fake, method: &str, target: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.strip_prefix("/api/v1/").unwrap();
    let query: BTreeMap<&str, String> =
        query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name, value.replace("%2F", "/"))).collect();
    let blob = || path.strip_prefix("blobs/").unwrap().parse().unwrap();
    let result = match (method, path) {
        ("POST", "runner/claim") => fake.claim(&serde_json::from_slice(body).unwrap()).map(|reply| serde_json::to_vec(&reply).unwrap()),
        ("POST", "runner/renew") => fake.renew(&serde_json::from_slice(body).unwrap()).map(|reply| serde_json::to_vec(&reply).unwrap()),
        ("POST", "runner/report") => fake.report(&serde_json::from_slice(body).unwrap()).map(|reply| serde_json::to_vec(&reply).unwrap()),
        ("PUT", "runner/logs") => {
            let lease = Lease { work: query["work"].clone(), epoch: query["epoch"].parse().unwrap() };
            fake.log_append(&lease, query["offset"].parse().unwrap(), body).map(|()| Vec::new())
        }
        ("GET" | "HEAD", path) if path.starts_with("blobs/") => {
            let mut bytes = Vec::new();
            fake.blob_get(&blob(), &mut bytes).map(|_| bytes)
        }
        ("PUT", path) if path.starts_with("blobs/") => fake.blob_put(&blob(), body.len() as u64, &mut &*body).map(|()| Vec::new()),
        ("GET", path) if path.starts_with("runner/tree/shop/") => {
            let folder = tempfile::tempdir().unwrap();
            let mut bytes = Vec::new();
            fake.checkout(&"shop".parse().unwrap(), &"c0ffee".repeat(7)[..40].parse().unwrap(), folder.path()).unwrap();
            trunkline_runner::pack(folder.path(), &mut bytes).unwrap();
            Ok(bytes)
        }
        other => panic!("{other:?}"),
    };
    match result {
        Ok(body) => (200, body),
        Err(CallError::Refused(refusal)) => {
            let status = match refusal {
                CallRefusal::Stale => 409,
                CallRefusal::Offset { .. } => 416,
                CallRefusal::Invalid(_) => 400,
                CallRefusal::NotFound(_) => 404,
            };
            (status, serde_json::to_vec(&refusal).unwrap())
        }
        Err(CallError::Unreachable(why)) => (503, why.into_bytes()),
    }
}

#[test]
fn the_http_port_keeps_the_contract() {
    let fake = Arc::new(Fake::default());
    let port = HttpPort::new(&serve(fake.clone()), "secret");
    let runner = "test".parse().unwrap();
    contract::without_work(&port, &runner);
    contract::with_lease(&port, &runner, &fake.grant());
    fake.file("a/b.txt", "from the tree");
    let folder = tempfile::tempdir().unwrap();
    port.checkout(&"shop".parse().unwrap(), &"c0ffee".repeat(7)[..40].parse().unwrap(), folder.path()).unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("a/b.txt")).unwrap(), "from the tree");
}

#[test]
fn a_refused_token_and_a_silent_server_are_worth_another_try() {
    let fake = Arc::new(Fake::default());
    let request = ClaimRequest { runner: "test".parse().unwrap(), wait_ms: 0 };
    let stranger = HttpPort::new(&serve(fake), "wrong");
    assert!(matches!(stranger.claim(&request), Err(CallError::Unreachable(why)) if why.contains("401 who are you?")));
    let nobody = HttpPort::new("http://127.0.0.1:1", "secret");
    assert!(matches!(nobody.claim(&request), Err(CallError::Unreachable(_))));
}
