//! Environments: their order, parts, checks.

use super::{ReportRule, SandboxChoice};
use crate::expression::Template;
use crate::foundation::{EnvironmentName, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One environment of the delivery file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentRule {
    /// Its key in the file.
    pub name: EnvironmentName,
    /// What it is for.
    pub tier: Tier,
    /// Where a release must be verified before it comes here by itself.
    pub after: After,
    /// What happens to releases that arrive while one is being deployed.
    pub queue: QueuePolicy,
    /// Repository file whose content is this environment's configuration; it becomes part of the release.
    pub config: Option<String>,
    /// What is deployed, in order. At least one.
    pub parts: Vec<Part>,
    /// Checks after the parts are in place; all must pass for the release to be verified.
    pub verify: Vec<CheckRule>,
    /// Which failures bring the last verified release back by themselves.
    pub rollback: Vec<RollbackCause>,
}

/// What an environment is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// For work in progress.
    #[default]
    Development,
    /// For tests.
    Testing,
    /// As production, without its users.
    Staging,
    /// What users use.
    Production,
}

/// Where a release must be verified first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum After {
    /// Nowhere: a release comes here as soon as it is cut.
    #[default]
    Release,
    /// In each of these.
    All(Vec<EnvironmentName>),
    /// In one of these.
    Any(Vec<EnvironmentName>),
}

impl After {
    /// The environments named.
    pub fn names(&self) -> &[EnvironmentName] {
        match self {
            After::Release => &[],
            After::All(names) | After::Any(names) => names,
        }
    }

    /// Whether a release verified in `verified` may come.
    pub fn holds(&self, verified: &[EnvironmentName]) -> bool {
        match self {
            After::Release => true,
            After::All(names) => names.iter().all(|name| verified.contains(name)),
            After::Any(names) => names.iter().any(|name| verified.contains(name)),
        }
    }
}

/// What happens to releases that arrive while one is being deployed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueuePolicy {
    /// Only the newest waits; older ones are superseded, visibly.
    Newest,
    /// All wait, in order.
    #[default]
    Queue,
    /// None waits; it is refused, visibly.
    Reject,
}

/// A failure that brings the last verified release back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RollbackCause {
    /// A part did not become healthy, or its apply failed.
    Health,
    /// A check failed.
    Verify,
}

/// One piece of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Part {
    /// Its name; `main` where the file gives one part without a name. Unique in the environment.
    pub name: String,
    /// What kind of target it has.
    pub kind: PartKind,
}

/// The kinds of deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// Supervised instances on the runner.
    Process(ProcessPart),
    /// The user's own scripts.
    Run(RunPart),
}

impl PartKind {
    /// Whether a second apply of the same release under a newer fence is harmless.
    pub fn is_idempotent(&self) -> bool {
        match self {
            PartKind::Process(_) => true,
            PartKind::Run(part) => part.idempotent,
        }
    }
}

/// Supervised instances on the runner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProcessPart {
    /// The artifact to start from, by name; placed in the folder under this name. Absent: files alone.
    pub artifact: Option<String>,
    /// Shell text that becomes the service; it runs in a folder with the release's artifacts and files.
    pub run: String,
    /// `host:port` that the supervisor binds and hands on (`LISTEN_FDS`), so that a switch loses no request.
    pub listen: Option<String>,
    /// How many run side by side; more than one needs `listen`.
    pub instances: u32,
    /// Environment variables of the service.
    pub env: BTreeMap<String, Template>,
    /// How long a new instance may take to say `READY=1` to `NOTIFY_SOCKET`. Absent: one that has run for half a second
    /// counts as ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_within: Option<Millis>,
}

/// The user's own scripts. Each is shell text that runs in a fresh folder with the release's artifacts and files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RunPart {
    /// Makes the release the state of the target.
    pub apply: String,
    /// Prints what is there: a line `release=<digest or version>`, optionally `fence=<n>`.
    pub observe: Option<String>,
    /// Exit 0: healthy.
    pub health: Option<String>,
    /// Replaces `apply` when an earlier release comes back.
    pub rollback: Option<String>,
    /// Whether a second start is harmless.
    pub idempotent: bool,
    /// Environment variables of the scripts.
    pub env: BTreeMap<String, Template>,
    /// How long one script may take.
    pub timeout: Millis,
}

/// A check after a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CheckRule {
    /// Its name for people; made from its kind where the file gives none. Unique in the environment.
    pub name: String,
    /// What is checked.
    pub check: Check,
}

/// The kinds of check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Asks an address until it answers as it should.
    Http(HttpCheck),
    /// Exit 0 passes.
    Run {
        /// Shell text.
        run: String,
        /// Test reports to read afterwards.
        reports: Vec<ReportRule>,
        /// How long it may take.
        timeout: Millis,
        /// What keeps it from the rest of the runner's machine.
        #[serde(default, skip_serializing_if = "SandboxChoice::is_auto")]
        sandbox: SandboxChoice,
    },
}

/// An HTTP check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HttpCheck {
    /// The address, `http://…`.
    pub url: Template,
    /// The status that must come.
    pub status: u16,
    /// Top-level members that the JSON answer must have with these texts.
    pub json: BTreeMap<String, Template>,
    /// Text that the answer must contain.
    pub text: Option<Template>,
    /// How long to keep asking.
    pub within: Millis,
}
