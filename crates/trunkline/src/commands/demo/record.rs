//! What the demo found to be true: the end of `demo`, and its `--json`.

use super::visitor::Seen;
use crate::render::Screen;
use crate::render::paint::Mark;
use serde::Serialize;

/// Everything that was checked and measured.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// Whether every check held.
    pub ok: bool,
    /// Changes that went live in production.
    pub live: u32,
    /// Changes that were stopped before.
    pub stopped: u32,
    /// Applies that targets accepted, for each deployment that reached one: each must be 1.
    pub applies: Vec<(String, u32)>,
    /// What the visitor of production saw.
    pub visitor: Seen,
    /// From commit to verified in production, for each change that went live.
    pub commit_to_production_ms: Vec<u64>,
    /// Their median.
    pub median_commit_to_production_ms: u64,
    /// How long everything took.
    pub seconds: f64,
    /// What was checked.
    pub checks: Vec<Check>,
}

/// One promise.
#[derive(Debug, Serialize)]
pub struct Check {
    /// In words.
    pub what: String,
    /// Whether it held.
    pub held: bool,
    /// What was seen instead, where it did not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub seen: String,
}

impl Record {
    /// Notes whether a promise held.
    pub fn check(&mut self, what: &str, held: bool, seen: impl FnOnce() -> String) {
        let seen = if held { String::new() } else { seen() };
        self.checks.push(Check { what: what.to_owned(), held, seen });
        self.ok = self.held();
    }

    /// Notes that a promise did not hold.
    pub fn fail(&mut self, what: &str, seen: &str) {
        self.check(what, false, || seen.to_owned());
    }

    /// Whether every promise held.
    pub fn held(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.held)
    }

    /// The promises that did not hold.
    pub fn failed(&self) -> String {
        let failed: Vec<&str> = self.checks.iter().filter(|check| !check.held).map(|check| check.what.as_str()).collect();
        failed.join("; ")
    }

    /// Takes the times of the changes that went live.
    pub fn times(&mut self, mut times: Vec<u64>) {
        self.commit_to_production_ms = times.clone();
        times.sort_unstable();
        self.median_commit_to_production_ms = times.get(times.len() / 2).copied().unwrap_or(0);
    }

    /// For people.
    pub fn text(&self, screen: &Screen) -> String {
        let paint = screen.out.paint;
        let mut lines = vec![String::new()];
        for check in &self.checks {
            let mark = if check.held { Mark::Passed } else { Mark::Failed };
            lines.push(paint.mark(mark, &check.what));
            if !check.held {
                lines.push(format!("    {}", check.seen));
            }
        }
        let seconds = |ms: u64| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100);
        lines.push(String::new());
        lines.push(format!(
            "visitor: {} requests, {} wrong answers, longest pause {} ms · commit to production: median {} · {:.0} s in all",
            self.visitor.requests,
            self.visitor.wrong,
            self.visitor.longest_pause_ms,
            seconds(self.median_commit_to_production_ms),
            self.seconds
        ));
        lines.join("\n")
    }
}
