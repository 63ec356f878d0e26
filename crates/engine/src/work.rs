//! The index of waiting work and held leases. Both are derived from state: after a restart they are made again.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::str::FromStr;
use trunkline_api::runner::{LOST_AFTER, Lease};
use trunkline_domain::context::Mode;
use trunkline_domain::deployment::{self, WorkKey, WorkState};
use trunkline_domain::foundation::{DeploymentId, JobKey, RunId, RunnerKey, Timestamp};
use trunkline_domain::record::{Fact, Key, State};
use trunkline_domain::run::{self, JobState};

/// A piece of work by its natural key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkRef {
    /// A job, written `run_…/build`.
    Job(RunId, JobKey),
    /// A piece of a deployment, written `dep_…/apply/0`.
    Piece(DeploymentId, WorkKey),
}

impl std::fmt::Display for WorkRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WorkRef::Job(run, job) => write!(f, "{run}/{job}"),
            WorkRef::Piece(deployment, work) => write!(f, "{deployment}/{work}"),
        }
    }
}

impl FromStr for WorkRef {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (root, rest) = text.split_once('/').ok_or(())?;
        if let Ok(run) = root.parse() {
            return Ok(WorkRef::Job(run, rest.parse().map_err(|_| ())?));
        }
        Ok(WorkRef::Piece(root.parse().map_err(|_| ())?, rest.parse()?))
    }
}

/// A lease that a runner holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub epoch: u64,
    pub runner: RunnerKey,
    pub renewed: Timestamp,
}

/// Waiting work in the order in which it is given out, and held leases.
#[derive(Debug, Default)]
pub(crate) struct WorkIndex {
    /// (deployments first, not before, arrival) → work.
    waiting: BTreeMap<(u8, Timestamp, u64), WorkRef>,
    place: HashMap<WorkRef, (u8, Timestamp, u64)>,
    held: BTreeMap<WorkRef, Held>,
    /// The one piece of work that each deployment has now.
    pieces: HashMap<DeploymentId, WorkKey>,
    arrivals: u64,
}

impl WorkIndex {
    /// Takes in everything that an open state wants, after a start.
    pub fn load(&mut self, key: &Key, state: &State, now: Timestamp) {
        match (key, state) {
            (Key::Run(id), State::Run(run)) => {
                for job in run.jobs() {
                    let work = WorkRef::Job(*id, job.skeleton.key.clone());
                    match job.state {
                        JobState::Queued { since, .. } => self.wait(work, *since),
                        JobState::Leased(leased) => self.hold(work, leased.epoch, leased.runner.clone(), now),
                        JobState::Blocked | JobState::Ended(_) => {}
                    }
                }
            }
            (Key::Deployment(id), State::Deployment(deployment)) => self.load_deployment(*id, deployment, now),
            _ => {}
        }
    }

    fn load_deployment(&mut self, id: DeploymentId, deployment: &deployment::Deployment, now: Timestamp) {
        let Some(progress) = deployment.progress() else { return };
        let work = WorkRef::Piece(id, progress.work);
        self.pieces.insert(id, progress.work);
        match &progress.state {
            WorkState::Queued { after } => self.wait(work, *after),
            WorkState::Leased { epoch, runner, .. } => self.hold(work, *epoch, runner.clone(), now),
            WorkState::Asking { .. } => {}
        }
    }

    /// Takes in what a fact changed. `state` is that of the fact's thing, after it and all others of its entry.
    pub fn note(&mut self, fact: &Fact, state: &State, now: Timestamp) {
        match (fact, state) {
            (Fact::Run { id, fact }, _) => match fact {
                run::Fact::JobQueued { job, .. } => self.wait(WorkRef::Job(*id, job.clone()), now),
                run::Fact::JobLeased { job, epoch, runner } => self.hold(WorkRef::Job(*id, job.clone()), *epoch, runner.clone(), now),
                run::Fact::JobEnded(ended) => self.forget(&WorkRef::Job(*id, ended.job.clone())),
                run::Fact::AttemptEnded { job, .. } => self.forget(&WorkRef::Job(*id, job.clone())),
                run::Fact::Started(_) | run::Fact::CancelRequested | run::Fact::Ended { .. } => {}
            },
            (Fact::Deployment { id, .. }, State::Deployment(deployment)) => {
                // A deployment has one piece of work at a time: whatever was known of it is replaced.
                let before = self.pieces.remove(id).map(|work| WorkRef::Piece(*id, work));
                let old = before.as_ref().and_then(|work| self.held.get(work)).cloned();
                before.iter().for_each(|work| self.forget(work));
                self.load_deployment(*id, deployment, now);
                if let (Some(work), Some(old)) = (before, old)
                    && let Some(held) = self.held.get_mut(&work).filter(|held| held.epoch == old.epoch)
                {
                    held.renewed = old.renewed;
                }
            }
            _ => {}
        }
    }

