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
    /// The address of the repository that it follows; absent where people push here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Each ref's commit (or tag object).
    pub refs: BTreeMap<String, Revision>,
    /// Whether it had refs once and then none: what it has now was not there from the beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emptied: bool,
}

/// What may be asked of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Start to keep it.
    Create {
        /// The repository that it follows, without any password.
        source: Option<String>,
    },
    /// Follow the same repository at another address, without any password.
    Follow {
        /// The address.
        source: String,
    },
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
    #[serde(rename_all = "kebab-case")]
    Created {
        /// The repository that it follows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// The repository that it follows lives elsewhere from now on.
    SourceMoved {
        /// Its address before.
        from: String,
        /// Its address.
        to: String,
    },
    /// A ref was moved, created or deleted.
    RefMoved {
        /// The full name.
        name: String,
        /// Where it stood.
        old: Option<Revision>,
        /// Where it stands.
        new: Option<Revision>,
        /// Whether it was the only one, and the repository has none now.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        last: bool,
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
    /// It follows none.
    #[error("people push to this repository: it follows none that could have another address")]
    NotFollowed,
    /// Somebody moved the ref meanwhile.
    #[error("{name} has moved meanwhile: fetch and push again")]
    RefElsewhere {
        /// The ref.
        name: String,
    },
    /// Git keeps refs as files in folders: one name cannot be both.
    #[error("{name} cannot be beside {other}: delete that one first, or choose another name")]
    NameClash {
        /// The ref.
        name: String,
        /// The one that is in its way.
        other: String,
    },
    /// Too many refs.
    #[error("the repository has {REFS_MAX} refs, the limit")]
    TooManyRefs,
}

/// Whether the command may happen, and what follows from it.
pub fn decide(state: Option<&Repository>, command: Command, _context: &Context) -> Result<Vec<Fact>, Refusal> {
    match (state, command) {
        (None, Command::Create { source }) => Ok(vec![Fact::Created { source }]),
        (Some(_), Command::Create { .. }) => Err(Refusal::Exists),
        (None, Command::MoveRef { .. } | Command::Follow { .. }) => Err(Refusal::Missing),
        (Some(state), Command::Follow { source }) => follow(state, source),
        (Some(state), Command::MoveRef { name, old, new }) => move_ref(state, name, old, new),
    }
}

fn follow(state: &Repository, to: String) -> Result<Vec<Fact>, Refusal> {
    match state.source.clone() {
        None => Err(Refusal::NotFollowed),
        Some(from) if from == to => Ok(Vec::new()),
        Some(from) => Ok(vec![Fact::SourceMoved { from, to }]),
    }
}

fn move_ref(state: &Repository, name: String, old: Option<Revision>, new: Option<Revision>) -> Result<Vec<Fact>, Refusal> {
    if state.refs.get(&name) != old.as_ref() {
        return Err(Refusal::RefElsewhere { name });
    }
    if old.is_none() && new.is_some() && state.refs.len() >= REFS_MAX {
        return Err(Refusal::TooManyRefs);
    }
    if old.is_none()
        && new.is_some()
        && let Some(other) = clash(state, &name)
    {
        return Err(Refusal::NameClash { name, other });
    }
    let last = new.is_none() && state.refs.len() == 1;
    if old == new { Ok(Vec::new()) } else { Ok(vec![Fact::RefMoved { name, old, new, last }]) }
}

/// A ref that is a folder of this name, or below it.
fn clash(state: &Repository, name: &str) -> Option<String> {
    let folders = name.match_indices('/').map(|(at, _)| &name[..at]);
    let above = folders.filter_map(|folder| state.refs.get_key_value(folder)).next();
    let below = format!("{name}/");
    let inside = || state.refs.range(below.clone()..).next().filter(|(other, _)| other.starts_with(&below));
    above.or_else(inside).map(|(other, _)| other.clone())
}

/// The state after the fact.
pub fn evolve(state: Option<Repository>, fact: &Fact) -> Repository {
    let mut state = state.unwrap_or_default();
    match fact {
        Fact::Created { source } => state.source.clone_from(source),
        Fact::SourceMoved { to, .. } => state.source = Some(to.clone()),
        Fact::RefMoved { name, new: Some(new), .. } => {
            state.refs.insert(name.clone(), new.clone());
        }
        Fact::RefMoved { name, new: None, last, .. } => {
            state.refs.remove(name);
            state.emptied |= last;
        }
    }
    state
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::foundation::{Actor, Timestamp};

    fn after(state: &Repository, command: Command) -> Result<Repository, Refusal> {
        let context = Context {
            now: Timestamp(1),
            actor: Actor::system(),
            id: Default::default(),
            number: 0,
            epoch: 0,
            mode: Default::default(),
            fence: 0,
        };
        let facts = decide(Some(state), command, &context)?;
        Ok(facts.iter().fold(state.clone(), |state, fact| evolve(Some(state), fact)))
    }

    #[test]
    fn only_what_is_followed_has_another_address_and_its_refs_stay() {
        let follow = |source: &str| Command::Follow { source: source.to_owned() };
        let pushed_to = moved(&Repository::default(), "refs/heads/main", Some("1")).unwrap();
        assert_eq!(after(&pushed_to, follow("file:///b")), Err(Refusal::NotFollowed));
        let followed = Repository { source: Some("file:///a".to_owned()), ..pushed_to };
        let elsewhere = after(&followed, follow("file:///b")).unwrap();
        assert_eq!(elsewhere, Repository { source: Some("file:///b".to_owned()), ..followed.clone() });
        assert_eq!(after(&followed, follow("file:///a")), Ok(followed));
    }

    fn moved(state: &Repository, name: &str, new: Option<&str>) -> Result<Repository, Refusal> {
        let old = state.refs.get(name).cloned();
        let new = new.map(|digit| digit.repeat(40).parse().unwrap());
        after(state, Command::MoveRef { name: name.to_owned(), old, new })
    }

    #[test]
    fn facts_from_before_make_the_state_that_they_made() {
        let removed =
            Fact::RefMoved { name: "refs/heads/main".to_owned(), old: Some("1".repeat(40).parse().unwrap()), new: None, last: false };
        let stored = serde_json::to_value(&removed).unwrap();
        assert!(!stored.to_string().contains("last"), "written as ever: {stored}");
        assert_eq!(serde_json::from_value::<Fact>(stored).unwrap(), removed);
        let state = moved(&Repository::default(), "refs/heads/main", Some("1")).unwrap();
        assert!(!evolve(Some(state), &removed).emptied);
    }

    #[test]
    fn a_repository_that_lost_its_refs_is_not_as_new() {
        let state = moved(&Repository::default(), "refs/heads/main", Some("1")).unwrap();
        assert!(!state.emptied);
        let state = moved(&state, "refs/heads/main", None).unwrap();
        assert!(state.emptied && moved(&state, "refs/heads/main", Some("1")).unwrap().emptied);
    }

    #[test]
    fn a_ref_is_never_a_folder_of_others() {
        let state = moved(&Repository::default(), "refs/heads/a/b", Some("1")).unwrap();
        for name in ["refs/heads/a", "refs/heads/a/b/c"] {
            let refused = moved(&state, name, Some("2")).unwrap_err();
            assert_eq!(refused, Refusal::NameClash { name: name.to_owned(), other: "refs/heads/a/b".to_owned() });
        }
        moved(&state, "refs/heads/a-b", Some("2")).unwrap();
        moved(&state, "refs/heads/a/c", Some("2")).unwrap();
        let without = moved(&state, "refs/heads/a/b", None).unwrap();
        moved(&without, "refs/heads/a", Some("2")).unwrap();
    }
}
