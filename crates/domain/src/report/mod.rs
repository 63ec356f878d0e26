//! What test reports say: counts, and the names and places of failed tests.

use crate::foundation::shortened;
use serde::{Deserialize, Serialize};

/// Failures kept of one report; the rest is counted.
pub const FAILURES_MAX: usize = 50;
/// Bytes kept of one test's name, and of its place.
pub const NAME_BYTES_MAX: usize = 300;
/// Bytes kept of one failure's message.
pub const MESSAGE_BYTES_MAX: usize = 2_000;

/// The sum of a job's or a check's reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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

    /// With every text and list within its limit, whatever a runner said.
    pub fn within_limits(&self) -> TestSummary {
        let bounded = |failure: &TestFailure| TestFailure {
            name: shortened(&failure.name, NAME_BYTES_MAX),
            file: failure.file.as_deref().map(|file| shortened(file, NAME_BYTES_MAX)),
            line: failure.line,
            message: shortened(&failure.message, MESSAGE_BYTES_MAX),
        };
        TestSummary { failures: self.failures.iter().take(FAILURES_MAX).map(bounded).collect(), ..*self }
    }

    /// The form that goes into a fact: within its limits, and without messages, which are people's free text.
    pub fn without_messages(&self) -> TestSummary {
        let mut summary = self.within_limits();
        for failure in &mut summary.failures {
            failure.message.clear();
        }
        summary
    }
}
