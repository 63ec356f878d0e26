//! The text that `cargo test` prints: `test a::b ... ok`, then the failures' output.

use super::place;
use super::shortened;
use trunkline_domain::report::{FAILURES_MAX, TestFailure, TestSummary};

/// Reads every test binary's part; any other text is passed over.
pub fn parse(text: &str) -> TestSummary {
    let mut summary = TestSummary::default();
    for line in text.lines() {
        let Some((name, verdict)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) else { continue };
        match verdict.split([' ', ',', '<']).next().unwrap_or_default() {
            "ok" => summary.passed += 1,
            "ignored" => summary.skipped += 1,
            "FAILED" => {
                summary.failed += 1;
                if summary.failures.len() < FAILURES_MAX {
                    summary.failures.push(failure(name.trim_end_matches(" - should panic"), text));
                }
            }
            _ => {}
        }
    }
    summary
}

/// Finds what the test printed: the text after `---- name stdout ----`.
fn failure(name: &str, text: &str) -> TestFailure {
    let heading = format!("---- {name} stdout ----\n");
    let message = text.split_once(&heading).map(|(_, rest)| rest.split("\n\n").next().unwrap_or_default()).unwrap_or_default();
    let place = place::in_text(message);
    let (file, line) = place.map_or((None, None), |(file, line)| (Some(file), Some(line)));
    TestFailure { name: name.to_owned(), file, line, message: shortened(message) }
}
