//! What may happen to a run.

use super::evolve::{apply, begin as begin_state};
use super::{
    Artifact, AttemptResult, Command, EndedJob, Fact, JobEnded, JobOutcome, JobResult, JobState, LOST_ATTEMPTS_MAX, LeasedJob, LogNote,
    REASON_BYTES_MAX, Refusal, ReleaseVerdict, Run, RunResult, RunStatus, SkipCause, StartRun, Started,
};
use crate::context::Context;
use crate::expression::{Expression, Scope, Value};
use crate::foundation::{JobKey, RunnerKey, shortened};
use crate::pipeline::{FailureMode, JobSkeleton, ReleaseSkeleton, RetryCause, VersionRule, limit::STEPS_MAX};

/// Whether the command may happen, and what follows from it.
pub fn decide(state: Option<&Run>, command: Command, context: &Context) -> Result<Vec<Fact>, Refusal> {
    match (state, command) {
        (None, Command::Start(start)) => Ok(begin(*start, context)),
        (Some(_), Command::Start(_)) => Err(Refusal::Exists),
        (None, _) => Err(Refusal::Missing),
        (Some(run), command) => match (&run.status, command) {
            (RunStatus::Ended { .. }, Command::Expire) => Ok(Vec::new()),
            (RunStatus::Ended { result, .. }, Command::Cancel) => Err(Refusal::Ended(*result)),
            (_, Command::Lease { job, runner }) => lease(run, job, runner, context),
            (_, Command::Report { job, epoch, outcome, log }) => report(run, &job, epoch, *outcome, log, context),
            (_, Command::Lose { job, epoch }) => lose(run, &job, epoch, context),
            (_, Command::Cancel) => Ok(cancel(run, context)),
            (_, Command::Expire) => Ok(expire(run, context)),
            (_, Command::Start(_)) => Err(Refusal::Exists),
        },
    }
}

/// Facts so far together with the state that they make, so that each next decision sees the ones before.
struct Course<'a> {
    run: Run,
    facts: Vec<Fact>,
    context: &'a Context,
}

impl<'a> Course<'a> {
    fn of(run: &Run, context: &'a Context) -> Self {
        Self { run: run.clone(), facts: Vec::new(), context }
    }

    fn record(&mut self, fact: Fact) {
        apply(&mut self.run, &fact, self.context.now);
        self.facts.push(fact);
    }

    fn end_job(&mut self, job: JobKey, result: JobResult, reason: Option<String>) {
        let ended = JobEnded::without_steps(job, result, reason);
        self.record(Fact::JobEnded(Box::new(ended)));
    }

    /// Queues, skips and ends whatever can be now.
    fn go_on(mut self) -> Vec<Fact> {
        if matches!(self.run.status, RunStatus::Ended { .. }) {
            return self.facts;
        }
        // A skipped job may unblock an earlier one of the file, so pass until nothing moves: at most once for each level of the graph.
        let mut moved = true;
        while moved {
            moved = false;
            for index in 0..self.run.jobs.len() {
                if let Some(fact) = unblock(&self.run, index) {
                    self.record(fact);
                    moved = true;
                }
            }
        }
        if self.run.jobs.iter().all(|job| job.ended().is_some()) {
            let end = end_of(&self.run);
            self.record(end);
        }
        self.facts
    }
}

fn begin(start: StartRun, context: &Context) -> Vec<Fact> {
    let StartRun { project, revision, reference, trigger, inputs, change, plan } = start;
    let version = plan.as_ref().ok().and_then(|plan| {
        let rule = &plan.release.as_ref()?.version;
        let scope = super::change_scope(&revision, &reference, change.pull_request.as_ref().map(|pull| pull.number), trigger, &inputs);
        match rule {
            VersionRule::Calver => {
                let (year, month, _) = context.now.date();
                Some(format!("{year}.{month}.{}", context.number))
            }
            VersionRule::GitDescribe => plan.described.as_deref().and_then(described),
            VersionRule::Expression(expression) => version(expression, &scope).ok(),
        }
    });
    let (plan, refused) = match plan {
        Ok(plan) => (Some(plan), None),
        Err(why) => (None, Some(why)),
    };
    let started = Started { project, number: context.number, revision, reference, trigger, inputs, change, version, plan, refused };
    let course = Course { run: begin_state(&started, context.now), facts: vec![Fact::Started(Box::new(started))], context };
    course.go_on()
}

