//! What runners do in a world: claim, act on targets, tell, or fail to.

use crate::invariants::Violation;
use crate::runner::Cut;
use crate::target::Named;
use crate::world::{LateApply, World};
use std::sync::Arc;
use trunkline_api::runner::{Assignment, ClaimRequest, LogEnd, Outcome, RenewRequest, ReportRequest, Work};
use trunkline_domain::deployment::{self, ApplyOutcome, CheckOutcome, CheckVerdict, Live};
use trunkline_domain::foundation::{DeploymentId, Digest, EnvironmentKey, Millis};
use trunkline_domain::pipeline::PartKind;
use trunkline_domain::pipeline::SandboxLevel;
use trunkline_domain::run::{Artifact, ArtifactForm, AttemptResult, JobOutcome, StepOutcome};
use trunkline_engine::{Answer, Call, Report as LogReport};

impl World {
    pub(crate) fn claim(&mut self) -> Result<(), Violation> {
        for index in 0..self.runners.len() {
            if self.runners[index].work.is_some() || self.runners[index].asleep_until > self.now {
                continue;
            }
            let claim = ClaimRequest { runner: self.runners[index].key.clone(), wait_ms: 0 };
            if let Some(Answer::Work(reply)) = self.say(index, Call::Claim(claim))?
                && let Some(assignment) = reply.next
            {
                if !self.calm && self.random.chance(3) {
                    // The answer is lost on the way: the server believes that the runner works.
                    self.coverage.fault("assignment lost on the way");
                } else {
                    self.runners[index].work = Some((assignment, self.now));
                }
            }
        }
        Ok(())
    }

    /// A call of this runner. Nothing comes back where it or its answer is lost on the way, or the server dies of it.
    fn say(&mut self, index: usize, call: Call) -> Result<Option<Answer>, Violation> {
        match self.runners[index].cut(self.now) {
            None => self.call(call),
            Some(Cut::Requests) => {
                self.coverage.fault("request of a runner lost on the way");
                Ok(None)
            }
            Some(Cut::Answers) => {
                self.coverage.fault("answer to a runner lost on the way");
                self.call(call).map(|_| None)
            }
        }
    }

    pub(crate) fn renew_all(&mut self) -> Result<(), Violation> {
        for index in 0..self.runners.len() {
            let runner = &self.runners[index];
            if runner.asleep_until > self.now {
                continue;
            }
            let Some(lease) = runner.lease() else { continue };
            let renew = RenewRequest { runner: runner.key.clone(), leases: vec![lease] };
            if let Some(Answer::Renewed(reply)) = self.say(index, Call::Renew(renew))? {
                if !reply.lost.is_empty() {
                    self.runners[index].die();
                } else if !reply.cancel.is_empty() && self.random.chance(70) {
                    self.report_cancelled(index)?;
                }
            }
        }
        Ok(())
    }

    fn report_cancelled(&mut self, index: usize) -> Result<(), Violation> {
        let Some((assignment, _)) = self.runners[index].work.clone() else { return Ok(()) };
        let outcome = match &assignment.work {
            Work::Job(_) => Outcome::Job(job_outcome(AttemptResult::Cancelled, Vec::new())),
            Work::Observe(_) => Outcome::Observe(unobserved()),
            Work::Apply(_) => Outcome::Apply(ApplyOutcome::Unknown("ended early".to_owned())),
            Work::Verify(_) => Outcome::Verify(check_outcome(CheckVerdict::Lost)),
        };
        self.report(index, &assignment, outcome)
    }

    pub(crate) fn work(&mut self) -> Result<(), Violation> {
        for index in 0..self.runners.len() {
            let Some((assignment, _)) = self.runners[index].work.clone() else { continue };
            if self.runners[index].asleep_until > self.now {
                continue;
            }
            let outcome = match self.runners[index].outcome.clone() {
                Some(outcome) => outcome,
                None => self.outcome(&assignment),
            };
            if !self.calm && self.random.chance(4) {
                // It acted on the target, and dies before it tells.
                self.coverage.fault("runner killed after acting");
                self.runners[index].die();
                continue;
            }
            self.runners[index].outcome = Some(outcome.clone());
            self.report(index, &assignment, outcome)?;
        }
        Ok(())
    }

    fn report(&mut self, index: usize, assignment: &Assignment, outcome: Outcome) -> Result<(), Violation> {
        let log = LogEnd { bytes: 2, digest: Digest::of(b"ok"), inline: Some("ok".to_owned()), dropped: 0, spent: false };
        let runner = self.runners[index].key.clone();
        let request = ReportRequest { runner, lease: assignment.lease.clone(), outcome, log, claim_next: false };
        let call = Call::Report(Box::new(LogReport { request, log_sealed: false }));
        let Some(answer) = self.say(index, call.clone())? else {
            // It tells again later, as it must.
            return Ok(());
        };
        match answer {
            Answer::Work(_) => self.witness.newest_epoch_alone_writes(&assignment.lease)?,
            _ => self.coverage.fault("report under a lost lease refused"),
        }
        if self.random.chance(5) {
            self.coverage.fault("report sent twice");
            self.call(call)?;
        }
        self.runners[index].die();
        Ok(())
    }

