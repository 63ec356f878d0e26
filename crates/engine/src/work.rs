//! The index of waiting work and held leases. Both are derived from state: after a restart they are made again.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::str::FromStr;
use trunkline_api::runner::{LOST_AFTER, Lease};
use trunkline_domain::context::Mode;
use trunkline_domain::deployment::{self, WorkKey, WorkState};
use trunkline_domain::foundation::{DeploymentId, JobKey, ProjectKey, RunId, RunnerKey, Timestamp};
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

/// When a piece of work may be given out, and when it came.
type Turn = (Timestamp, u64);

/// Waiting work, and held leases. Deployments come first. Among jobs, the project that holds the fewest comes first, so that
/// none has to wait for all that another has queued; then whoever was given nothing for longest.
#[derive(Debug, Default)]
pub(crate) struct WorkIndex {
    pieces_waiting: BTreeMap<Turn, WorkRef>,
    jobs: BTreeMap<ProjectKey, Lane>,
    /// Where each piece of waiting work is; the project of a job.
    place: HashMap<WorkRef, (Option<ProjectKey>, Turn)>,
    held: BTreeMap<WorkRef, Held>,
    /// Whose job a held one is.
    holders: HashMap<WorkRef, ProjectKey>,
    /// The one piece of work that each deployment has now.
    pieces: HashMap<DeploymentId, WorkKey>,
    arrivals: u64,
}

/// The jobs of one project.
#[derive(Debug, Default)]
struct Lane {
    waiting: BTreeMap<Turn, WorkRef>,
    held: usize,
    /// When it was last given something, counted in arrivals.
    served: u64,
}

