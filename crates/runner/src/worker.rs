//! The runner: slots that claim, work and report; one thread that renews; one that removes what was thrown away.

use crate::driver::trim_left;
use crate::failure::{Failure, While};
use crate::group::{Groups, Limits};
use crate::lease::{Hold, Leases, Pause, Standing, boottime_ms};
use crate::mask::Mask;
use crate::orphan::end_noted;
use crate::outcome::{Reporter, empty_log};
use crate::port::Port;
use crate::process_tree::Marker;
use crate::sandbox::{Levels, Places, Sandboxes};
use crate::slot::{Site, Slot, execute, not_begun};
use crate::supervisor::supervise_revive;
use crate::told;
use crate::trash::{discard, empty};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use trunkline_api::runner::{Assignment, ClaimRequest, LogEnd, Outcome, RENEW_EVERY, RenewRequest, Work};
use trunkline_api::view::RunnerView;
use trunkline_domain::foundation::RunnerKey;
use trunkline_domain::pipeline::SandboxLevel;

/// How long `stop` waits for the answers to open claims. Work that comes later is reported as not begun.
const CLAIM_END_WITHIN: Duration = Duration::from_millis(500);

/// What a runner is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name.
    pub name: RunnerKey,
    /// How many pieces of work it does at a time.
    pub slots: usize,
    /// Its own folder, absolute: workspaces, supervised processes.
    pub folder: PathBuf,
    /// The program and first arguments that start `trunkline supervise`; a folder is appended.
    pub supervise: Vec<String>,
    /// The program and first arguments that start [`crate::sandbox_main`]; empty: steps run at level `host` only.
    pub launcher: Vec<String>,
    /// What no step behind a wall may read: the server's data folder, if that is more than `folder`.
    pub private: PathBuf,
    /// What every step may read beside the system and its tools.
    pub readable: Vec<PathBuf>,
    /// The least sandbox that steps of jobs and checks may ask for.
    pub floor: SandboxLevel,
    /// What the processes of a job's step may have together.
    pub limits: Limits,
    /// Between TERM and KILL of a job: 30 s.
    pub grace: Duration,
    /// Between TERM and KILL of a deployment's script: 120 s.
    pub deployment_grace: Duration,
    /// How long `stop` lets work end by itself before it ends it: 10 s.
    pub stop_within: Duration,
    /// How long a claim waits at the server: 30 s.
    pub claim_wait: Duration,
    /// How often leases are renewed, at most [`RENEW_EVERY`]; a cancel is noticed no later than this.
    pub renew_every: Duration,
    /// How often it is looked whether every supervisor answers, and what services print: 10 s.
    pub watch_every: Duration,
}

impl Config {
    /// The defaults for everything else.
    pub fn new(name: RunnerKey, slots: usize, folder: PathBuf, supervise: Vec<String>) -> Self {
        Self {
            name,
            slots,
            private: folder.clone(),
            folder,
            supervise,
            launcher: Vec::new(),
            readable: Vec::new(),
            floor: SandboxLevel::Host,
            limits: Limits::default(),
            grace: Duration::from_secs(30),
            deployment_grace: Duration::from_secs(120),
            stop_within: Duration::from_secs(10),
            claim_wait: Duration::from_secs(30),
            renew_every: RENEW_EVERY.duration(),
            watch_every: Duration::from_secs(10),
        }
    }
}

/// A running runner.
pub struct Runner {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Two runners in one folder would take each other's work for orphans.
    _lock: Flock<File>,
}

struct Shared {
    config: Config,
    sandboxes: Sandboxes,
    groups: Groups,
    port: Arc<dyn Port>,
    leases: Leases,
    stopping: AtomicBool,
    /// Rung when the runner stops, so that nobody sleeps through it.
    bell: (Mutex<()>, Condvar),
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Sleeps, unless the runner stops meanwhile.
    fn rest(&self, span: Duration) {
        let guard = self.bell.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.bell.1.wait_timeout_while(guard, span, |()| !self.is_stopping());
    }
}

impl Runner {
    /// Ends what an earlier, killed runner left in the folder, then starts claiming.
    pub fn start(config: Config, port: Arc<dyn Port>) -> Result<Runner, Failure> {
        fs::create_dir_all(&config.folder).doing(format!("make {}", config.folder.display()))?;
        let lock = lock(&config.folder)?;
        let config = prepared(config)?;
        let slots: Vec<Slot> = (1..=config.slots.max(1)).map(|number| open_slot(&config.folder, number)).collect::<Result<_, _>>()?;
        let places = Places::of_machine(&config.private, &config.readable);
        // Left out in silence it would be missed by some job, some day.
        if let Some(closed) = config.readable.iter().find(|path| !places.holds(path)) {
            let why = places.why_closed(closed);
            return Err(Failure(format!("{} cannot be opened to steps in a sandbox: {why}", closed.display())));
        }
        let sandboxes = Sandboxes::look(config.launcher.clone(), places).at_least(config.floor).map_err(Failure)?;
        let groups = Groups::look(config.limits)?;
        let shared = Arc::new(Shared {
            config,
            sandboxes,
            groups,
            port,
            leases: Leases::default(),
            stopping: AtomicBool::new(false),
            bell: Default::default(),
        });
        let mut threads = start_slots(&shared, slots)?;
        for (name, body) in [("renew", renew as fn(&Shared)), ("broom", sweep)] {
            let shared = shared.clone();
            threads.push(spawn(name.to_owned(), move || body(&shared))?);
        }
        let own = shared.clone();
        threads.push(spawn("revive".to_owned(), move || revive(&own))?);
        Ok(Runner { shared, threads, _lock: lock })
    }

