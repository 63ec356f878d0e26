//! What people and tools ask under `/api/v1`, and how a no is told.
//!
//! | method and path | body → answer |
//! |---|---|
//! | `GET health` | → [`Health`]; needs no token |
//! | `GET status` | → [`super::view::StatusView`] |
//! | `GET wait?after=SEQ` | → [`Position`], once the ledger is longer than `after`, or after 25 s |
//! | `GET events?after=SEQ` | → a stream of [`Event`]s (`text/event-stream`), each with its entry's number as id; from `Last-Event-ID`, from `after`, or from now on |
//! | `POST projects` | [`AddProject`] → [`super::view::ProjectView`] |
//! | `POST projects/P/sync` | [`Act`] → [`Synced`]; looks at a followed repository now |
//! | `GET projects/P/runs?before=N&limit=N` | → `[RunView]`, newest first |
//! | `POST projects/P/runs` | [`StartRun`] → [`super::view::RunView`] |
//! | `GET projects/P/runs/N` | → [`super::view::RunView`] |
//! | `POST projects/P/runs/N/cancel` | [`Act`] → `RunView` |
//! | `GET projects/P/log?work=W&from=BYTE` | → bytes of a job's, apply's or check's log; header `trunkline-log-state: open` or `ended` |
//! | `GET projects/P/releases…`, `GET projects/P/releases/N` | → `[ReleaseView]`, [`super::view::ReleaseView`]; N is a number, a version or an alias |
//! | `POST projects/P/releases/N/promote` | [`Promote`] → [`super::view::DeploymentView`] |
//! | `GET projects/P/deployments…`, `GET projects/P/deployments/N` | → `[DeploymentView]`, [`super::view::DeploymentView`] |
//! | `POST projects/P/deployments/N/cancel` | [`Act`] → `DeploymentView` |
//! | `POST projects/P/deployments/N/settle` | [`Settle`] → `DeploymentView` |
//! | `GET projects/P/environments`, `GET projects/P/environments/E` | → `[EnvironmentView]`, [`super::view::EnvironmentView`] |
//! | `POST projects/P/environments/E/rollback` | [`Rollback`] → `DeploymentView` |
//! | `POST projects/P/environments/E/accept` | [`Act`] → `EnvironmentView` |
//! | `GET projects/P/trace/E` | → [`super::view::TraceView`] |
//! | `GET projects/P/where/Q` | → [`super::view::WhereView`]; Q is a commit (at least 4 digits), or `pr-N` |
//! | `POST resume` | [`Act`] → [`super::view::StatusView`]; ends the safe mode of a restored record |
//! | `GET ledger/head` | → [`Position`] |
//! | `POST links` | [`Act`] → [`Link`] |
//!
//! A no has a 4xx status and the body [`Refused`].

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trunkline_domain::deployment::SettledAs;
use trunkline_domain::foundation::{Digest, EnvironmentName, ProjectKey, Revision, Timestamp};

/// Says that the server is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The program's version.
    pub version: String,
}

/// Where the ledger ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Entries.
    pub seq: u64,
    /// The tree's root.
    pub root: Digest,
    /// Engine time.
    pub at: Timestamp,
}

/// What an entry of the ledger changed. Carries keys, never states: fetch what interests you.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The folder of the repository that it is.
    #[serde(default)]
    pub folder: Option<String>,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// What a look at a followed repository brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// What was started, a line each.
    pub words: Vec<String>,
}

/// Starts a run by hand; the delivery file must allow it with `on: { manual: … }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartRun {
    /// A branch or tag; absent: `main`.
    #[serde(default)]
    pub reference: Option<String>,
    /// A commit of that branch; absent: its newest.
    #[serde(default)]
    pub revision: Option<Revision>,
    /// Inputs by name.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// The caller's own key: the same start asked again with it is the same run.
    #[serde(default)]
    pub key: Option<String>,
}

/// An act that needs nothing more than its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {}

/// Lets a release into an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// Where.
    pub environment: EnvironmentName,
}

/// Brings an earlier release back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Number, version or alias of the release; absent: the last one verified there before the one that runs.
    pub to: Option<String>,
}

/// Says what runs after an apply whose end nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// What runs.
    pub runs: SettledAs,
}

/// A link that opens the pages once, for ten minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The path, `/l/…`.
    pub path: String,
}

/// A no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Which kind: `TL0404`.
    pub code: String,
    /// What, in a sentence.
    pub message: String,
    /// What would change the answer.
    pub help: Option<String>,
}
