//! What goes wrong around an engine: it is killed, its runners die or sleep, clocks jump, calls arrive late.

use crate::invariants::{Violation, Witness};
use crate::runner::Cut;
use crate::store::{CrashStore, Fault};
use crate::world::{World, seed_bytes};
use trunkline_domain::foundation::{Actor, Millis};
use trunkline_domain::restoration;
use trunkline_engine::{Call, Engine, Read, mark_restored};

/// An older copy of the store, and what was known then.
pub(crate) struct Backup {
    store: CrashStore,
    witness: Witness,
}

impl World {
    /// The process was killed: open again what is left.
    pub(crate) fn restart(&mut self) -> Result<(), Violation> {
        let store = self.engine.take().expect("an engine").into_store().recovered();
        self.reopen(store)
    }

    fn reopen(&mut self, store: CrashStore) -> Result<(), Violation> {
        let engine = Engine::open(store, self.now, seed_bytes(&mut self.random));
        let engine = engine.map_err(|error| Violation { invariant: "F1", what: error.to_string() })?;
        let size = engine.head().frontier.size();
        if size < self.acknowledged {
            return Err(Violation { invariant: "I1", what: format!("entry {} was acknowledged, {size} are left", self.acknowledged) });
        }
        self.engine = Some(engine);
        self.up_since = self.now;
        Ok(())
    }

    pub(crate) fn crash(&mut self) -> Result<(), Violation> {
        let writes = self.random.below(30);
        let fault = match self.random.below(3) {
            0 => Fault::Crash,
            1 => Fault::CrashCommitted,
            _ => Fault::Full,
        };
        self.coverage.fault(match fault {
            Fault::Crash => "server killed, commit lost",
            Fault::CrashCommitted => "server killed, commit kept",
            Fault::Full => "disk full",
        });
        // The fuse burns in whatever comes next. The engine gives its store back only at the end, so arm it by reopening.
        let engine = self.engine.take().expect("an engine");
        let known = engine.work_picture();
        let mut store = engine.into_store().recovered();
        store.arm(writes + 4, fault);
        self.reopen(store)?;
        let found = self.engine.as_ref().expect("an engine").work_picture();
        if known != found {
            return Err(Violation { invariant: "F1", what: format!("the engine knew this work: {known:?}, its states want {found:?}") });
        }
        Ok(())
    }

    /// A copy is taken, or the record goes back to one. Runners, targets and what is on its way stay as they are.
    pub(crate) fn back_up_or_restore(&mut self) -> Result<(), Violation> {
        // The same copy may come back more than once.
        match &self.backup {
            Some(backup) if self.random.chance(60) => {
                let (store, witness) = (backup.store.clone(), backup.witness.clone());
                self.restore(store, witness)
            }
            _ => {
                self.coverage.fault("backup taken");
                let store = self.engine.as_ref().expect("an engine").store().clone().recovered();
                self.backup = Some(Backup { store, witness: self.witness.clone() });
                Ok(())
            }
        }
    }

    fn restore(&mut self, mut store: CrashStore, witness: Witness) -> Result<(), Violation> {
        self.coverage.fault("older record restored");
        self.engine = None;
        self.now = self.now + Millis::minutes(1 + self.random.below(30));
        let failed = |error: trunkline_engine::StoreError| Violation { invariant: "S19", what: error.to_string() };
        let head = store.head().map_err(failed)?;
        let (entries, root) = (head.frontier.size(), head.frontier.root());
        if !self.unmarked {
            mark_restored(&mut store, &restoration::Backup { taken_at: head.at, entries, root }).map_err(failed)?;
        }
        self.acknowledged = entries;
        self.witness = witness.after(std::mem::take(&mut self.witness));
        self.reopen(store)
    }

    /// An operator has looked, and ends safe mode.
    pub(crate) fn resume(&mut self) -> Result<(), Violation> {
        while self.witness.safe {
            // A crash may come in between: in the end it is done.
            if self.call(Call::Resume(Actor::person("ana")))?.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// What was on its way reaches its target now.
    pub(crate) fn deliver_late(&mut self) {
        let now = self.now;
        for apply in self.late.extract_if(.., |apply| apply.at <= now) {
            self.coverage.fault("apply arrives late");
            // Nobody hears of it either way.
            if self.targets.apply(&apply.environment, &apply.part, apply.what.clone()).is_err() {
                self.coverage.fault("stale fence refused by a target");
            }
        }
    }

    pub(crate) fn pass_time(&mut self) -> Result<(), Violation> {
        match self.random.below(20) {
            0 => {
                self.coverage.fault("clock jumps ahead");
                self.now = self.now + Millis::hours(self.random.below(30));
            }
            1 => {
                // The engine is told an earlier time than before: it must not go back.
                self.coverage.fault("clock goes back");
                let now = self.now;
                self.now = self.now - Millis::minutes(5);
                self.due()?;
                self.now = now;
            }
            _ => self.now = self.now + Millis(self.random.below(60_000)),
        }
        self.deliver_late();
        self.due()
    }

    pub(crate) fn trouble_runner(&mut self) -> Result<(), Violation> {
        let index = self.random.below(self.runners.len() as u64) as usize;
        // Some of it ends long before the lease does, some long after.
        let until = self.now + Millis::seconds(self.random.below(900));
        match self.random.below(4) {
            0..2 => {
                self.coverage.fault("runner killed");
                self.runners[index].die();
            }
            2 => {
                self.coverage.fault("runner paused");
                self.runners[index].asleep_until = until;
            }
            _ => {
                self.coverage.fault("runner cut off");
                let cut = if self.random.chance(50) { Cut::Requests } else { Cut::Answers };
                self.runners[index].cut = Some((cut, until));
            }
        }
        Ok(())
    }
}
