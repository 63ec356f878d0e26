//! A project: a repository (later: a folder of one) with a delivery file. The unit of permission and of numbering.

use crate::context::Context;
use crate::foundation::{RepositoryKey, Revision};
use serde::{Deserialize, Serialize};

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Where its code is.
    pub repository: RepositoryKey,
    /// The folder of the repository that it is, without slashes at its ends; absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

/// What may be asked of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin it.
    Add {
        /// Where its code is.
        repository: RepositoryKey,
        /// The folder of the repository that it is.
        folder: Option<String>,
    },
    /// Note that a pushed commit starts no run, and why.
    Skip(Skip),
}

/// A commit that starts no run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The ref that came to rest there.
    pub reference: String,
    /// The commit.
    pub revision: Revision,
    /// Why.
    pub reason: SkipReason,
}

/// Why a commit starts no run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// Its message asks for that, with this mark.
    Asked(String),
    /// No file that it changed is named in `on.push.paths`.
    PathsUntouched,
    /// The ref stood there before the project was added.
    BeforeProject,
}

impl SkipReason {
    /// For people.
    pub fn words(&self) -> String {
        match self {
            SkipReason::Asked(mark) => format!("its message says {mark}"),
            SkipReason::BeforeProject => "it was there before the project was added".to_owned(),
            SkipReason::PathsUntouched => "its paths are untouched: on.push.paths names no file that it changes".to_owned(),
        }
    }
}

/// What happened to a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// It began.
    #[serde(rename_all = "kebab-case")]
    Added {
        /// Where its code is.
        repository: RepositoryKey,
        /// The folder of the repository that it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        folder: Option<String>,
    },
    /// A pushed commit started no run.
    Skipped(Skip),
}

/// Why a project refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is one of that name.
    #[error("the project exists already")]
    Exists,
    /// It was never begun.
    #[error("there is no such project")]
    Missing,
}

/// Whether the command may happen, and what follows from it.
pub fn decide(state: Option<&Project>, command: Command, _context: &Context) -> Result<Vec<Fact>, Refusal> {
    match (state, command) {
        (None, Command::Add { repository, folder }) => Ok(vec![Fact::Added { repository, folder }]),
        (Some(_), Command::Add { .. }) => Err(Refusal::Exists),
        (Some(_), Command::Skip(skip)) => Ok(vec![Fact::Skipped(skip)]),
        (None, Command::Skip(_)) => Err(Refusal::Missing),
    }
}

/// The state after the fact.
pub fn evolve(state: Option<Project>, fact: &Fact) -> Project {
    match fact {
        Fact::Added { repository, folder } => Project { repository: repository.clone(), folder: folder.clone() },
        Fact::Skipped(_) => state.expect("INVARIANT: a project begins before anything is skipped"),
    }
}
