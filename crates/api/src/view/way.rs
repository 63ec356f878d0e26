//! Ways: from production back to the pull request, and from a commit towards production.

use super::{DeploymentStatus, DeploymentView, EnvironmentView, ReleaseRef, ReleaseView, RunView};
use serde::{Deserialize, Serialize};
use trunkline_domain::foundation::{Digest, Millis, ProjectKey, Revision, Timestamp};

/// From what runs in an environment back to the pull request. Each link is a fact of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TraceView {
    /// The environment.
    pub environment: EnvironmentView,
    /// What runs there.
    pub release: ReleaseView,
    /// The deployment that put it there, with its verification.
    pub deployment: DeploymentView,
    /// The run that made the release, with its tests.
    pub run: RunView,
    /// Digest of the environment's configuration in the release.
    pub configuration: Option<Digest>,
    /// The ledger's size when this was answered.
    pub as_of: u64,
    /// The ledger's root then: keep it elsewhere, and `ledger verify --root` finds any later change.
    pub root: Digest,
}

/// Where a change is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WhereView {
    /// The project.
    pub project: ProjectKey,
    /// The commit that was asked for.
    pub revision: Revision,
    /// The run that carries it: of its own commit, or of a later one of the same push.
    pub run: RunView,
    /// The release, once cut.
    pub release: Option<ReleaseView>,
    /// The stations of its way, in order.
    pub stations: Vec<StationView>,
    /// Newest release of the project, where it is another one.
    pub newer: Option<ReleaseRef>,
}

/// One station of a change's way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StationView {
    /// `pushed`, a job's key, `release`, an environment's name.
    pub name: String,
    /// What kind of station it is.
    pub kind: StationKind,
    /// Where the change stands here.
    pub state: StationState,
    /// When it arrived or passed.
    pub at: Option<Timestamp>,
    /// How long it took here.
    pub took: Option<Millis>,
    /// Why it waits, failed or never comes; what was seen where it passed.
    pub reason: Option<String>,
    /// Whether a check saw it run there, at an environment that it passed.
    pub seen: bool,
    /// The deployment's number, at an environment.
    pub deployment: Option<u32>,
    /// Where that deployment stands.
    pub status: Option<DeploymentStatus>,
}

/// What kind of station it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StationKind {
    /// The push.
    Push,
    /// A job.
    Job,
    /// The release.
    Release,
    /// An environment.
    Environment,
}

/// Where a change stands at a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StationState {
    /// Done; in an environment: verified there.
    Passed,
    /// At work.
    Running,
    /// It waits.
    Waiting,
    /// It ended badly.
    Failed,
    /// It was verified there, and another release runs now.
    Replaced,
    /// It was verified there, and an earlier release was put back.
    RolledBack,
    /// It will not come here.
    Stopped,
    /// It has not come here yet.
    Ahead,
}
