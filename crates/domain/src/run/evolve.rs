//! What a fact makes of a run.

use super::{EndedJob, Fact, JobEnded, JobState, LeasedJob, QUEUE_MAX, REPORT_GRACE, Run, RunStatus, Started};
use crate::foundation::{JobKey, Timestamp};
use std::sync::Arc;

/// The state after the fact, which was recorded at `at`.
pub fn evolve(state: Option<Run>, fact: &Fact, at: Timestamp) -> Run {
    match (state, fact) {
        (None, Fact::Started(started)) => begin(started, at),
        (None, _) => unreachable!("INVARIANT: the first fact of a run is Started"),
        (Some(mut run), fact) => {
            apply(&mut run, fact, at);
            run
        }
    }
}

/// The state that a run begins with.
pub(super) fn begin(started: &Started, at: Timestamp) -> Run {
    let Started { project, number, revision, reference, trigger, inputs, change, version, plan, refused } = started.clone();
    let jobs = vec![JobState::Blocked; plan.as_ref().map_or(0, |plan| plan.jobs.len())];
    Run {
        project,
        number,
        revision,
        reference,
        trigger,
        inputs,
        change,
        version,
        started_at: at,
        plan: plan.map(Arc::new),
        refused,
        status: RunStatus::Running,
        jobs,
    }
}

/// Changes the state in place.
pub(super) fn apply(run: &mut Run, fact: &Fact, at: Timestamp) {
    match fact {
        Fact::Started(_) => unreachable!("INVARIANT: a run starts once"),
        Fact::JobQueued { job, attempt } => set(run, job, |_, _| JobState::Queued { attempt: *attempt, since: at, due: at + QUEUE_MAX }),
        Fact::JobLeased { job, epoch, runner } => set(run, job, |state, timeout| {
            let leased = LeasedJob {
                attempt: attempt_of(state),
                epoch: *epoch,
                runner: runner.clone(),
                since: at,
                due: at + timeout + REPORT_GRACE,
            };
            JobState::Leased(leased)
        }),
        // The next fact queues it again.
        Fact::AttemptEnded { .. } => {}
        Fact::JobEnded(ended) => set(run, &ended.job, |state, _| JobState::Ended(Arc::new(end(state, ended, at)))),
        Fact::CancelRequested => cancel(run, at),
        Fact::Ended { result, release } => run.status = RunStatus::Ended { result: *result, at, release: release.clone() },
    }
}

fn set(run: &mut Run, key: &JobKey, next: impl FnOnce(&JobState, crate::foundation::Millis) -> JobState) {
    let index = run.job_index(key).expect("INVARIANT: facts name jobs of the plan");
    let timeout = run.plan.as_ref().map(|plan| plan.jobs[index].timeout).unwrap_or_default();
    run.jobs[index] = next(&run.jobs[index], timeout);
}

fn attempt_of(state: &JobState) -> u32 {
    match state {
        JobState::Blocked => 0,
        JobState::Queued { attempt, .. } => *attempt,
        JobState::Leased(leased) => leased.attempt,
        JobState::Ended(ended) => ended.attempt,
    }
}

fn end(state: &JobState, ended: &JobEnded, at: Timestamp) -> EndedJob {
    let JobEnded { result, reason, sandbox, steps, artifacts, outputs, tests, log, .. } = ended.clone();
    let (attempt, began) = match state {
        JobState::Leased(leased) => (leased.attempt, Some(leased.since)),
        // It was queued and never ran in this try.
        JobState::Queued { attempt, .. } => (attempt - 1, None),
        JobState::Blocked | JobState::Ended(_) => (0, None),
    };
    EndedJob { result, reason, attempt, began, at, sandbox, steps, artifacts, outputs, tests, log }
}

fn cancel(run: &mut Run, at: Timestamp) {
    run.status = RunStatus::Cancelling;
    for job in &mut run.jobs {
        if let JobState::Leased(leased) = job {
            leased.due = leased.due.min(at + REPORT_GRACE);
        }
    }
}
