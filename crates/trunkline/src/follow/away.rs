//! A server that is away for a while, as one that is started again: it is waited for, and that is said.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::Screen;
use std::time::{Duration, Instant};

/// How long a server may be away before following ends.
const AWAY_MAX: Duration = Duration::from_secs(60);

/// Whether a server answers.
pub struct Away {
    screen: Screen,
    since: Option<Instant>,
}

impl Away {
    /// It answers.
    pub fn new(screen: Screen) -> Self {
        Self { screen, since: None }
    }

    /// Whether it did not answer when it was asked last: nobody knows what goes on there.
    pub fn is_away(&self) -> bool {
        self.since.is_some()
    }

    /// It answered.
    pub fn answered(&mut self) {
        if self.since.take().is_some() {
            self.screen.note("the server answers again");
        }
    }

    /// It did not, and is to be asked again; after a minute, and for every other failure, that is the end.
    pub fn missed(&mut self, failure: Failure) -> Result<(), Failure> {
        if failure.exit != Exit::Unreachable {
            return Err(failure);
        }
        match self.since {
            None => {
                self.since = Some(Instant::now());
                self.screen.note("the server does not answer; trying again for a minute");
                Ok(())
            }
            Some(since) if since.elapsed() < AWAY_MAX => Ok(()),
            Some(_) => Err(failure),
        }
    }
}
