//! What went wrong in the runner's own house: no disk, no snapshot, no server. Never a step's exit code.

use crate::archive;
use std::fmt::Display;
use std::io;

/// The runner could not do its work, for this reason. The work ends as lost, or as unknown where it may have had an effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

/// Adds what was being done to an error.
pub trait While<T> {
    /// `doing` completes the sentence "could not …".
    fn doing(self, doing: impl Display) -> Result<T, Failure>;
}

impl<T> While<T> for Result<T, io::Error> {
    fn doing(self, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("could not {doing}: {error}")))
    }
}

impl<T> While<T> for Result<T, archive::Error> {
    fn doing(self, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("could not {doing}: {error}")))
    }
}

impl<T> While<T> for Result<T, Failure> {
    fn doing(self, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|failure| Failure(format!("could not {doing}: {failure}")))
    }
}
