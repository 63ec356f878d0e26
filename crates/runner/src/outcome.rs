//! Telling how a piece of work ended, until the server has heard it.

use crate::lease::{Hold, Pause, Standing};
use crate::log::send_again;
use crate::port::{CallError, Port};
use std::path::Path;
use trunkline_api::runner::{Assignment, CallRefusal, LogEnd, Outcome, ReportRequest};
use trunkline_domain::foundation::{Digest, RunnerKey};

/// How often a log is sent again: once for each server that was killed meanwhile.
const SENT_AGAIN_MAX: u32 = 20;

/// Who tells whom.
pub struct Reporter<'a> {
    /// This runner.
    pub runner: &'a RunnerKey,
    /// The server.
    pub port: &'a dyn Port,
    /// The right to it.
    pub hold: &'a Hold,
    /// Where the log lies, if it was long.
    pub spool: &'a Path,
}

impl Reporter<'_> {
    /// Tells the outcome until the server has heard it or does not want it. Returns the next work, unless the runner stops.
    pub fn report(&self, outcome: Outcome, log: LogEnd, is_stopping: impl Fn() -> bool) -> Option<Assignment> {
        let (runner, lease) = (self.runner.clone(), self.hold.lease.clone());
        let mut request = ReportRequest { runner, lease, outcome, log, claim_next: !is_stopping() };
        let (mut pause, mut sent_again) = (Pause::default(), 0);
        // A stopped runner goes on trying for as long as it is waited for.
        while self.hold.standing() != Standing::Lost {
            match self.port.report(&request) {
                Ok(reply) => return reply.next,
                // A server that was killed lost some of the log.
                Err(CallError::Refused(CallRefusal::Offset { have })) => {
                    sent_again += 1;
                    let is_whole = sent_again <= SENT_AGAIN_MAX && send_again(self.port, self.hold, self.spool, have);
                    request.log.spent = !is_whole;
                }
                Err(CallError::Refused(_)) => return None,
                Err(CallError::Unreachable(_)) => pause.wait(|| self.hold.standing() == Standing::Lost),
            }
            request.claim_next = !is_stopping();
        }
        None
    }
}

/// The log of what was not begun.
pub fn empty_log() -> LogEnd {
    LogEnd { bytes: 0, digest: Digest::of(b""), inline: Some(String::new()), dropped: 0, spent: false }
}
