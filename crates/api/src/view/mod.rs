//! Answers for reading: everything a page, a command or a script shows.

pub mod attention;
mod columns;
mod deployment;
mod projects;
mod server;
mod way;

pub use deployment::{CheckView, DeploymentView, PartView};
pub use projects::Projects;
pub use server::{Lack, MissingLevel, RunnerView, ServerView};
pub use way::{StationKind, StationState, StationView, TraceView, WhereView};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trunkline_domain::deployment::DeploymentResult;
use trunkline_domain::foundation::{Digest, EnvironmentName, JobKey, ProjectKey, ReleaseId, Revision, RunId, Timestamp};
use trunkline_domain::pipeline::{SandboxLevel, Tier};
use trunkline_domain::report::TestSummary;
use trunkline_domain::run::{Artifact, JobResult, ReleaseVerdict, RunResult, StepOutcome, Trigger};

/// All projects: what is where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StatusView {
    /// Entries of the ledger that this answer knows.
    pub as_of: u64,
    /// Engine time of the answer.
    pub at: Timestamp,
    /// Sorted by name.
    pub projects: Vec<ProjectView>,
    /// The record was restored from a backup, and nothing is deployed until an operator says `trunkline resume`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe_mode: Option<SafeMode>,
    /// The server's disk is nearly full, with this many free bytes: running work is recorded, nothing new begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_full: Option<u64>,
}

/// A record that was restored, and that nobody has confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SafeMode {
    /// Which restoration of the record it is, from 1.
    pub restoration: u32,
    /// When the backup was taken.
    pub taken_at: Timestamp,
    /// How many entries the ledger had then.
    pub entries: u64,
    /// When the server started with it.
    pub since: Timestamp,
}

impl SafeMode {
    /// Why a deployment does not begin in it.
    pub const WHY: &'static str = "the record was restored from a backup: an operator confirms with trunkline resume";
}

/// A project: its last run and its environments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProjectView {
    /// Its name.
    pub name: ProjectKey,
    /// Path of the git remote below the server's address: `/git/shop.git`.
    pub git: String,
    /// The folder of the repository that it is; absent: all of it.
    pub folder: Option<String>,
    /// Where its repository lives; absent where people push here.
    pub source: Option<SourceView>,
    /// Whether the folder of its repository is not on the server any more: nothing can be pushed, run or deployed.
    #[serde(default)]
    pub repository_gone: bool,
    /// The newest run.
    pub last_run: Option<RunView>,
    /// In the order of `after`, as the newest release says.
    pub environments: Vec<EnvironmentView>,
}

/// A repository that lives elsewhere and is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SourceView {
    /// Its address.
    pub address: String,
    /// When it was last seen, since the start of the server.
    pub seen_at: Option<Timestamp>,
    /// Why it was not seen the last time.
    pub failed: Option<String>,
    /// Where the address led to the last time, if elsewhere: the repository was renamed.
    pub redirected: Option<String>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CommitView {
    /// Its id.
    pub revision: Revision,
    /// First line of its message; absent where it was erased.
    pub subject: Option<String>,
    /// Name of its author; absent where it was erased.
    pub author: Option<String>,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// The pull request behind it.
    pub pull_request: Option<PullRequestView>,
}

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PullRequestView {
    /// Its number.
    pub number: u32,
    /// How it was found, in words: `from git: merge message`.
    pub evidence: String,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// The project.
    pub project: ProjectKey,
    /// Its number: people say `shop/812`.
    pub number: u32,
    /// The commit.
    pub commit: CommitView,
    /// The ref whose commit it is.
    pub reference: String,
    /// What started it.
    pub trigger: Trigger,
    /// Inputs of a manual start, with their defaults in any other.
    pub inputs: BTreeMap<String, String>,
    /// The version that a release of it has or would have.
    pub version: Option<String>,
    /// Digest of its plan.
    pub plan: Option<Digest>,
    /// How it ended; absent while it runs.
    pub result: Option<RunResult>,
    /// Whether somebody wants it to end.
    pub cancelling: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its jobs, in the order of the file.
    pub jobs: Vec<JobView>,
    /// The sum of all tests.
    pub tests: Option<TestSummary>,
    /// Why there is no plan: `TL0142 trunkline.yaml:3:1: Unknown key` for each error of the delivery file, or one sentence.
    pub refused: Vec<String>,
    /// Whether it is that sentence: what no look at the delivery file alone shows.
    #[serde(default)]
    pub refused_beyond_file: bool,
    /// Whether a release follows; absent while it runs.
    pub verdict: Option<ReleaseVerdict>,
    /// The release that was cut from it.
    pub release: Option<ReleaseRef>,
}

impl RunView {
    /// Why it was refused, where its delivery file is not at fault.
    pub fn beyond_file(&self) -> Option<&str> {
        self.refused.first().filter(|_| self.refused_beyond_file).map(String::as_str)
    }

