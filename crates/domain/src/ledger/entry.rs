//! The form of one entry.

use crate::foundation::{Actor, ProjectKey, Timestamp};
use serde::{Deserialize, Serialize};

/// The facts of one command. Field order is part of the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry<F> {
    /// Version of this form: 1.
    pub v: u32,
    /// Position in the ledger, from 1, without gaps.
    pub seq: u64,
    /// Engine time, never before the entry before.
    pub at: Timestamp,
    /// The project, where the facts concern one.
    pub project: Option<ProjectKey>,
    /// Position among the project's entries, from 1, without gaps: an export of one project proves that it is complete.
    pub project_seq: Option<u64>,
    /// Who acted.
    pub actor: Actor,
    /// By which way.
    pub via: Via,
    /// Unique within the project: a command with the same key is recorded once.
    pub command_key: Option<String>,
    /// What happened, in order.
    pub facts: Vec<F>,
}

/// The way by which a command came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// A pushed ref.
    Push,
    /// The HTTP API, which the command line uses.
    Api,
    /// A look at a followed repository.
    Poll,
    /// A runner's claim or report.
    Runner,
    /// A deadline or the start of the server.
    Timer,
}

impl<F: Serialize> Entry<F> {
    /// The bytes that are stored and hashed: compact JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an entry has only string keys")
    }
}
