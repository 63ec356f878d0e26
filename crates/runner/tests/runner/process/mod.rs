//! Kind `process`: supervised instances, switched without a lost request.

mod hindered;
mod survive;
mod switch;

use crate::fake::*;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use trunkline_api::runner::*;
use trunkline_domain::deployment::{ApplyOutcome, Health, Live, Observed};
use trunkline_domain::foundation::*;
use trunkline_domain::pipeline::{Part, PartKind, ProcessPart};
use trunkline_runner::{supervise_list, supervise_stop};

/// A web service that takes its socket from the supervisor and finishes its requests on TERM.
const SERVICE: &str = r#"#!/usr/bin/python3
import os, signal, socket, socketserver, http.server, time
assert os.environ["LISTEN_FDS"] == "1" and int(os.environ["LISTEN_PID"]) == os.getpid()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash": os._exit(3)
        if self.path == "/slow":
            open(os.environ["HOME"] + "/asked", "w").close(); time.sleep(1.5)
        body = (os.environ["TRUNKLINE_VERSION"] + " " + str(os.getpid())).encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
class Stop(Exception): pass
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128
    def __init__(self):
        socketserver.BaseServer.__init__(self, None, Handler)
        self.socket = socket.socket(fileno=3); self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "shop", 0
        self.socket.setblocking(False)
    stopping = False
    def service_actions(self):
        super().service_actions()
        if self.stopping: raise Stop
    def get_request(self):
        connection, address = self.socket.accept(); connection.setblocking(True); return connection, address
server = Server()
signal.signal(signal.SIGTERM, lambda *a: setattr(server, "stopping", True))
try: server.serve_forever(0.02)
except Stop: pass
server.server_close()
"#;

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

struct Target {
    bench: Bench,
    address: String,
    /// Whether the supervisor has the socket.
    listens: bool,
    instances: u32,
    ready_within: Option<Millis>,
}

impl Target {
    fn new(instances: u32) -> Self {
        Self { bench: Bench::new(), address: free_address(), listens: true, instances, ready_within: None }
    }

    fn folder(&self) -> PathBuf {
        self.bench.folder.join("process/shop/test/web")
    }

    fn work(&self, server: &str) -> PartWork {
        let kind = PartKind::Process(ProcessPart {
            artifact: Some("server".to_owned()),
            run: "./server".to_owned(),
            listen: self.listens.then(|| self.address.clone()),
            instances: self.instances,
            env: BTreeMap::new(),
            ready_within: self.ready_within,
        });
        let contents = Contents { artifacts: vec![self.bench.fake.executable("server", server.as_bytes())], ..Contents::default() };
        PartWork { part: Part { name: "web".to_owned(), kind }, env: BTreeMap::new(), contents, rollback: false }
    }

    fn subject(&self, version: &str, deployment: u64, fence: u64) -> Subject {
        Subject {
            version: Some(version.to_owned()),
            release: Some((ReleaseId::new(uuid::Uuid::from_u128(7)), Digest::of(version.as_bytes()))),
            environment: Some("test".parse().unwrap()),
            deployment: Some(DeploymentId::new(uuid::Uuid::from_u128(u128::from(deployment)))),
            fence: Some(fence),
            ..subject()
        }
    }

    fn apply(&self, server: &str, version: &str, deployment: u64, fence: u64) -> ApplyOutcome {
        match self.bench.fake.do_work(Work::Apply(self.work(server)), self.subject(version, deployment, fence)).outcome {
            Outcome::Apply(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn observe(&self) -> Observed {
        match self.bench.fake.do_work(Work::Observe(self.work(SERVICE)), self.subject("none", 0, 0)).outcome {
            Outcome::Observe(observed) => observed,
            other => panic!("{other:?}"),
        }
    }

    /// "version pid" of whoever answers.
    fn get(&self) -> std::io::Result<String> {
        request(&self.address, "/")
    }

    fn journal(&self, verdict: &str) -> usize {
        let text = fs::read_to_string(self.folder().join("journal.jsonl")).unwrap_or_default();
        text.lines().filter(|line| line.contains(&format!("\"verdict\":\"{verdict}\""))).count()
    }

    fn pids(&self) -> Vec<u32> {
        let listed = supervise_list(&self.bench.folder).0;
        listed[0].status.instances.iter().filter_map(|instance| instance.pid).collect()
    }

    fn supervisor(&self) -> u32 {
        let wanted = self.folder().display().to_string();
        let is_it = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == format!("TRUNKLINE_TEST_SUPERVISE={wanted}").as_bytes())
        };
        let mut pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.find(is_it).expect("a supervisor runs")
    }
}

fn request(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
        _ => Err(std::io::Error::other(format!("answered {text:?}"))),
    }
}
