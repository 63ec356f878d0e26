//! What a decision may know besides the state: values that the shell brings, so that no room reads a clock or entropy.

use crate::foundation::{Actor, Timestamp};

/// The circumstances of one command.
#[derive(Clone, Debug)]
pub struct Context {
    /// Engine time.
    pub now: Timestamp,
    /// Who acts.
    pub actor: Actor,
    /// A fresh id for what this command may create.
    pub id: uuid::Uuid,
    /// The number, counted within the project, of what this command may create.
    pub number: u32,
    /// A fresh lease number, higher than every earlier one, also across restarts.
    pub epoch: u64,
}