/// Characters of a version, at most.
const VERSION_CHARS_MAX: usize = 100;

/// Whether a version may have this character. It names folders, addresses and files, so not every text is one.
fn fits_version(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._+-~".contains(c)
}

/// The version that a tag gives. Tags such as `web/v1.2` are common, so what does not fit becomes a dash.
fn described(text: &str) -> Option<String> {
    let dashed: String = text.chars().map(|c| if fits_version(c) { c } else { '-' }).collect();
    let version = dashed.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    // The end tells commits apart: how many after the tag, and which.
    let version = &version[version.len().saturating_sub(VERSION_CHARS_MAX)..];
    let version = version.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    (!version.is_empty()).then(|| version.to_owned())
}

/// The version that an expression gives.
fn version(expression: &Expression, scope: &Scope) -> Result<String, String> {
    let text = match expression.evaluate(scope) {
        Ok(Value::Text(text)) => text,
        Ok(_) => return Err("release.version gives no text".to_owned()),
        Err(error) => return Err(format!("release.version: {error}")),
    };
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= VERSION_CHARS_MAX && text.chars().all(fits_version) {
        return Ok(text);
    }
    let shown: String = text.chars().take(VERSION_CHARS_MAX).collect();
    Err(format!(
        "release.version gives {shown:?}: a version has 1 to {VERSION_CHARS_MAX} of the characters A-Z a-z 0-9 . _ + - ~ and begins with a letter or a digit"
    ))
}

/// What becomes of a blocked job now, if anything.
fn unblock(run: &Run, index: usize) -> Option<Fact> {
    if run.jobs[index] != JobState::Blocked {
        return None;
    }
    let jobs = &run.plan.as_ref()?.jobs;
    let job = &jobs[index];
    let mut skip = None;
    for need in &job.needs {
        let ended = run.jobs[*need as usize].ended()?;
        let (key, mode) = (&jobs[*need as usize].key, jobs[*need as usize].failure);
        match ended.result {
            JobResult::Passed => {}
            JobResult::Failed if mode == FailureMode::Warn => {}
            // It was not meant to run, so neither was this one; unless another need says worse.
            JobResult::Skipped(SkipCause::Condition) => skip = skip.or(Some((SkipCause::Condition, key))),
            JobResult::Failed | JobResult::Skipped(SkipCause::Needs) | JobResult::Cancelled | JobResult::Lost => {
                skip = skip.filter(|(cause, _)| *cause == SkipCause::Needs).or(Some((SkipCause::Needs, key)));
            }
        }
    }
    if run.status == RunStatus::Cancelling {
        return Some(job_end(job, JobResult::Cancelled, None));
    }
    // A condition that looks at `needs` decides by itself; any other one comes on top of the rule.
    let own_rule = job.condition.as_ref().is_some_and(|condition| condition.mentions("needs"));
    if let Some((cause, need)) = skip.filter(|_| !own_rule) {
        let reason = match cause {
            SkipCause::Condition => format!("'{need}', which it needs, was skipped by its condition"),
            SkipCause::Needs => format!("'{need}', which it needs, did not pass"),
        };
        return Some(job_end(job, JobResult::Skipped(cause), Some(shorten(&reason))));
    }
    match job.condition.as_ref().map(|condition| condition.is_true(&run.scope(&job.needs))) {
        None | Some(Ok(true)) => Some(Fact::JobQueued { job: job.key.clone(), attempt: 1 }),
        Some(Ok(false)) => Some(job_end(job, JobResult::Skipped(SkipCause::Condition), Some("its condition is false".to_owned()))),
        Some(Err(error)) => Some(job_end(job, JobResult::Failed, Some(shorten(&format!("its condition: {error}"))))),
    }
}

fn job_end(job: &JobSkeleton, result: JobResult, reason: Option<String>) -> Fact {
    Fact::JobEnded(Box::new(JobEnded::without_steps(job.key.clone(), result, reason)))
}

fn lease(run: &Run, job: JobKey, runner: RunnerKey, context: &Context) -> Result<Vec<Fact>, Refusal> {
    match run.job(&job).map(|job| job.state) {
        None => Err(Refusal::NoSuchJob(job)),
        Some(JobState::Queued { .. }) => Ok(vec![Fact::JobLeased { job, epoch: context.epoch, runner }]),
        Some(_) => Err(Refusal::NotQueued(job)),
    }
}

