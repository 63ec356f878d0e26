//! What people and tools ask under `/api/v1`, and how a no is told.
//!
//! Which address takes and answers which of these is in the server's table of routes, from which the document of the API is
//! made: `docs/openapi.json`.
//!
//! A no has a 4xx status and the body [`Refused`].

use crate::view::ReleaseRef;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trunkline_domain::deployment::SettledAs;
use trunkline_domain::foundation::{Digest, EnvironmentName, ProjectKey, Revision, Timestamp};

/// The header by which an act happens once: the same one sent again with the same key brings the same answer.
pub const KEY_HEADER: &str = "idempotency-key";
/// Bytes of such a key.
pub const KEY_BYTES_MAX: usize = 100;

/// Items of a list in one answer.
pub const LIST_ITEMS_MAX: u32 = 200;
/// The same where the question says nothing.
pub const LIST_ITEMS: u32 = 20;

/// Says that the server is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The program's version.
    pub version: String,
}

/// Where the ledger ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Position {
    /// Entries.
    pub seq: u64,
    /// The tree's root.
    pub root: Digest,
    /// Engine time.
    pub at: Timestamp,
}

/// What an entry of the ledger changed. Carries keys, never states: fetch what interests you.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Event {
    /// The entry.
    pub seq: u64,
    /// Engine time.
    pub at: Timestamp,
    /// The project, if it is of one.
    pub project: Option<ProjectKey>,
    /// `run/run_…`, `environment/shop/qa`: what has a new state.
    pub keys: Vec<String>,
}

/// Begins a project: with a repository of its own, to be pushed to; with one that lives elsewhere and is followed; or as a
/// folder of another project's repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddProject {
    /// Its name.
    pub name: ProjectKey,
    /// The address of a repository that is followed.
    #[serde(default)]
    pub git: Option<String>,
    /// A token for that address. Kept on the server in a file of its own; never shown again.
    #[serde(default)]
    pub token: Option<Secret>,
    /// The project whose repository it shares.
    #[serde(default)]
    pub beside: Option<ProjectKey>,
    /// The folder of the repository that it is: no part of the path is `.`, `..` or `.git`.
    #[serde(default)]
    #[schemars(
        length(max = 200),
        regex(
            pattern = r"^(?!\.{1,2}(?:/|$)|\.git(?:/|$))[^/\\\x00-\x1f\x7f-\x9f]+(?:/(?!\.{1,2}(?:/|$)|\.git(?:/|$))[^/\\\x00-\x1f\x7f-\x9f]+)*$"
        )
    )]
    pub folder: Option<String>,
}

/// Where the repository lives that a project follows, from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// Its address; the one that is known, where only the token is another.
    #[schemars(length(min = 1, max = 500))]
    pub git: String,
    /// A token for that address. Without one the token that is kept is used, if the address is of the same host.
    #[serde(default)]
    pub token: Option<Secret>,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// What a look at a followed repository brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Synced {
    /// What was started, a line each.
    pub words: Vec<String>,
}

/// Starts a run by hand; the delivery file must allow it with `on: { manual: … }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRun {
    /// A branch or tag; absent: the branch that HEAD of the repository names, which is that of a followed repository, else the
    /// first that was pushed.
    #[serde(default)]
    pub reference: Option<String>,
    /// A commit of that branch; absent: its newest.
    #[serde(default)]
    pub revision: Option<Revision>,
    /// Inputs by name.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
}

/// An act that needs nothing more than its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Act {}

/// Lets a release into an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// Where.
    pub environment: EnvironmentName,
    /// Deploys the release once more that is there already: its target lost it. One that is not there is refused.
    #[serde(default)]
    pub again: bool,
}

/// Brings an earlier release back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Number, version or alias of the release; absent: the last one verified there before the one that runs.
    pub to: Option<String>,
}

/// What a promotion or a rollback would bring about: this release would be deployed there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Intended {
    /// Where.
    pub environment: EnvironmentName,
    /// What.
    pub release: ReleaseRef,
}

/// Says what runs after an apply whose end nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// What runs.
    pub runs: SettledAs,
}

/// A link that opens the pages once, for ten minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Link {
    /// The path, `/l/…`.
    pub path: String,
}

/// A no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Refused {
    /// Which kind: `TL0404`.
    pub code: String,
    /// What, in a sentence.
    pub message: String,
    /// What would change the answer.
    pub help: Option<String>,
}
