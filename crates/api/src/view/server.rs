//! The server itself, as its operator has to know it.

use serde::{Deserialize, Serialize};
use trunkline_domain::pipeline::SandboxLevel;

/// The server itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ServerView {
    /// The program's version.
    pub version: String,
    /// The runner in its process; absent where it has none.
    pub runner: Option<RunnerView>,
}

/// What a runner keeps the steps of jobs and checks behind, as it was found at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RunnerView {
    /// How many pieces of work it does at a time.
    pub slots: u32,
    /// What `sandbox: auto` is here.
    pub sandbox: SandboxLevel,
    /// The least that may be asked for.
    pub sandbox_min: SandboxLevel,
    /// Levels that it does not have.
    pub missing: Vec<MissingLevel>,
    /// The version of Linux's control groups that it uses; absent where it uses none.
    pub control_groups: Option<u8>,
    /// Why it uses none.
    pub no_control_groups: Option<Lack>,
    /// Bytes of memory that the processes of a step may have together; absent: what there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_memory: Option<u64>,
    /// Processes and threads that a step may have; absent: what there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_processes: Option<u64>,
}

/// A sandbox level that a machine does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MissingLevel {
    /// Which.
    pub level: SandboxLevel,
    /// Why, and what to do.
    #[serde(flatten)]
    pub lack: Lack,
}

/// What is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Lack {
    /// Why, in a sentence.
    pub why: String,
    /// What to do.
    pub help: String,
}
