//! What may happen to a deployment.

use super::evolve::apply;
use super::{
    APPLIES_MAX, ApplyOutcome, CheckOutcome, CheckVerdict, Command, Deployment, DeploymentResult, EVIDENCE_BYTES_MAX, Fact, FailureCause,
    Live, Observed, Progress, REASON_BYTES_MAX, Refusal, SettledAs, Stage, TRIES_MAX, WorkKey, WorkState,
};
use crate::context::{Context, Mode};
use crate::foundation::{RunnerKey, shortened};
use crate::report::TestSummary;
use crate::run::LogNote;

/// Whether the command may happen, and what follows from it.
pub fn decide(state: Option<&Deployment>, command: Command, context: &Context) -> Result<Vec<Fact>, Refusal> {
    let Some(deployment) = state else {
        return match command {
            Command::Request(mut requested) => {
                requested.number = context.number;
                Ok(vec![Fact::Requested(requested)])
            }
            _ => Err(Refusal::Missing),
        };
    };
    match (&deployment.stage, command) {
        (_, Command::Request(_)) => Err(Refusal::Exists),
        // Its environment may tell it what it said itself.
        (Stage::Ended { .. }, Command::Expire | Command::GiveUp { .. } | Command::Restore) => Ok(Vec::new()),
        (Stage::Ended { result, .. }, _) => Err(Refusal::Ended(*result)),
        (Stage::Waiting { .. }, Command::Begin { fence }) => Ok(begin(deployment, fence, context)),
        (Stage::Waiting { .. }, Command::GiveUp { result, reason }) => Ok(vec![Fact::Ended { result, reason }]),
        (Stage::Waiting { .. }, Command::Cancel) => Ok(vec![Fact::Ended { result: DeploymentResult::Cancelled, reason: None }]),
        (Stage::Waiting { due }, Command::Expire) if *due <= context.now => {
            Ok(vec![Fact::Ended { result: DeploymentResult::Cancelled, reason: Some("it waited too long".to_owned()) }])
        }
        (Stage::Waiting { .. }, Command::Expire) => Ok(Vec::new()),
        (Stage::Waiting { .. } | Stage::Running(_), Command::Restore) => Ok(vec![Fact::Restored]),
        (Stage::Waiting { .. }, _) => Err(Refusal::Waiting),
        (Stage::Running(_), Command::Begin { .. } | Command::GiveUp { .. }) => Ok(Vec::new()),
        (Stage::Running(progress), Command::Lease { work, runner }) => lease(progress, work, runner, context),
        (Stage::Running(progress), command) => run(deployment, progress, command, context),
    }
}

/// Facts so far together with the state that they make.
struct Course<'a> {
    deployment: Deployment,
    facts: Vec<Fact>,
    context: &'a Context,
}

impl<'a> Course<'a> {
    fn of(deployment: &Deployment, context: &'a Context) -> Self {
        Self { deployment: deployment.clone(), facts: Vec::new(), context }
    }

    fn record(&mut self, fact: Fact) {
        apply(&mut self.deployment, &fact, self.context.now);
        self.facts.push(fact);
    }

    fn end(mut self, result: DeploymentResult, reason: impl Into<Option<String>>) -> Vec<Fact> {
        let reason = reason.into().map(|reason: String| shortened(&reason, REASON_BYTES_MAX));
        self.record(Fact::Ended { result, reason });
        self.facts
    }

    /// Ends it as failed. Where somebody wanted it to end, that is why, and the release is not to blame.
    fn fail(self, cause: FailureCause, reason: impl Into<String>) -> Vec<Fact> {
        let cancelling = self.deployment.progress().is_some_and(|progress| progress.cancelling);
        let result = if cancelling { DeploymentResult::Cancelled } else { DeploymentResult::Failed(cause) };
        self.end(result, reason.into())
    }

    /// Ends it where nothing is left to do, or where somebody wants that and nothing is under way.
    fn go_on(self) -> Vec<Fact> {
        let Some(progress) = self.deployment.progress() else { return self.facts };
        let idle = !matches!(progress.state, WorkState::Leased { .. }) && progress.unknown_since.is_none();
        if progress.cancelling && idle {
            return self.end(DeploymentResult::Cancelled, None);
        }
        match progress.work {
            WorkKey::Verify(check) if check as usize >= self.deployment.skeleton.checks.len() => {
                self.end(DeploymentResult::Succeeded, None)
            }
            WorkKey::Verify(_) | WorkKey::Observe(_) | WorkKey::Apply(_) => self.facts,
        }
    }
}

fn begin(deployment: &Deployment, fence: u64, context: &Context) -> Vec<Fact> {
    let mut course = Course::of(deployment, context);
    course.record(Fact::Begun { fence });
    course.go_on()
}

