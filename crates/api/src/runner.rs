//! The runner protocol, version 1: claim, renew, report, log, blobs.
//!
//! A runner claims one assignment for a free slot, renews its lease every [`RENEW_EVERY`], streams the log, and
//! reports one outcome; the answer may carry the next assignment. Every write names the lease; a write under an
//! older epoch is refused as stale. The in-process runner speaks the same types without HTTP.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trunkline_domain::deployment::{ApplyOutcome, CheckOutcome, Observed};
use trunkline_domain::foundation::{DeploymentId, Digest, EnvironmentName, Millis, ProjectKey, ReleaseId, Revision, RunId, RunnerKey};
use trunkline_domain::pipeline::{ArtifactRule, CheckRule, FrozenFile, Part, ReportRule, SandboxChoice, SandboxLevel, Step};
use trunkline_domain::run::{Artifact, JobOutcome};

/// How often a lease is renewed.
pub const RENEW_EVERY: Millis = Millis::seconds(10);
/// A runner that has had no acknowledged renewal for this long starts no new part of a deployment.
pub const QUIET_AFTER: Millis = Millis::seconds(25);
/// The server gives work out again no earlier than this after the last renewal.
pub const LOST_AFTER: Millis = Millis::seconds(40);
/// Logs up to this size travel inside the report.
pub const INLINE_LOG_BYTES_MAX: usize = 16 << 10;
/// Bytes of one log chunk.
pub const LOG_CHUNK_BYTES_MAX: usize = 1 << 20;
/// Bytes of a whole log; what comes after is counted, not kept, and marked.
pub const LOG_BYTES_MAX: u64 = 1 << 30;
/// Bytes of a blob that a runner sends.
pub const BLOB_BYTES_MAX: u64 = 8 << 30;

/// The right to do one piece of work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Lease {
    /// The work's natural key: `run_…/job/build/1` (attempt 1), `dep_…/2` (the deployment's second piece of work).
    pub work: String,
    /// Rises with every grant; a write under an older one is refused.
    pub epoch: u64,
}

/// Asks for work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// Who asks.
    pub runner: RunnerKey,
    /// How long the server may wait for work before it answers with none, in milliseconds, at most 30,000.
    pub wait_ms: u64,
}

/// One piece of work and the right to do it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Assignment {
    /// The right.
    pub lease: Lease,
    /// The work.
    pub work: Work,
    /// Where it belongs: becomes the `TRUNKLINE_…` variables.
    pub subject: Subject,
    /// Texts that must not appear in logs; each is replaced by `***`.
    pub masked: Vec<String>,
}

/// Where a piece of work belongs. Each present member becomes `TRUNKLINE_<NAME>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Subject {
    /// The project.
    pub project: ProjectKey,
    /// `shop/812`.
    pub run: String,
    /// The run's id.
    pub run_id: RunId,
    /// The commit.
    pub revision: Revision,
    /// The ref whose commit it is, `refs/heads/main`.
    pub reference: String,
    /// What started the run: `push` or `manual`.
    pub event: String,
    /// Inputs of a manual start.
    pub inputs: BTreeMap<String, String>,
    /// The version that a release of this run has or would have.
    pub version: Option<String>,
    /// The release and its manifest's digest.
    pub release: Option<(ReleaseId, Digest)>,
    /// The environment.
    pub environment: Option<EnvironmentName>,
    /// The deployment.
    pub deployment: Option<DeploymentId>,
    /// The environment's fence.
    pub fence: Option<u64>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Run a job's steps in a fresh workspace of the subject's revision.
    Job(JobWork),
    /// Say what is on the part's target. Changes nothing.
    Observe(PartWork),
    /// Make the release the state of the part's target.
    Apply(PartWork),
    /// Run one check.
    Verify(VerifyWork),
}

