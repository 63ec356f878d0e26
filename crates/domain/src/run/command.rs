//! What may be asked of a run, what happens to it, and why it refuses.

use super::{Artifact, AttemptResult, JobOutcome, JobResult, ReleaseVerdict, RunResult, StepOutcome, Unplanned};
use crate::change::ChangeNote;
use crate::foundation::{Digest, JobKey, ProjectKey, Revision, RunnerKey};
use crate::pipeline::{JobSkeleton, ReleaseSkeleton, SandboxLevel};
use crate::report::TestSummary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What may be asked of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin it.
    Start(Box<StartRun>),
    /// Give a queued job to a runner.
    Lease {
        /// The job.
        job: JobKey,
        /// The runner.
        runner: RunnerKey,
    },
    /// Take in how a leased job ended.
    Report {
        /// The job.
        job: JobKey,
        /// Under which lease.
        epoch: u64,
        /// How it ended.
        outcome: Box<JobOutcome>,
        /// What it printed.
        log: LogNote,
    },
    /// The runner is gone.
    Lose {
        /// The job.
        job: JobKey,
        /// Under which lease.
        epoch: u64,
    },
    /// End it early.
    Cancel,
    /// Look at the deadlines.
    Expire,
}

/// What starts a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A ref came to rest at the commit.
    Push,
    /// Somebody asked for it.
    Manual,
}

impl Trigger {
    /// As expressions have it in `event`.
    pub fn word(self) -> &'static str {
        match self {
            Trigger::Push => "push",
            Trigger::Manual => "manual",
        }
    }
}

/// Everything that a run begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRun {
    /// The project.
    pub project: ProjectKey,
    /// The commit.
    pub revision: Revision,
    /// The ref whose commit it is, `refs/heads/main`.
    pub reference: String,
    /// What started it.
    pub trigger: Trigger,
    /// Inputs of a manual start, with their defaults in any other.
    pub inputs: BTreeMap<String, String>,
    /// What facts say of the commit.
    pub change: ChangeNote,
    /// The frozen plan, or why there is none.
    pub plan: Result<PlanNote, Unplanned>,
}

/// A plan by its digest, with what decisions need of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlanNote {
    /// The plan's digest.
    pub digest: Digest,
    /// The jobs.
    pub jobs: Vec<JobSkeleton>,
    /// The release rule.
    pub release: Option<Box<ReleaseSkeleton>>,
    /// What `git describe` says of the commit, where the version needs it.
    pub described: Option<String>,
}

/// What happened to a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// It began, or was refused for the codes in `refused`.
    Started(Box<Started>),
    /// A job waits for a runner.
    #[serde(rename_all = "kebab-case")]
    JobQueued {
        /// The job.
        job: JobKey,
        /// Which try, from 1.
        attempt: u32,
    },
    /// A runner has a job.
    #[serde(rename_all = "kebab-case")]
    JobLeased {
        /// The job.
        job: JobKey,
        /// Under which lease.
        epoch: u64,
        /// Which runner.
        runner: RunnerKey,
    },
    /// An attempt ended, and another follows.
    #[serde(rename_all = "kebab-case")]
    AttemptEnded {
        /// The job.
        job: JobKey,
        /// How.
        result: AttemptResult,
        /// Why, in a sentence.
        reason: Option<String>,
    },
    /// A job ended.
    JobEnded(Box<JobEnded>),
    /// Somebody wants the run to end.
    CancelRequested,
    /// The run ended.
    #[serde(rename_all = "kebab-case")]
    Ended {
        /// How.
        result: RunResult,
        /// Whether a release follows.
        release: ReleaseVerdict,
    },
}

/// How a run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Started {
    /// The project.
    pub project: ProjectKey,
    /// Its number in the project.
    pub number: u32,
    /// The commit.
    pub revision: Revision,
    /// The ref whose commit it is.
    pub reference: String,
    /// What started it.
    pub trigger: Trigger,
    /// Inputs of a manual start, with their defaults in any other.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// What facts say of the commit.
    pub change: ChangeNote,
    /// The version that a release of it has or would have.
    pub version: Option<String>,
    /// The plan, if there is one.
    pub plan: Option<PlanNote>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Unplanned>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobEnded {
    /// The job.
    pub job: JobKey,
    /// How.
    pub result: JobResult,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// What kept its steps from the rest of the machine; absent where none was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxLevel>,
    /// Each step of the last try that was started, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepOutcome>,
    /// What it kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
    /// What it said to later jobs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
    /// Its tests, without messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestSummary>,
    /// What it printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogNote>,
}

impl JobEnded {
    /// The end of a job of which nobody reported any step.
    pub fn without_steps(job: JobKey, result: JobResult, reason: Option<String>) -> Self {
        Self {
            job,
            result,
            reason,
            sandbox: None,
            steps: Vec::new(),
            artifacts: Vec::new(),
            outputs: BTreeMap::new(),
            tests: None,
            log: None,
        }
    }
}

/// A log by its size and digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LogNote {
    /// Bytes after masking.
    pub bytes: u64,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Whether what the server holds has this size and digest.
    pub sealed: bool,
}

/// Why a run refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was started before.
    #[error("the run exists already")]
    Exists,
    /// It was never started.
    #[error("there is no such run")]
    Missing,
    /// It has ended.
    #[error("the run has ended already: {0}")]
    Ended(RunResult),
    /// The plan has no such job.
    #[error("the run has no job '{0}'")]
    NoSuchJob(JobKey),
    /// Somebody else was faster.
    #[error("job '{0}' does not wait for a runner")]
    NotQueued(JobKey),
    /// The lease is not held any more.
    #[error("the lease of job '{job}' under epoch {epoch} is not held any more")]
    Stale {
        /// The job.
        job: JobKey,
        /// The epoch that was named.
        epoch: u64,
    },
}