fn lease(progress: &Progress, work: WorkKey, runner: RunnerKey, context: &Context) -> Result<Vec<Fact>, Refusal> {
    match progress.state {
        WorkState::Queued { .. } if matches!(work, WorkKey::Apply(_)) && context.mode == Mode::Safe => Err(Refusal::SafeMode),
        WorkState::Queued { after } if progress.work == work && after <= context.now => {
            Ok(vec![Fact::Leased { work, epoch: context.epoch, runner }])
        }
        _ => Err(Refusal::NotQueued(work)),
    }
}

fn run(deployment: &Deployment, progress: &Progress, command: Command, context: &Context) -> Result<Vec<Fact>, Refusal> {
    let course = Course::of(deployment, context);
    match command {
        Command::ReportObserved { work, epoch, observed } => {
            held(progress, work, epoch)?;
            Ok(observed_part(course, progress, work, observed.within_limits()))
        }
        Command::ReportApplied { work, epoch, outcome, log } => {
            held(progress, work, epoch)?;
            Ok(applied(course, progress, work, outcome, log))
        }
        Command::ReportChecked { work, epoch, outcome, log } => {
            held(progress, work, epoch)?;
            Ok(checked(course, progress, work, *outcome, log))
        }
        Command::Lose { work, epoch } => {
            held(progress, work, epoch)?;
            Ok(lose(course, progress, work))
        }
        Command::Settle { runs } => settle(course, progress, runs),
        Command::Cancel if progress.cancelling => Ok(Vec::new()),
        Command::Cancel => {
            let mut course = course;
            course.record(Fact::CancelRequested);
            Ok(course.go_on())
        }
        Command::Expire if deployment.due().is_some_and(|due| due <= context.now) => Ok(expire(course, progress)),
        Command::Expire => Ok(Vec::new()),
        Command::Request(_) | Command::Begin { .. } | Command::GiveUp { .. } | Command::Lease { .. } | Command::Restore => {
            unreachable!("handled by the caller")
        }
    }
}

fn held(progress: &Progress, work: WorkKey, named: u64) -> Result<(), Refusal> {
    match progress.state {
        WorkState::Leased { epoch, .. } if progress.work == work && epoch == named => Ok(()),
        _ => Err(Refusal::Stale { work, epoch: named }),
    }
}

fn observed_part(mut course: Course<'_>, progress: &Progress, work: WorkKey, observed: Observed) -> Vec<Fact> {
    let WorkKey::Observe(part) = work else { return course.facts };
    let unknown = progress.unknown_since.is_some();
    course.record(Fact::Observed { part, observed: observed.clone() });
    if unknown {
        let next = after_observation(&course.deployment, progress, part, &observed);
        course.record(next);
    }
    course.go_on()
}

/// What an observation means for a part whose apply nobody knows the end of.
fn after_observation(deployment: &Deployment, progress: &Progress, part: u32, observed: &Observed) -> Fact {
    let seen = &observed.live;
    let before = progress.before.get(part as usize).map(|before| &before.live);
    // A target that keeps a fence must show ours: the same release may have been there before.
    let fence_agrees = observed.fence.is_none_or(|fence| fence == progress.fence);
    // A version may name several releases: where it was shown before as well, only a fence tells them apart.
    let version_tells = observed.fence.is_some() || before != Some(seen);
    let ours = match seen {
        Live::Release(digest) => *digest == deployment.brief.manifest,
        Live::Named(version) => *version == deployment.brief.version && version_tells,
        Live::Nothing | Live::Unknown(_) => false,
    };
    let asking = |reason: &str| Fact::Asking { reason: reason.to_owned() };
    match seen {
        _ if ours && fence_agrees => Fact::Found { part },
        Live::Unknown(reason) if observed.fence.is_none() && reason == NO_OBSERVE => {
            asking("the part has no way to be observed: look, then say `trunkline settle`")
        }
        Live::Unknown(_) => Fact::AskedAgain { part },
        _ if let Some(held) = observed.fence.filter(|held| *held > progress.fence) => {
            asking(&format!("the target holds fence {held}, this deployment has {}: something newer was put there", progress.fence))
        }
        Live::Release(_) | Live::Named(_) if before != Some(seen) && progress.doubted => {
            asking("the record was restored, and does not know how what the target shows came there")
        }
        Live::Release(_) | Live::Named(_) if before != Some(seen) => {
            asking("the target shows neither this release nor what was there before it")
        }
        _ if !deployment.skeleton.parts[part as usize].idempotent => {
            asking("the old release was seen, but a second apply of this part is not declared harmless")
        }
        _ if progress.applies >= APPLIES_MAX => asking("it was applied several times and the old release was seen each time"),
        Live::Release(_) | Live::Named(_) | Live::Nothing => Fact::AppliesAgain { part },
    }
}

/// The reason that a runner gives where a part has no `observe`.
pub const NO_OBSERVE: &str = "the part has no observe";