fn held<'a>(run: &'a Run, key: &JobKey, epoch: u64) -> Result<(&'a JobSkeleton, &'a LeasedJob), Refusal> {
    let job = run.job(key).ok_or_else(|| Refusal::NoSuchJob(key.clone()))?;
    match job.state {
        JobState::Leased(leased) if leased.epoch == epoch => Ok((job.skeleton, leased)),
        _ => Err(Refusal::Stale { job: key.clone(), epoch }),
    }
}

fn report(run: &Run, key: &JobKey, epoch: u64, outcome: JobOutcome, log: LogNote, context: &Context) -> Result<Vec<Fact>, Refusal> {
    let (job, leased) = held(run, key, epoch)?;
    let mut course = Course::of(run, context);
    if run.status != RunStatus::Cancelling && may_retry(job, leased.attempt, &outcome) {
        let reason = outcome.reason.as_deref().map(shorten);
        course.record(Fact::AttemptEnded { job: key.clone(), result: outcome.result, reason });
        course.record(Fact::JobQueued { job: key.clone(), attempt: leased.attempt + 1 });
        return Ok(course.facts);
    }
    let result = match outcome.result {
        AttemptResult::Passed => JobResult::Passed,
        AttemptResult::Failed | AttemptResult::TimedOut => JobResult::Failed,
        AttemptResult::Cancelled => JobResult::Cancelled,
        AttemptResult::Lost => JobResult::Lost,
    };
    course.record(Fact::JobEnded(Box::new(JobEnded {
        job: key.clone(),
        result,
        reason: outcome.reason.as_deref().map(shorten),
        sandbox: outcome.sandbox,
        // A runner tells no more steps than the plan has, unless it is broken.
        steps: outcome.steps.into_iter().take(STEPS_MAX).collect(),
        artifacts: outcome.artifacts,
        outputs: outcome.outputs,
        tests: outcome.tests.map(|tests| tests.without_messages()),
        log: Some(log),
    })));
    Ok(course.go_on())
}

fn may_retry(job: &JobSkeleton, attempt: u32, outcome: &JobOutcome) -> bool {
    let code = outcome.steps.last().map(|step| step.code);
    match outcome.result {
        AttemptResult::Passed | AttemptResult::Cancelled => false,
        AttemptResult::Lost => attempt < lost_attempts_max(job),
        AttemptResult::Failed | AttemptResult::TimedOut => {
            let asked = job.retry.on.iter().any(|cause| match cause {
                RetryCause::Failed => true,
                RetryCause::ExitCode(wanted) => outcome.result == AttemptResult::Failed && code == Some(*wanted),
                RetryCause::Lost => false,
            });
            asked && attempt <= job.retry.max
        }
    }
}

fn lost_attempts_max(job: &JobSkeleton) -> u32 {
    let asked = if job.retry.on.contains(&RetryCause::Lost) { job.retry.max + 1 } else { 0 };
    asked.max(LOST_ATTEMPTS_MAX)
}

fn lose(run: &Run, key: &JobKey, epoch: u64, context: &Context) -> Result<Vec<Fact>, Refusal> {
    let (job, leased) = held(run, key, epoch)?;
    let mut course = Course::of(run, context);
    let reason = format!("runner {} was lost", leased.runner);
    if run.status == RunStatus::Cancelling {
        course.end_job(key.clone(), JobResult::Cancelled, Some(reason));
    } else if leased.attempt < lost_attempts_max(job) {
        course.record(Fact::AttemptEnded { job: key.clone(), result: AttemptResult::Lost, reason: Some(reason) });
        course.record(Fact::JobQueued { job: key.clone(), attempt: leased.attempt + 1 });
    } else {
        course.end_job(key.clone(), JobResult::Lost, Some(reason));
    }
    Ok(course.go_on())
}

fn cancel(run: &Run, context: &Context) -> Vec<Fact> {
    if run.status == RunStatus::Cancelling {
        return Vec::new();
    }
    let mut course = Course::of(run, context);
    course.record(Fact::CancelRequested);
    let queued: Vec<JobKey> =
        run.jobs().filter(|job| matches!(job.state, JobState::Queued { .. })).map(|job| job.skeleton.key.clone()).collect();
    for job in queued {
        course.end_job(job, JobResult::Cancelled, None);
    }
    course.go_on()
}

