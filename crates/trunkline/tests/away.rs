//! A server that dies while somebody follows its work, and comes back.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod common;

use common::{run, run_to, shell};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(20);

const FILE: &str = "on: push
defaults: { sandbox: host }
jobs: { slow: { run: 'echo begun; while ! test -e GO; do sleep 0.1; done' } }
";

/// A process that ends with `kill -9`, as by a fault, when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server at this port.
fn serve(home: &Path, port: u16) -> Killed {
    let text = format!("exec trunkline serve --slots 1 --listen 127.0.0.1:{port}");
    let server = Killed(shell(home, home, &text).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let began = Instant::now();
    while run_to(&mut shell(home, home, "trunkline projects list")).0 != Some(0) {
        assert!(began.elapsed() < WITHIN, "the server does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

/// Reads until these words are there.
fn until(from: &mut impl Read, said: &mut String, words: &str) {
    let mut byte = [0];
    while !said.contains(words) {
        assert_eq!(from.read(&mut byte).unwrap(), 1, "{words} was never said: {said}");
        said.push(char::from(byte[0]));
    }
}

#[test]
fn whoever_follows_a_log_waits_for_the_server() {
    let (home, shop) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let go = home.path().join("go");
    std::fs::write(shop.path().join("trunkline.yaml"), FILE.replace("GO", &go.display().to_string())).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = serve(home.path(), port);
    let begin = "git init -q -b main && git add -A && git commit -qm Begin && trunkline project add shop && git push -q trunkline main";
    run(&mut shell(home.path(), shop.path(), begin), begin);
    let mut log = shell(home.path(), shop.path(), "exec timeout 60 trunkline log 1 slow -f");
    let mut log = log.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut printed, mut words) = (String::new(), String::new());
    until(log.stdout.as_mut().unwrap(), &mut printed, "begun\n");
    drop(server);
    let mut errors = log.stderr.take().unwrap();
    until(&mut errors, &mut words, "the server does not answer; trying again");
    std::fs::write(&go, "").unwrap();
    let _server = serve(home.path(), port);
    until(&mut errors, &mut words, "the server answers again");
    let ended = log.wait().unwrap();
    assert!(matches!(ended.code(), Some(0 | 1)), "{ended} {words}");
}
