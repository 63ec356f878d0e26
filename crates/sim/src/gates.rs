//! What must hold when an environment takes a release or lets it begin. Judged from releases and runs, not from what
//! the environment itself remembers of them.

use crate::invariants::{Violation, violated};
use std::collections::HashMap;
use trunkline_domain::environment::{self, Cause, Environment, Slot};
use trunkline_domain::foundation::{EnvironmentKey, EnvironmentName, ReleaseId};
use trunkline_domain::record::{Key, State};
use trunkline_domain::release::Release;

/// Every veto ever set, by release.
pub type Vetoes = HashMap<ReleaseId, Vec<EnvironmentName>>;

/// Checks a fact of an environment. The states are those before it.
pub fn hold(states: &HashMap<Key, State>, vetoes: &Vetoes, key: &EnvironmentKey, fact: &environment::Fact) -> Result<(), Violation> {
    let Some(State::Environment(environment)) = states.get(&Key::Environment(key.clone())) else { return Ok(()) };
    let release = |id: ReleaseId| match states.get(&Key::Release(id)) {
        Some(State::Release(release)) => Some(release),
        _ => None,
    };
    match fact {
        environment::Fact::Promoted { release: id, cause, .. } if !cause.is_rollback() => {
            only_what_is_there_comes_once_more(key, environment, *id, cause)?;
            release(*id).map_or(Ok(()), |release| the_earlier_after_holds_too(key, environment, release))
        }
        environment::Fact::LockGranted { deployment, .. } => {
            let Some(slot) = environment.queue.iter().find(|slot| slot.deployment == *deployment) else { return Ok(()) };
            let Some(begins) = release(slot.release) else { return Ok(()) };
            a_vetoed_release_begins_nowhere(key, vetoes, slot, begins)?;
            let current = environment.current.as_ref().and_then(|current| release(current.release));
            current.map_or(Ok(()), |current| no_newer_run_is_replaced_by_itself(key, slot, begins, current))
        }
        _ => Ok(()),
    }
}

/// Whoever asks for it once more must not displace what has come since.
fn only_what_is_there_comes_once_more(
    key: &EnvironmentKey,
    environment: &Environment,
    id: ReleaseId,
    cause: &Cause,
) -> Result<(), Violation> {
    let last = environment.current.as_ref().map(|current| current.release);
    if !matches!(cause, Cause::Again(_)) || (last == Some(id) && environment.holder.is_none() && environment.queue.is_empty()) {
        return Ok(());
    }
    violated("S9", format!("{key}: {id} comes once more where {last:?} was last"))
}

/// T7: a gate that a commit edits away still guards that commit, whoever asks.
fn the_earlier_after_holds_too(key: &EnvironmentKey, environment: &Environment, release: &Release) -> Result<(), Violation> {
    let in_force = environment.verified.first().map(|verified| &verified.skeleton.after);
    if release.verified.contains(&key.name) || in_force.is_none_or(|after| after.holds(&release.verified)) {
        return Ok(());
    }
    violated("T7", format!("{key} took {}, verified in {:?}, where {in_force:?} is in force", release.cut.version, release.verified))
}

/// From the environment of its veto on, only to bring it back where it was verified before.
fn a_vetoed_release_begins_nowhere(key: &EnvironmentKey, vetoes: &Vetoes, slot: &Slot, release: &Release) -> Result<(), Violation> {
    let vetoes = vetoes.get(&slot.release).into_iter().flatten();
    match vetoes.filter(|_| !slot.cause.is_rollback()).find(|from| release.onwards(from).any(|name| name == &key.name)) {
        Some(from) => violated("veto", format!("{key}: {} began with a release that is vetoed from {from} on", slot.deployment)),
        None => Ok(()),
    }
}

/// S9, in order: only a person brings an older run of the same ref.
fn no_newer_run_is_replaced_by_itself(key: &EnvironmentKey, slot: &Slot, begins: &Release, current: &Release) -> Result<(), Violation> {
    let older = begins.cut.reference == current.cut.reference && begins.cut.run_number < current.cut.run_number;
    if slot.cause != Cause::Promotion || !older {
        return Ok(());
    }
    violated("S9", format!("{key}: run {} replaces run {} by itself", begins.cut.run_number, current.cut.run_number))
}