    /// What its steps stand behind.
    pub fn view(&self) -> RunnerView {
        told::view(&self.shared.config, &self.shared.sandboxes, &self.shared.groups)
    }

    /// Which control groups its steps are in.
    pub fn groups(&self) -> &Groups {
        &self.shared.groups
    }

    /// Which sandboxes its steps can have.
    pub fn sandboxes(&self) -> &Levels {
        self.shared.sandboxes.levels()
    }

    /// Takes no new work, lets running work end for a while, then ends it and reports it as lost. Bounded by
    /// `stop_within` plus the longest grace plus a few seconds. Supervised processes live on.
    ///
    /// Returns how many threads had not ended; one that only waits for the server's answer to a claim is not counted.
    pub fn stop(self) -> usize {
        let Config { stop_within, grace, deployment_grace, .. } = self.shared.config;
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.bell.1.notify_all();
        if !self.idle_by(Instant::now() + stop_within) {
            self.shared.leases.worsen_all(Standing::Abandoned);
            self.idle_by(Instant::now() + grace.max(deployment_grace) + Duration::from_secs(10));
        }
        // An open claim would be given work that nobody does; most servers answer at once when they stop themselves.
        let deadline = Instant::now() + CLAIM_END_WITHIN;
        while !self.threads.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.shared.leases.list().len()
    }

