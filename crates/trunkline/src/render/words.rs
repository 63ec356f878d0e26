//! The word and the mark of every state. One word, one meaning, as in the glossary.

use super::paint::Mark;
use super::text::{bytes, clean};
use crate::invocation::in_project;
use trunkline_api::view::{
    CheckView, DeploymentStatus, EnvironmentView, JobStatus, JobView, PartView, RunView, RunnerView, StationKind, StationState, StationView,
};
use trunkline_domain::deployment::{CheckVerdict, DeploymentResult, FailureCause, Health, Live, Observed};
use trunkline_domain::foundation::Millis;
use trunkline_domain::pipeline::{SandboxLevel, Tier};
use trunkline_domain::report::TestSummary;
use trunkline_domain::run::{JobResult, ReleaseVerdict, RunResult, StepOutcome};

/// Where a run stands.
pub fn run(run: &RunView) -> (Mark, &'static str) {
    match run.result {
        None if run.cancelling => (Mark::Running, "cancelling"),
        None => (Mark::Running, "running"),
        Some(RunResult::Passed) => (Mark::Passed, "passed"),
        Some(RunResult::Failed) => (Mark::Failed, "failed"),
        Some(RunResult::Cancelled) => (Mark::Cancelled, "cancelled"),
        Some(RunResult::Refused) => (Mark::Failed, "refused"),
    }
}

/// Where a job stands.
pub fn job(job: &JobView) -> (Mark, &'static str) {
    match job.status {
        JobStatus::Blocked => (Mark::Ahead, "blocked"),
        JobStatus::Queued => (Mark::Waiting, "queued"),
        JobStatus::Running => (Mark::Running, "running"),
        JobStatus::Ended(JobResult::Passed) => (Mark::Passed, "passed"),
        JobStatus::Ended(JobResult::Failed) => (Mark::Failed, "failed"),
        JobStatus::Ended(JobResult::Skipped(_)) => (Mark::Skipped, "skipped"),
        JobStatus::Ended(JobResult::Cancelled) => (Mark::Cancelled, "cancelled"),
        JobStatus::Ended(JobResult::Lost) => (Mark::Failed, "lost"),
    }
}

/// What a job's steps used of the machine: "cpu 1 min 3 s, 1.2 GB"; the memory is that of the largest.
pub fn usage(steps: &[StepOutcome]) -> Option<String> {
    let used = || steps.iter().filter_map(|step| step.usage);
    used().next()?;
    let cpu = Millis(used().map(|usage| usage.cpu_ms).sum());
    let peak = used().filter_map(|usage| usage.peak_kb).max();
    Some(format!("cpu {cpu}{}", peak.map(|peak| format!(", {}", bytes(peak << 10))).unwrap_or_default()))
}

/// Where a deployment stands.
pub fn deployment(status: DeploymentStatus) -> (Mark, &'static str) {
    match status {
        DeploymentStatus::Waiting => (Mark::Waiting, "waiting"),
        DeploymentStatus::Deploying => (Mark::Running, "deploying"),
        DeploymentStatus::Verifying => (Mark::Running, "verifying"),
        DeploymentStatus::Unknown => (Mark::Unknown, "unknown"),
        DeploymentStatus::Asking => (Mark::Waiting, "asks a person"),
        DeploymentStatus::Ended(result) => ended(result),
    }
}

/// How a deployment ended.
pub fn ended(result: DeploymentResult) -> (Mark, &'static str) {
    match result {
        DeploymentResult::Succeeded => (Mark::Passed, "succeeded"),
        DeploymentResult::Failed(FailureCause::Health) => (Mark::Failed, "failed: not healthy"),
        DeploymentResult::Failed(FailureCause::Verify) => (Mark::Failed, "failed: not verified"),
        DeploymentResult::Failed(FailureCause::Lost) => (Mark::Failed, "failed: no runner finished it"),
        DeploymentResult::Failed(FailureCause::Stale) => (Mark::Failed, "failed: refused by the target"),
        DeploymentResult::Failed(FailureCause::Hindered) => (Mark::Failed, "failed: its machine stood in the way"),
        DeploymentResult::Failed(FailureCause::Settled) => (Mark::Failed, "failed: the old release runs"),
        DeploymentResult::Cancelled => (Mark::Cancelled, "cancelled"),
        DeploymentResult::Superseded => (Mark::Superseded, "superseded"),
        DeploymentResult::Refused => (Mark::Failed, "refused"),
    }
}

