//! The supervised service: switching from one release to another, and keeping it up.

use super::durable::{journal, last_line, release_folders, service_log, service_log_cut, status_write, wall_ms};
use super::instance::Instance;
use super::notify::Notify;
use super::ready::{self, READY_AFTER};
use super::setback::{Setback, cannot_record};
use super::status::{InstanceRecord, Reply, Spec, Status, Verdict};
use super::{STOP_GRACE, kept, recover};
use crate::process_tree::Marker;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pauses before a crashed instance is started again.
const RESTART_FIRST: Duration = Duration::from_millis(100);
const RESTART_LAST: Duration = Duration::from_secs(30);
/// An instance that lived this long was well: the next pause is short again.
const WELL_AFTER: Duration = Duration::from_secs(30);
const WATCH_EVERY: Duration = Duration::from_millis(50);

/// One part's service.
pub struct Service {
    folder: PathBuf,
    state: Mutex<State>,
    /// One apply at a time; held across waits, so it is not the state's lock.
    turn: Mutex<()>,
    stopped: AtomicBool,
    /// Whether a stop waits for its turn.
    stopping: AtomicBool,
    /// Applies with a lower fence are not waited for any more.
    wanted: AtomicU64,
}

/// What the supervisor has in its hands.
pub struct State {
    /// What is on disk.
    pub status: Status,
    /// Instances of the live release.
    pub instances: Vec<Instance>,
    /// The bound socket, by its address.
    pub socket: Option<(String, OwnedFd)>,
    /// Whether crashed instances are left alone, because a switch without a socket is under way.
    paused: bool,
    restart_at: Instant,
    pause: Duration,
}

impl State {
    /// The state that a supervisor starts with.
    pub fn new(status: Status, instances: Vec<Instance>, socket: Option<(String, OwnedFd)>) -> Self {
        Self { status, instances, socket, paused: false, restart_at: Instant::now(), pause: RESTART_FIRST }
    }
}

