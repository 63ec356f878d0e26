//! What must hold after every step. Each function is named after the sentence that it checks.

use crate::gates;
use crate::target::Targets;
use std::collections::{HashMap, HashSet};
use std::fmt;
use trunkline_api::runner::Lease;
use trunkline_domain::deployment::{self, CheckVerdict, DeploymentResult, FailureCause, Live, Observed, WorkKey};
use trunkline_domain::environment;
use trunkline_domain::foundation::{DeploymentId, EnvironmentKey, EnvironmentName, ReleaseId, RunId, Timestamp};
use trunkline_domain::ledger::Entry;
use trunkline_domain::pipeline::FailureMode;
use trunkline_domain::record::{Fact, Key, State, evolve};
use trunkline_domain::release::{self, Veto};
use trunkline_domain::restoration;
use trunkline_domain::run::{self, JobResult, Run, RunResult};
use trunkline_engine::WorkRef;

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number in the promises, `I5`.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

pub(crate) fn violated<T>(invariant: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { invariant, what: what.into() })
}

/// What the ledger says so far, folded entry by entry.
#[derive(Clone, Default)]
pub struct Witness {
    /// Entries taken in.
    pub seq: u64,
    /// States that the facts make.
    pub states: HashMap<Key, State>,
    epochs: HashMap<String, u64>,
    holders: HashMap<EnvironmentKey, DeploymentId>,
    ended: HashSet<String>,
    /// Parts that are declared harmless to apply twice.
    idempotent: HashMap<DeploymentId, bool>,
    keys: HashSet<String>,
    /// Every veto ever set, by release.
    vetoed: HashMap<ReleaseId, Vec<EnvironmentName>>,
    /// The last fence of each environment.
    fences: HashMap<EnvironmentKey, u64>,
    /// Whether the record was restored and nobody has confirmed it.
    pub safe: bool,
}

impl Witness {
    /// The witness of a backup, after a future that the record has lost: what that future gave out is still out there.
    pub fn after(self, lost: Witness) -> Witness {
        Witness { epochs: lost.epochs, idempotent: lost.idempotent, fences: lost.fences, ..self }
    }

    /// Takes in the next entry.
    pub fn take(&mut self, entry: &Entry<Fact>) -> Result<(), Violation> {
        if entry.seq != self.seq + 1 {
            return violated("I12", format!("entry {} follows entry {}", entry.seq, self.seq));
        }
        self.seq = entry.seq;
        if let (Some(project), Some(key)) = (&entry.project, &entry.command_key)
            && !self.keys.insert(format!("{project} {key}"))
        {
            return violated("I2", format!("the key '{key}' was recorded twice"));
        }
        let mut seen = None;
        for fact in &entry.facts {
            self.check(fact)?;
            match fact {
                Fact::Deployment { fact: deployment::Fact::Observed { observed, .. }, .. } => seen = Some(observed),
                Fact::Deployment { id, fact: deployment::Fact::AppliesAgain { .. } } => {
                    seen.map_or(Ok(()), |observed| self.what_is_in_place_is_not_applied_again(*id, observed))?;
                }
                _ => {}
            }
            let Some(key) = fact.key() else { continue };
            let state = self.states.remove(&key);
            if let Some(state) = evolve(state, fact, entry.at) {
                self.states.insert(key, state);
            }
        }
        Ok(())
    }

    fn check(&mut self, fact: &Fact) -> Result<(), Violation> {
        match fact {
            Fact::Run { id, fact } => self.run(*id, fact),
            Fact::Environment { id, fact } => {
                gates::hold(&self.states, &self.vetoed, id, fact)?;
                self.fences_strictly_rise(id, fact)?;
                self.one_holder_per_environment(id, fact)
            }
            Fact::Deployment { id, fact } => self.deployment(*id, fact),
            Fact::FollowRefused { target, reason } => violated("follow", format!("{target} refused a follow-up: {reason}")),
            Fact::Release { id, fact } => self.release(*id, fact),
            Fact::Restoration { fact, .. } => {
                self.safe = matches!(fact, restoration::Fact::Restored { .. });
                Ok(())
            }
            Fact::Repository { .. } | Fact::Project { .. } => Ok(()),
        }
    }

