//! What a runner says of one piece of a deployment.

use super::{NAMED_BYTES_MAX, REASON_BYTES_MAX};
use crate::foundation::{Digest, Millis, shortened};
use crate::pipeline::SandboxLevel;
use crate::report::TestSummary;
use serde::{Deserialize, Serialize};

/// What is on a part's target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Observed {
    /// What the target says of itself.
    pub live: Live,
    /// The fence that the target holds; none where it keeps none.
    pub fence: Option<u64>,
    /// Whether it is well.
    pub health: Health,
    /// How the target knows, in a few words: "supervisor status", "observe script".
    pub source: String,
}

impl Observed {
    /// With every text within its limit, whatever a runner said.
    pub fn within_limits(self) -> Observed {
        let live = match self.live {
            Live::Named(name) => Live::Named(shortened(&name, NAMED_BYTES_MAX)),
            Live::Unknown(reason) => Live::Unknown(shortened(&reason, REASON_BYTES_MAX)),
            live @ (Live::Nothing | Live::Release(_)) => live,
        };
        Observed { live, source: shortened(&self.source, NAMED_BYTES_MAX), ..self }
    }
}

/// What a target says is running on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Live {
    /// Nothing was ever put there.
    Nothing,
    /// The release with this manifest digest.
    Release(Digest),
    /// What the target names otherwise, by its version, shortened to 200 bytes.
    Named(String),
    /// It could not be found out, for this reason.
    Unknown(String),
}

/// Whether what is on a target is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Well.
    Healthy,
    /// On its way.
    Progressing,
    /// Not well.
    Degraded,
    /// Nothing says so.
    Unknown,
}

/// How an apply ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApplyOutcome {
    /// The release is in place.
    Applied,
    /// It is not; the reason in one sentence.
    Failed(String),
    /// Its machine stood in the way, which says nothing of the release. What ran before runs on, unless a
    /// person stopped it.
    Hindered {
        /// Why, in one sentence.
        reason: String,
        /// Whether something was changed on the way there, by the apply: what ran was interrupted, or the release ran for a
        /// moment.
        touched: bool,
    },
    /// The target holds a higher fence and refused.
    Stale {
        /// The fence that the target holds.
        held: u64,
    },
    /// Nobody knows whether it took effect; the reason in one sentence.
    Unknown(String),
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CheckOutcome {
    /// Whether it passed.
    pub verdict: CheckVerdict,
    /// What was seen, in one sentence: "200, version 1.42 after 0.3 s".
    pub evidence: String,
    /// What its reports said. A check without reports counts as one test.
    pub tests: Option<TestSummary>,
    /// How long it took.
    pub took: Millis,
    /// What it stood behind; absent where it ran nothing on a runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxLevel>,
}

/// Whether a check passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckVerdict {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failed,
    /// The runner could not check.
    Lost,
}
