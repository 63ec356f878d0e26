//! What may be asked of a deployment, what happens to it, and why it refuses.

use super::{ApplyOutcome, CheckOutcome, CheckVerdict, DeploymentResult, Observed, WorkKey};
use crate::environment::Cause;
use crate::foundation::{EnvironmentName, ProjectKey, ReleaseId, RunnerKey};
use crate::pipeline::{EnvironmentSkeleton, SandboxLevel};
use crate::release::Brief;
use crate::report::TestSummary;
use crate::run::LogNote;
use serde::{Deserialize, Serialize};

/// What may be asked of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin to wait.
    Request(Box<Requested>),
    /// The lock is granted.
    Begin {
        /// Under which fence.
        fence: u64,
    },
    /// It will not get the lock.
    GiveUp {
        /// Superseded, cancelled or refused.
        result: DeploymentResult,
        /// Why, in a sentence.
        reason: Option<String>,
    },
    /// Give the current piece of work to a runner.
    Lease {
        /// Which piece.
        work: WorkKey,
        /// Which runner.
        runner: RunnerKey,
    },
    /// Take in what was observed.
    ReportObserved {
        /// Which piece.
        work: WorkKey,
        /// Under which lease.
        epoch: u64,
        /// What was seen.
        observed: Box<Observed>,
    },
    /// Take in how an apply ended.
    ReportApplied {
        /// Which piece.
        work: WorkKey,
        /// Under which lease.
        epoch: u64,
        /// How it ended.
        outcome: ApplyOutcome,
        /// What it printed.
        log: LogNote,
    },
    /// Take in how a check ended.
    ReportChecked {
        /// Which piece.
        work: WorkKey,
        /// Under which lease.
        epoch: u64,
        /// How it ended.
        outcome: Box<CheckOutcome>,
        /// What it printed.
        log: LogNote,
    },
    /// The runner is gone.
    Lose {
        /// Which piece.
        work: WorkKey,
        /// Under which lease.
        epoch: u64,
    },
    /// A person says what runs.
    Settle {
        /// What runs.
        runs: SettledAs,
    },
    /// End it early.
    Cancel,
    /// Look at the deadlines.
    Expire,
    /// The record was restored from a backup that was taken while it was open.
    Restore,
}

/// What a person says of an unknown deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SettledAs {
    /// The new release is in place.
    Live,
    /// The old one is.
    Old,
}

/// What a deployment begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Requested {
    /// The project.
    pub project: ProjectKey,
    /// The environment.
    pub environment: EnvironmentName,
    /// Its number in the project; the decision sets it.
    pub number: u32,
    /// What it deploys.
    pub release: ReleaseId,
    /// What must be known of that release.
    pub brief: Brief,
    /// Why.
    pub cause: Cause,
    /// What the release's delivery file says of the environment.
    pub skeleton: Box<EnvironmentSkeleton>,
}

/// What happened to a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// It waits.
    Requested(Box<Requested>),
    /// It has the lock.
    Begun {
        /// Under which fence.
        fence: u64,
    },
    /// A runner has a piece of work.
    Leased {
        /// Which piece.
        work: WorkKey,
        /// Under which lease.
        epoch: u64,
        /// Which runner.
        runner: RunnerKey,
    },
    /// A target was observed.
    Observed {
        /// Which part.
        part: u32,
        /// What was seen.
        observed: Observed,
    },
    /// A part is in place.
    Applied {
        /// Which part.
        part: u32,
        /// What was printed.
        log: Option<LogNote>,
    },
    /// An observation showed that a part whose apply was unknown is in place.
    Found {
        /// Which part.
        part: u32,
    },
    /// Its machine stood in the way of an apply that had changed something by then.
    Disturbed {
        /// Of which part.
        part: u32,
    },
    /// An apply was not begun: somebody wanted the deployment to end before its first effect.
    Spared {
        /// Of which part.
        part: u32,
    },
    /// Nobody knows whether a part took effect.
    BecameUnknown {
        /// Which part.
        part: u32,
        /// Why, in a sentence.
        reason: String,
    },
    /// The target could not be observed; it is asked again later.
    AskedAgain {
        /// Which part.
        part: u32,
    },
    /// The old release was seen and a second apply is harmless: it is applied again.
    AppliesAgain {
        /// Which part.
        part: u32,
    },
    /// A person must say what runs.
    Asking {
        /// Why, in a sentence.
        reason: String,
    },
    /// A person said what runs.
    Settled {
        /// What.
        runs: SettledAs,
        /// Who.
        by: String,
    },
    /// A runner was lost with a piece of work that changes nothing; it is given out again.
    TriedAgain {
        /// Which piece.
        work: WorkKey,
    },
    /// A check ended.
    Checked {
        /// Which check.
        check: u32,
        /// Whether it passed.
        verdict: CheckVerdict,
        /// What was seen.
        evidence: String,
        /// Its tests.
        tests: TestSummary,
        /// What was printed.
        log: LogNote,
        /// What it stood behind; absent where it ran nothing on a runner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sandbox: Option<SandboxLevel>,
    },
    /// Somebody wants it to end.
    CancelRequested,
    /// The record was restored: nobody knows what it did after the backup. Where it was under way, or once it begins with
    /// parts that must not be applied twice, each part is observed from the first on.
    Restored,
    /// It ended.
    Ended {
        /// How.
        result: DeploymentResult,
        /// Why, in a sentence.
        reason: Option<String>,
    },
}

/// Why a deployment refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was requested before.
    #[error("the deployment exists already")]
    Exists,
    /// It was never requested.
    #[error("there is no such deployment")]
    Missing,
    /// It has ended.
    #[error("the deployment has ended already: {0}")]
    Ended(DeploymentResult),
    /// It still waits for the environment.
    #[error("the deployment still waits for its environment")]
    Waiting,
    /// Somebody else was faster.
    #[error("'{0}' does not wait for a runner")]
    NotQueued(WorkKey),
    /// The lease is not held any more.
    #[error("the lease of '{work}' under epoch {epoch} is not held any more")]
    Stale {
        /// The piece of work.
        work: WorkKey,
        /// The epoch that was named.
        epoch: u64,
    },
    /// Nothing is put in place in safe mode.
    #[error("the record was restored: nothing is put in place until an operator says `trunkline resume`")]
    SafeMode,
    /// It is not unknown.
    #[error("the deployment is not unknown: there is nothing to settle")]
    NotUnknown,
}
