//! Kind `process`: supervised instances, switched without a lost request.

use crate::fake::*;
use std::collections::BTreeMap;
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
    instances: u32,
    ready_within: Option<Millis>,
}

impl Target {
    fn new(instances: u32) -> Self {
        Self { bench: Bench::new(), address: free_address(), instances, ready_within: None }
    }

    fn folder(&self) -> PathBuf {
        self.bench.folder.join("process/shop/test/web")
    }

    fn work(&self, server: &str) -> PartWork {
        let kind = PartKind::Process(ProcessPart {
            artifact: Some("server".to_owned()),
            run: "./server".to_owned(),
            listen: Some(self.address.clone()),
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
        let text = std::fs::read_to_string(self.folder().join("journal.jsonl")).unwrap_or_default();
        text.lines().filter(|line| line.contains(&format!("\"verdict\":\"{verdict}\""))).count()
    }

    fn pids(&self) -> Vec<u32> {
        let listed = supervise_list(&self.bench.folder).0;
        listed[0].status.instances.iter().filter_map(|instance| instance.pid).collect()
    }

    fn supervisor(&self) -> u32 {
        let wanted = self.folder().display().to_string();
        let is_it = |pid: &u32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == format!("TRUNKLINE_TEST_SUPERVISE={wanted}").as_bytes())
        };
        let mut pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
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

#[test]
fn a_rollback_brings_back_what_was_released_not_what_a_service_made_of_it() {
    let target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1", 1, 1), ApplyOutcome::Applied);
    let content = supervise_list(&target.bench.folder).0[0].status.live.as_ref().unwrap().content.clone();
    std::fs::write(content.join("server"), "#!/bin/sh\nexec sleep 1000\n").unwrap();
    assert_eq!(target.apply(SERVICE, "2", 2, 2), ApplyOutcome::Applied);
    assert_eq!(target.apply(SERVICE, "1", 3, 3), ApplyOutcome::Applied);
    assert!(target.get().unwrap().starts_with("1 "), "the released service answers");
}

#[test]
fn a_switch_under_load_loses_no_request() {
    let target = Arc::new(Target::new(2));
    assert_eq!(target.observe().live, Live::Nothing);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let stop = Arc::new(AtomicBool::new(false));
    let (served, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (target, stop, served, failed) = (target.clone(), stop.clone(), served.clone(), failed.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    match target.get() {
                        Ok(_) => served.fetch_add(1, Ordering::SeqCst),
                        Err(error) => {
                            eprintln!("lost a request: {error}");
                            failed.fetch_add(1, Ordering::SeqCst)
                        }
                    };
                }
            })
        })
        .collect();
    for (number, version) in ["1.1", "1.2", "1.3"].into_iter().enumerate() {
        let fence = number as u64 + 2;
        assert_eq!(target.apply(SERVICE, version, fence, fence), ApplyOutcome::Applied);
        let before = served.load(Ordering::SeqCst);
        eventually("requests go on", || served.load(Ordering::SeqCst) > before + 50);
    }
    stop.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(failed.load(Ordering::SeqCst), 0, "of {} requests", served.load(Ordering::SeqCst));
    assert!(target.get().unwrap().starts_with("1.3 "), "only the new one answers");
    let observed = target.observe();
    assert_eq!((observed.live, observed.fence, observed.health), (Live::Release(Digest::of(b"1.3")), Some(4), Health::Healthy));
    assert_eq!(std::fs::read_dir(target.folder().join("releases")).unwrap().count(), 3, "the live release and two before it");
}

#[test]
fn a_switch_lets_the_old_instance_finish_its_requests() {
    let target = Arc::new(Target::new(1));
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let slow = std::thread::spawn({
        let target = target.clone();
        move || request(&target.address, "/slow")
    });
    eventually("the slow request is under way", || target.folder().join("home/asked").exists());
    assert_eq!(target.apply(SERVICE, "1.1", 2, 2), ApplyOutcome::Applied);
    assert!(slow.join().unwrap().unwrap().starts_with("1.0 "), "answered by the version that took it");
    assert!(target.get().unwrap().starts_with("1.1 "));
}

#[test]
fn a_stale_fence_is_refused_and_the_same_apply_again_starts_nothing() {
    let target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 5, 5), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    assert_eq!(target.apply(SERVICE, "1.0", 5, 5), ApplyOutcome::Applied);
    assert_eq!(target.get().unwrap(), before, "the same process");
    assert_eq!(target.apply(SERVICE, "0.9", 4, 4), ApplyOutcome::Stale { held: 5 });
    assert_eq!(target.apply(SERVICE, "0.9", 6, 5), ApplyOutcome::Stale { held: 5 });
    assert_eq!(target.get().unwrap(), before);
    assert_eq!((target.journal("accepted"), target.journal("repeated"), target.journal("refused")), (1, 1, 2));
}