    fn outcome(&mut self, assignment: &Assignment) -> Outcome {
        let subject = &assignment.subject;
        let environment = subject.environment.clone().map(|name| EnvironmentKey { project: subject.project.clone(), name });
        match &assignment.work {
            Work::Job(job) => {
                let artifacts = job.artifacts.iter().map(|rule| artifact(&rule.name)).collect();
                let result = match self.random.below(20) {
                    0..=1 => AttemptResult::Failed,
                    2 => AttemptResult::TimedOut,
                    3 => AttemptResult::Lost,
                    _ => AttemptResult::Passed,
                };
                Outcome::Job(job_outcome(result, artifacts))
            }
            Work::Observe(part) => {
                let environment = environment.expect("an observation is of an environment");
                if self.random.chance(10) {
                    self.coverage.fault("target cannot be observed");
                    return Outcome::Observe(unobserved());
                }
                let PartKind::Run(scripts) = &part.part.kind else { return Outcome::Observe(unobserved()) };
                Outcome::Observe(self.targets.observe(&environment, &part.part.name, scripts.observe.as_deref().unwrap_or_default()))
            }
            Work::Apply(part) => {
                let environment = environment.expect("an apply is to an environment");
                Outcome::Apply(self.apply(assignment, &environment, &part.part.name))
            }
            Work::Verify(_) => {
                let verdict = match self.random.below(20) {
                    0..=2 => CheckVerdict::Failed,
                    3 => CheckVerdict::Lost,
                    _ => CheckVerdict::Passed,
                };
                Outcome::Verify(check_outcome(verdict))
            }
        }
    }

    fn apply(&mut self, assignment: &Assignment, environment: &EnvironmentKey, part: &str) -> ApplyOutcome {
        let subject = &assignment.subject;
        let (deployment, release, fence) = match (subject.deployment, subject.release, &subject.version, subject.fence) {
            (Some(deployment), Some((_, digest)), Some(version), Some(fence)) => {
                (deployment, Arc::new(Named { digest, version: version.clone() }), fence)
            }
            _ => return ApplyOutcome::Failed("no deployment".to_owned()),
        };
        match self.random.below(20) {
            0 => return ApplyOutcome::Failed("the service does not start".to_owned()),
            2 => {
                self.coverage.fault("apply hindered by the target's machine");
                return ApplyOutcome::Hindered { reason: "the port is taken".to_owned(), touched: false };
            }
            1 => {
                self.coverage.fault("apply without a trace");
                // It is still on its way, and may arrive when others have acted.
                self.send_late(environment, part, (deployment, release, fence));
                return ApplyOutcome::Unknown("the connection broke before".to_owned());
            }
            _ => {}
        }
        if let Err(held) = self.targets.apply(environment, part, (deployment, release.clone(), fence)) {
            self.coverage.fault("stale fence refused by a target");
            return ApplyOutcome::Stale { held };
        }
        if self.random.chance(15) {
            // A copy of it arrives once more.
            self.send_late(environment, part, (deployment, release, fence));
        }
        if self.random.chance(8) {
            self.coverage.fault("apply took effect, answer lost");
            return ApplyOutcome::Unknown("the connection broke after".to_owned());
        }
        ApplyOutcome::Applied
    }

    fn send_late(&mut self, environment: &EnvironmentKey, part: &str, what: (DeploymentId, Arc<Named>, u64)) {
        let at = self.now + Millis::minutes(self.random.below(15));
        self.late.push(LateApply { at, environment: environment.clone(), part: part.to_owned(), what });
    }
}

fn artifact(name: &str) -> Artifact {
    Artifact { name: name.to_owned(), digest: Digest::of(name.as_bytes()), size: 1, form: ArtifactForm::File }
}

fn job_outcome(result: AttemptResult, artifacts: Vec<Artifact>) -> JobOutcome {
    let code = i32::from(result != AttemptResult::Passed);
    let artifacts = if result == AttemptResult::Passed { artifacts } else { Vec::new() };
    let steps = vec![StepOutcome { code, took: Millis(5), usage: None }];
    JobOutcome { sandbox: Some(SandboxLevel::Landlock), steps, artifacts, ..JobOutcome::bare(result) }
}

fn unobserved() -> deployment::Observed {
    deployment::Observed {
        live: Live::Unknown("no answer".to_owned()),
        fence: None,
        health: deployment::Health::Unknown,
        source: "simulated".to_owned(),
    }
}

fn check_outcome(verdict: CheckVerdict) -> CheckOutcome {
    CheckOutcome { verdict, evidence: "seen".to_owned(), tests: None, took: Millis(3), sandbox: None }
}
