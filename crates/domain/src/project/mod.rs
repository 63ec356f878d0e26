//! A project: a repository (later: a folder of one) with a delivery file. The unit of permission and of numbering.

use crate::context::Context;
use crate::foundation::RepositoryKey;
use serde::{Deserialize, Serialize};

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Where its code is.
    pub repository: RepositoryKey,
}

/// What may be asked of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin it.
    Add {
        /// Where its code is.
        repository: RepositoryKey,
    },
}

/// What happened to a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// It began.
    Added {
        /// Where its code is.
        repository: RepositoryKey,
    },
}

/// Why a project refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is one of that name.
    #[error("the project exists already")]
    Exists,
}

/// Whether the command may happen, and what follows from it.
pub fn decide(state: Option<&Project>, command: Command, _context: &Context) -> Result<Vec<Fact>, Refusal> {
    match (state, command) {
        (None, Command::Add { repository }) => Ok(vec![Fact::Added { repository }]),
        (Some(_), Command::Add { .. }) => Err(Refusal::Exists),
    }
}

/// The state after the fact.
pub fn evolve(_state: Option<Project>, fact: &Fact) -> Project {
    match fact {
        Fact::Added { repository } => Project { repository: repository.clone() },
    }
}
