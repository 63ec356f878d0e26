//! One deployment with its parts and checks.

use super::{DeploymentStatus, ReleaseRef};
use serde::{Deserialize, Serialize};
use trunkline_domain::deployment::{CheckVerdict, Observed};
use trunkline_domain::foundation::{DeploymentId, Digest, EnvironmentName, ProjectKey, Timestamp};
use trunkline_domain::pipeline::SandboxLevel;
use trunkline_domain::report::TestSummary;

/// A deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeploymentView {
    /// Its id.
    pub id: DeploymentId,
    /// The project.
    pub project: ProjectKey,
    /// Its number in the project.
    pub number: u32,
    /// Where.
    pub environment: EnvironmentName,
    /// What.
    pub release: ReleaseRef,
    /// Why: `promotion`, `asked by ana`, `rollback of deployment 31`, `rollback by ana`.
    pub cause: String,
    /// Whether an earlier release comes back.
    pub rollback: bool,
    /// The number of the deployment that it undoes.
    pub undoes: Option<u32>,
    /// Where it stands.
    pub status: DeploymentStatus,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// Whether somebody wants it to end.
    #[serde(default)]
    pub cancelling: bool,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it got the environment.
    pub began: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its fence.
    pub fence: Option<u64>,
    /// What ran on each part's target before.
    pub before: Vec<Observed>,
    /// Its parts.
    pub parts: Vec<PartView>,
    /// Its checks.
    pub checks: Vec<CheckView>,
    /// Digest of the environment's configuration in the release.
    pub configuration: Option<Digest>,
    /// The sum of its checks' tests.
    pub tests: TestSummary,
}

/// A part of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PartView {
    /// Its name.
    pub name: String,
    /// When it was in place.
    pub applied_at: Option<Timestamp>,
    /// Whether an observation found it in place after its apply had become unknown.
    pub found: bool,
    /// Names its log: `dep_…/apply/0`.
    pub work: String,
}

/// A check of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CheckView {
    /// Its name.
    pub name: String,
    /// How it ended; absent before.
    pub verdict: Option<CheckVerdict>,
    /// What was seen.
    pub evidence: Option<String>,
    /// Its tests.
    pub tests: Option<TestSummary>,
    /// When it ended.
    pub at: Option<Timestamp>,
    /// What it stood behind; absent where it ran nothing on a runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxLevel>,
    /// Names its log: `dep_…/verify/0`.
    pub work: String,
}
