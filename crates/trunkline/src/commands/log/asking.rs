//! Asking the server for logs. Who follows them waits for a server that is away, as `trunkline watch` does.

use crate::client::Client;
use crate::code::Code;
use crate::failure::Failure;
use crate::follow::Away;
use crate::globals::Remote;
use std::time::Duration;

/// Between two tries.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Who asks.
pub struct Asking<'a> {
    /// The server.
    pub remote: &'a Remote,
    /// Whether the work is followed to its end.
    pub follow: bool,
    away: Away,
}

impl<'a> Asking<'a> {
    /// Nothing was asked yet.
    pub fn new(remote: &'a Remote, follow: bool) -> Self {
        Self { remote, follow, away: Away::new(remote.screen) }
    }

    /// The answer; again and again while the server is away, where the work is followed.
    pub fn ask<T>(&mut self, ask: impl Fn(&Client) -> Result<T, Failure>) -> Result<T, Failure> {
        loop {
            match ask(&self.remote.client) {
                Ok(answer) => {
                    self.away.answered();
                    return Ok(answer);
                }
                Err(failure) => self.wait(failure)?,
            }
        }
    }

    /// An answer that broke off is asked for again in the same way.
    pub fn broken(&mut self, error: &std::io::Error) -> Result<(), Failure> {
        self.wait(Failure::new(Code::Unreachable, "the server does not answer").why(error))
    }

    fn wait(&mut self, failure: Failure) -> Result<(), Failure> {
        if !self.follow {
            return Err(failure);
        }
        self.away.missed(failure)?;
        std::thread::sleep(TRY_AGAIN_AFTER);
        Ok(())
    }
}