fn expire(run: &Run, context: &Context) -> Vec<Fact> {
    let mut course = Course::of(run, context);
    for job in run.jobs() {
        let key = job.skeleton.key.clone();
        match job.state {
            JobState::Queued { due, .. } if *due <= context.now => {
                course.end_job(key, JobResult::Lost, Some(format!("no runner took it within {}", super::QUEUE_MAX)));
            }
            JobState::Leased(leased) if leased.due <= context.now => {
                let (result, reason) = match run.status {
                    RunStatus::Cancelling => (JobResult::Cancelled, "its runner did not answer to cancelling"),
                    RunStatus::Running | RunStatus::Ended { .. } => {
                        (JobResult::Failed, "its time ran out and its runner did not say how it ended")
                    }
                };
                course.end_job(key, result, Some(reason.to_owned()));
            }
            JobState::Queued { .. } | JobState::Leased(_) | JobState::Blocked | JobState::Ended(_) => {}
        }
    }
    course.go_on()
}

fn end_of(run: &Run) -> Fact {
    let result = result_of(run);
    Fact::Ended { result, release: release_verdict(run, result) }
}

fn result_of(run: &Run) -> RunResult {
    if run.plan.is_none() {
        return RunResult::Refused;
    }
    if run.status == RunStatus::Cancelling {
        return RunResult::Cancelled;
    }
    let failed = |job: super::Job<'_>| match job.state.ended().map(|ended| ended.result) {
        None | Some(JobResult::Passed | JobResult::Skipped(SkipCause::Condition)) => false,
        // A job that could not be started has not passed either.
        Some(JobResult::Failed | JobResult::Lost | JobResult::Cancelled | JobResult::Skipped(SkipCause::Needs)) => {
            job.skeleton.failure == FailureMode::Fail
        }
    };
    if run.jobs().any(failed) { RunResult::Failed } else { RunResult::Passed }
}

fn release_verdict(run: &Run, result: RunResult) -> ReleaseVerdict {
    let Some(rule) = run.plan.as_ref().and_then(|plan| plan.release.as_ref()) else { return ReleaseVerdict::NotAsked };
    let passed = |key: &JobKey| run.job(key).and_then(|job| job.state.ended()).is_some_and(|ended| ended.result == JobResult::Passed);
    if result != RunResult::Passed || rule.needs.as_ref().is_some_and(|needs| !needs.iter().all(passed)) {
        return ReleaseVerdict::NotPassed;
    }
    let needs: Vec<u32> = (0..run.jobs.len() as u32).collect();
    match rule.condition.as_ref().map(|condition| condition.is_true(&run.scope(&needs))) {
        Some(Ok(false)) => ReleaseVerdict::ConditionFalse,
        Some(Err(error)) => ReleaseVerdict::Impossible(shorten(&error.to_string())),
        None | Some(Ok(true)) => complete(run, rule),
    }
}

fn complete(run: &Run, rule: &ReleaseSkeleton) -> ReleaseVerdict {
    if run.version.is_none() {
        let why = match &rule.version {
            VersionRule::Expression(expression) => version(expression, &run.scope(&[])).err(),
            VersionRule::Calver | VersionRule::GitDescribe => None,
        };
        return ReleaseVerdict::Impossible(shorten(&why.unwrap_or_else(|| "no version could be made for it".to_owned())));
    }
    let have: Vec<&Artifact> = run.jobs.iter().filter_map(JobState::ended).flat_map(|ended: &EndedJob| &ended.artifacts).collect();
    let missing = rule.artifacts.iter().flatten().find(|name| !have.iter().any(|artifact| artifact.name == **name));
    match missing {
        Some(name) => ReleaseVerdict::Impossible(format!("no job of this run made the artifact '{name}'")),
        None => ReleaseVerdict::Cut,
    }
}

fn shorten(text: &str) -> String {
    shortened(text, REASON_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::described;

    #[test]
    fn what_git_describes_becomes_a_version() {
        let cases = [("v1.2-3-gabc1234", "v1.2-3-gabc1234"), ("web/v1.2", "web-v1.2"), ("-/ü.1", "1"), ("1 2", "1-2")];
        for (text, version) in cases {
            assert_eq!(described(text).as_deref(), Some(version), "{text}");
        }
        assert_eq!(described("ü/"), None);
        let long = described(&format!("{}-3-gabc1234", "x/".repeat(120))).unwrap();
        assert!(long.len() <= 100 && long.ends_with("x--3-gabc1234"), "{long}");
    }
}
