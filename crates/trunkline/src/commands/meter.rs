//! How far something has come that takes longer than a second: one line on a terminal, one a half minute elsewhere.

use crate::render::Screen;
use crate::render::text::bytes;
use std::io::Write;
use std::time::{Duration, Instant};
use trunkline_store::backup::Progress;

/// On a terminal.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// In a log.
const NOTE_AFTER: Duration = Duration::from_secs(30);

/// Shows it.
pub struct Meter {
    screen: Screen,
    /// What is done to the bytes, in the past tense.
    verb: &'static str,
    shown: Instant,
    /// Whether the line on the terminal has to be wiped.
    drawn: bool,
}

impl Meter {
    /// Begins now.
    pub fn new(screen: Screen, verb: &'static str) -> Self {
        Self { screen, verb, shown: Instant::now() + AGAIN_AFTER, drawn: false }
    }

    /// Shows how far it has come, if that was not shown just before.
    pub fn show(&mut self, progress: Progress) {
        let after = if self.screen.err_terminal { AGAIN_AFTER } else { NOTE_AFTER };
        if self.screen.quiet() || Instant::now().saturating_duration_since(self.shown) < after {
            return;
        }
        self.shown = Instant::now();
        let line = line(progress, self.verb);
        if self.screen.err_terminal {
            self.drawn = true;
            drop(std::io::stderr().lock().write_all(format!("\r{line}\x1b[K").as_bytes()));
        } else {
            self.screen.note(&line);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.drawn {
            drop(std::io::stderr().lock().write_all(b"\r\x1b[K"));
        }
    }
}

/// Logs grow while they are read: never more than all.
fn line(progress: Progress, verb: &str) -> String {
    let of = progress.of.max(progress.done);
    let percent = (progress.done * 100).checked_div(of).unwrap_or(100);
    format!("{percent:>3} %  {} of {} {verb}", bytes(progress.done), bytes(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_never_says_more_than_all() {
        for (done, of, expected) in
            [(0, 0, "100 %"), (5_000, 10_000, " 50 %  5.0 kB of 10.0 kB read"), (12_000, 10_000, "100 %  12.0 kB of 12.0 kB")]
        {
            let said = line(Progress { done, of }, "read");
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
