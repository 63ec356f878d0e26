//! What a run is, between two facts.

use super::{Artifact, PlanNote, StepOutcome, Trigger};
use crate::change::ChangeNote;
use crate::foundation::{JobKey, ProjectKey, Revision, RunnerKey, Timestamp};
use crate::pipeline::{JobSkeleton, SandboxLevel};
use crate::report::TestSummary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
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
    pub inputs: BTreeMap<String, String>,
    /// What facts say of the commit.
    pub change: ChangeNote,
    /// The version that a release of it has or would have.
    pub version: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// The plan, if there is one. Shared: each decision works on a copy of the run.
    pub plan: Option<Arc<PlanNote>>,
    /// Why there is no plan.
    #[serde(with = "listed")]
    pub refused: Option<Unplanned>,
    /// Where it stands.
    pub status: RunStatus,
    /// The jobs' states, in the order of the plan.
    pub jobs: Vec<JobState>,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Jobs wait or run.
    Running,
    /// Somebody wants it to end; running jobs are told so.
    Cancelling,
    /// It ended.
    Ended {
        /// How.
        result: RunResult,
        /// When.
        at: Timestamp,
        /// Whether a release follows.
        release: ReleaseVerdict,
    },
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// What it needs has not ended.
    Blocked,
    /// It waits for a runner.
    Queued {
        /// Which try, from 1.
        attempt: u32,
        /// Since when.
        since: Timestamp,
        /// Until when at most.
        due: Timestamp,
    },
    /// A runner has it.
    Leased(LeasedJob),
    /// It ended. Shared, as the plan is.
    Ended(Arc<EndedJob>),
}

/// A job that a runner has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasedJob {
    /// Which try, from 1.
    pub attempt: u32,
    /// Under which lease.
    pub epoch: u64,
    /// Which runner.
    pub runner: RunnerKey,
    /// Since when.
    pub since: Timestamp,
    /// Until when at most; nearer once cancelling was asked for.
    pub due: Timestamp,
}

/// A job that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedJob {
    /// How.
    pub result: JobResult,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// The last try, from 1; 0 where it never ran.
    pub attempt: u32,
    /// When the last try began.
    pub began: Option<Timestamp>,
    /// When it ended.
    pub at: Timestamp,
    /// What kept its steps from the rest of the machine; absent where none was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxLevel>,
    /// Each step of the last try that was started, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepOutcome>,
    /// What it kept.
    pub artifacts: Vec<Artifact>,
    /// What it said to later jobs.
    pub outputs: BTreeMap<String, String>,
    /// Its tests.
    pub tests: Option<TestSummary>,
    /// What it printed.
    pub log: Option<super::LogNote>,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JobResult {
    /// Every step exited 0 and every artifact was there.
    Passed,
    /// It ran and did not pass.
    Failed,
    /// It was not started.
    Skipped(SkipCause),
    /// Somebody ended it.
    Cancelled,
    /// No runner finished it.
    Lost,
}

/// Why a job was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SkipCause {
    /// Its own condition was false, or something it needs was skipped for this cause: it was not meant to run.
    Condition,
    /// Something it needs did not pass: it was meant to run and could not.
    Needs,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunResult {
    /// Every job that has to pass passed, or was not meant to run ([`SkipCause::Condition`]).
    Passed,
    /// A job that has to pass did not, or could not be started.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// The delivery file at its commit was refused.
    Refused,
}

/// Why a run has no plan. As JSON a list, or one text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Unplanned {
    /// The delivery file has errors: their codes and places, `TL0142 trunkline.yaml:3:1`.
    File(Vec<String>),
    /// What no look at the file alone shows, in a sentence: there is none at this commit, or this server refuses it.
    Beyond(String),
}

impl Unplanned {
    /// All of it, a line each.
    pub fn lines(&self) -> &[String] {
        match self {
            Unplanned::File(places) => places,
            Unplanned::Beyond(why) => std::slice::from_ref(why),
        }
    }
}

