//! A runner in a process of its own, over HTTP: the runner's own code, and beside it a journal of what the server
//! granted and accepted.
//!
//! The product has no verb for it yet. What is tried is the code that such a verb would start.

use super::clock::Clock;
use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use trunkline_api::runner::{Assignment, ClaimRequest, Lease, RenewReply, RenewRequest, ReportRequest, Work, WorkReply};
use trunkline_domain::foundation::{Digest, ProjectKey, Revision};
use trunkline_runner::{CallError, Config, HttpPort, Port, Runner};

/// What the process is told.
#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    server: String,
    #[arg(long)]
    token: PathBuf,
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    slots: usize,
    #[arg(long)]
    program: PathBuf,
    #[arg(long)]
    grace_ms: u64,
    #[arg(long)]
    renew_ms: u64,
}

/// The process: works until it is killed.
pub fn main(arguments: &Arguments) -> Result<()> {
    let token = fs::read_to_string(&arguments.token)?;
    let name = arguments.folder.file_name().and_then(|name| name.to_str()).context("a folder with a name")?;
    let verb = |verb: &str| vec![arguments.program.display().to_string(), verb.to_owned()];
    let mut config = Config::new(
        name.parse().map_err(|_| anyhow!("'{name}' names no runner"))?,
        arguments.slots,
        arguments.folder.clone(),
        verb("supervise"),
    );
    config.launcher = verb(trunkline_runner::SANDBOX_VERB);
    config.grace = Duration::from_millis(arguments.grace_ms);
    config.deployment_grace = config.grace;
    config.renew_every = Duration::from_millis(arguments.renew_ms);
    fs::create_dir_all(&arguments.folder)?;
    let journal = OpenOptions::new().create(true).append(true).open(journal(&arguments.folder))?;
    let port = Recorder { port: HttpPort::new(&arguments.server, token.trim()), journal: Mutex::new(journal) };
    let _runner = Runner::start(config, Arc::new(port)).map_err(|error| anyhow!("{error}"))?;
    loop {
        std::thread::park();
    }
}

fn journal(folder: &Path) -> PathBuf {
    folder.with_extension("journal")
}

/// How a runner is started.
pub struct Seat<'a> {
    /// The program that is tried.
    pub program: &'a Path,
    /// The server's data folder, for the token.
    pub data: &'a Path,
    /// Its own folder; the last part is its name.
    pub folder: PathBuf,
    /// Where it finds the server.
    pub server: String,
    /// Pieces of work at a time.
    pub slots: usize,
    /// Between TERM and KILL.
    pub grace: Duration,
    /// How often it renews.
    pub renew: Duration,
    /// Its clocks.
    pub clock: Option<&'a Clock>,
}

/// A runner's process.
pub struct Process {
    child: Child,
}

impl Seat<'_> {
    /// Starts it.
    pub fn start(&self) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["fault-runner", "--server", &self.server, "--token"]).arg(self.data.join("operator.token"));
        command.arg("--folder").arg(&self.folder).args(["--slots", &self.slots.to_string(), "--program"]).arg(self.program);
        command.args(["--grace-ms", &self.grace.as_millis().to_string(), "--renew-ms", &self.renew.as_millis().to_string()]);
        if let Some(clock) = self.clock {
            clock.tell(&mut command);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("the runner cannot be started")?;
        Ok(Process { child })
    }
}

impl Process {
    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends `STOP` or `CONT`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status()?;
        anyhow::ensure!(status.success(), "the runner is gone");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What runners of this folder wrote down. A last line that a kill cut off is left out.
pub fn read_journal(folder: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(journal(folder)).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// Waits for something to be written down.
pub fn until<T>(within: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = ask()? {
            return Ok(found);
        }
        anyhow::ensure!(started.elapsed() < within, "not within {} s", within.as_secs());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The wall clock in seconds, for comparing journals of several processes on one machine.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The port of a runner, and a line for each call that matters. Each line is one write, so that a kill cuts no other.
struct Recorder {
    port: HttpPort,
    journal: Mutex<File>,
}

impl Recorder {
    fn note(&self, act: &str, lease: &Lease, rest: Value) {
        let line = json!({ "at": now(), "act": act, "work": lease.work, "epoch": lease.epoch, "rest": rest });
        let mut file = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }

    fn granted(&self, assignment: Option<&Assignment>) {
        let Some(assignment) = assignment else { return };
        let kind = match &assignment.work {
            Work::Job(_) => "job",
            Work::Observe(_) => "observe",
            Work::Apply(_) => "apply",
            Work::Verify(_) => "verify",
        };
        self.note("granted", &assignment.lease, json!(kind));
    }
}

fn word<T>(answer: &Result<T, CallError>) -> &'static str {
    match answer {
        Ok(_) => "accepted",
        Err(CallError::Refused(_)) => "refused",
        Err(CallError::Unreachable(_)) => "no answer",
    }
}

impl Port for Recorder {
    fn claim(&self, request: &ClaimRequest) -> Result<WorkReply, CallError> {
        let reply = self.port.claim(request)?;
        self.granted(reply.next.as_ref());
        Ok(reply)
    }

    fn renew(&self, request: &RenewRequest) -> Result<RenewReply, CallError> {
        let sent = now();
        let answer = self.port.renew(request);
        for lease in &request.leases {
            let lost = answer.as_ref().is_ok_and(|reply| reply.lost.contains(lease));
            self.note("renew", lease, json!({ "sent": sent, "answer": if lost { "refused" } else { word(&answer) } }));
        }
        answer
    }

    fn report(&self, request: &ReportRequest) -> Result<WorkReply, CallError> {
        let sent = now();
        let answer = self.port.report(request);
        self.note("report", &request.lease, json!({ "sent": sent, "answer": word(&answer) }));
        self.granted(answer.as_ref().ok().and_then(|reply| reply.next.as_ref()));
        answer
    }

    fn log_append(&self, lease: &Lease, offset: u64, bytes: &[u8]) -> Result<(), CallError> {
        let sent = now();
        let answer = self.port.log_append(lease, offset, bytes);
        self.note("log", lease, json!({ "sent": sent, "answer": word(&answer) }));
        answer
    }

    fn blob_get(&self, digest: &Digest, into: &mut dyn Write) -> Result<u64, CallError> {
        self.port.blob_get(digest, into)
    }

    fn blob_put(&self, digest: &Digest, size: u64, from: &mut dyn Read) -> Result<(), CallError> {
        self.port.blob_put(digest, size, from)
    }

    fn checkout(&self, project: &ProjectKey, revision: &Revision, into: &Path) -> Result<(), CallError> {
        self.port.checkout(project, revision, into)
    }
}