impl Service {
    /// Recovers what an earlier supervisor left, and starts watching.
    pub fn open(folder: &Path) -> io::Result<Arc<Self>> {
        let state = recover::state(folder)?;
        let service = Arc::new(Self {
            folder: folder.to_owned(),
            state: Mutex::new(state),
            turn: Mutex::default(),
            stopped: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            wanted: AtomicU64::new(0),
        });
        let watched = service.clone();
        std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            while !watched.is_stopped() {
                watched.keep_up();
                std::thread::sleep(WATCH_EVERY);
            }
        })?;
        Ok(service)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// What is there now.
    pub fn status(&self) -> Status {
        self.state().status.clone()
    }

    /// Waits no longer for what has this fence or a lower one.
    pub fn give_up(&self, fence: u64) -> Reply {
        self.wanted.fetch_max(fence.saturating_add(1), Ordering::AcqRel);
        Reply::Status(Box::new(self.status()))
    }

    /// Obeys an apply, or says why not.
    pub fn apply(&self, spec: &Spec) -> Reply {
        // Whoever waits under a lower fence gives way.
        self.wanted.fetch_max(spec.fence, Ordering::AcqRel);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_stopped() {
            return Reply::Invalid("the supervisor stops".to_owned());
        }
        let (verdict, held) = {
            let state = self.state();
            (state.status.judge(spec), state.status.fence)
        };
        let word = match &verdict {
            Verdict::Accept => "accepted",
            Verdict::Resume => "resumed",
            Verdict::Repeat(_) => "repeated",
            Verdict::Refuse(_) => "refused",
        };
        // The fence is held before the journal says so, and both before anything starts: a crash in between makes the same
        // apply "resumed", never accepted twice.
        let accepted = match verdict {
            Verdict::Accept | Verdict::Resume => self.record(|status| status.accept(spec, &verdict)),
            _ => Ok(()),
        };
        // Whoever was interrupted may have started it.
        let begun = verdict == Verdict::Resume;
        let noted = accepted.and_then(|()| journal(&self.folder, spec, word, held));
        let noted = noted.map_err(|error| Setback::unrecorded(&error).touched_if(begun));
        match verdict {
            Verdict::Refuse(held) => return Reply::Stale { held },
            Verdict::Repeat(Ok(())) => return Reply::Applied { again: true },
            Verdict::Repeat(Err(setback)) => return setback.told(),
            Verdict::Accept | Verdict::Resume => {}
        }
        if let Err(setback) = noted {
            let _ = self.record(|status| status.end(Err(setback.clone())));
            return setback.told();
        }
        let end = self.switch(spec);
        let told = match &end {
            Ok(()) => Reply::Applied { again: false },
            Err(setback) => setback.clone().told(),
        };
        let recorded = self.record(|status| {
            if end.is_ok() {
                kept::keep(status, spec);
            }
            status.end(end);
        });
        let (wanted, dropped) = kept::choose(&mut self.state().status);
        kept::prune(&release_folders(&self.folder), &wanted, &dropped);
        match recorded {
            Ok(()) => told,
            // It happened, but is not on record: the caller must look again.
            Err(error) => Reply::Invalid(cannot_record(&error)),
        }
    }

    /// Changes the status and writes it. On a failed write the change stays in memory and is written with the next one.
    fn record(&self, change: impl FnOnce(&mut Status)) -> io::Result<()> {
        let mut state = self.state();
        change(&mut state.status);
        status_write(&self.folder, &state.status)
    }

    /// Brings the release up and takes the old one down; in this order where a socket allows it.
    fn switch(&self, spec: &Spec) -> Result<(), Setback> {
        let old_binds_itself = self.state().status.live.as_ref().is_some_and(|live| live.listen.is_none());
        // Before anything ends, for another program may have it. Only an old release that binds it itself has to go first.
        let socket = match spec.listen.as_ref().map(|address| self.bound(address)) {
            Some(Err(setback)) if !old_binds_itself => return Err(setback),
            Some(bound) => bound.ok(),
            None => None,
        };
        let before = if spec.listen.is_none() || old_binds_itself {
            let mut state = self.state();
            state.paused = true;
            std::mem::take(&mut state.instances)
        } else {
            Vec::new()
        };
        let interrupted = !before.is_empty();
        self.end_all(before, STOP_GRACE);
        let started = self.bring_up(spec, socket);
        let swapped = started.and_then(|(socket, fresh)| self.swap(spec, socket, fresh));
        let mut state = self.state();
        state.paused = false;
        state.restart_at = Instant::now();
        state.pause = RESTART_FIRST;
        drop(state);
        // On failure the old release is still the live one; where it had to make room, it is started again.
        let old = swapped.map_err(|setback| setback.touched_if(interrupted && !self.stopping.load(Ordering::Acquire)))?;
        self.end_all(old, STOP_GRACE);
        Ok(())
    }

    /// Starts all instances and waits until they are ready. On failure none is left.
    #[allow(clippy::type_complexity)]
    fn bring_up(&self, spec: &Spec, socket: Option<OwnedFd>) -> Result<(Option<(String, OwnedFd)>, Vec<Instance>), Setback> {
        let socket = match (&spec.listen, socket) {
            (None, _) => None,
            (Some(address), Some(socket)) => Some((address.clone(), socket)),
            (Some(address), None) => Some((address.clone(), self.bound(address)?)),
        };
        let printed_before = fs::metadata(service_log(&self.folder)).map(|metadata| metadata.len()).unwrap_or(0);
        let mut fresh = Vec::new();
        let mut notifies = Vec::new();
        for _ in 0..spec.instances.max(1) {
            let marker = Marker::fresh();
            let notify = Notify::bind(&self.folder, &marker);
            let unheard = spec.ready_within.is_some() && notify.is_none();
            let started = match unheard {
                true => Err(Setback::of_machine("no NOTIFY_SOCKET could be made for an instance")),
                false => {
                    self.start_one(spec, socket.as_ref().map(|(_, fd)| fd), &marker, notify.as_ref()).map_err(|e| Setback::not_started(&e))
                }
            };
            match started {
                Ok(instance) => fresh.push(instance),
                Err(setback) => {
                    let ran = !fresh.is_empty();
                    self.end_all(fresh, Duration::ZERO);
                    return Err(setback.touched_if(ran));
                }
            }
            notifies.push(notify);
        }
        if let Err(setback) = ready::wait(&fresh, &notifies, spec.ready_within, || self.meanwhile(spec)) {
            self.end_all(fresh, Duration::from_secs(1));
            return Err(setback.followed_by(&last_line(&self.folder, printed_before)));
        }
        Ok((socket, fresh))
    }

    /// While an apply waits: whether it may go on, and what the watcher cannot do, since the apply has the turn.
    fn meanwhile(&self, spec: &Spec) -> Result<(), Setback> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(Setback::of_stop());
        }
        if self.wanted.load(Ordering::Acquire) > spec.fence {
            return Err(Setback::of_machine("it was cancelled, or a newer deployment came, before it was ready").touched_if(true));
        }
        self.start_missing();
        Ok(())
    }

    /// The socket for an address: the one in hand, or a new one.
    fn bound(&self, address: &str) -> Result<OwnedFd, Setback> {
        if let Some((held, fd)) = &self.state().socket
            && held == address
        {
            return fd.try_clone().map_err(|error| Setback::of_machine(error.to_string()));
        }
        TcpListener::bind(address).map(OwnedFd::from).map_err(|error| Setback::not_bound(address, &error))
    }

    /// Starts one instance, its mark on record before it lives and its process after.
    fn start_one(&self, spec: &Spec, socket: Option<&OwnedFd>, marker: &Marker, notify: Option<&Notify>) -> io::Result<Instance> {
        let record = InstanceRecord { marker: marker.value().to_owned(), fence: spec.fence, pid: None, start: None };
        self.record(|status| status.instances.push(record))?;
        let instance = Instance::start(&self.folder, spec, socket, marker, notify)?;
        let found = instance.record.clone();
        let recorded = self.record(|status| {
            status.instances.retain(|record| record.marker != found.marker);
            status.instances.push(found);
        });
        match recorded {
            Ok(()) => Ok(instance),
            Err(error) => {
                instance.end(Duration::ZERO);
                Err(error)
            }
        }
    }

    /// Makes the fresh instances the live ones and returns the old ones. From here on a crash recovers the new release.
    fn swap(&self, spec: &Spec, socket: Option<(String, OwnedFd)>, fresh: Vec<Instance>) -> Result<Vec<Instance>, Setback> {
        let mut state = self.state();
        let mut status = state.status.clone();
        status.live = Some(spec.clone());
        status.release = Some(spec.release);
        status.since_ms = wall_ms();
        status.healthy = true;
        if let Err(error) = status_write(&self.folder, &status) {
            drop(state);
            self.end_all(fresh, Duration::from_secs(1));
            return Err(Setback::unrecorded(&error).touched_if(true));
        }
        state.status = status;
        state.socket = socket;
        Ok(std::mem::replace(&mut state.instances, fresh))
    }

    /// Ends instances side by side and takes them off the record.
    fn end_all(&self, instances: Vec<Instance>, grace: Duration) {
        let markers: Vec<String> = instances.iter().map(|instance| instance.record.marker.clone()).collect();
        std::thread::scope(|scope| {
            for instance in instances {
                scope.spawn(move || instance.end(grace));
            }
        });
        if !markers.is_empty() {
            // A record too many is harmless: nobody carries its mark any more.
            let _ = self.record(|status| status.instances.retain(|record| !markers.contains(&record.marker)));
        }
    }

    /// Ends everything.
    pub fn stop(&self) -> Reply {
        self.stopping.store(true, Ordering::Release);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.stopped.store(true, Ordering::Release);
        let instances = std::mem::take(&mut self.state().instances);
        self.end_all(instances, STOP_GRACE);
        match self.record(Status::stop) {
            Ok(()) => Reply::Stopped,
            Err(error) => Reply::Failed(cannot_record(&error)),
        }
    }

    /// One look: bury what has ended, start again what is missing, say whether all is well.
    fn keep_up(&self) {
        let mut state = self.state();
        let (ended, living): (Vec<Instance>, Vec<Instance>) =
            std::mem::take(&mut state.instances).into_iter().partition(|i| i.ended().is_some());
        state.instances = living;
        if !ended.is_empty() {
            self.bury(&mut state, &ended);
        }
        let wanted = state.status.live.as_ref().filter(|_| !state.status.stopped && !state.paused).cloned();
        let missing = wanted.as_ref().is_some_and(|spec| state.instances.len() < spec.instances.max(1) as usize);
        let healthy = wanted.is_some() && !missing && state.instances.iter().all(|instance| instance.since.elapsed() >= READY_AFTER / 5);
        if !state.paused && state.status.healthy != healthy {
            state.status.healthy = healthy;
            let _ = status_write(&self.folder, &state.status);
        }
        if state.instances.iter().all(|instance| instance.since.elapsed() >= WELL_AFTER) && !missing {
            state.pause = RESTART_FIRST;
        }
        drop(state);
        self.end_all(ended, Duration::ZERO);
        let _ = service_log_cut(&self.folder);
        // Not while an apply or a stop is at work.
        if missing && let Ok(_turn) = self.turn.try_lock() {
            self.start_missing();
        }
    }

    fn bury(&self, state: &mut State, ended: &[Instance]) {
        for instance in ended {
            eprintln!("instance {} {}; next start in {:?}", instance.pid(), instance.ended().unwrap_or_default(), state.pause);
        }
        state.status.restarts += ended.len() as u64;
        state.restart_at = Instant::now() + state.pause;
        state.pause = (state.pause * 2).min(RESTART_LAST);
    }

    /// Starts one missing instance of the live release, if it is time. The caller has the turn.
    fn start_missing(&self) {
        let due = {
            let state = self.state();
            let wanted =
                state.status.live.as_ref().filter(|_| !state.paused && !state.status.stopped && Instant::now() >= state.restart_at);
            wanted.filter(|spec| state.instances.len() < spec.instances.max(1) as usize).cloned()
        };
        let Some(spec) = due else { return };
        let started = self
            .restart_socket(&spec)
            .and_then(|socket| self.start_one(&spec, socket.as_ref(), &Marker::fresh(), None).map_err(|error| error.to_string()));
        let mut state = self.state();
        match started {
            Ok(instance) => state.instances.push(instance),
            Err(reason) => {
                eprintln!("an instance could not be started again: {reason}");
                state.restart_at = Instant::now() + state.pause;
                state.pause = (state.pause * 2).min(RESTART_LAST);
            }
        }
    }

    fn restart_socket(&self, spec: &Spec) -> Result<Option<OwnedFd>, String> {
        let Some(address) = &spec.listen else { return Ok(None) };
        let socket = self.bound(address).map_err(|setback| setback.reason)?;
        let mut state = self.state();
        if state.socket.is_none() {
            state.socket = Some((address.clone(), socket.try_clone().map_err(|error| error.to_string())?));
        }
        Ok(Some(socket))
    }
}
