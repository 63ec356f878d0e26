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
    /// Whether anything may be deployed.
    pub mode: Mode,
    /// From where a new environment counts its fence: 0, or above what a future may have given that the record has lost.
    pub fence: u64,
}

/// Whether anything may be deployed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As a rule.
    #[default]
    Normal,
    /// Not: the record was restored from a backup, and no operator has confirmed it yet.
    Safe,
}
