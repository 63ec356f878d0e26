//! Triggers, jobs and the release rule.

use super::{Check, EnvironmentRule, ManualTrigger, PathRules, Pattern, SandboxChoice, SandboxLevel};
use crate::expression::{Expression, Template};
use crate::foundation::{JobKey, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A whole delivery file, defaults already applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The project's name for people, where the file gives one.
    pub name: Option<String>,
    /// What starts a run.
    pub on: Triggers,
    /// Jobs in the order of the file. Their `needs` form no cycle.
    pub jobs: Vec<JobRule>,
    /// How a release is cut, if the pipeline makes releases.
    pub release: Option<ReleaseRule>,
    /// Environments in the order of the file. Their `after` forms no cycle.
    pub environments: Vec<EnvironmentRule>,
}

impl Definition {
    /// Jobs and checks that ask for less of a sandbox than this, each in words: "job 'build'" with what it asks for.
    pub fn asking_below(&self, floor: SandboxLevel) -> Vec<(String, SandboxLevel)> {
        let jobs = self.jobs.iter().map(|job| (format!("job '{}'", job.key), job.sandbox));
        let checks = self.environments.iter().flat_map(|environment| {
            environment.verify.iter().filter_map(move |rule| match rule.check {
                Check::Run { sandbox, .. } => Some((format!("check '{}' of {}", rule.name, environment.name), sandbox)),
                Check::Http(_) => None,
            })
        });
        let below = |(what, choice): (String, SandboxChoice)| match choice {
            SandboxChoice::Exactly(level) if level < floor => Some((what, level)),
            SandboxChoice::Exactly(_) | SandboxChoice::Auto => None,
        };
        jobs.chain(checks).filter_map(below).collect()
    }
}

/// What starts a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggers {
    /// A pushed branch or tag.
    pub push: Option<PushTrigger>,
    /// A person or a tool asks for it.
    pub manual: Option<ManualTrigger>,
}

/// Which pushes start a run. Both lists empty: every branch, no tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushTrigger {
    /// Branch names.
    pub branches: Vec<Pattern>,
    /// Tag names.
    pub tags: Vec<Pattern>,
    /// Which changed files matter. Empty: all.
    #[serde(default, skip_serializing_if = "PathRules::is_empty")]
    pub paths: PathRules,
}

/// One job: steps that run in order in one fresh workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRule {
    /// Its key in the file.
    pub key: JobKey,
    /// Jobs that must end before it starts.
    pub needs: Vec<JobKey>,
    /// Runs only where this is true. Absent: when everything needed has passed.
    pub condition: Option<Expression>,
    /// Commands, in order. At least one.
    pub steps: Vec<Step>,
    /// Environment variables of every step; `defaults.env` is merged in.
    pub env: BTreeMap<String, Template>,
    /// How long one attempt may take.
    pub timeout: Millis,
    /// What keeps its steps from the rest of the runner's machine.
    #[serde(default, skip_serializing_if = "SandboxChoice::is_auto")]
    pub sandbox: SandboxChoice,
    /// Files to keep when the job has passed.
    pub artifacts: Vec<ArtifactRule>,
    /// Test reports to read when the steps have ended, passed or not.
    pub reports: Vec<ReportRule>,
    /// When to try again.
    pub retry: Retry,
    /// What its failure means for the run.
    pub failure: FailureMode,
}

/// One command of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Step {
    /// Its name for people; absent where the file gives none.
    pub name: Option<String>,
    /// Shell text, handed to `sh -e` unchanged.
    pub run: String,
}

/// A file or folder to keep, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ArtifactRule {
    /// Its name in the run and in the release. Unique in the pipeline.
    pub name: String,
    /// Path relative to the workspace. A folder is packed as a reproducible tar.
    pub path: String,
}

/// A test report to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReportRule {
    /// How it is written.
    pub format: ReportFormat,
    /// Path relative to the workspace; for libtest text the word `log` means the job's own output.
    pub path: String,
}

/// The report formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReportFormat {
    /// JUnit XML, all common dialects.
    Junit,
    /// The text that `cargo test` prints.
    Libtest,
}

/// When a job is tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Further attempts after the first.
    pub max: u32,
    /// Which ends of an attempt count. Loss of the runner is retried once even without this.
    pub on: Vec<RetryCause>,
}

/// An end of an attempt that may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryCause {
    /// The runner was lost.
    Lost,
    /// A step exited non-zero, with any code.
    Failed,
    /// A step exited with this code.
    ExitCode(i32),
}

/// What a job's failure means for its run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureMode {
    /// The run fails.
    #[default]
    Fail,
    /// The run may pass; the failure is shown.
    Warn,
}

/// How a release is cut from a passed run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRule {
    /// Jobs that must have passed. Absent: every job that has to pass.
    pub needs: Option<Vec<JobKey>>,
    /// A release is cut only where this is true.
    pub condition: Option<Expression>,
    /// How its version is made.
    pub version: VersionRule,
    /// Artifacts by name. Absent: all of the run.
    pub artifacts: Option<Vec<String>>,
    /// Repository files and folders (ending in `/`) that deployments need.
    pub files: Vec<String>,
}

/// How a version is made; known from the start of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionRule {
    /// `YYYY.M.N` with N the run's number: unique in the project and rising within a month.
    Calver,
    /// What `git describe --tags --always` says of the commit.
    GitDescribe,
    /// A text expression over `change` and `event`.
    Expression(Expression),
}