    fn run(&mut self, id: RunId, fact: &run::Fact) -> Result<(), Violation> {
        match fact {
            run::Fact::JobLeased { job, epoch, .. } => self.epochs_strictly_rise(format!("{id}/{job}"), *epoch),
            run::Fact::JobEnded(ended) => self.one_final_state(format!("{id}/{}", ended.job)),
            run::Fact::Ended { result, .. } => {
                self.one_final_state(id.to_string())?;
                if *result == RunResult::Passed { self.a_passed_run_left_nothing_out(id) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Every job that has to pass passed, or a condition said that it shall not run.
    fn a_passed_run_left_nothing_out(&self, id: RunId) -> Result<(), Violation> {
        let Some(State::Run(run)) = self.states.get(&Key::Run(id)) else { return Ok(()) };
        let mut has_to_pass = run.jobs().zip(0_u32..).filter(|(job, _)| job.skeleton.failure == FailureMode::Fail);
        match has_to_pass.find(|(_, index)| !excused(run, *index)) {
            Some((job, _)) => violated("S3", format!("{id} passed although '{}' did not", job.skeleton.key)),
            None => Ok(()),
        }
    }

    fn deployment(&mut self, id: DeploymentId, fact: &deployment::Fact) -> Result<(), Violation> {
        match fact {
            deployment::Fact::Requested(requested) => {
                self.idempotent.insert(id, requested.skeleton.parts.iter().all(|part| part.idempotent));
                Ok(())
            }
            deployment::Fact::Leased { work: WorkKey::Apply(_), .. } if self.safe => {
                violated("S19", format!("{id} is applied before anybody confirmed the restored record"))
            }
            deployment::Fact::Leased { epoch, .. } => self.epochs_strictly_rise(id.to_string(), *epoch),
            deployment::Fact::Ended { .. } => {
                self.one_final_state(id.to_string())?;
                self.an_unknown_deployment_keeps_the_lock(id)
            }
            _ => Ok(()),
        }
    }

    /// S5: an observation that shows the release, however it names it, is understood.
    fn what_is_in_place_is_not_applied_again(&self, id: DeploymentId, observed: &Observed) -> Result<(), Violation> {
        let Some(State::Deployment(deployment)) = self.states.get(&Key::Deployment(id)) else { return Ok(()) };
        let (brief, progress) = (&deployment.brief, deployment.progress());
        let named = [Live::Release(brief.manifest), Live::Named(brief.version.clone())].contains(&observed.live);
        // What was there before as well is told apart by its fence alone.
        let before = progress.is_some_and(|progress| progress.before.iter().any(|before| before.live == observed.live));
        let ours = observed.fence.map_or(!before, |fence| progress.is_some_and(|progress| progress.fence == fence));
        if named && ours { violated("S5", format!("{id} is applied again, although it is in place: {observed:?}")) } else { Ok(()) }
    }

    /// S9: neither time nor cancelling ends what nobody knows the end of; an observation or a person does.
    fn an_unknown_deployment_keeps_the_lock(&self, id: DeploymentId) -> Result<(), Violation> {
        match self.states.get(&Key::Deployment(id)) {
            Some(State::Deployment(deployment)) if deployment.progress().is_some_and(|progress| progress.unknown_since.is_some()) => {
                violated("S9", format!("{id} ended while nobody knew what runs"))
            }
            _ => Ok(()),
        }
    }

    fn release(&mut self, id: ReleaseId, fact: &release::Fact) -> Result<(), Violation> {
        match fact {
            release::Fact::Vetoed(veto) => {
                self.vetoed.entry(id).or_default().push(veto.from.clone());
                self.a_veto_has_a_failure_of_the_release(id, veto)
            }
            _ => Ok(()),
        }
    }

    /// A lost runner, a refused fence or a person's answer says nothing against a release.
    fn a_veto_has_a_failure_of_the_release(&self, id: ReleaseId, veto: &Veto) -> Result<(), Violation> {
        let Some(State::Deployment(deployment)) = self.states.get(&Key::Deployment(veto.deployment)) else { return Ok(()) };
        let progress = deployment.done();
        let check = progress.and_then(|progress| progress.checks.last()).map(|check| check.verdict);
        let apply = deployment.result() == Some(DeploymentResult::Failed(FailureCause::Health));
        if check == Some(CheckVerdict::Failed) || apply && progress.is_some_and(|progress| progress.applies > 0) {
            return Ok(());
        }
        violated("veto", format!("{id} was vetoed from {} on without a failure of its own: {:?}", veto.from, deployment.stage))
    }

    /// I4: a write was accepted under this lease.
    pub(crate) fn newest_epoch_alone_writes(&self, lease: &Lease) -> Result<(), Violation> {
        let work = match lease.work.parse::<WorkRef>() {
            Ok(WorkRef::Job(id, job)) => format!("{id}/{job}"),
            Ok(WorkRef::Piece(id, _)) => id.to_string(),
            Err(_) => return violated("I4", format!("a report for '{}' was accepted", lease.work)),
        };
        match self.epochs.get(&work) {
            // A lease of this very step is not known here yet.
            Some(newest) if *newest > lease.epoch => {
                violated("I4", format!("{work}: a report under epoch {} was accepted after {newest} was given", lease.epoch))
            }
            _ => Ok(()),
        }
    }

    /// I3.
    fn epochs_strictly_rise(&mut self, work: String, epoch: u64) -> Result<(), Violation> {
        match self.epochs.insert(work.clone(), epoch) {
            Some(before) if before >= epoch => violated("I3", format!("{work}: epoch {epoch} after {before}")),
            _ => Ok(()),
        }
    }

    /// S9 and S19: over restorations too.
    fn fences_strictly_rise(&mut self, key: &EnvironmentKey, fact: &environment::Fact) -> Result<(), Violation> {
        let environment::Fact::LockGranted { fence, .. } = fact else { return Ok(()) };
        match self.fences.insert(key.clone(), *fence) {
            Some(before) if before >= *fence => violated("S19", format!("{key}: fence {fence} after {before}")),
            _ => Ok(()),
        }
    }

    /// I8.
    fn one_final_state(&mut self, thing: String) -> Result<(), Violation> {
        if self.ended.insert(thing.clone()) { Ok(()) } else { violated("I8", format!("{thing} ended twice")) }
    }

    /// I5.
    fn one_holder_per_environment(&mut self, key: &EnvironmentKey, fact: &environment::Fact) -> Result<(), Violation> {
        match fact {
            environment::Fact::LockGranted { .. } if self.safe => {
                violated("S19", format!("{key} gave its lock before anybody confirmed the restored record"))
            }
            environment::Fact::LockGranted { deployment, .. } => match self.holders.insert(key.clone(), *deployment) {
                Some(holder) => violated("I5", format!("{key}: {deployment} got the lock that {holder} holds")),
                None => Ok(()),
            },
            environment::Fact::LockReleased { deployment, .. } => match self.holders.remove(key) {
                Some(holder) if holder == *deployment => Ok(()),
                other => violated("I5", format!("{key}: {deployment} released the lock of {other:?}")),
            },
            _ => Ok(()),
        }
    }

    /// I6 and I7.
    pub fn targets(&self, targets: &Targets) -> Result<(), Violation> {
        for ((environment, part), target) in targets.all() {
            if target.fences.windows(2).any(|pair| pair[1] < pair[0]) {
                return violated("I6", format!("{environment} {part}: accepted fences {:?}", target.fences));
            }
            for (deployment, applies) in &target.accepted {
                if *applies > 1 && self.idempotent.get(deployment) == Some(&false) {
                    return violated("I7", format!("{environment} {part}: {deployment} took effect {applies} times"));
                }
            }
        }
        Ok(())
    }

    /// I9, once the server has been up for a while.
    pub fn nothing_is_overdue(&self, now: Timestamp, late: trunkline_domain::foundation::Millis) -> Result<(), Violation> {
        for (key, state) in &self.states {
            if let Some(due) = state.due()
                && now.since(due) > late
            {
                return violated("I9", format!("{key} was due {} ago", now.since(due)));
            }
        }
        Ok(())
    }

    /// Runs and deployments that have not ended; one that waits for a person's answer has no deadline.
    pub fn open(&self) -> Vec<String> {
        let open = |state: &State| match state {
            State::Deployment(deployment) => deployment.result().is_none(),
            state => state.due().is_some(),
        };
        self.states.iter().filter(|(_, state)| open(state)).map(|(key, _)| key.to_string()).collect()
    }
}

/// Whether a job passed, or was not run because a condition said so: its own, or that of one it needs.
fn excused(run: &Run, index: u32) -> bool {
    let (Some(job), Some(plan)) = (run.jobs().nth(index as usize), &run.plan) else { return false };
    let result = |index: u32| run.jobs[index as usize].ended().map(|ended| ended.result);
    match result(index) {
        Some(JobResult::Passed) => true,
        Some(JobResult::Skipped(_)) => {
            let asks = job.skeleton.condition.as_ref();
            let needs = &job.skeleton.needs;
            let fine = |need: &u32| match result(*need) {
                Some(JobResult::Failed) => plan.jobs[*need as usize].failure == FailureMode::Warn,
                Some(_) => excused(run, *need),
                None => false,
            };
            let skipped = |need: &u32| matches!(result(*need), Some(JobResult::Skipped(_)));
            asks.is_some_and(|asks| asks.mentions("needs")) || needs.iter().all(fine) && (asks.is_some() || needs.iter().any(skipped))
        }
        _ => false,
    }
}
