//! One attempt to make a release the state of an environment: it waits for the environment's lock, then each part
//! is observed and applied, then each check runs. An apply whose end nobody knows makes it *unknown*: it is
//! observed until settled, and never started again blindly.

mod command;
mod decide;
mod evolve;
mod follow;
mod outcome;

#[cfg(test)]
mod tests;

pub use command::{Command, Fact, Refusal, Requested, SettledAs};
pub use decide::{NO_OBSERVE, decide};
pub use evolve::evolve;
pub use follow::{Follow, follow, follow_environment};
pub use outcome::{ApplyOutcome, CheckOutcome, CheckVerdict, Health, Live, Observed};

use crate::environment::Cause;
use crate::foundation::{EnvironmentName, Millis, ProjectKey, ReleaseId, RunnerKey, Timestamp};
use crate::pipeline::{EnvironmentSkeleton, SandboxLevel};
use crate::release::Brief;
use crate::report::TestSummary;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How long a deployment may wait for the lock.
pub const WAIT_MAX: Millis = Millis::days(30);
/// How long a deployment may take once it has the lock; again once a person or its target said what runs.
pub const RUN_MAX: Millis = Millis::hours(24);
/// How long a target is asked at least, also past a deadline, until a person must say what runs.
pub const OBSERVE_MAX: Millis = Millis::minutes(10);
/// Tries of one piece of work that may change nothing (observe, check) when runners are lost.
pub const TRIES_MAX: u32 = 3;
/// Applies of one part by themselves; each later one only after an observation that the old release is live.
pub const APPLIES_MAX: u32 = 3;
/// How long until a target that could not be observed is asked again; twice as long after each further time.
pub const OBSERVE_AGAIN_AFTER: Millis = Millis::seconds(10);
/// The longest such pause.
pub const OBSERVE_AGAIN_MAX: Millis = Millis::minutes(10);
/// Bytes of a reason.
pub const REASON_BYTES_MAX: usize = 300;
/// Bytes of what a check saw.
pub const EVIDENCE_BYTES_MAX: usize = 600;
/// Bytes of what a target calls its release, and of how it knows.
pub const NAMED_BYTES_MAX: usize = 200;
/// What a runner gets to end a piece of work after cancelling was asked for.
pub const CANCEL_GRACE: Millis = Millis::seconds(160);

/// A deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The project.
    pub project: ProjectKey,
    /// The environment.
    pub environment: EnvironmentName,
    /// Its number in the project.
    pub number: u32,
    /// What it deploys.
    pub release: ReleaseId,
    /// What must be known of that release; the targets know it by its manifest.
    pub brief: Brief,
    /// Why.
    pub cause: Cause,
    /// What the release's delivery file says of the environment.
    pub skeleton: Box<EnvironmentSkeleton>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Where it stands.
    pub stage: Stage,
    /// Whether the record was restored while it was open: it may have been at work after the backup.
    #[serde(default, skip_serializing_if = "is_false")]
    pub restored: bool,
}

/// Where a deployment stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// For the environment's lock.
    Waiting {
        /// Until when at most.
        due: Timestamp,
    },
    /// It has the lock.
    Running(Box<Progress>),
    /// It ended.
    Ended {
        /// How.
        result: DeploymentResult,
        /// Why, in a sentence.
        reason: Option<String>,
        /// When.
        at: Timestamp,
        /// What was done until then; absent where it never had the lock.
        progress: Option<Box<Progress>>,
    },
}

/// What has been done, and what is being done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The fence.
    pub fence: u64,
    /// When it got the lock.
    pub began: Timestamp,
    /// What was seen on each part's target before it was applied.
    pub before: Vec<Observed>,
    /// Parts in place.
    pub applied: Vec<AppliedPart>,
    /// Checks that ended.
    pub checks: Vec<CheckRecord>,
    /// The piece of work now.
    pub work: WorkKey,
    /// Where that piece stands.
    pub state: WorkState,
    /// Which try of that piece it is, from 1.
    pub attempt: u32,
    /// How often the current part was applied.
    pub applies: u32,
    /// Since when nobody knows whether the current part took effect.
    pub unknown_since: Option<Timestamp>,
    /// Whether somebody wants it to end.
    pub cancelling: bool,
    /// Until when at most.
    pub due: Timestamp,
    /// Whether each part may have been put in place in a future that the record has lost: that must be seen first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub doubted: bool,
    /// Whether an apply that its machine hindered had changed something by then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disturbed: bool,
}

/// A part in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedPart {
    /// Which part.
    pub part: u32,
    /// When.
    pub at: Timestamp,
    /// Whether it was found in place by an observation, not told by the one who applied it.
    pub found: bool,
}

/// A check that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// Which check.
    pub check: u32,
    /// Whether it passed.
    pub verdict: CheckVerdict,
    /// What was seen.
    pub evidence: String,
    /// Its tests; one where it has no reports.
    pub tests: TestSummary,
    /// When.
    pub at: Timestamp,
    /// What it stood behind; absent where it ran nothing on a runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxLevel>,
}

/// One piece of a deployment's work, written `observe/0`, `apply/0`, `verify/1`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkKey {
    /// Say what is on a part's target.
    Observe(u32),
    /// Put the release there.
    Apply(u32),
    /// Run a check.
    Verify(u32),
}