#[test]
fn a_release_that_does_not_start_leaves_the_old_one_alone() {
    let target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    let broken = "#!/bin/sh\necho the database is missing >&2\nexit 4\n";
    let expected = "instance 1 exited with 4 before it was ready: the database is missing";
    assert_eq!(target.apply(broken, "2.0", 2, 2), ApplyOutcome::Failed(expected.to_owned()));
    assert_eq!(target.get().unwrap(), before, "the same process");
    assert_eq!(target.apply(broken, "2.0", 2, 2), ApplyOutcome::Failed(expected.to_owned()), "the same answer, no second start");
    let taken = "#!/bin/sh\necho 'OSError: Address already in use' >&2\nexit 1\n";
    let ApplyOutcome::Failed(reason) = target.apply(taken, "2.1", 3, 3) else { panic!("it cannot start") };
    assert!(reason.contains(&format!("in use; it is handed the socket of {} as LISTEN_FDS", target.address)), "{reason}");
    assert_eq!(target.observe().live, Live::Release(Digest::of(b"1.0")));
    assert_eq!(target.observe().fence, Some(3));
}

#[test]
fn a_service_that_must_say_that_it_is_ready_is_waited_for() {
    let mut target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    target.ready_within = Some(Millis::seconds(2));
    let late = "instance 1 did not say READY=1 to NOTIFY_SOCKET within 2.0 s (ready-within)";
    assert_eq!(target.apply(SERVICE, "2.0", 2, 2), ApplyOutcome::Failed(late.to_owned()));
    assert_eq!(target.get().unwrap(), before, "the same process");
    let says = "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n";
    let slow = SERVICE.replace("server = Server()\n", &format!("server = Server()\ntime.sleep(1)\n{says}"));
    let asked = Instant::now();
    assert_eq!(target.apply(&slow, "3.0", 3, 3), ApplyOutcome::Applied);
    assert!(asked.elapsed() >= Duration::from_secs(1), "the old one served until the new one was ready");
}

#[test]
fn a_port_that_another_program_has_says_nothing_against_the_release() {
    let target = Target::new(1);
    let other = TcpListener::bind(&target.address).unwrap();
    let expected = format!("cannot listen on {}: Address already in use (os error 98)", target.address);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), hindered(&expected, false));
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), hindered(&expected, false), "the same answer, no second try");
    drop(other);
    assert_eq!(target.apply(SERVICE, "1.0", 2, 2), ApplyOutcome::Applied);
}

fn hindered(reason: &str, touched: bool) -> ApplyOutcome {
    ApplyOutcome::Hindered { reason: reason.to_owned(), touched }
}

#[test]
fn while_a_release_is_waited_for_the_old_one_is_kept_up_and_a_newer_one_goes_first() {
    let mut target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    target.ready_within = Some(Millis::seconds(60));
    let asked = Instant::now();
    std::thread::scope(|scope| {
        // Never says that it is ready, and leaves the socket to the old one.
        let silent = scope.spawn(|| target.apply("#!/bin/sh\nexec sleep 100\n", "2.0", 2, 2));
        eventually("the new one has started", || target.pids().len() == 2);
        assert!(request(&target.address, "/crash").is_err());
        eventually("another process of the old one", || target.get().is_ok_and(|now| now.starts_with("1.0 ") && now != before));
        let newer = "#!/bin/sh\necho broken\nexit 4\n";
        let failed = target.apply(newer, "3.0", 3, 3);
        assert_eq!(failed, ApplyOutcome::Failed("instance 1 exited with 4 before it was ready: broken".to_owned()));
        assert_eq!(silent.join().unwrap(), hindered("it was cancelled, or a newer deployment came, before it was ready", true));
    });
    assert!(asked.elapsed() < Duration::from_secs(30), "nobody waited for the whole minute");
    assert!(target.get().unwrap().starts_with("1.0 "));
}

#[test]
fn a_stop_does_not_wait_for_what_is_not_ready() {
    let mut target = Target::new(1);
    target.ready_within = Some(Millis::seconds(60));
    let asked = Instant::now();
    std::thread::scope(|scope| {
        let silent = scope.spawn(|| target.apply("#!/bin/sh\nexec sleep 100\n", "1.0", 1, 1));
        eventually("it has started", || target.folder().join("status.json").exists() && target.pids().len() == 1);
        supervise_stop(&target.folder()).unwrap();
        assert_eq!(silent.join().unwrap(), hindered("the supervisor was told to stop", false));
    });
    assert!(asked.elapsed() < Duration::from_secs(30));
    assert_eq!(target.observe().live, Live::Nothing);
}

