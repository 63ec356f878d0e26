//! Whose fault it is that a release was not put in place: its own, or its machine's.

use super::status::Reply;
use std::io;

/// Why a release was not put in place. What ran before runs on, unless a person stopped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setback {
    /// Why, in one sentence.
    pub reason: String,
    /// Whether the machine stood in the way, which says nothing of the release.
    pub hindered: bool,
    /// Whether something was changed on the way there, by the apply: what ran was interrupted, or the release ran for a
    /// moment.
    pub touched: bool,
}

impl Setback {
    /// The release did not do as it should.
    pub fn of_release(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hindered: false, touched: true }
    }

    /// The machine stood in the way before anything was changed.
    pub fn of_machine(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hindered: true, touched: false }
    }

    /// A person stopped the service meanwhile. Whatever that interrupted is his to start again: were it called touched, the
    /// rollback would do it for him. It still does where nothing ran before, or where another part is in place already.
    pub fn of_stop() -> Self {
        Self { reason: "the supervisor was told to stop".to_owned(), hindered: true, touched: false }
    }

    /// The same, where something was changed by then.
    pub fn touched_if(mut self, touched: bool) -> Self {
        self.touched |= touched;
        self
    }

    /// With more of why: ": the database is missing".
    pub fn followed_by(mut self, more: &str) -> Self {
        self.reason += more;
        self
    }

    /// The answer to whoever asked for the apply.
    pub fn told(self) -> Reply {
        if self.hindered { Reply::Hindered { reason: self.reason, touched: self.touched } } else { Reply::Failed(self.reason) }
    }

    /// The supervisor's record could not be written.
    pub fn unrecorded(error: &io::Error) -> Self {
        Self::of_machine(cannot_record(error))
    }

    /// Another program has the port, or the machine lacks the address. What is no address anywhere is the release's fault.
    pub fn not_bound(address: &str, error: &io::Error) -> Self {
        let reason = format!("cannot listen on {address}: {error}");
        // Only what the kernel was asked for has its number: the rest is a name that means nothing.
        if error.raw_os_error().is_some() { Self::of_machine(reason) } else { Self::of_release(reason) }
    }

    /// A program that is not there is found out by the shell, which starts; what fails here is the machine's, but for a
    /// text or an environment that no machine can start.
    pub fn not_started(error: &io::Error) -> Self {
        let reason = format!("an instance could not be started: {error}");
        match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::ArgumentListTooLong => Self::of_release(reason),
            _ => Self::of_machine(reason),
        }
    }
}

/// Why the supervisor does not go on.
pub fn cannot_record(error: &io::Error) -> String {
    format!("the supervisor cannot write its record: {error}")
}
