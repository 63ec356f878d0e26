//! Diagnostics with their places, and the one plain-text form in which they are shown.

use crate::Code;
use crate::finding::{Finding, visible};
use serde::Serialize;
use std::fmt::Write as _;
use std::ops::Range;

/// A problem in a delivery file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What kind of problem it is.
    pub code: Code,
    /// Whether the file can be used.
    pub severity: Severity,
    /// Where it is.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Whether a file with this problem can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can.
    Warning,
}

/// A place in a delivery file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// Line of the first byte, from 1.
    pub line: usize,
    /// Column of the first byte, in characters from 1.
    pub column: usize,
}

/// Counts lines and columns.
pub(crate) fn locate(text: &str, findings: Vec<Finding>) -> Vec<Diagnostic> {
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let diagnostic = |finding: Finding| Diagnostic {
        code: finding.code,
        severity: finding.severity,
        span: span(text, &starts, finding.at),
        message: finding.message,
        help: finding.help,
    };
    findings.into_iter().map(diagnostic).collect()
}

fn span(text: &str, starts: &[usize], at: Range<usize>) -> Span {
    let start = at.start.min(text.len());
    let end = at.end.clamp(start, text.len());
    let line = starts.partition_point(|first| *first <= start);
    let first = starts[line - 1];
    // A byte order mark is no column.
    let before = text[first..start].trim_start_matches('\u{feff}');
    Span { start, end, line, column: before.chars().count() + 1 }
}

/// Characters of a source line that are shown.
const WIDTH: usize = 120;

/// All diagnostics as plain text: what, where, the line with carets, help, where to read more.
pub fn render(file_name: &str, text: &[u8], diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for (index, diagnostic) in diagnostics.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        render_one(&mut out, file_name, text, diagnostic).expect("writing to a String never fails");
    }
    out
}

fn render_one(out: &mut String, file_name: &str, text: &[u8], diagnostic: &Diagnostic) -> std::fmt::Result {
    let Diagnostic { code, severity, span, message, help } = diagnostic;
    // A message may quote the file in a way that nobody thought of: nothing of it reaches a terminal as a command.
    let plain = |text: &str| text.chars().map(visible).collect::<String>();
    let word = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    writeln!(out, "{word}[{code}]: {}", plain(message))?;
    writeln!(out, "  --> {}:{}:{}", plain(file_name), span.line, span.column)?;
    if let Some((line, carets)) = excerpt(text, span) {
        let number = span.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(out, "{margin} |\n{number} | {line}\n{margin} | {carets}")?;
    }
    if let Some(help) = help {
        writeln!(out, "help: {}", plain(help))?;
    }
    writeln!(out, "see: trunkline explain {code}")
}

/// The source line, cut to a readable width, and the carets under it. None where there is no text to show.
fn excerpt(text: &[u8], span: &Span) -> Option<(String, String)> {
    let start = span.start.min(text.len());
    let first = text[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let last = text[first..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| first + at);
    let line = String::from_utf8_lossy(&text[first..last]);
    let line = line.trim_start_matches('\u{feff}').trim_end();
    let before = span.column - 1;
    let covered = String::from_utf8_lossy(&text[start..span.end.clamp(start, last.max(start))]).trim_end().chars().count().max(1);
    if line.is_empty() {
        return None;
    }
    // A long line is shown around the place.
    let skip = if before + covered.min(WIDTH) > WIDTH { before.saturating_sub(WIDTH / 2) } else { 0 };
    let mut shown: String = line.chars().skip(skip).take(WIDTH).map(visible).collect();
    if line.chars().nth(skip + WIDTH).is_some() {
        shown.push('…');
    }
    let lead = if skip > 0 { "…" } else { "" };
    let carets =
        format!("{}{}", " ".repeat(before - skip + lead.chars().count()), "^".repeat(covered.min(WIDTH - (before - skip).min(WIDTH - 1))));
    Some((format!("{lead}{shown}"), carets))
}
