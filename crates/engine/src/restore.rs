//! Starting with a record that came from a backup, and the end of the safe mode that follows. What happened after the
//! backup is lost to the record, not to the world: runners may hold later leases and targets later fences, so both are
//! raised far above them, and what was under way is unknown until its target is observed.

use crate::dispatch::Engine;
use crate::request::{Answer, Request};
use crate::store::{Read, Store, StoreError};
use crate::work::WorkRef;
use std::collections::BTreeMap;
use trunkline_domain::context::Mode;
use trunkline_domain::foundation::{Actor, ProjectKey, RestorationNumber};
use trunkline_domain::ledger::Via;
use trunkline_domain::record::{Command, Fact, Key, State};
use trunkline_domain::restoration::{self, Backup, Restoration};
use trunkline_domain::{deployment, environment, run};

/// The counter of restorations.
pub(crate) const RESTORATION: &str = "restoration";
/// The plain row that `restore` leaves for the next start.
const MARK: &str = "restored";

/// Marks a store as restored from this backup: the next engine that opens it begins in safe mode.
pub fn mark_restored<S: Store>(store: &mut S, backup: &Backup) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(backup).expect("a backup has only string keys");
    store.begin()?;
    store.plain_put(MARK, "", &bytes)?;
    store.commit()
}

/// The mark, if there is one.
pub(crate) fn mark<R: Read>(store: &R) -> Result<Option<Backup>, StoreError> {
    let Some(bytes) = store.plain(MARK, "")? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| StoreError::Damaged(format!("the mark of a restoration: {error}")))
}

/// The newest restoration of the record, if it was ever restored.
pub fn restoration<R: Read>(store: &R) -> Result<Option<(RestorationNumber, Restoration)>, StoreError> {
    let number = newest(store)?;
    match crate::state::load(store, &Key::Restoration(number))? {
        Some(State::Restoration(restoration)) => Ok(Some((number, restoration))),
        _ => Ok(None),
    }
}

/// Whether anything may be deployed, and from where a new environment counts its fence.
pub(crate) fn footing<R: Read>(store: &R) -> Result<(Mode, u64), StoreError> {
    Ok(match restoration(store)? {
        Some((_, restoration)) if restoration.confirmed.is_none() => (Mode::Safe, restoration.fence),
        Some((_, restoration)) => (Mode::Normal, restoration.fence),
        None => (Mode::Normal, 0),
    })
}

/// The same after a fact.
pub(crate) fn footing_after(footing: (Mode, u64), fact: &Fact) -> (Mode, u64) {
    match fact {
        Fact::Restoration { fact: restoration::Fact::Restored { fence, .. }, .. } => (Mode::Safe, *fence),
        Fact::Restoration { fact: restoration::Fact::Confirmed { .. }, .. } => (Mode::Normal, footing.1),
        _ => footing,
    }
}

fn newest<R: Read>(store: &R) -> Result<RestorationNumber, StoreError> {
    let number = store.counter(RESTORATION)?;
    u32::try_from(number).map(RestorationNumber).map_err(|_| StoreError::Damaged(format!("restoration {number}")))
}

impl<S: Store> Engine<S> {
    /// Begins safe mode, in one transaction: an entry for the record, and one for each project, so that an export of a
    /// project stays complete.
    pub(crate) fn begin_safe_mode(&mut self, backup: Backup) -> Result<(), StoreError> {
        self.store.begin()?;
        let number = RestorationNumber(newest(&self.store)?.0 + 1);
        self.must(vec![Command::Restoration(number, restoration::Command::Begin(backup))])?;
        for commands in self.restore_commands()?.into_values() {
            self.must(commands)?;
        }
        self.store.plain_remove(MARK, "")?;
        self.store.head_put(&self.head)?;
        self.store.commit()
    }

    fn must(&mut self, commands: Vec<Command>) -> Result<(), StoreError> {
        match self.request(Request { commands, ..Request::none(Actor::system(), Via::Timer) })? {
            Answer::Done(_) => Ok(()),
            other => Err(StoreError::Damaged(format!("the restored record refused safe mode: {other:?}"))),
        }
    }

    /// What a restoration means for each project: leases are gone, deployments under way are unknown, fences rise.
    fn restore_commands(&mut self) -> Result<BTreeMap<ProjectKey, Vec<Command>>, StoreError> {
        let mut commands: BTreeMap<ProjectKey, Vec<Command>> = BTreeMap::new();
        for (work, epoch) in self.work.held() {
            let WorkRef::Job(id, job) = work else { continue };
            let Some(State::Run(run)) = self.states.get(&self.store, &Key::Run(id))? else { continue };
            commands.entry(run.project.clone()).or_default().push(Command::Run(id, run::Command::Lose { job, epoch }));
        }
        for key in self.store.keys()? {
            let Key::Environment(id) = &key else { continue };
            let Some(State::Environment(environment)) = self.states.get(&self.store, &key)? else { continue };
            let own = commands.entry(id.project.clone()).or_default();
            let open = environment.holder.iter().chain(&environment.queue).map(|slot| slot.deployment);
            own.extend(open.map(|deployment| Command::Deployment(deployment, deployment::Command::Restore)));
            own.push(Command::Environment(id.clone(), environment::Command::Restore));
        }
        Ok(commands)
    }

    /// Ends safe mode, and lets begin what waited, in the same transaction.
    pub(crate) fn resume(&mut self, actor: &Actor) -> Result<Answer, StoreError> {
        let confirm = Command::Restoration(newest(&self.store)?, restoration::Command::Confirm);
        let answer = self.request(Request::new(actor.clone(), Via::Api, confirm))?;
        if !matches!(answer, Answer::Done(_)) {
            return Ok(answer);
        }
        let mut waiting: BTreeMap<ProjectKey, Vec<Command>> = BTreeMap::new();
        for key in self.store.keys()? {
            let Key::Environment(id) = key else { continue };
            let resume = Command::Environment(id.clone(), environment::Command::Resume);
            waiting.entry(id.project).or_default().push(resume);
        }
        for commands in waiting.into_values() {
            self.request(Request { commands, ..Request::none(actor.clone(), Via::Api) })?;
        }
        Ok(answer)
    }
}
