//! A server in memory, and a runner in front of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use trunkline_api::runner::*;
use trunkline_domain::foundation::*;
use trunkline_domain::pipeline::{SandboxChoice, SandboxLevel, Step};
use trunkline_domain::run::{Artifact, ArtifactForm, JobOutcome};
use trunkline_runner::{CallError, Config, Groups, Port, Runner, SANDBOX_VERB, SandboxLevels};

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Fake {
    state: Mutex<State>,
    bell: Condvar,
    pub unreachable: AtomicBool,
    /// The server will be killed before the next report, and lose half of its log.
    pub forgetful: AtomicBool,
    /// Blobs are under way for as long as this is set.
    pub dawdling: AtomicBool,
    epoch: AtomicU64,
}

#[derive(Default)]
pub struct State {
    pub waiting: VecDeque<Assignment>,
    pub held: BTreeSet<Lease>,
    pub cancel: BTreeSet<Lease>,
    pub reports: BTreeMap<Lease, ReportRequest>,
    pub logs: BTreeMap<Lease, Vec<u8>>,
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    pub tree: BTreeMap<String, (Vec<u8>, bool)>,
    pub checkouts: usize,
    pub calls: Vec<&'static str>,
}

impl Fake {
    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn put(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.state().blobs.insert(digest, bytes.to_vec());
        digest
    }

    pub fn executable(&self, name: &str, bytes: &[u8]) -> Artifact {
        Artifact { name: name.to_owned(), digest: self.put(bytes), size: bytes.len() as u64, form: ArtifactForm::Executable }
    }

    pub fn file(&self, path: &str, text: &str) {
        self.state().tree.insert(path.to_owned(), (text.as_bytes().to_vec(), false));
    }

    /// Offers work and returns its lease.
    pub fn offer(&self, work: Work, subject: Subject, masked: &[&str]) -> Lease {
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        let lease = Lease { work: format!("test/{epoch}"), epoch };
        let masked = masked.iter().map(|&text| text.to_owned()).collect();
        self.state().waiting.push_back(Assignment { lease: lease.clone(), work, subject, masked });
        self.bell.notify_all();
        lease
    }

    pub fn grant(&self) -> Lease {
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        let lease = Lease { work: format!("test/{epoch}"), epoch };
        self.state().held.insert(lease.clone());
        lease
    }

    /// Cancels the work of a lease while a blob is on its way to it, and tells no sooner than the blob has come.
    pub fn cancel_while_fetching(&self, offer: impl FnOnce() -> Lease) -> ReportRequest {
        self.state().calls.clear();
        self.dawdling.store(true, Ordering::SeqCst);
        let lease = offer();
        eventually("a blob is asked for", || self.state().calls.contains(&"blob_get"));
        self.state().cancel.insert(lease.clone());
        self.dawdling.store(false, Ordering::SeqCst);
        self.await_report(&lease)
    }

    pub fn await_report(&self, lease: &Lease) -> ReportRequest {
        let state = self.state();
        let (state, timeout) = self.bell.wait_timeout_while(state, PATIENCE, |state| !state.reports.contains_key(lease)).unwrap();
        assert!(!timeout.timed_out(), "no report for {lease:?}");
        state.reports[lease].clone()
    }

    pub fn do_work(&self, work: Work, subject: Subject) -> ReportRequest {
        let lease = self.offer(work, subject, &[]);
        self.await_report(&lease)
    }

    pub fn do_job(&self, work: JobWork) -> (JobOutcome, String) {
        let report = self.do_work(Work::Job(work), subject());
        let log = self.log_text(&report);
        match report.outcome {
            Outcome::Job(outcome) => (outcome, log),
            other => panic!("a job's outcome, not {other:?}"),
        }
    }

    pub fn log_bytes(&self, report: &ReportRequest) -> Vec<u8> {
        match &report.log.inline {
            Some(text) => text.clone().into_bytes(),
            None => self.state().logs.get(&report.lease).cloned().unwrap_or_default(),
        }
    }

    pub fn log_text(&self, report: &ReportRequest) -> String {
        String::from_utf8_lossy(&self.log_bytes(report)).into_owned()
    }

    fn reachable(&self) -> Result<(), CallError> {
        if self.unreachable.load(Ordering::SeqCst) { Err(CallError::Unreachable("switched off".to_owned())) } else { Ok(()) }
    }
}

impl Port for Fake {
    fn claim(&self, request: &ClaimRequest) -> Result<WorkReply, CallError> {
        self.reachable()?;
        let wait = Duration::from_millis(request.wait_ms.min(200));
        let (mut state, _) = self.bell.wait_timeout_while(self.state(), wait, |state| state.waiting.is_empty()).unwrap();
        let next = state.waiting.pop_front();
        state.held.extend(next.iter().map(|next| next.lease.clone()));
        Ok(WorkReply { next })
    }

    fn renew(&self, request: &RenewRequest) -> Result<RenewReply, CallError> {
        self.reachable()?;
        let mut state = self.state();
        state.calls.push("renew");
        let lost = request.leases.iter().filter(|lease| !state.held.contains(lease)).cloned().collect();
        let cancel = request.leases.iter().filter(|lease| state.cancel.contains(lease)).cloned().collect();
        Ok(RenewReply { lost, cancel })
    }