#[test]
fn what_was_cancelled_is_not_waited_for() {
    let mut target = Target::new(1);
    target.ready_within = Some(Millis::seconds(60));
    let asked = Instant::now();
    let work = Work::Apply(target.work("#!/bin/sh\nexec sleep 100\n"));
    let lease = target.bench.fake.offer(work, target.subject("1.0", 1, 1), &[]);
    eventually("it has started", || target.folder().join("status.json").exists() && target.pids().len() == 1);
    target.bench.fake.state().cancel.insert(lease.clone());
    let Outcome::Apply(outcome) = target.bench.fake.await_report(&lease).outcome else { panic!() };
    assert_eq!(outcome, hindered("it was cancelled, or a newer deployment came, before it was ready", true));
    assert!(asked.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_crashed_instance_comes_back() {
    let target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    assert!(request(&target.address, "/crash").is_err());
    eventually("another process answers", || target.get().is_ok_and(|now| now.starts_with("1.0 ") && now != before));
    eventually("it is well again", || target.observe().health == Health::Healthy);
    assert_eq!(supervise_list(&target.bench.folder).0[0].status.restarts, 1);
}

#[test]
fn the_service_survives_its_runner_and_its_supervisor() {
    let mut target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    let first = target.supervisor();
    target.bench.restart();
    assert_eq!(target.observe().live, Live::Release(Digest::of(b"1.0")));
    assert_eq!(target.supervisor(), first, "found again, not started again");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first as i32), nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("the supervisor is dead", || !lives(first));
    assert_eq!(target.get().unwrap(), before, "instances live without a supervisor");
    let observed = target.observe();
    assert_eq!((observed.live, observed.fence), (Live::Release(Digest::of(b"1.0")), Some(1)));
    assert_ne!(target.supervisor(), first);
    assert_eq!(target.get().unwrap(), before, "adopted with its socket, not started again");
    assert_eq!(target.apply(SERVICE, "1.1", 2, 2), ApplyOutcome::Applied, "the new supervisor can switch");
    assert!(target.get().unwrap().starts_with("1.1 "));
}

#[test]
fn after_a_reboot_the_service_comes_back_without_a_deployment() {
    let mut target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    // As a reboot does it: supervisor and instances are gone at once, nobody was told to stop.
    for pid in [vec![target.supervisor()], target.pids()].concat() {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL).unwrap();
        eventually("it is dead", || !lives(pid));
    }
    assert!(target.get().is_err());
    target.bench.restart();
    eventually("it answers again", || target.get().is_ok_and(|now| now.starts_with("1.0 ") && now != before));
    assert_eq!(target.journal("accepted"), 1, "it was not deployed again");
}

#[test]
fn a_killed_supervisor_is_started_again_while_the_runner_lives() {
    let target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    for pid in [vec![target.supervisor()], target.pids()].concat() {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL).unwrap();
        eventually("it is dead", || !lives(pid));
    }
    eventually("it answers again", || target.get().is_ok_and(|now| now.starts_with("1.0 ")));
}

#[test]
fn stop_ends_instances_and_supervisor_and_counts_as_nothing_live() {
    let target = Target::new(2);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let (pids, supervisor) = (target.pids(), target.supervisor());
    assert_eq!(pids.len(), 2);
    assert!(supervise_stop(&target.folder().join("elsewhere")).unwrap().is_none(), "nothing was ever there");
    let before = supervise_stop(&target.folder()).unwrap().unwrap();
    assert_eq!((before.live.unwrap().version.as_str(), before.instances.len(), before.stopped), ("1.0", 2, false));
    assert!(supervise_stop(&target.folder()).unwrap().unwrap().stopped, "it had been ended before");
    assert!(pids.iter().all(|pid| !lives(*pid)));
    eventually("the supervisor has ended", || !lives(supervisor));
    assert!(target.get().is_err());
    assert_eq!(target.observe().live, Live::Nothing);
    assert_eq!(target.apply(SERVICE, "1.1", 2, 2), ApplyOutcome::Applied, "an apply starts it again");
    let deadline = Instant::now() + Duration::from_secs(5);
    assert!(target.get().unwrap().starts_with("1.1 ") && Instant::now() < deadline);
}