/// In states nothing is an empty list, as it always was: `trunkline ledger verify` compares them to the byte.
mod listed {
    use super::Unplanned;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(refused: &Option<Unplanned>, serializer: S) -> Result<S::Ok, S::Error> {
        match refused {
            Some(refused) => refused.serialize(serializer),
            None => serializer.collect_seq(std::iter::empty::<String>()),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Unplanned>, D::Error> {
        let refused = Unplanned::deserialize(deserializer)?;
        Ok(Some(refused).filter(|refused| !refused.lines().is_empty()))
    }
}

/// Whether a release follows a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseVerdict {
    /// It does.
    Cut,
    /// The pipeline makes none.
    NotAsked,
    /// The run did not pass, or a needed job did not.
    NotPassed,
    /// The release's own condition is false.
    ConditionFalse,
    /// The release's condition could not be evaluated, or an artifact is missing; the reason in a sentence.
    Impossible(String),
}

/// A job together with its skeleton.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// What the plan says of it.
    pub skeleton: &'a JobSkeleton,
    /// Where it stands.
    pub state: &'a JobState,
}

/// What a run wants of the outside world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// A runner for this job, waiting since then.
    Runner(JobKey, Timestamp),
    /// The runner that holds this job under this epoch shall end it.
    End(JobKey, u64),
}

impl Run {
    /// Every job, in the order of the plan.
    pub fn jobs(&self) -> impl Iterator<Item = Job<'_>> {
        let skeletons = self.plan.as_ref().map_or(&[][..], |plan| &plan.jobs);
        skeletons.iter().zip(&self.jobs).map(|(skeleton, state)| Job { skeleton, state })
    }

    /// One job by its key.
    pub fn job(&self, key: &JobKey) -> Option<Job<'_>> {
        self.jobs().find(|job| &job.skeleton.key == key)
    }

    /// Where the job is in the plan.
    pub fn job_index(&self, key: &JobKey) -> Option<usize> {
        self.plan.as_ref()?.jobs.iter().position(|job| &job.key == key)
    }

    /// The nearest deadline; none once ended.
    pub fn due(&self) -> Option<Timestamp> {
        self.jobs.iter().filter_map(JobState::due).min()
    }

    /// The sum of all jobs' tests.
    pub fn tests(&self) -> Option<TestSummary> {
        let mut sum: Option<TestSummary> = None;
        for tests in self.jobs.iter().filter_map(|job| job.ended()?.tests.clone()) {
            sum.get_or_insert_default().add(tests);
        }
        sum
    }
}

impl JobState {
    /// Its end, if it has ended.
    pub fn ended(&self) -> Option<&EndedJob> {
        match self {
            JobState::Ended(ended) => Some(ended),
            JobState::Blocked | JobState::Queued { .. } | JobState::Leased(_) => None,
        }
    }

    fn due(&self) -> Option<Timestamp> {
        match self {
            JobState::Queued { due, .. } => Some(*due),
            JobState::Leased(leased) => Some(leased.due),
            // A blocked job waits for others, which have deadlines.
            JobState::Blocked | JobState::Ended(_) => None,
        }
    }
}

/// What a run wants of the outside world.
pub fn wants(run: &Run) -> Vec<Want> {
    let cancelling = run.status == RunStatus::Cancelling;
    run.jobs()
        .filter_map(|job| match job.state {
            JobState::Queued { since, .. } => Some(Want::Runner(job.skeleton.key.clone(), *since)),
            JobState::Leased(leased) if cancelling => Some(Want::End(job.skeleton.key.clone(), leased.epoch)),
            JobState::Leased(_) | JobState::Blocked | JobState::Ended(_) => None,
        })
        .collect()
}

impl JobResult {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            JobResult::Passed => "passed",
            JobResult::Failed => "failed",
            JobResult::Skipped(_) => "skipped",
            JobResult::Cancelled => "cancelled",
            JobResult::Lost => "lost",
        }
    }
}

impl fmt::Display for RunResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RunResult::Passed => "passed",
            RunResult::Failed => "failed",
            RunResult::Cancelled => "cancelled",
            RunResult::Refused => "refused",
        })
    }
}