    /// The code of the first error of its delivery file, where it was refused for one: `TL0142`.
    pub fn refused_code(&self) -> Option<&str> {
        let first = self.refused.first().filter(|_| !self.refused_beyond_file)?;
        first.split(' ').next().filter(|code| code.starts_with("TL"))
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JobView {
    /// Its key.
    pub key: JobKey,
    /// Jobs that it needs.
    pub needs: Vec<JobKey>,
    /// Where it stands.
    pub status: JobStatus,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// Which try, from 1; 0 before the first.
    pub attempt: u32,
    /// Since when it stands so: queued, or at work.
    pub since: Option<Timestamp>,
    /// When its last try began.
    pub began: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Which runner has it.
    pub runner: Option<String>,
    /// What kept its steps from the rest of the machine; absent where none was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxLevel>,
    /// Each step of the last try that was started, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepOutcome>,
    /// Its tests; failures with messages where they are still kept.
    pub tests: Option<TestSummary>,
    /// What it kept.
    pub artifacts: Vec<Artifact>,
    /// Bytes of its log; absent while it runs.
    pub log_bytes: Option<u64>,
    /// Whether the kept log is whole: its size and digest are those that the runner told.
    pub log_sealed: Option<bool>,
    /// Names its log: `run_…/build`.
    pub work: String,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JobStatus {
    /// What it needs has not ended.
    Blocked,
    /// It waits for a runner.
    Queued,
    /// A runner has it.
    Running,
    /// It ended.
    Ended(JobResult),
}

/// A release, named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReleaseRef {
    /// Its id.
    pub id: ReleaseId,
    /// Its number in the project.
    pub number: u32,
    /// Its version.
    pub version: String,
    /// Its alias.
    pub alias: String,
    /// Its manifest's digest: its identity.
    pub digest: Digest,
    /// From which environments on it is forbidden.
    pub vetoed_from: Vec<EnvironmentName>,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReleaseView {
    /// The project.
    pub project: ProjectKey,
    /// Its names.
    pub release: ReleaseRef,
    /// When it was cut.
    pub at: Timestamp,
    /// The run's number.
    pub run: u32,
    /// The commit.
    pub commit: CommitView,
    /// Digest of the statement of how it was built.
    pub statement: Digest,
    /// Digest of the delivery file.
    pub delivery_file: Digest,
    /// What the jobs kept.
    pub artifacts: Vec<Artifact>,
    /// Repository files in it.
    pub files: Vec<String>,
    /// Each environment's configuration.
    pub configuration: BTreeMap<EnvironmentName, Digest>,
    /// Where it may go, in the order of the delivery file.
    pub environments: Vec<EnvironmentName>,
    /// Where it was verified, oldest first.
    pub verified: Vec<EnvironmentName>,
    /// Where it may not go: where it is vetoed from, and what comes after that.
    pub forbidden: Vec<EnvironmentName>,
}

/// An environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EnvironmentView {
    /// The project.
    pub project: ProjectKey,
    /// Its name.
    pub name: EnvironmentName,
    /// What it is for.
    pub tier: Tier,
    /// Environments that it comes after.
    pub after: Vec<EnvironmentName>,
    /// Whether the newest release's delivery file names it no more. What runs there is left running.
    #[serde(default)]
    pub retired: bool,
    /// Whether releases may come; if not, `trunkline environments accept` lets them.
    pub accepted: bool,
    /// What was verified here last and still runs, as far as the record knows.
    pub runs: Option<RunningView>,
    /// The last deployment that ended, where it is not the one that runs. Beside `runs`: its target's machine stood in the way.
    pub last_failed: Option<DeploymentRef>,
    /// One that its target's machine hindered after that: it changed nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hindered_since: Option<DeploymentRef>,
    /// The newest release, where it failed here, is vetoed, and an earlier one runs again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<ReleaseRef>,
    /// What is being deployed.
    pub incoming: Option<DeploymentRef>,
    /// What waits behind it.
    pub queue: Vec<DeploymentRef>,
    /// The last fence.
    pub fence: u64,
    /// Releases that a rollback can go back to, the nearest first; none of a later run of the same ref than what runs.
    pub back_to: Vec<ReleaseRef>,
}

/// What runs in an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RunningView {
    /// The release.
    pub release: ReleaseRef,
    /// The deployment that put it there.
    pub deployment: u32,
    /// The number of the deployment that this one undid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u32>,
    /// Who asked for that deployment; absent where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Since when it is verified.
    pub since: Timestamp,
    /// The commit.
    pub revision: Revision,
    /// The number of the run that the release was cut from.
    pub run: u32,
    /// The ref of that run.
    pub reference: String,
}

/// A deployment, named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeploymentRef {
    /// Its number in the project.
    pub number: u32,
    /// What it deploys.
    pub release: ReleaseRef,
    /// The number of the deployment that it undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u32>,
    /// Where it stands.
    pub status: DeploymentStatus,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// Whether it failed, and the record knows that no part of it is in place.
    #[serde(default)]
    pub not_in_place: bool,
    /// Since when it stands so.
    pub since: Timestamp,
}

/// Where a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentStatus {
    /// For the environment.
    Waiting,
    /// Targets are looked at or changed.
    Deploying,
    /// Checks run.
    Verifying,
    /// Nobody knows whether a part took effect; it is being observed.
    Unknown,
    /// A person must say what runs: `trunkline settle`.
    Asking,
    /// It ended.
    Ended(DeploymentResult),
}
