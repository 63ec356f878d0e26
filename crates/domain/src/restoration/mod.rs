//! That the record was restored from a backup, and whether an operator has confirmed what came of it. Until then safe
//! mode holds: nothing is deployed. What it means for environments and deployments lives in their rooms.

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::foundation::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// The least that such a number goes on from, and how far it is moved where the clock says nothing.
pub const STEP: u64 = 1_000_000;

/// From where to go on with a number that must not come again: the count of the server's starts, of which lease numbers
/// are made, or the fence of an environment.
///
/// The same backup may be restored twice, and so may a backup of a restored record; a fixed step would then give numbers
/// that a lost future has given already. The time in seconds does not come again, and numbers that rise by one with each
/// start or deployment do not keep up with it. Only where the number is ahead of the clock the step must do.
pub fn raised(number: u64, now: Timestamp) -> u64 {
    let seconds = u64::try_from(now.0 / 1_000).unwrap_or(0);
    if seconds > number { seconds.max(STEP) } else { number.saturating_add(STEP) }
}

/// A restoration of the record. They are numbered from 1; the newest counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restoration {
    /// What it was restored from.
    pub backup: Backup,
    /// When the server started with it.
    pub at: Timestamp,
    /// From where environments that come into being later count their fence: the lost future may have had them too.
    pub fence: u64,
    /// Who ended safe mode, and when.
    pub confirmed: Option<Confirmed>,
}

/// The backup that a record was restored from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Backup {
    /// When it was taken, by the clock of the machine.
    pub taken_at: Timestamp,
    /// How many entries the ledger had.
    pub entries: u64,
    /// Its root then.
    pub root: Digest,
}

/// Who ended safe mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What may be asked of a restoration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin safe mode.
    Begin(Backup),
    /// End it: an operator has seen what the record and the targets say.
    Confirm,
}

/// What happened to the record as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// The server started with a record from a backup. Whatever came after the backup is lost to it.
    Restored {
        /// Which backup.
        backup: Backup,
        /// From where a new environment counts its fence.
        fence: u64,
    },
    /// An operator ended safe mode.
    Confirmed {
        /// Who.
        by: String,
    },
}

/// Why a restoration refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There was none.
    #[error("the record was never restored from a backup: there is no safe mode to end")]
    Missing,
    /// It has begun.
    #[error("the restoration was recorded already")]
    Exists,
    /// Safe mode has ended.
    #[error("{by} has ended safe mode already")]
    Confirmed {
        /// Who.
        by: String,
    },
}

/// Whether the command may happen, and what follows from it.
pub fn decide(state: Option<&Restoration>, command: Command, context: &Context) -> Result<Vec<Fact>, Refusal> {
    match (state, command) {
        (None, Command::Begin(backup)) => Ok(vec![Fact::Restored { backup, fence: raised(0, context.now) }]),
        (Some(_), Command::Begin(_)) => Err(Refusal::Exists),
        (None, Command::Confirm) => Err(Refusal::Missing),
        (Some(restoration), Command::Confirm) => match &restoration.confirmed {
            Some(confirmed) => Err(Refusal::Confirmed { by: confirmed.by.clone() }),
            None => Ok(vec![Fact::Confirmed { by: context.actor.name.clone() }]),
        },
    }
}

/// The state after the fact, which was recorded at `at`.
pub fn evolve(state: Option<Restoration>, fact: &Fact, at: Timestamp) -> Restoration {
    match (state, fact) {
        (None, Fact::Restored { backup, fence }) => Restoration { backup: backup.clone(), at, fence: *fence, confirmed: None },
        (Some(restoration), Fact::Confirmed { by }) => Restoration { confirmed: Some(Confirmed { by: by.clone(), at }), ..restoration },
        (None, Fact::Confirmed { .. }) | (Some(_), Fact::Restored { .. }) => {
            unreachable!("INVARIANT: a restoration begins once, before it is confirmed")
        }
    }
}