/// A job's steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JobWork {
    /// The folder of the workspace in which everything happens and from which all paths start. Empty: the workspace.
    pub folder: String,
    /// Commands in order; the first that exits non-zero ends the job.
    pub steps: Vec<Step>,
    /// Variables of every step, already rendered.
    pub env: BTreeMap<String, String>,
    /// How long the attempt may take.
    pub timeout: Millis,
    /// What keeps the steps from the rest of the machine.
    #[serde(default, skip_serializing_if = "SandboxChoice::is_auto")]
    pub sandbox: SandboxChoice,
    /// What to keep when all steps passed. A missing path fails the job.
    pub artifacts: Vec<ArtifactRule>,
    /// Reports to read when the steps have ended.
    pub reports: Vec<ReportRule>,
    /// Artifacts of the jobs it needs, put into the folder named by `TRUNKLINE_ARTIFACTS`.
    pub inputs: Vec<Artifact>,
}

/// One part of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PartWork {
    /// The part, its templates still to be rendered from `values`.
    pub part: Part,
    /// Rendered forms of the part's templates in `env`.
    pub env: BTreeMap<String, String>,
    /// What the release holds.
    pub contents: Contents,
    /// Whether an earlier release comes back.
    pub rollback: bool,
}

/// One check of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VerifyWork {
    /// The check, its templates already rendered to plain text.
    pub check: CheckRule,
    /// What the release holds.
    pub contents: Contents,
    /// The least that `sandbox: auto` may come to: what the release verified last in a production environment had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<SandboxLevel>,
}

/// What a release puts into the fresh folder of its deployments and checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Contents {
    /// Artifacts, by name in the folder's root.
    pub artifacts: Vec<Artifact>,
    /// Repository files, at their paths.
    pub files: Vec<FrozenFile>,
    /// The environment's configuration, put beside the folder and named by `TRUNKLINE_CONFIG`.
    pub configuration: Option<Digest>,
}

/// Tells how a piece of work ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    /// Who did it.
    pub runner: RunnerKey,
    /// Under which right.
    pub lease: Lease,
    /// How it ended.
    pub outcome: Outcome,
    /// What was printed.
    pub log: LogEnd,
    /// Whether the answer may carry the next assignment.
    pub claim_next: bool,
}

/// The whole of a log, told at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LogEnd {
    /// Bytes after masking.
    pub bytes: u64,
    /// Their digest.
    pub digest: Digest,
    /// The bytes themselves where they are few; otherwise they were streamed.
    pub inline: Option<String>,
    /// Bytes that came after the limit and were not kept.
    pub dropped: u64,
    /// Whether the runner has nothing more to send, though the server may have less than `bytes`. Otherwise a server that
    /// lost some asks for them ([`CallRefusal::Offset`]) before it takes the outcome.
    #[serde(default)]
    pub spent: bool,
}

/// How a piece of work ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A job.
    Job(JobOutcome),
    /// An observation.
    Observe(Observed),
    /// An apply.
    Apply(ApplyOutcome),
    /// A check.
    Verify(CheckOutcome),
}

/// Answers a claim or a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WorkReply {
    /// The next assignment, if there is one.
    pub next: Option<Assignment>,
}

/// Renews leases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// Who holds them.
    pub runner: RunnerKey,
    /// Every lease held.
    pub leases: Vec<Lease>,
}

/// Answers a renewal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RenewReply {
    /// Leases that are no longer held: end the work, report nothing.
    pub lost: Vec<Lease>,
    /// Leases whose work shall end: TERM, grace, KILL, then report it as cancelled.
    pub cancel: Vec<Lease>,
}

/// Why the server refused a runner's call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallRefusal {
    /// The lease is not held any more (HTTP 409). The work's outcome is kept as evidence, and changes nothing.
    Stale,
    /// A log chunk does not start where the last one ended (HTTP 416); send from this offset.
    Offset {
        /// Bytes that the server has.
        have: u64,
    },
    /// The request makes no sense (HTTP 400).
    Invalid(String),
    /// No such thing (HTTP 404).
    NotFound(String),
}