    fn wait(&mut self, work: WorkRef, after: Timestamp) {
        self.forget(&work);
        self.arrivals += 1;
        let rank = match work {
            WorkRef::Piece(..) => 0,
            WorkRef::Job(..) => 1,
        };
        let place = (rank, after, self.arrivals);
        self.place.insert(work.clone(), place);
        self.waiting.insert(place, work);
    }

    fn hold(&mut self, work: WorkRef, epoch: u64, runner: RunnerKey, now: Timestamp) {
        self.forget(&work);
        self.held.insert(work, Held { epoch, runner, renewed: now });
    }

    fn forget(&mut self, work: &WorkRef) {
        self.held.remove(work);
        if let Some(place) = self.place.remove(work) {
            self.waiting.remove(&place);
        }
    }

    /// The next piece of work that may be given out now. In safe mode nothing is applied; there are at most as many
    /// applies to pass over as environments.
    pub fn next(&self, now: Timestamp, mode: Mode) -> Option<WorkRef> {
        let allowed = |work: &WorkRef| mode == Mode::Normal || !matches!(work, WorkRef::Piece(_, WorkKey::Apply(_)));
        [0, 1].into_iter().find_map(|rank| {
            let from = (rank, Timestamp(i64::MIN), 0);
            let until = (rank, now, u64::MAX);
            self.waiting.range(from..=until).map(|(_, work)| work).find(|work| allowed(work)).cloned()
        })
    }

    /// When waiting work that may not be given out yet may be.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let later = |rank| {
            let from = Bound::Excluded((rank, now, u64::MAX));
            let until = Bound::Included((rank, Timestamp(i64::MAX), u64::MAX));
            self.waiting.range((from, until)).next().map(|((_, after, _), _)| *after)
        };
        [0, 1].into_iter().filter_map(later).min()
    }

    /// Renews a lease; `false` where it is not held any more.
    pub fn renew(&mut self, lease: &Lease, now: Timestamp) -> Option<WorkRef> {
        let work: WorkRef = lease.work.parse().ok()?;
        let held = self.held.get_mut(&work).filter(|held| held.epoch == lease.epoch)?;
        held.renewed = now;
        Some(work)
    }

    /// Renews every lease.
    pub fn renew_all(&mut self, now: Timestamp) {
        for held in self.held.values_mut() {
            held.renewed = now;
        }
    }

    /// Leases that are lost by now.
    pub fn lost(&self, now: Timestamp) -> Vec<(WorkRef, u64)> {
        let lost = self.held.iter().filter(|(_, held)| now.since(held.renewed) >= LOST_AFTER);
        lost.map(|(work, held)| (work.clone(), held.epoch)).collect()
    }

    /// Leases that this runner holds.
    pub fn held_by(&self, runner: &RunnerKey) -> Vec<(WorkRef, u64)> {
        let held = self.held.iter().filter(|(_, held)| &held.runner == runner);
        held.map(|(work, held)| (work.clone(), held.epoch)).collect()
    }

    /// All leases that are held.
    pub fn held(&self) -> Vec<(WorkRef, u64)> {
        self.held.iter().map(|(work, held)| (work.clone(), held.epoch)).collect()
    }

    /// How much waits, and how much is held.
    pub fn counts(&self) -> (usize, usize) {
        (self.waiting.len(), self.held.len())
    }

    /// Waiting work and held leases as sorted text, for comparing with what the states want.
    pub fn picture(&self) -> Vec<String> {
        let waiting = self.waiting.values().map(|work| format!("waits {work}"));
        let held = self.held.iter().map(|(work, held)| format!("held {work} {}", held.epoch));
        let mut picture: Vec<String> = waiting.chain(held).collect();
        picture.sort();
        picture
    }
}