    fn idle_by(&self, deadline: Instant) -> bool {
        loop {
            if self.shared.leases.list().is_empty() {
                return true;
            }
            if Instant::now() >= deadline || self.threads.iter().all(JoinHandle::is_finished) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Failure> {
    std::thread::Builder::new().name(name).spawn(body).doing("start a thread")
}

fn lock(folder: &Path) -> Result<Flock<File>, Failure> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"));
    let file = file.doing(format!("open the lock in {}", folder.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| Failure(format!("another runner uses {}", folder.display())))
}

/// Checks the folder, ends orphans, throws stale workspaces away.
fn prepared(mut config: Config) -> Result<Config, Failure> {
    config.folder = config.folder.canonicalize().doing("find the runner's folder")?;
    if config.folder.to_str().is_none() {
        return Err(Failure(format!("the runner's folder {} is not valid text", config.folder.display())));
    }
    config.renew_every = config.renew_every.min(RENEW_EVERY.duration());
    let notes = config.folder.join("running");
    fs::create_dir_all(&notes).doing(format!("make {}", notes.display()))?;
    for note in fs::read_dir(&notes).doing("list what was running")?.flatten() {
        let left = end_noted(&note.path());
        if left > 0 {
            return Err(Failure(format!("{left} processes of an earlier runner cannot be killed")));
        }
        let _ = fs::remove_file(note.path());
    }
    discard(&config.folder.join("slots"), &config.folder.join("trash")).doing("remove stale workspaces")?;
    Ok(config)
}

fn open_slot(folder: &Path, number: usize) -> Result<Slot, Failure> {
    let note = folder.join("running").join(format!("{number}.json"));
    Slot::open(folder.join("slots").join(number.to_string()), &note, folder.join("trash"))
}

/// A thread for each slot. None of them begins before all have what they need.
fn start_slots(shared: &Arc<Shared>, slots: Vec<Slot>) -> Result<Vec<JoinHandle<()>>, Failure> {
    let (tell, joined) = mpsc::channel();
    let (mut threads, mut gates) = (Vec::new(), Vec::new());
    for (index, mut slot) in slots.into_iter().enumerate() {
        let (shared, tell) = (shared.clone(), tell.clone());
        let (gate, opened) = mpsc::channel::<()>();
        gates.push(gate);
        // A group takes in the thread that asks for it.
        threads.push(spawn(format!("slot-{}", index + 1), move || {
            let group = shared.groups.slot(index + 1);
            let _ = tell.send(group.map(|group| group.into_iter().for_each(|group| slot.join(group))));
            drop(tell);
            if opened.recv().is_ok() {
                work(&shared, &mut slot);
            }
        })?);
    }
    drop(tell);
    joined.iter().collect::<Result<(), Failure>>()?;
    for gate in gates {
        let _ = gate.send(());
    }
    Ok(threads)
}

/// A slot's life: claim, work, report, again.
fn work(shared: &Shared, slot: &mut Slot) {
    let mut pause = Pause::default();
    let mut next = None;
    while !(shared.is_stopping() && next.is_none()) {
        let Some(assignment) = next.take() else {
            let wait_ms = shared.config.claim_wait.as_millis().min(30_000) as u64;
            match shared.port.claim(&ClaimRequest { runner: shared.config.name.clone(), wait_ms }) {
                Ok(reply) => {
                    next = reply.next;
                    pause = Pause::default();
                }
                Err(_) => pause.wait(|| shared.is_stopping()),
            }
            continue;
        };
        next = one(shared, slot, &assignment);
    }
}

/// Does one assignment and reports it; returns the next one, if the answer carried it.
fn one(shared: &Shared, slot: &mut Slot, assignment: &Assignment) -> Option<Assignment> {
    let hold = Hold::new(assignment.lease.clone());
    shared.leases.add(&hold);
    let (outcome, log) = if shared.is_stopping() {
        (not_begun(&assignment.work, "the runner stops"), empty_log())
    } else {
        execute_safely(shared, slot, assignment, &hold)
    };
    let reporter = Reporter { runner: &shared.config.name, port: &*shared.port, hold: &hold, spool: &slot.spool() };
    let next = reporter.report(outcome, log, || shared.is_stopping());
    shared.leases.remove(&hold);
    next
}

fn execute_safely(shared: &Shared, slot: &mut Slot, assignment: &Assignment, hold: &Arc<Hold>) -> (Outcome, LogEnd) {
    // Only what changes a target needs long to end well; a check has no effect to protect.
    let has_effect = matches!(assignment.work, Work::Apply(_));
    let mut site = Site {
        runner: &shared.config.name,
        port: &shared.port,
        hold,
        subject: &assignment.subject,
        slot,
        folder: &shared.config.folder,
        supervise: &shared.config.supervise,
        sandboxes: &shared.sandboxes,
        grace: if has_effect { shared.config.deployment_grace } else { shared.config.grace },
        marker: Marker::fresh(),
        mask: Mask(&assignment.masked),
    };
    // A defect of ours must cost one attempt, not a slot for ever.
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| execute(&mut site, assignment)));
    match done {
        Ok(Ok(done)) => done,
        Ok(Err(Failure(reason))) => (not_begun(&assignment.work, &reason), empty_log()),
        Err(_) => {
            crate::process_tree::kill_marked(&site.marker);
            let reason = "a defect of the runner ended it";
            let outcome = match &assignment.work {
                Work::Apply(_) => Outcome::Apply(trunkline_domain::deployment::ApplyOutcome::Unknown(reason.to_owned())),
                work => not_begun(work, reason),
            };
            (outcome, empty_log())
        }
    }
}

/// Renews every held lease until the runner has stopped and holds none.
fn renew(shared: &Shared) {
    let mut since = Instant::now();
    while !(shared.is_stopping() && shared.leases.list().is_empty()) {
        let left = shared.config.renew_every.saturating_sub(since.elapsed());
        if !left.is_zero() {
            // While stopping the bell is silent: short naps keep the leases alive to their end.
            if shared.is_stopping() {
                std::thread::sleep(left.min(Duration::from_millis(50)))
            } else {
                shared.rest(left)
            }
            continue;
        }
        since = Instant::now();
        let leases = shared.leases.list();
        if leases.is_empty() {
            continue;
        }
        let sent_ms = boottime_ms();
        let request = RenewRequest { runner: shared.config.name.clone(), leases };
        match shared.port.renew(&request) {
            Ok(reply) => shared.leases.answered(&request.leases, &reply, sent_ms),
            // Asked again soon: an answer before the lease is given out again saves the work.
            Err(_) => since = since.checked_sub(shared.config.renew_every * 4 / 5).unwrap_or(since),
        }
    }
}

/// Looks after what deployments left running. Starts again what should run and does not: after a reboot, or when a supervisor was killed. It waits for nothing
/// else: work goes on meanwhile.
fn revive(shared: &Shared) {
    while !shared.is_stopping() {
        revive_once(shared);
        trim_left(&shared.config.folder);
        shared.rest(shared.config.watch_every);
    }
}

fn revive_once(shared: &Shared) {
    for failure in supervise_revive(&shared.config.folder, &shared.config.supervise) {
        eprintln!("a deployed process was not started again: {failure}");
    }
}

/// Removes what was thrown away, off the path of the work.
fn sweep(shared: &Shared) {
    let trash = shared.config.folder.join("trash");
    while !shared.is_stopping() {
        empty(&trash);
        shared.rest(Duration::from_millis(500));
    }
}
