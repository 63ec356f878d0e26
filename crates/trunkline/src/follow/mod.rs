//! Following a change or a deployment to its end: who asks the server, what is seen, how it is drawn, when it is over.

mod away;
mod drawing;
mod ending;
mod feed;
mod sight;

pub use away::Away;
pub use ending::{Ending, refused};
pub use feed::Subject;
pub use sight::Sight;

use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Remote;
use crate::render::Screen;
use drawing::Drawing;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often running times move on a terminal.
const TICK: Duration = Duration::from_millis(200);
/// How often a pipe hears that the work goes on.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How to follow.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// When to give up.
    pub timeout: Option<Duration>,
    /// Where to draw.
    pub place: Place,
}

/// Where to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard output: the drawing is what was asked for.
    Out,
    /// Standard error: the result comes later.
    Err,
}

/// Follows until the end, `--timeout` or Ctrl-C, and says what comes next.
pub fn follow(remote: &Remote, subject: Subject, manner: Manner) -> anyhow::Result<(Option<Sight>, Ending)> {
    let (events, received) = mpsc::channel();
    let (interrupts, interrupted) = mpsc::channel();
    crate::interrupt::listen(interrupts);
    let again = subject.command();
    feed::spawn(Arc::clone(&remote.client), subject, events);
    let mut watch = Watch::new(remote.screen, manner);
    loop {
        if interrupted.try_recv().is_ok() {
            watch.drawing.finish();
            return Ok((watch.last, Ending::detached(Exit::Interrupted, &again)));
        }
        if manner.timeout.is_some_and(|timeout| watch.began.elapsed() >= timeout) {
            watch.drawing.finish();
            return Ok((watch.last, Ending::detached(Exit::TimedOut, &again)));
        }
        match received.recv_timeout(TICK) {
            Ok(Ok(sight)) => {
                let ending = Ending::of(&sight);
                watch.see(*sight)?;
                if let Some(ending) = ending {
                    watch.drawing.finish();
                    return Ok((watch.last, ending));
                }
            }
            Ok(Err(failure)) => watch.trouble(failure)?,
            Err(RecvTimeoutError::Timeout) => watch.tick()?,
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!(Failure::new(Code::Unexpected, "following ended without an end")),
        }
    }
}

/// What has been seen so far.
struct Watch {
    screen: Screen,
    drawing: Drawing,
    last: Option<Sight>,
    began: Instant,
    spoke: Instant,
    away: Away,
}

impl Watch {
    fn new(screen: Screen, manner: Manner) -> Self {
        let drawing = Drawing::new(&screen, manner.place);
        let now = Instant::now();
        Self { screen, drawing, last: None, began: now, spoke: now, away: Away::new(screen) }
    }

    fn see(&mut self, sight: Sight) -> anyhow::Result<()> {
        self.away.answered();
        if self.drawing.show(&sight, &self.screen.now())? {
            self.spoke = Instant::now();
        }
        self.last = Some(sight);
        Ok(())
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        // What was seen last may have ended long since: nothing is told of it while nobody answers.
        let Some(sight) = self.last.as_ref().filter(|_| !self.away.is_away()) else { return Ok(()) };
        let screen = self.screen.now();
        if self.drawing.is_live() {
            self.drawing.show(sight, &screen)?;
        } else if self.spoke.elapsed() >= HEARTBEAT {
            screen.note(&sight.heartbeat(&screen.err));
            self.spoke = Instant::now();
        }
        Ok(())
    }

    /// A server that is being started again is waited for; every other failure ends the following.
    fn trouble(&mut self, failure: Failure) -> anyhow::Result<()> {
        if self.last.is_none() {
            return Err(failure.into());
        }
        if !self.away.is_away() {
            self.drawing.finish();
        }
        Ok(self.away.missed(failure)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::globals::Globals;
    use crate::render::sample;

    #[test]
    fn nothing_is_told_of_work_while_nobody_answers() {
        let screen = Globals { quiet: true, ..Globals::default() }.screen();
        let mut watch = Watch::new(screen, Manner { timeout: None, place: Place::Err });
        let seen = || Sight::Run(Box::new(sample::run()));
        let failure = |code| Failure::new(code, "no");
        assert!(watch.trouble(failure(Code::Unreachable)).is_err(), "nothing was seen yet");
        watch.see(seen()).unwrap();
        let told = |watch: &mut Watch| {
            let long_ago = Instant::now().checked_sub(HEARTBEAT).unwrap();
            watch.spoke = long_ago;
            watch.tick().unwrap();
            watch.spoke != long_ago
        };
        assert!(told(&mut watch));
        watch.trouble(failure(Code::Unreachable)).unwrap();
        assert!(!told(&mut watch), "invented");
        watch.trouble(failure(Code::Unreachable)).unwrap();
        watch.see(seen()).unwrap();
        assert!(told(&mut watch));
        assert!(watch.trouble(failure(Code::TokenRefused)).is_err());
    }
}