impl WorkIndex {
    /// Takes in everything that an open state wants, after a start.
    pub fn load(&mut self, key: &Key, state: &State, now: Timestamp) {
        match (key, state) {
            (Key::Run(id), State::Run(run)) => {
                for job in run.jobs() {
                    let work = WorkRef::Job(*id, job.skeleton.key.clone());
                    match job.state {
                        JobState::Queued { since, .. } => self.wait(work, Some(&run.project), *since),
                        JobState::Leased(leased) => self.hold(work, Some(&run.project), leased.epoch, leased.runner.clone(), now),
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
            WorkState::Queued { after } => self.wait(work, None, *after),
            WorkState::Leased { epoch, runner, .. } => self.hold(work, None, *epoch, runner.clone(), now),
            WorkState::Asking { .. } => {}
        }
    }

    /// Takes in what a fact changed. `state` is that of the fact's thing, after it and all others of its entry. A lease that
    /// ended with it is given back, however it ended.
    pub fn note(&mut self, fact: &Fact, state: &State, now: Timestamp) -> Option<(WorkRef, u64)> {
        let before = self.touched(fact).and_then(|work| Some((self.held.get(&work)?.epoch, work)));
        self.take_in(fact, state, now);
        let (epoch, work) = before?;
        self.held.get(&work).is_none_or(|held| held.epoch != epoch).then_some((work, epoch))
    }

    /// The work that a fact is about, of a deployment the piece that is known of it.
    fn touched(&self, fact: &Fact) -> Option<WorkRef> {
        match fact {
            Fact::Run { id, fact } => match fact {
                run::Fact::JobQueued { job, .. } | run::Fact::JobLeased { job, .. } | run::Fact::AttemptEnded { job, .. } => {
                    Some(WorkRef::Job(*id, job.clone()))
                }
                run::Fact::JobEnded(ended) => Some(WorkRef::Job(*id, ended.job.clone())),
                run::Fact::Started(_) | run::Fact::CancelRequested | run::Fact::Ended { .. } => None,
            },
            Fact::Deployment { id, .. } => self.pieces.get(id).map(|work| WorkRef::Piece(*id, *work)),
            _ => None,
        }
    }

    fn take_in(&mut self, fact: &Fact, state: &State, now: Timestamp) {
        match (fact, state) {
            (Fact::Run { id, fact }, State::Run(run)) => match fact {
                run::Fact::JobQueued { job, .. } => self.wait(WorkRef::Job(*id, job.clone()), Some(&run.project), now),
                run::Fact::JobLeased { job, epoch, runner } => {
                    self.hold(WorkRef::Job(*id, job.clone()), Some(&run.project), *epoch, runner.clone(), now);
                }
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

    fn wait(&mut self, work: WorkRef, project: Option<&ProjectKey>, after: Timestamp) {
        self.forget(&work);
        self.arrivals += 1;
        let turn = (after, self.arrivals);
        self.place.insert(work.clone(), (project.cloned(), turn));
        match project {
            Some(project) => self.lane(project).waiting.insert(turn, work),
            None => self.pieces_waiting.insert(turn, work),
        };
    }

    fn hold(&mut self, work: WorkRef, project: Option<&ProjectKey>, epoch: u64, runner: RunnerKey, now: Timestamp) {
        self.forget(&work);
        self.arrivals += 1;
        let served = self.arrivals;
        if let Some(project) = project {
            let lane = self.lane(project);
            (lane.held, lane.served) = (lane.held + 1, served);
            self.holders.insert(work.clone(), project.clone());
        }
        self.held.insert(work, Held { epoch, runner, renewed: now });
    }

    fn lane(&mut self, project: &ProjectKey) -> &mut Lane {
        self.jobs.entry(project.clone()).or_default()
    }

    fn forget(&mut self, work: &WorkRef) {
        self.held.remove(work);
        if let Some(project) = self.holders.remove(work) {
            self.lane(&project).held -= 1;
        }
        match self.place.remove(work) {
            Some((Some(project), turn)) => drop(self.lane(&project).waiting.remove(&turn)),
            Some((None, turn)) => drop(self.pieces_waiting.remove(&turn)),
            None => {}
        }
    }

    /// The next piece of work that may be given out now. In safe mode nothing is applied; there are at most as many
    /// applies to pass over as environments.
    pub fn next(&self, now: Timestamp, mode: Mode) -> Option<WorkRef> {
        let allowed = |work: &WorkRef| mode == Mode::Normal || !matches!(work, WorkRef::Piece(_, WorkKey::Apply(_)));
        let piece = self.pieces_waiting.range(..=(now, u64::MAX)).map(|(_, work)| work).find(|work| allowed(work));
        let job = || {
            let ready = self.jobs.values().filter_map(|lane| Some((lane, lane.waiting.range(..=(now, u64::MAX)).next()?)));
            ready.min_by_key(|(lane, (turn, _))| (lane.held, lane.served, **turn)).map(|(_, (_, work))| work)
        };
        piece.or_else(job).cloned()
    }

    /// When waiting work that may not be given out yet may be.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let later = |waiting: &BTreeMap<Turn, WorkRef>| {
            waiting.range((Bound::Excluded((now, u64::MAX)), Bound::Unbounded)).next().map(|((after, _), _)| *after)
        };
        let lanes = self.jobs.values().filter_map(|lane| later(&lane.waiting));
        lanes.chain(later(&self.pieces_waiting)).min()
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
        (self.place.len(), self.held.len())
    }

    /// Waiting work and held leases as sorted text, for comparing with what the states want.
    pub fn picture(&self) -> Vec<String> {
        let waiting = self.place.keys().map(|work| format!("waits {work}"));
        let held = self.held.iter().map(|(work, held)| format!("held {work} {}", held.epoch));
        let mut picture: Vec<String> = waiting.chain(held).collect();
        picture.sort();
        picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn project(name: &str) -> ProjectKey {
        name.parse().unwrap()
    }

    fn job(number: u128) -> WorkRef {
        WorkRef::Job(RunId::new(uuid::Uuid::from_u128(number)), "build".parse().unwrap())
    }

    /// Gives out the next job and says whose it was.
    fn give(index: &mut WorkIndex, owners: &HashMap<WorkRef, ProjectKey>) -> String {
        let work = index.next(NOW, Mode::Normal).unwrap();
        let owner = owners[&work].clone();
        index.hold(work, Some(&owner), 1, "r".parse().unwrap(), NOW);
        owner.to_string()
    }

    #[test]
    fn no_project_waits_for_all_that_another_has_queued() {
        let (mut index, mut owners) = (WorkIndex::default(), HashMap::new());
        let mut queue = |index: &mut WorkIndex, name: &str, number: u128| {
            owners.insert(job(number), project(name));
            index.wait(job(number), Some(&project(name)), NOW);
        };
        (0..100_000).for_each(|number| queue(&mut index, "large", number));
        queue(&mut index, "small", 200_000);
        queue(&mut index, "small", 200_001);
        queue(&mut index, "late", 300_000);
        // Two slots: each time the first of the two jobs ends.
        let mut given = vec![give(&mut index, &owners), give(&mut index, &owners)];
        for _ in 0..4 {
            let first = index.held().iter().map(|(work, _)| work.clone()).min_by_key(|work| owners[work] != project("large")).unwrap();
            index.forget(&first);
            given.push(give(&mut index, &owners));
        }
        assert_eq!(given, ["large", "small", "late", "large", "small", "large"]);
        assert_eq!(index.counts(), (100_003 - 6, 2));
    }
}
