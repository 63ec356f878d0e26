//! A visitor of production: asks for its version fifty times a second and counts what goes wrong.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two requests.
const EVERY: Duration = Duration::from_millis(20);
/// An answer that takes longer is a wrong one.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A visitor at work.
pub struct Visitor {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What a visitor saw.
#[derive(Clone, Debug, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Seen {
    /// Requests made.
    pub requests: u64,
    /// Requests without a right answer.
    pub wrong: u64,
    /// What the first wrong ones were.
    pub wrong_examples: Vec<String>,
    /// The longest time between two right answers.
    pub longest_pause_ms: u64,
    /// Every version, in the order in which it was first seen.
    pub versions: Vec<String>,
}

impl Visitor {
    /// Starts to ask.
    pub fn start(port: u16) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (own, ends) = (seen.clone(), stop.clone());
        let thread = std::thread::spawn(move || visit(port, &own, &ends));
        Self { seen, stop, thread: Some(thread) }
    }

    /// What it has seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it.
    pub fn end(&mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        self.seen()
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.end();
    }
}

fn visit(port: u16, seen: &Mutex<Seen>, stop: &AtomicBool) {
    let mut last_right = Instant::now();
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let answer = ask(port);
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.requests += 1;
            match answer {
                Ok(version) => {
                    seen.longest_pause_ms = seen.longest_pause_ms.max(last_right.elapsed().as_millis() as u64);
                    last_right = Instant::now();
                    if seen.versions.last() != Some(&version) && !seen.versions.contains(&version) {
                        seen.versions.push(version);
                    }
                }
                Err(why) => {
                    seen.wrong += 1;
                    if seen.wrong_examples.len() < 5 {
                        seen.wrong_examples.push(why);
                    }
                }
            }
        }
        next += EVERY;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// One request on a connection of its own, as a browser makes it. The version in the answer.
pub fn ask(port: u16) -> Result<String, String> {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN).map_err(|error| format!("connect: {error}"))?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).and_then(|()| stream.set_nodelay(true)).map_err(|error| error.to_string())?;
    let request = format!("GET /version HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| format!("send: {error}"))?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer).map_err(|error| format!("receive: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no whole answer: {answer:?}"))?;
    let status = head.lines().next().unwrap_or_default();
    if !status.contains(" 200 ") {
        return Err(status.to_owned());
    }
    let body: serde_json::Value = serde_json::from_str(body).map_err(|error| format!("{error} in {body:?}"))?;
    body["version"].as_str().map(str::to_owned).ok_or_else(|| format!("no version in {body}"))
}