fn applied(mut course: Course<'_>, progress: &Progress, work: WorkKey, outcome: ApplyOutcome, log: LogNote) -> Vec<Fact> {
    let WorkKey::Apply(part) = work else { return course.facts };
    match outcome {
        ApplyOutcome::Applied => {
            course.record(Fact::Applied { part, log: Some(log) });
            course.go_on()
        }
        ApplyOutcome::Failed(reason) => course.fail(FailureCause::Health, reason),
        ApplyOutcome::Hindered { reason, touched: true } => {
            course.record(Fact::Disturbed { part });
            course.fail(FailureCause::Hindered, reason)
        }
        // Nothing has happened, and somebody wanted it so.
        ApplyOutcome::Hindered { reason, touched: false } if progress.cancelling => {
            course.record(Fact::Spared { part });
            course.end(DeploymentResult::Cancelled, reason)
        }
        // As where a target refuses: nothing has happened.
        ApplyOutcome::Hindered { reason, touched: false } => course.end(DeploymentResult::Failed(FailureCause::Hindered), reason),
        ApplyOutcome::Stale { held } => {
            let reason = format!("the target holds fence {held}, which is higher");
            course.end(DeploymentResult::Failed(FailureCause::Stale), reason)
        }
        ApplyOutcome::Unknown(reason) => {
            course.record(Fact::BecameUnknown { part, reason: shortened(&reason, REASON_BYTES_MAX) });
            course.facts
        }
    }
}

fn checked(mut course: Course<'_>, progress: &Progress, work: WorkKey, outcome: CheckOutcome, log: LogNote) -> Vec<Fact> {
    let WorkKey::Verify(check) = work else { return course.facts };
    let (passed, lost) = (outcome.verdict == CheckVerdict::Passed, outcome.verdict == CheckVerdict::Lost);
    if lost && progress.attempt < TRIES_MAX && !progress.cancelling {
        course.record(Fact::TriedAgain { work });
        return course.facts;
    }
    let one = TestSummary { passed: u32::from(passed), failed: u32::from(!passed && !lost), ..TestSummary::default() };
    let tests = outcome.tests.map_or(one, |tests| tests.without_messages());
    let evidence = shortened(&outcome.evidence, EVIDENCE_BYTES_MAX);
    course.record(Fact::Checked { check, verdict: outcome.verdict, evidence: evidence.clone(), tests, log, sandbox: outcome.sandbox });
    if passed {
        return course.go_on();
    }
    let name = course.deployment.skeleton.checks.get(check as usize).cloned().unwrap_or_default();
    if lost {
        return course.fail(FailureCause::Lost, format!("check '{name}' could not be run: {evidence}"));
    }
    course.fail(FailureCause::Verify, format!("check '{name}' failed: {evidence}"))
}

fn lose(mut course: Course<'_>, progress: &Progress, work: WorkKey) -> Vec<Fact> {
    match work {
        // An apply may have taken effect: observe before anything else.
        WorkKey::Apply(part) => course.record(Fact::BecameUnknown { part, reason: "its runner was lost".to_owned() }),
        WorkKey::Observe(part) if progress.unknown_since.is_some() => course.record(Fact::AskedAgain { part }),
        WorkKey::Observe(_) | WorkKey::Verify(_) if progress.attempt < TRIES_MAX => course.record(Fact::TriedAgain { work }),
        WorkKey::Observe(_) => return course.fail(FailureCause::Lost, "several runners were lost while observing"),
        WorkKey::Verify(_) => return course.fail(FailureCause::Lost, "several runners were lost while checking"),
    }
    course.go_on()
}

fn settle(mut course: Course<'_>, progress: &Progress, runs: SettledAs) -> Result<Vec<Fact>, Refusal> {
    if progress.unknown_since.is_none() {
        return Err(Refusal::NotUnknown);
    }
    let by = course.context.actor.name.clone();
    course.record(Fact::Settled { runs, by });
    Ok(match runs {
        SettledAs::Live => course.go_on(),
        SettledAs::Old => course.fail(FailureCause::Settled, "a person settled it: the old release runs"),
    })
}

/// Time ends work, but never what nobody knows the end of: the lock stays held until a target or a person says what runs.
fn expire(mut course: Course<'_>, progress: &Progress) -> Vec<Fact> {
    let leased = matches!(progress.state, WorkState::Leased { .. });
    match progress.work {
        _ if progress.unknown_since.is_some() => {
            let reason = "the target did not say what runs there: look, then say `trunkline settle`".to_owned();
            course.record(Fact::Asking { reason });
            course.facts
        }
        WorkKey::Apply(part) if leased => {
            course.record(Fact::BecameUnknown { part, reason: "its time ran out while it was being applied".to_owned() });
            course.facts
        }
        _ if progress.cancelling => course.fail(FailureCause::Lost, "its runner did not answer to cancelling"),
        _ => course.fail(FailureCause::Lost, "its time ran out"),
    }
}
