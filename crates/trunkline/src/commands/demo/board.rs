//! What the demo shows: on a terminal a fixed board above and facts that scroll below it; elsewhere plain lines.

use super::visitor::Seen;
use crate::render::paint::{Mark, Style};
use crate::render::{self, Screen};
use std::io::Write;
use std::time::{Duration, Instant};
use trunkline_api::view::{DeploymentStatus, EnvironmentView, TraceView};

/// Rows of the board, with the line below it.
const ROWS: usize = 6;
/// A terminal with fewer rows has no room for a board.
const TERMINAL_ROWS_MIN: u16 = 16;

/// The demo's output.
pub struct Board {
    screen: Screen,
    rows: Option<u16>,
    pause: Duration,
    started: Instant,
}

impl Board {
    /// Begins. Without a terminal, or with JSON wanted, there is no board.
    pub fn start(screen: &Screen, pause: Duration) -> Self {
        let size = terminal_size::terminal_size_of(std::io::stdout()).map(|(_, height)| height.0);
        let rows = size.filter(|rows| *rows >= TERMINAL_ROWS_MIN && screen.out_terminal && !screen.json());
        let board = Self { screen: *screen, rows, pause, started: Instant::now() };
        if let Some(rows) = rows {
            // Clear, let everything below the board scroll, go to its last row.
            board.raw(&format!("\x1b[2J\x1b[{};{rows}r\x1b[{rows};1H", ROWS + 1));
        }
        board
    }

    /// Since when it runs.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// A new scene.
    pub fn scene(&self, title: &str) {
        std::thread::sleep(self.pause);
        self.line("");
        self.line(&self.screen.out.paint.text(Style::Strong, title));
    }

    /// A fact.
    pub fn fact(&self, mark: Mark, text: &str) {
        let at = self.started.elapsed();
        let line = format!("  {:>5.1} s  {}", at.as_secs_f64(), self.screen.out.paint.mark(mark, text));
        self.line(&line);
    }

    /// The chain of a trace, as `trunkline trace` shows it.
    pub fn trace(&self, view: &TraceView) -> String {
        render::trace::chain(view, &self.screen.now().out)
    }

    /// A line as it is; with JSON wanted it goes to standard error, as notes do.
    pub fn line(&self, text: &str) {
        if self.screen.json() {
            self.screen.note(text);
        } else {
            // A closed pipe ends the demo at its next check, not here.
            drop(self.screen.print(if text.is_empty() { "\n" } else { text }));
        }
    }

    /// Draws the board again.
    pub fn draw(&self, environments: &[EnvironmentView], visitor: Option<&Seen>) {
        if self.rows.is_none() {
            return;
        }
        let paint = self.screen.out.paint;
        let mut lines = Vec::new();
        for environment in environments.iter().take(3) {
            let (mark, words) = standing(environment);
            lines.push(format!("  {:<11} {}", environment.name.as_str(), paint.mark(mark, &words)));
        }
        while lines.len() < 3 {
            lines.push(String::new());
        }
        let seen = visitor.map_or_else(
            || "comes when production is open".to_owned(),
            |seen| format!("{} requests, {} wrong answers, longest pause {} ms", seen.requests, seen.wrong, seen.longest_pause_ms),
        );
        lines.push(format!("  {:<11} {seen}", "visitor"));
        let mut text = "\x1b7\x1b[1;1H\x1b[2K".to_owned();
        for (row, line) in lines.iter().enumerate() {
            text.push_str(&format!("\x1b[{};1H\x1b[2K{line}", row + 1));
        }
        text.push_str(&format!("\x1b[{ROWS};1H\x1b[2K  {}\x1b8", "─".repeat(60)));
        self.raw(&text);
    }

    /// Gives the whole terminal back.
    pub fn end(&self) {
        if let Some(rows) = self.rows {
            self.raw(&format!("\x1b[r\x1b[{rows};1H\n"));
        }
    }

    fn raw(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }
}

fn standing(environment: &EnvironmentView) -> (Mark, String) {
    let runs = environment.runs.as_ref().map(|runs| runs.release.version.as_str());
    match (&environment.incoming, runs) {
        (Some(incoming), runs) => {
            let word = match incoming.status {
                DeploymentStatus::Verifying => "verifying",
                DeploymentStatus::Unknown | DeploymentStatus::Asking => "unknown, being observed",
                DeploymentStatus::Waiting => "waits",
                DeploymentStatus::Deploying | DeploymentStatus::Ended(_) => "deploying",
            };
            let from = runs.map(|runs| format!("{runs} › ")).unwrap_or_default();
            (Mark::Running, format!("{from}{} {word}", incoming.release.version))
        }
        (None, Some(runs)) => (Mark::Passed, format!("{runs} live, verified")),
        (None, None) => (Mark::Ahead, "nothing yet".to_owned()),
    }
}
