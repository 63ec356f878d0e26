//! A git repository that Trunkline keeps: where its refs stand. The objects live in git.

use crate::context::Context;
use crate::foundation::Revision;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Refs of one repository.
pub const REFS_MAX: usize = 50_000;

/// Where a repository's refs stand, by full name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// Each ref's commit (or tag object).
    pub refs: BTreeMap<String, Revision>,
}

/// What may be asked of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Start to keep it.
    Create,
    /// Move, create (`old` absent) or delete (`new` absent) a ref.
    MoveRef {
        /// The full name, `refs/heads/main`.
        name: String,
        /// Where it must stand now.
        old: Option<Revision>,
        /// Where it shall stand.
        new: Option<Revision>,
    },
}

/// What happened to a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// It is kept from now on.
    Created,
    /// A ref was moved, created or deleted.
    RefMoved {
        /// The full name.
        name: String,
        /// Where it stood.
        old: Option<Revision>,
        /// Where it stands.
        new: Option<Revision>,
    },
}

/// Why a repository refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is one of that name.
    #[error("the repository exists already")]
    Exists,
    /// There is none of that name.
    #[error("there is no such repository")]
    Missing,
    /// Somebody moved the ref meanwhile.
    #[error("{name} has moved meanwhile: fetch and push again")]
    RefElsewhere {
        /// The ref.
        name: String,
    },
    /// Too many refs.
    #[error("the repository has {REFS_MAX} refs, the limit")]
    TooManyRefs,
}

/// Whether the command may happen, and what follows from it.
pub fn decide(state: Option<&Repository>, command: Command, _context: &Context) -> Result<Vec<Fact>, Refusal> {
    match (state, command) {
        (None, Command::Create) => Ok(vec![Fact::Created]),
        (Some(_), Command::Create) => Err(Refusal::Exists),
        (None, Command::MoveRef { .. }) => Err(Refusal::Missing),
        (Some(state), Command::MoveRef { name, old, new }) => move_ref(state, name, old, new),
    }
}

fn move_ref(state: &Repository, name: String, old: Option<Revision>, new: Option<Revision>) -> Result<Vec<Fact>, Refusal> {
    if state.refs.get(&name) != old.as_ref() {
        return Err(Refusal::RefElsewhere { name });
    }
    if old.is_none() && new.is_some() && state.refs.len() >= REFS_MAX {
        return Err(Refusal::TooManyRefs);
    }
    if old == new { Ok(Vec::new()) } else { Ok(vec![Fact::RefMoved { name, old, new }]) }
}

/// The state after the fact.
pub fn evolve(state: Option<Repository>, fact: &Fact) -> Repository {
    let mut state = state.unwrap_or_default();
    if let Fact::RefMoved { name, new, .. } = fact {
        match new {
            Some(new) => state.refs.insert(name.clone(), new.clone()),
            None => state.refs.remove(name),
        };
    }
    state
}
