//! What a fact makes of a deployment.

use super::{
    AppliedPart, CANCEL_GRACE, CheckRecord, Deployment, Fact, OBSERVE_AGAIN_AFTER, OBSERVE_AGAIN_MAX, OBSERVE_MAX, Progress, RUN_MAX,
    Requested, SettledAs, Stage, WAIT_MAX, WorkKey, WorkState,
};
use crate::foundation::{Millis, Timestamp};

/// The state after the fact, which was recorded at `at`.
pub fn evolve(state: Option<Deployment>, fact: &Fact, at: Timestamp) -> Deployment {
    match (state, fact) {
        (None, Fact::Requested(requested)) => begin(requested, at),
        (None, _) => unreachable!("INVARIANT: the first fact of a deployment is Requested"),
        (Some(mut deployment), fact) => {
            apply(&mut deployment, fact, at);
            deployment
        }
    }
}

fn begin(requested: &Requested, at: Timestamp) -> Deployment {
    let Requested { project, environment, number, release, brief, cause, skeleton } = requested.clone();
    let stage = Stage::Waiting { due: at + WAIT_MAX };
    Deployment { project, environment, number, release, brief, cause, skeleton, requested_at: at, stage, restored: false }
}

/// Changes the state in place.
pub(super) fn apply(deployment: &mut Deployment, fact: &Fact, at: Timestamp) {
    match fact {
        Fact::Requested(_) => unreachable!("INVARIANT: a deployment is requested once"),
        Fact::Begun { fence } => {
            let mut progress = start(*fence, at);
            // A second apply of what counts as idempotent is harmless; any other may have happened after the backup.
            if deployment.restored && deployment.skeleton.parts.iter().any(|part| !part.idempotent) {
                doubt_all(&mut progress, at);
            }
            deployment.stage = Stage::Running(Box::new(progress));
        }
        Fact::Restored => {
            deployment.restored = true;
            if let Stage::Running(progress) = &mut deployment.stage {
                doubt_all(progress, at);
            }
        }
        Fact::Ended { result, reason } => end(deployment, *result, reason.clone(), at),
        fact => {
            let parts = deployment.skeleton.parts.len() as u32;
            let Stage::Running(progress) = &mut deployment.stage else { unreachable!("INVARIANT: work happens under the lock") };
            advance(progress, fact, parts, at);
        }
    }
}

fn start(fence: u64, at: Timestamp) -> Progress {
    Progress {
        fence,
        began: at,
        before: Vec::new(),
        applied: Vec::new(),
        checks: Vec::new(),
        work: WorkKey::Observe(0),
        state: WorkState::Queued { after: at },
        attempt: 1,
        applies: 0,
        unknown_since: None,
        cancelling: false,
        due: at + RUN_MAX,
        doubted: false,
        disturbed: false,
    }
}

fn end(deployment: &mut Deployment, result: super::DeploymentResult, reason: Option<String>, at: Timestamp) {
    let stage = std::mem::replace(&mut deployment.stage, Stage::Waiting { due: at });
    let progress = match stage {
        Stage::Running(progress) => Some(progress),
        Stage::Waiting { .. } | Stage::Ended { .. } => None,
    };
    deployment.stage = Stage::Ended { result, reason, at, progress };
}

fn advance(progress: &mut Progress, fact: &Fact, parts: u32, at: Timestamp) {
    match fact {
        Fact::Leased { epoch, runner, .. } => {
            progress.state = WorkState::Leased { epoch: *epoch, runner: runner.clone(), since: at };
            if matches!(progress.work, WorkKey::Apply(_)) {
                progress.applies += 1;
            }
        }
        Fact::Observed { part, observed } => {
            // Only what was there before the first apply is kept; what an unknown deployment sees later is in the facts.
            if progress.unknown_since.is_none() {
                progress.before.push(observed.clone());
                go_to(progress, WorkKey::Apply(*part), at);
            }
        }
        Fact::Applied { part, .. } => place(progress, *part, parts, false, at),
        Fact::Found { part } => place(progress, *part, parts, true, at),
        Fact::Disturbed { .. } => progress.disturbed = true,
        Fact::Spared { .. } => progress.applies = progress.applies.saturating_sub(1),
        Fact::BecameUnknown { part, .. } => {
            unknown(progress, *part, at);
        }
        Fact::AskedAgain { .. } => {
            let pause = OBSERVE_AGAIN_AFTER.0.saturating_mul(1 << (progress.attempt - 1).min(16));
            progress.state = WorkState::Queued { after: at + OBSERVE_AGAIN_MAX.min(Millis(pause)) };
            progress.attempt += 1;
        }
        Fact::AppliesAgain { part } => {
            progress.unknown_since = None;
            go_to(progress, WorkKey::Apply(*part), at);
        }
        Fact::Asking { reason } => progress.state = WorkState::Asking { reason: reason.clone(), since: at },
        Fact::Settled { runs: SettledAs::Live, .. } => {
            let part = progress.applied.len() as u32;
            place(progress, part, parts, true, at);
        }
        Fact::Settled { runs: SettledAs::Old, .. } => {
            progress.unknown_since = None;
            progress.applies = 0;
        }
        Fact::TriedAgain { .. } => {
            progress.attempt += 1;
            progress.state = WorkState::Queued { after: at };
        }
        Fact::Checked { check, verdict, evidence, tests, sandbox, .. } => {
            let (evidence, tests) = (evidence.clone(), tests.clone());
            let record = CheckRecord { check: *check, verdict: *verdict, evidence, tests, at, sandbox: *sandbox };
            progress.checks.push(record);
            go_to(progress, WorkKey::Verify(check + 1), at);
        }
        Fact::CancelRequested => {
            progress.cancelling = true;
            progress.due = progress.due.min(at + CANCEL_GRACE);
        }
        Fact::Requested(_) | Fact::Begun { .. } | Fact::Restored | Fact::Ended { .. } => unreachable!("handled by the caller"),
    }
}

fn go_to(progress: &mut Progress, work: WorkKey, at: Timestamp) {
    progress.work = work;
    progress.state = WorkState::Queued { after: at };
    progress.attempt = 1;
}

fn place(progress: &mut Progress, part: u32, parts: u32, found: bool, at: Timestamp) {
    if found {
        // Nobody knew for a while: what is left to do gets its time.
        progress.due = progress.due.max(at + RUN_MAX);
    }
    progress.applied.push(AppliedPart { part, at, found });
    progress.unknown_since = None;
    progress.applies = 0;
    match part + 1 {
        next if next == parts => go_to(progress, WorkKey::Verify(0), at),
        next if progress.doubted => doubt(progress, next, at),
        next => go_to(progress, WorkKey::Observe(next), at),
    }
}

/// Nobody knows whether this part took effect.
fn unknown(progress: &mut Progress, part: u32, at: Timestamp) {
    progress.unknown_since = Some(at);
    progress.due = progress.due.max(at + OBSERVE_MAX);
    go_to(progress, WorkKey::Observe(part), at);
}

/// Begins anew: what was in place when the backup was taken need not be any more.
fn doubt_all(progress: &mut Progress, at: Timestamp) {
    progress.doubted = true;
    progress.applied.clear();
    progress.checks.clear();
    doubt(progress, 0, at);
}

/// As [`unknown`], where the record does not even know whether it was ever applied: it may have been.
fn doubt(progress: &mut Progress, part: u32, at: Timestamp) {
    progress.applies = progress.applies.max(1);
    unknown(progress, part, at);
}