    fn report(&self, request: &ReportRequest) -> Result<WorkReply, CallError> {
        self.reachable()?;
        let mut state = self.state();
        if let Some(log) = state.logs.get_mut(&request.lease)
            && self.forgetful.swap(false, Ordering::SeqCst)
        {
            log.truncate(log.len() / 2);
            return Err(CallError::Refused(CallRefusal::Offset { have: log.len() as u64 }));
        }
        if !state.held.remove(&request.lease) {
            return Err(CallError::Refused(CallRefusal::Stale));
        }
        state.reports.insert(request.lease.clone(), request.clone());
        self.bell.notify_all();
        let next = if request.claim_next { state.waiting.pop_front() } else { None };
        state.held.extend(next.iter().map(|next| next.lease.clone()));
        Ok(WorkReply { next })
    }

    fn log_append(&self, lease: &Lease, offset: u64, bytes: &[u8]) -> Result<(), CallError> {
        self.reachable()?;
        let mut state = self.state();
        if !state.held.contains(lease) {
            return Err(CallError::Refused(CallRefusal::Stale));
        }
        let log = state.logs.entry(lease.clone()).or_default();
        if offset > log.len() as u64 {
            return Err(CallError::Refused(CallRefusal::Offset { have: log.len() as u64 }));
        }
        let known = log.len() - offset as usize;
        log.extend_from_slice(bytes.get(known..).unwrap_or_default());
        self.bell.notify_all();
        Ok(())
    }

    fn blob_get(&self, digest: &Digest, into: &mut dyn Write) -> Result<u64, CallError> {
        self.reachable()?;
        let Some(bytes) = self.state().blobs.get(digest).cloned() else {
            return Err(CallError::Refused(CallRefusal::NotFound(digest.to_string())));
        };
        self.state().calls.push("blob_get");
        while self.dawdling.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        into.write_all(&bytes).map_err(|error| CallError::Unreachable(error.to_string()))?;
        Ok(bytes.len() as u64)
    }

    fn blob_put(&self, digest: &Digest, size: u64, from: &mut dyn Read) -> Result<(), CallError> {
        self.reachable()?;
        let mut bytes = Vec::new();
        from.take(size).read_to_end(&mut bytes).map_err(|error| CallError::Unreachable(error.to_string()))?;
        if Digest::of(&bytes) != *digest {
            return Err(CallError::Refused(CallRefusal::Invalid("another digest".to_owned())));
        }
        self.state().blobs.insert(*digest, bytes);
        Ok(())
    }

    fn checkout(&self, _: &ProjectKey, _: &Revision, into: &Path) -> Result<(), CallError> {
        self.reachable()?;
        let mut state = self.state();
        state.checkouts += 1;
        for (path, (bytes, executable)) in &state.tree {
            let path = into.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(if *executable { 0o755 } else { 0o644 })).unwrap();
        }
        Ok(())
    }
}

pub fn subject() -> Subject {
    Subject {
        project: "shop".parse().unwrap(),
        run: "shop/1".to_owned(),
        run_id: RunId::new(uuid::Uuid::from_u128(1)),
        revision: "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00".parse().unwrap(),
        reference: "refs/heads/main".to_owned(),
        event: "push".to_owned(),
        inputs: Default::default(),
        version: Some("1.42".to_owned()),
        release: None,
        environment: None,
        deployment: None,
        fence: None,
    }
}

pub fn job(commands: &[&str]) -> JobWork {
    JobWork {
        folder: String::new(),
        steps: commands.iter().map(|&run| Step { name: None, run: run.to_owned() }).collect(),
        env: BTreeMap::new(),
        timeout: Millis::seconds(60),
        sandbox: SandboxChoice::Exactly(SandboxLevel::Host),
        artifacts: Vec::new(),
        reports: Vec::new(),
        inputs: Vec::new(),
    }
}

/// A fake server and a runner that works for it.
pub struct Bench {
    pub fake: Arc<Fake>,
    pub folder: PathBuf,
    runner: Option<Runner>,
    _temporary: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().canonicalize().unwrap().join("runner");
        let mut config = config(&folder);
        change(&mut config);
        let fake = Arc::new(Fake::default());
        let runner = Runner::start(config, fake.clone()).expect("the runner starts");
        Self { fake, folder, runner: Some(runner), _temporary: temporary }
    }

    /// Which sandboxes the runner has.
    pub fn levels(&self) -> &SandboxLevels {
        self.runner.as_ref().unwrap().sandboxes()
    }

    /// Which control groups the runner has.
    pub fn groups(&self) -> &Groups {
        self.runner.as_ref().unwrap().groups()
    }

    /// Stops the runner and starts another one in the same folder.
    pub fn restart(&mut self) {
        assert_eq!(self.runner.take().unwrap().stop(), 0, "all work ended");
        self.runner = Some(Runner::start(config(&self.folder), self.fake.clone()).expect("the runner starts again"));
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(runner) = self.runner.take() {
            runner.stop();
        }
        for supervised in trunkline_runner::supervise_list(&self.folder).0 {
            let _ = trunkline_runner::supervise_stop(&supervised.folder);
        }
    }
}

pub fn config(folder: &Path) -> Config {
    let this = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let script = r#"TRUNKLINE_TEST_SUPERVISE="$1" exec "$0" --exact supervise_entry --nocapture"#;
    let supervise = ["/bin/sh", "-c", script, &this].map(str::to_owned).to_vec();
    let mut config = Config::new("test".parse().unwrap(), 2, folder.to_owned(), supervise);
    config.launcher = vec![env!("CARGO_BIN_EXE_sandbox-launcher").to_owned(), SANDBOX_VERB.to_owned()];
    config.private = folder.parent().unwrap().to_owned();
    config.grace = Duration::from_millis(300);
    config.deployment_grace = Duration::from_millis(300);
    config.stop_within = Duration::from_millis(500);
    config.claim_wait = Duration::from_millis(200);
    config.renew_every = Duration::from_millis(50);
    config
}

/// Waits for something to become true.
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process lives and is no zombie.
pub fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
