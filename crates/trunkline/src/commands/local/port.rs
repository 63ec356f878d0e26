//! A server for one run: the engine in memory, the files of this folder, the terminal for logs.

use crate::commands::log::Filter;
use crate::render::Screen;
use crate::render::paint::Style;
use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use trunkline_api::runner::{CallRefusal, ClaimRequest, Lease, Outcome, RenewReply, RenewRequest, ReportRequest, WorkReply};
use trunkline_domain::foundation::{Actor, Digest, ProjectKey, Revision, RunId};
use trunkline_domain::ledger::Via;
use trunkline_domain::record::{Command, Key, State};
use trunkline_domain::run::{self, AttemptResult, Run};
use trunkline_engine::{Answer, BlobError, Blobs, Call, Engine, Report, Request};
use trunkline_runner::{CallError, Port};
use trunkline_store::{FileBlobs, MemoryStore};

/// Files of a workspace.
const FILES_MAX: usize = 500_000;

/// A server for one run.
pub struct LocalServer {
    engine: Mutex<Engine<MemoryStore>>,
    bell: Condvar,
    ended: AtomicBool,
    blobs: FileBlobs,
    /// The files that the jobs see.
    root: PathBuf,
    output: Mutex<Output>,
    shelf: Option<Shelf>,
}

/// Where workspaces of failed jobs are laid aside, so that no other job takes or removes them.
pub struct Shelf {
    /// The workspace of the only slot.
    pub workspace: PathBuf,
    /// Where they go, each under its job's name.
    pub folder: PathBuf,
}

impl Shelf {
    /// Where a job's workspace is laid.
    pub fn place(&self, job: &str) -> PathBuf {
        self.folder.join(job)
    }

    /// Lays the workspace aside; a later attempt of the same job takes the place of an earlier one.
    fn keep(&self, job: &str) -> std::io::Result<()> {
        let place = self.place(job);
        trunkline_runner::remove_tree(&place)?;
        fs::create_dir_all(&self.folder)?;
        // A folder without write permission cannot be moved to another parent.
        fs::set_permissions(&self.workspace, fs::Permissions::from_mode(0o700))?;
        fs::rename(&self.workspace, place)
    }
}

/// Lines of several jobs, each whole.
struct Output {
    screen: Screen,
    /// Bytes of each log so far, and its last line while it is not whole.
    logs: HashMap<Lease, (u64, Vec<u8>)>,
}

impl LocalServer {
    /// For the files of `root`, with a folder for what jobs keep.
    pub fn open(blobs: &Path, root: &Path, shelf: Option<Shelf>, screen: Screen) -> anyhow::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self {
            engine: Mutex::new(Engine::open(MemoryStore::default(), super::now(), seed)?),
            bell: Condvar::new(),
            ended: AtomicBool::new(false),
            blobs: FileBlobs::open(blobs)?,
            root: root.to_owned(),
            output: Mutex::new(Output { screen, logs: HashMap::new() }),
            shelf,
        })
    }

    fn engine(&self) -> MutexGuard<'_, Engine<MemoryStore>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, call: Call) -> Result<Answer, CallError> {
        let answer = self.engine().execute(vec![call], super::now());
        self.bell.notify_all();
        let mut answers = answer.map_err(|error| CallError::Unreachable(error.to_string()))?;
        answers.pop().ok_or_else(|| CallError::Unreachable("the engine did not answer".to_owned()))
    }

    /// Starts the run.
    pub fn begin(&self, (id, request): (RunId, Request)) -> anyhow::Result<RunId> {
        match self.call(Call::Command(Box::new(request)))? {
            Answer::Done(_) => Ok(id),
            other => anyhow::bail!("the run did not start: {other:?}"),
        }
    }

    /// The run as it stands.
    pub fn run(&self, id: RunId) -> anyhow::Result<Run> {
        match self.engine().state(&Key::Run(id))? {
            Some(State::Run(run)) => Ok(run.clone()),
            _ => anyhow::bail!("the run is gone"),
        }
    }

    /// Ends the run early.
    pub fn cancel(&self, id: RunId) -> anyhow::Result<()> {
        self.call(Call::Command(Box::new(Request::new(Actor::person("you"), Via::Api, Command::Run(id, run::Command::Cancel)))))?;
        Ok(())
    }

    /// Does what time asks for.
    pub fn due(&self) -> anyhow::Result<()> {
        let mut engine = self.engine();
        let calls = engine.due(super::now())?;
        if !calls.is_empty() {
            engine.execute(calls, super::now())?;
            self.bell.notify_all();
        }
        Ok(())
    }

    /// Where workspaces of failed jobs lie.
    pub fn shelf(&self) -> Option<&Shelf> {
        self.shelf.as_ref()
    }

    /// Lays the workspace of a failed job aside, while its slot still waits for the answer to its report.
    fn shelve(&self, request: &ReportRequest) {
        let failed =
            matches!(&request.outcome, Outcome::Job(outcome) if matches!(outcome.result, AttemptResult::Failed | AttemptResult::TimedOut));
        let Some(shelf) = self.shelf.as_ref().filter(|_| failed) else { return };
        if let Err(error) = shelf.keep(job_of(&request.lease)) {
            let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
            output.screen.say(&format!("the workspace of {} cannot be kept: {error}", job_of(&request.lease)));
        }
    }

    /// Waits until something happens.
    pub fn rest(&self, until: Instant) {
        let engine = self.engine();
        let left = until.saturating_duration_since(Instant::now());
        drop(self.bell.wait_timeout(engine, left).unwrap_or_else(PoisonError::into_inner));
    }

    /// Answers no claim any more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.bell.notify_all();
    }

    /// Tracked and untracked files, but no ignored ones: what a commit of now would hold.
    fn files(&self) -> Result<Vec<PathBuf>, String> {
        let listed = std::process::Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"])
            .current_dir(&self.root)
            .output()
            .map_err(|error| format!("git cannot be started: {error}"))?;
        if !listed.status.success() {
            return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr).trim()));
        }
        let names = listed.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let files: Vec<PathBuf> = names.map(|name| PathBuf::from(std::ffi::OsStr::from_bytes(name))).collect();
        if files.len() > FILES_MAX { Err(format!("more than {FILES_MAX} files")) } else { Ok(files) }
    }
}

