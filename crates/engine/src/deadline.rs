//! The deadlines of open things, nearest first. Derived from state: after a restart they are made again.

use std::collections::{BTreeSet, HashMap};
use trunkline_domain::foundation::Timestamp;
use trunkline_domain::record::Key;

#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    ordered: BTreeSet<(Timestamp, Key)>,
    of: HashMap<Key, Timestamp>,
}

impl Deadlines {
    /// Takes in when a thing is due now; never, where it is not open any more.
    pub fn set(&mut self, key: &Key, due: Option<Timestamp>) {
        let before = match due {
            Some(due) => self.of.insert(key.clone(), due),
            None => self.of.remove(key),
        };
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.ordered.remove(&(before, key.clone()));
        }
        self.ordered.extend(due.map(|due| (due, key.clone())));
    }

    /// As text, for comparing with what the states say.
    pub fn picture(&self) -> impl Iterator<Item = String> {
        self.ordered.iter().map(|(due, key)| format!("due {} {key}", due.0))
    }

    /// What is due by now, longest overdue first.
    pub fn passed(&self, now: Timestamp) -> impl Iterator<Item = &Key> {
        self.ordered.iter().take_while(move |(due, _)| *due <= now).map(|(_, key)| key)
    }
}
