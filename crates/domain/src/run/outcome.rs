//! What a runner says of one attempt of a job.

use crate::foundation::{Digest, Millis};
use crate::pipeline::SandboxLevel;
use crate::report::TestSummary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How one attempt of a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JobOutcome {
    /// The end itself.
    pub result: AttemptResult,
    /// Why, in one sentence, where the result alone does not say it.
    pub reason: Option<String>,
    /// What kept the steps from the rest of the machine; absent where none was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxLevel>,
    /// Each step that was started, in order.
    pub steps: Vec<StepOutcome>,
    /// `name=value` lines of the file named by `TRUNKLINE_OUTPUT`.
    pub outputs: BTreeMap<String, String>,
    /// What was kept.
    pub artifacts: Vec<Artifact>,
    /// What the reports said.
    pub tests: Option<TestSummary>,
}

impl JobOutcome {
    /// An end of which there is no more to tell: no step was started, nothing was kept.
    pub fn bare(result: AttemptResult) -> Self {
        Self { result, reason: None, sandbox: None, steps: Vec::new(), outputs: BTreeMap::new(), artifacts: Vec::new(), tests: None }
    }
}

/// The ends of an attempt that a runner can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptResult {
    /// Every step exited 0 and every artifact was there.
    Passed,
    /// A step exited non-zero, or an artifact was missing.
    Failed,
    /// The time ran out.
    TimedOut,
    /// It was asked to end.
    Cancelled,
    /// The runner could not do it: no disk, no snapshot, killed.
    Lost,
}

/// How one step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StepOutcome {
    /// Exit code, or 128 and the signal's number.
    pub code: i32,
    /// How long it took.
    pub took: Millis,
    /// What it used of the machine, with all that it started; absent where that was not learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// What a step and all that it started used of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Usage {
    /// Time of processors, user and system together, in milliseconds.
    pub cpu_ms: u64,
    /// The most memory, in KiB; absent where it cannot be told, as where it was no more than the runner's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_kb: Option<u64>,
    /// Where both come from, and so what they mean.
    pub source: UsageSource,
}

/// Where the figures of a [`Usage`] come from; there may be others later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UsageSource {
    /// `wait4`: processes that were waited for; the memory is that of the largest single one.
    Rusage,
    /// A control group: all processes together; the memory includes files in the cache on their behalf.
    ControlGroup,
}

/// Kept bytes, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Artifact {
    /// The artifact's name.
    pub name: String,
    /// Digest of the bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size: u64,
    /// What the bytes are.
    pub form: ArtifactForm,
}

/// What an artifact's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactForm {
    /// One file.
    File,
    /// One file that may be executed.
    Executable,
    /// A folder, packed as a reproducible tar: sorted, owner 0, time 0.
    Folder,
}