/// The job that a lease is for.
fn job_of(lease: &Lease) -> &str {
    lease.work.rsplit('/').next().unwrap_or_default()
}

/// Copies a file or a link. One that was removed here is left out, as a commit would.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(from) else { return Ok(()) };
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    if metadata.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    // A submodule is listed as a folder: empty, as in a checkout.
    if metadata.is_dir() { fs::create_dir_all(to) } else { fs::copy(from, to).map(drop) }
}

impl Output {
    fn take(&mut self, lease: &Lease, bytes: &[u8]) {
        let (count, line) = self.logs.entry(lease.clone()).or_default();
        *count += bytes.len() as u64;
        line.extend_from_slice(bytes);
        let Some(end) = line.iter().rposition(|byte| *byte == b'\n') else { return };
        let whole: Vec<u8> = line.drain(..=end).collect();
        self.print(lease, &whole);
    }

    fn print(&self, lease: &Lease, bytes: &[u8]) {
        let job = job_of(lease);
        let prefix = self.screen.err.paint.text(Style::Muted, &format!("{job} │ "));
        let shown = Filter::new(self.screen.err_terminal).pass(bytes);
        for line in String::from_utf8_lossy(&shown).lines() {
            // Logs go to the error stream, so that --json stays alone on standard output.
            self.screen.say(&format!("{prefix}{line}"));
        }
    }

    /// The rest of a log that ends without a new line.
    fn finish(&mut self, lease: &Lease) {
        if let Some((_, rest)) = self.logs.remove(lease).filter(|(_, rest)| !rest.is_empty()) {
            self.print(lease, &rest);
        }
    }
}

impl Port for LocalServer {
    fn claim(&self, request: &ClaimRequest) -> Result<WorkReply, CallError> {
        let until = Instant::now() + Duration::from_millis(request.wait_ms);
        loop {
            if self.ended.load(Ordering::Acquire) {
                return Ok(WorkReply::default());
            }
            if let Answer::Work(reply) = self.call(Call::Claim(request.clone()))?
                && reply.next.is_some()
            {
                return Ok(*reply);
            }
            if Instant::now() >= until {
                return Ok(WorkReply::default());
            }
            self.rest(until.min(Instant::now() + Duration::from_millis(200)));
        }
    }

    fn renew(&self, request: &RenewRequest) -> Result<RenewReply, CallError> {
        match self.call(Call::Renew(request.clone()))? {
            Answer::Renewed(reply) => Ok(reply),
            other => Err(CallError::Unreachable(format!("{other:?}"))),
        }
    }

    fn report(&self, request: &ReportRequest) -> Result<WorkReply, CallError> {
        {
            let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(inline) = &request.log.inline {
                output.take(&request.lease, inline.as_bytes());
            }
            output.finish(&request.lease);
        }
        self.shelve(request);
        let mut request = request.clone();
        request.claim_next &= !self.ended.load(Ordering::Acquire);
        match self.call(Call::Report(Box::new(Report { request, log_sealed: true })))? {
            Answer::Work(reply) => Ok(*reply),
            _ => Err(CallError::Refused(CallRefusal::Stale)),
        }
    }

    fn log_append(&self, lease: &Lease, offset: u64, bytes: &[u8]) -> Result<(), CallError> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let have = output.logs.get(lease).map_or(0, |(count, _)| *count);
        if offset != have {
            return Err(CallError::Refused(CallRefusal::Offset { have }));
        }
        output.take(lease, bytes);
        Ok(())
    }

    fn blob_get(&self, digest: &Digest, into: &mut dyn Write) -> Result<u64, CallError> {
        self.blobs.get(digest, into).map_err(|error| match error {
            BlobError::Missing(_) => CallError::Refused(CallRefusal::NotFound(error.to_string())),
            _ => CallError::Refused(CallRefusal::Invalid(error.to_string())),
        })
    }

    fn blob_put(&self, digest: &Digest, _size: u64, from: &mut dyn Read) -> Result<(), CallError> {
        if self.blobs.has(digest) {
            return Ok(());
        }
        self.blobs.put(digest, from).map(drop).map_err(|error| CallError::Refused(CallRefusal::Invalid(error.to_string())))
    }

    fn checkout(&self, _: &ProjectKey, _: &Revision, into: &Path) -> Result<(), CallError> {
        let refused = |why: String| CallError::Refused(CallRefusal::Invalid(why));
        for file in self.files().map_err(refused)? {
            copy(&self.root.join(&file), &into.join(&file)).map_err(|error| refused(format!("{}: {error}", file.display())))?;
        }
        Ok(())
    }
}