/// What runs where the last deployment touched the targets and did not succeed, and how to get away from it. None where
/// something verified runs, or where more is on its way.
pub fn runs_unverified(environment: &EnvironmentView) -> Option<String> {
    let failed = environment.last_failed.as_ref().filter(|_| environment.runs.is_none() && environment.incoming.is_none())?;
    let what = match failed.status {
        // Only a release that is in place everywhere is verified, so that one runs.
        DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Verify)) => {
            format!("{} runs on, unverified", clean(&failed.release.version))
        }
        DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Settled)) => "the old release runs, as a person said".to_owned(),
        DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Hindered)) => "nothing that is verified was seen to run".to_owned(),
        _ if failed.not_in_place => format!("what runs is not verified: {} was not put in place", clean(&failed.release.version)),
        _ => format!("what runs is not verified: {} may be in place, or a part of it", clean(&failed.release.version)),
    };
    let back = match environment.back_to.first() {
        Some(back) if back.number == failed.release.number => format!("to try again: {}", in_project!("rollback {}", environment.name)),
        Some(back) => format!("go back to {}: {}", clean(&back.version), in_project!("rollback {}", environment.name)),
        None => "nothing to go back to".to_owned(),
    };
    Some(format!("{what}; {back}"))
}

/// Whether a part of a deployment is in place.
pub fn part(part: &PartView, deployment: DeploymentStatus) -> (Mark, &'static str) {
    match (part.applied_at, deployment) {
        (Some(_), _) => (Mark::Passed, "in place"),
        (None, DeploymentStatus::Ended(_)) => (Mark::Skipped, "not put in place"),
        (None, DeploymentStatus::Unknown | DeploymentStatus::Asking) => (Mark::Unknown, "may be in place"),
        (None, _) => (Mark::Ahead, "not in place yet"),
    }
}

/// How a check ended. Of a deployment that has ended, one without a verdict never ran.
pub fn check(check: &CheckView, deployment: DeploymentStatus) -> (Mark, &'static str) {
    match check.verdict {
        None if matches!(deployment, DeploymentStatus::Ended(_)) => (Mark::Skipped, "not run"),
        None => (Mark::Ahead, "not yet"),
        Some(CheckVerdict::Passed) => (Mark::Passed, "passed"),
        Some(CheckVerdict::Failed) => (Mark::Failed, "failed"),
        Some(CheckVerdict::Lost) => (Mark::Failed, "lost"),
    }
}

/// Where a change stands at a station.
pub fn station(station: &StationView) -> (Mark, &'static str) {
    match (station.state, station.kind) {
        (StationState::Passed, StationKind::Push) => (Mark::Passed, "pushed"),
        (StationState::Passed, StationKind::Release) => (Mark::Passed, "cut"),
        // Without a check nothing proved that it runs.
        (StationState::Passed, StationKind::Environment) if !station.seen => (Mark::Passed, "in place"),
        (StationState::Passed, StationKind::Environment) => (Mark::Passed, "verified"),
        (StationState::Passed, StationKind::Job) => (Mark::Passed, "passed"),
        (StationState::Running, StationKind::Environment) => (Mark::Running, "deploying"),
        (StationState::Running, _) => (Mark::Running, "running"),
        (StationState::Waiting, _) => (Mark::Waiting, "waits"),
        (StationState::Failed, _) => (Mark::Failed, "failed"),
        (StationState::Replaced, _) => (Mark::Superseded, "replaced"),
        (StationState::RolledBack, _) => (Mark::Superseded, "rolled back"),
        (StationState::Stopped, _) => (Mark::Skipped, "stopped"),
        (StationState::Ahead, _) => (Mark::Ahead, "not yet"),
    }
}

/// What kept a job's steps from the rest of the machine.
pub fn sandbox(level: SandboxLevel) -> &'static str {
    match level {
        SandboxLevel::Host => "in no sandbox",
        SandboxLevel::Landlock => "in a sandbox of Landlock",
        SandboxLevel::Sandbox => "in a sandbox",
    }
}

