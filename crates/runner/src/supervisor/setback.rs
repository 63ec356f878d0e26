//! Whose fault it is that a release was not put in place: its own, or its machine's.

use super::status::Reply;
use std::io;

/// Why a release was not put in place. What ran before runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setback {
    /// Why, in one sentence.
    pub reason: String,
    /// Whether the machine stood in the way, so that the release itself was not tried.
    pub hindered: bool,
}

impl Setback {
    /// The release did not do as it should.
    pub fn of_release(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hindered: false }
    }

    /// The machine stood in the way.
    pub fn of_machine(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hindered: true }
    }

    /// The answer to whoever asked for the apply.
    pub fn told(self) -> Reply {
        if self.hindered { Reply::Hindered(self.reason) } else { Reply::Failed(self.reason) }
    }

    /// With more of why: ": the database is missing".
    pub fn followed_by(mut self, more: &str) -> Self {
        self.reason += more;
        self
    }

    /// The supervisor's record could not be written.
    pub fn unrecorded(error: &io::Error) -> Self {
        Self::of_machine(cannot_record(error))
    }

    /// Another program has the port, or the machine lacks the address: of the release that says only what it asks for.
    pub fn not_bound(address: &str, error: &io::Error) -> Self {
        let reason = format!("cannot listen on {address}: {error}");
        match error.kind() {
            io::ErrorKind::InvalidInput => Self::of_release(reason),
            _ => Self::of_machine(reason),
        }
    }

    /// What starts on no machine is the release's fault: its program is not there, or is none.
    pub fn not_started(error: &io::Error) -> Self {
        use io::ErrorKind::{ArgumentListTooLong, InvalidInput, NotADirectory, NotFound, PermissionDenied};
        let reason = format!("an instance could not be started: {error}");
        match error.kind() {
            NotFound | NotADirectory | PermissionDenied | InvalidInput | ArgumentListTooLong => Self::of_release(reason),
            _ => Self::of_machine(reason),
        }
    }
}

/// Why the supervisor does not go on.
pub fn cannot_record(error: &io::Error) -> String {
    format!("the supervisor cannot write its record: {error}")
}
