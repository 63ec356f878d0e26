//! What test reports say: counts, and the names and places of failed tests.

use serde::{Deserialize, Serialize};

/// Failures kept of one report; the rest is counted.
pub const FAILURES_MAX: usize = 50;
/// Bytes kept of one failure's message.
pub const MESSAGE_BYTES_MAX: usize = 2_000;

/// The sum of a job's or a check's reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestSummary {
    /// Tests that passed.
    pub passed: u32,
    /// Tests that failed or errored.
    pub failed: u32,
    /// Tests that were not run.
    pub skipped: u32,
    /// The first [`FAILURES_MAX`] failed tests.
    pub failures: Vec<TestFailure>,
}

/// One failed test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestFailure {
    /// Its full name as the report gives it.
    pub name: String,
    /// Source file, where the report or its message names one.
    pub file: Option<String>,
    /// Line in it, from 1.
    pub line: Option<u32>,
    /// What it said, shortened. Never part of a fact.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl TestSummary {
    /// Adds another report's counts and failures, within the limit.
    pub fn add(&mut self, other: TestSummary) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
        self.skipped = self.skipped.saturating_add(other.skipped);
        let room = FAILURES_MAX.saturating_sub(self.failures.len());
        self.failures.extend(other.failures.into_iter().take(room));
    }

    /// The form that goes into a fact: without messages, which are people's free text.
    pub fn without_messages(&self) -> TestSummary {
        let failures = self.failures.iter().map(|failure| TestFailure { message: String::new(), ..failure.clone() }).collect();
        TestSummary { failures, ..self.clone() }
    }
}