/// What a runner keeps the steps of jobs within, by the names of the options of `trunkline serve`.
pub fn limits(runner: &RunnerView) -> String {
    let memory = runner.job_memory.map(|bytes| format!("job-memory {}", trunkline_runner::shown_size(bytes)));
    let processes = runner.job_processes.map(|count| format!("job-processes {count}"));
    let rest = match (memory, processes) {
        (None, None) => "job-memory and job-processes: none".to_owned(),
        (memory, processes) => {
            format!("{}; {}", memory.unwrap_or("job-memory: none".to_owned()), processes.unwrap_or("job-processes: none".to_owned()))
        }
    };
    format!("sandbox-min {}; {rest}", runner.sandbox_min)
}

/// What the jobs of a level can reach of the runner's machine.
pub fn reach(level: SandboxLevel) -> &'static str {
    match level {
        SandboxLevel::Host => "jobs run as the server's user and could read the data folder with its token",
        SandboxLevel::Landlock => "jobs cannot read the data folder, nor write elsewhere",
        SandboxLevel::Sandbox => "jobs see neither the data folder nor other processes",
    }
}

/// Why no release follows a run; None where one does.
pub fn no_release(verdict: &ReleaseVerdict) -> Option<String> {
    match verdict {
        ReleaseVerdict::Cut => None,
        ReleaseVerdict::NotAsked => Some("the delivery file makes no release of it".to_owned()),
        ReleaseVerdict::NotPassed => Some("a job that it needs did not pass".to_owned()),
        ReleaseVerdict::ConditionFalse => Some("the release's own condition is false".to_owned()),
        ReleaseVerdict::Impossible(reason) => Some(reason.clone()),
    }
}

/// What an environment is for.
pub fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Development => "development",
        Tier::Testing => "testing",
        Tier::Staging => "staging",
        Tier::Production => "production",
    }
}

/// `1,203 tests passed`, `2 of 14 tests failed`.
pub fn tests(summary: &TestSummary) -> String {
    let total = summary.passed + summary.failed;
    let skipped = if summary.skipped > 0 { format!(", {} skipped", grouped(summary.skipped)) } else { String::new() };
    let noun = if total == 1 { "test" } else { "tests" };
    match summary.failed {
        0 => format!("{} {noun} passed{skipped}", grouped(total)),
        failed => format!("{} of {} {noun} failed{skipped}", grouped(failed), grouped(total)),
    }
}

/// What a target said was on it.
pub fn observed(observed: &Observed) -> String {
    let live = match &observed.live {
        Live::Nothing => "nothing".to_owned(),
        Live::Release(digest) => digest.short(),
        Live::Named(name) => name.clone(),
        Live::Unknown(reason) => format!("unknown ({reason})"),
    };
    let health = match observed.health {
        Health::Healthy => ", healthy",
        Health::Progressing => ", on its way",
        Health::Degraded => ", not healthy",
        Health::Unknown => "",
    };
    format!("{live}{health}")
}

/// Thousands apart.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_an_ended_deployment_left_out_is_not_still_to_come() {
        let mut deployment = crate::render::sample::deployment();
        (deployment.parts[0].applied_at, deployment.checks[0].verdict) = (None, None);
        let words = |status| (part(&deployment.parts[0], status).1, check(&deployment.checks[0], status).1);
        assert_eq!(words(DeploymentStatus::Deploying), ("not in place yet", "not yet"));
        assert_eq!(words(DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Health))), ("not put in place", "not run"));
    }

    #[test]
    fn what_is_known_not_to_be_in_place_is_not_called_possible() {
        let mut environment = crate::render::sample::status().projects[1].environments[1].clone();
        let mut failed = crate::render::sample::incoming(DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Health)));
        (environment.runs, environment.incoming) = (None, None);
        for (not_in_place, words) in [(false, "1.42 may be in place, or a part of it; "), (true, "1.42 was not put in place; ")] {
            failed.not_in_place = not_in_place;
            environment.last_failed = Some(failed.clone());
            let told = runs_unverified(&environment).unwrap();
            assert!(told.starts_with(&format!("what runs is not verified: {words}")), "{told}");
        }
    }

    #[test]
    fn tests_are_counted_in_words() {
        let summary = |passed, failed, skipped| TestSummary { passed, failed, skipped, failures: Vec::new() };
        assert_eq!(tests(&summary(1_203, 0, 0)), "1,203 tests passed");
        assert_eq!(tests(&summary(12, 2, 1)), "2 of 14 tests failed, 1 skipped");
        assert_eq!(tests(&summary(1, 0, 0)), "1 test passed");
    }
}