/// Where a piece of work stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkState {
    /// It waits for a runner, but not before `after`.
    Queued {
        /// Not before.
        after: Timestamp,
    },
    /// A runner has it.
    Leased {
        /// Under which lease.
        epoch: u64,
        /// Which runner.
        runner: RunnerKey,
        /// Since when.
        since: Timestamp,
    },
    /// A person must say what runs.
    Asking {
        /// Why, in a sentence.
        reason: String,
        /// Since when.
        since: Timestamp,
    },
}

/// How a deployment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentResult {
    /// In place and verified.
    Succeeded,
    /// Not.
    Failed(FailureCause),
    /// Somebody ended it.
    Cancelled,
    /// A newer one took its place in the queue.
    Superseded,
    /// It was not allowed to begin.
    Refused,
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCause {
    /// A part was not put in place, or is not healthy.
    Health,
    /// A check failed.
    Verify,
    /// Runners were lost, none came, or the time ran out: nothing says that the release is bad.
    Lost,
    /// A target holds a higher fence and refused.
    Stale,
    /// A person said that the old release runs.
    Settled,
    /// A target's machine stood in the way: a port was taken, a disk full. Nothing says that the release is bad.
    Hindered,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl DeploymentResult {
    /// Whether the release was found bad, and is therefore vetoed.
    pub fn blames_release(self) -> bool {
        matches!(self, DeploymentResult::Failed(FailureCause::Health | FailureCause::Verify))
    }
}

/// What a deployment wants of the outside world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// A runner for this piece of work, not before then.
    Runner(WorkKey, Timestamp),
    /// The runner that holds this piece under this epoch shall end it.
    End(WorkKey, u64),
}

/// What a deployment wants of the outside world.
pub fn wants(deployment: &Deployment) -> Option<Want> {
    let progress = deployment.progress()?;
    match &progress.state {
        WorkState::Queued { after } => Some(Want::Runner(progress.work, *after)),
        WorkState::Leased { epoch, .. } if progress.cancelling => Some(Want::End(progress.work, *epoch)),
        WorkState::Leased { .. } | WorkState::Asking { .. } => None,
    }
}

impl Deployment {
    /// Its progress while it has the lock.
    pub fn progress(&self) -> Option<&Progress> {
        match &self.stage {
            Stage::Running(progress) => Some(progress),
            Stage::Waiting { .. } | Stage::Ended { .. } => None,
        }
    }

    /// The nearest deadline. None once ended, nor while a person is asked what runs: time alone never frees the lock.
    pub fn due(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Waiting { due } => Some(*due),
            Stage::Running(progress) => (!matches!(progress.state, WorkState::Asking { .. })).then_some(progress.due),
            Stage::Ended { .. } => None,
        }
    }

    /// Its end, if it has ended.
    pub fn result(&self) -> Option<DeploymentResult> {
        match &self.stage {
            Stage::Ended { result, .. } => Some(*result),
            Stage::Waiting { .. } | Stage::Running(_) => None,
        }
    }

    /// What was done so far.
    pub fn done(&self) -> Option<&Progress> {
        match &self.stage {
            Stage::Running(progress) => Some(progress),
            Stage::Ended { progress, .. } => progress.as_deref(),
            Stage::Waiting { .. } => None,
        }
    }
}

impl Progress {
    /// Whether something may have changed on a target, if it ended like this.
    pub fn touched(&self, result: DeploymentResult) -> bool {
        // Where nothing runs, nothing runs on: what the record has of such a target is not true any more.
        let runs_on = !self.disturbed && self.before.last().is_none_or(|before| before.live != Live::Nothing);
        // A target that refused, or could not even try, was not changed by that apply.
        let idle = match result {
            DeploymentResult::Failed(FailureCause::Stale) => true,
            DeploymentResult::Failed(FailureCause::Hindered) => runs_on,
            _ => false,
        };
        !self.applied.is_empty() || self.applies > u32::from(idle)
    }

    /// The sum of all checks' tests.
    pub fn tests(&self) -> TestSummary {
        let mut sum = TestSummary::default();
        for check in &self.checks {
            sum.add(check.tests.clone());
        }
        sum
    }
}

impl fmt::Display for WorkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkKey::Observe(part) => write!(f, "observe/{part}"),
            WorkKey::Apply(part) => write!(f, "apply/{part}"),
            WorkKey::Verify(check) => write!(f, "verify/{check}"),
        }
    }
}

impl fmt::Debug for WorkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for WorkKey {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, index) = text.split_once('/').ok_or(())?;
        let index = index.parse().map_err(|_| ())?;
        match kind {
            "observe" => Ok(WorkKey::Observe(index)),
            "apply" => Ok(WorkKey::Apply(index)),
            "verify" => Ok(WorkKey::Verify(index)),
            _ => Err(()),
        }
    }
}

impl Serialize for WorkKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WorkKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|()| serde::de::Error::custom("not a piece of work"))
    }
}

impl fmt::Display for DeploymentResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeploymentResult::Succeeded => "succeeded",
            DeploymentResult::Failed(_) => "failed",
            DeploymentResult::Cancelled => "cancelled",
            DeploymentResult::Superseded => "superseded",
            DeploymentResult::Refused => "refused",
        })
    }
}
