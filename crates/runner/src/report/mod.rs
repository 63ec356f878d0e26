//! Test reports: from files of any quality to counts and the first failures.
//!
//! Reports are written by the job and so are hostile: bytes, depth and count are limited, and nothing is expanded.

mod junit;
mod libtest;
mod place;
#[cfg(test)]
mod tests;

use crate::failure::{Failure, While};
use crate::mask::Mask;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};
use trunkline_domain::pipeline::{ReportFormat, ReportRule};
use trunkline_domain::report::{MESSAGE_BYTES_MAX, TestSummary};

/// Bytes of one report.
pub const REPORT_BYTES_MAX: u64 = 16 << 20;
/// Characters kept of a test's name, and of its file's.
const NAME_CHARS_MAX: usize = 500;
/// The path of a libtest report that means the job's own output.
const LOG: &str = "log";

/// What the reports of a job or a check said together, masked; problems as sentences for the log.
pub fn read_all(
    rules: &[ReportRule],
    folder: &Path,
    log: impl Fn() -> std::io::Result<Vec<u8>>,
    mask: Mask<'_>,
) -> Result<(Option<TestSummary>, Vec<String>), Failure> {
    let mut sum: Option<TestSummary> = None;
    let mut problems = Vec::new();
    for rule in rules {
        let read = if rule.format == ReportFormat::Libtest && rule.path == LOG {
            Ok(log().doing("read the job's own log")?)
        } else {
            bytes_of(folder, &rule.path)
        };
        match read.and_then(|bytes| parse_masked(rule.format, &bytes, mask)) {
            Ok(mut summary) => {
                for failure in &mut summary.failures {
                    failure.name = failure.name.chars().take(NAME_CHARS_MAX).collect();
                    if let Some(file) = &mut failure.file {
                        relative_to(folder, file);
                        *file = file.chars().take(NAME_CHARS_MAX).collect();
                    }
                }
                sum.get_or_insert_default().add(summary);
            }
            Err(problem) => problems.push(format!("report '{}': {problem}", rule.path)),
        }
    }
    Ok((sum, problems))
}

/// Places in the workspace are told from its root, so that they are the same on every runner.
fn relative_to(folder: &Path, file: &mut String) {
    if let Ok(relative) = Path::new(file.as_str()).strip_prefix(folder) {
        *file = relative.to_string_lossy().into_owned();
    } else if let Some(relative) = file.strip_prefix("./") {
        *file = relative.to_owned();
    }
}

fn bytes_of(folder: &Path, path: &str) -> Result<Vec<u8>, String> {
    let relative = Path::new(path);
    if !relative.components().all(|component| matches!(component, Component::Normal(_) | Component::CurDir)) {
        return Err("lies outside the workspace".to_owned());
    }
    // Links are followed only within the workspace: a report must not show a file of the host.
    let inside = folder.canonicalize().and_then(|root| Ok((folder.join(relative).canonicalize()?, root)));
    let path = match inside {
        Ok((path, root)) if path.starts_with(&root) && path.is_file() => path,
        Ok(_) => return Err("is not a file of the workspace".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(REPORT_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(error.to_string()),
        Ok(size) if size as u64 > REPORT_BYTES_MAX => Err(format!("is larger than {} MiB", REPORT_BYTES_MAX >> 20)),
        Ok(_) => Ok(bytes),
    }
}

/// What one report says.
pub fn parse(format: ReportFormat, bytes: &[u8]) -> Result<TestSummary, String> {
    parse_masked(format, bytes, Mask(&[]))
}

/// The same, masked before any text is shortened.
fn parse_masked(format: ReportFormat, bytes: &[u8], mask: Mask<'_>) -> Result<TestSummary, String> {
    match format {
        ReportFormat::Junit => junit::parse(bytes, mask),
        ReportFormat::Libtest => Ok(libtest::parse(&mask.text(&String::from_utf8_lossy(bytes)))),
    }
}

/// The first bytes of a message, cut at a character.
fn shortened(text: &str) -> String {
    let text = text.trim();
    text[..text.floor_char_boundary(MESSAGE_BYTES_MAX.min(text.len()))].to_owned()
}
