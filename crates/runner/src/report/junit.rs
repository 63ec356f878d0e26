//! JUnit XML as its many writers have it: nested suites, any order, places as attributes or in the text.

use super::{place, shortened};
use crate::mask::Mask;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use trunkline_domain::report::{FAILURES_MAX, MESSAGE_BYTES_MAX, TestFailure, TestSummary};

const DEPTH_MAX: usize = 64;
const CASES_MAX: u32 = 1_000_000;
/// Bytes of the longest entity that means anything, `#x0010FFFF`, and one for its end.
const ENTITY_BYTES_MAX: usize = 12;
/// Text read of one failure, for its place and its message.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Reads a report. Counts come from the cases, never from the totals that a writer claims.
pub fn parse(bytes: &[u8], mask: Mask<'_>) -> Result<TestSummary, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::from_str(&text);
    reader.config_mut().check_end_names = false;
    let mut report = Report { mask, summary: TestSummary::default(), elements: 0, case: None, in_failure: false };
    let mut depth = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(format!("is nested deeper than {DEPTH_MAX} levels"));
                }
                report.open(&element)?;
            }
            Ok(Event::Empty(element)) => {
                report.open(&element)?;
                report.close(element.local_name().as_ref());
            }
            Ok(Event::End(element)) => {
                depth = depth.saturating_sub(1);
                report.close(element.local_name().as_ref());
            }
            Ok(Event::Text(text)) => report.text(&text),
            Ok(Event::CData(text)) => report.text(&text),
            Ok(Event::GeneralRef(name)) => report.text(entity(&name).as_deref().unwrap_or_default()),
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => return Err(format!("is not XML that can be read: {error}")),
        }
    }
    // A test tool that was killed leaves a report that looks green as far as it goes.
    if depth > 0 {
        return Err(format!("ends before it is complete (cases read: {}): was its writer stopped?", report.cases()));
    }
    if report.elements == 0 { Err("holds no XML element".to_owned()) } else { Ok(report.summary) }
}

struct Report<'a> {
    /// What its texts must not say: looked for in texts, since the file has them as XML writes them.
    mask: Mask<'a>,
    summary: TestSummary,
    elements: u32,
    case: Option<Case>,
    /// Whether text belongs to a failure.
    in_failure: bool,
}

#[derive(Default)]
struct Case {
    name: String,
    file: Option<String>,
    line: Option<u32>,
    failed: bool,
    skipped: bool,
    message: String,
    text: String,
    /// Whether more text was said than is kept.
    is_cut: bool,
}

impl Report<'_> {
    fn open(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        self.elements = self.elements.saturating_add(1);
        match (element.local_name().as_ref(), &mut self.case) {
            ("testcase", _) => {
                if self.cases() >= CASES_MAX {
                    return Err(format!("holds more than {CASES_MAX} cases"));
                }
                self.case = Some(Case::of(element));
            }
            ("failure" | "error", Some(case)) => {
                case.failed = true;
                self.in_failure = true;
                if case.message.is_empty() {
                    case.message = attribute(element, "message").unwrap_or_default();
                }
            }
            ("skipped" | "ignored", Some(case)) => case.skipped = true,
            _ => {}
        }
        Ok(())
    }

    /// Cases that ended.
    fn cases(&self) -> u32 {
        self.summary.passed + self.summary.failed + self.summary.skipped
    }

    fn text(&mut self, text: &str) {
        if let (true, Some(case)) = (self.in_failure, &mut self.case) {
            let room = TEXT_BYTES_MAX.saturating_sub(case.text.len());
            case.is_cut |= room < text.len();
            case.text.push_str(&text[..text.floor_char_boundary(room.min(text.len()))]);
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "failure" | "error" => self.in_failure = false,
            "testcase" => {
                self.in_failure = false;
                let Some(case) = self.case.take() else { return };
                if case.failed {
                    self.summary.failed += 1;
                    if self.summary.failures.len() < FAILURES_MAX {
                        self.summary.failures.push(case.masked(self.mask).failure());
                    }
                } else if case.skipped {
                    self.summary.skipped += 1;
                } else {
                    self.summary.passed += 1;
                }
            }
            _ => {}
        }
    }
}

impl Case {
    fn of(element: &BytesStart<'_>) -> Self {
        let name = attribute(element, "name").unwrap_or_default();
        let class = attribute(element, "classname").filter(|class| !class.is_empty() && !name.starts_with(class.as_str()));
        Case {
            name: class.map_or(name.clone(), |class| format!("{class}.{name}")),
            file: attribute(element, "file").filter(|file| !file.is_empty()),
            line: attribute(element, "line").and_then(|line| line.parse().ok()),
            ..Case::default()
        }
    }

    fn masked(self, mask: Mask<'_>) -> Self {
        let text = if self.is_cut { mask.beginning(&self.text) } else { mask.text(&self.text) };
        let file = self.file.map(|file| mask.text(&file));
        Self { name: mask.text(&self.name), file, message: mask.text(&self.message), text, ..self }
    }

    fn failure(self) -> TestFailure {
        let said = place::in_text(&self.text).or_else(|| place::in_text(&self.message));
        // The attribute is where the test begins; a place in the same file is where it failed.
        let (file, line) = match (self.file, self.line, said) {
            (Some(file), line, Some((other, at))) if other.ends_with(&file) => (Some(file), Some(at).or(line)),
            (Some(file), line, _) => (Some(file), line),
            (None, _, Some((file, line))) => (Some(file), Some(line)),
            (None, ..) => (None, None),
        };
        let mut message = shortened(&self.message);
        if message.len() < MESSAGE_BYTES_MAX / 2 && !self.text.trim().is_empty() && !self.text.trim().starts_with(&message) {
            message = shortened(&format!("{message}\n{}", self.text.trim()));
        } else if self.text.trim().starts_with(&message) {
            message = shortened(&self.text);
        }
        TestFailure { name: self.name, file, line, message }
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    // A broken attribute is passed over: a report of doubtful quality is still worth its counts.
    let attribute = element.attributes().with_checks(false).flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
    Some(unescaped(&attribute.value))
}

/// Resolves the five XML entities and character numbers; anything else stays as it is.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        // Looking further than any entity is long would take forever on a text full of '&'.
        let end = after.bytes().take(ENTITY_BYTES_MAX).position(|byte| byte == b';');
        match end.and_then(|end| Some((entity(&after[..end])?, &after[end + 1..]))) {
            Some((character, after)) => {
                out.push_str(&character);
                rest = after;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out + rest
}

fn entity(name: &str) -> Option<String> {
    let text = match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        other => {
            let number = other.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            return char::from_u32(code).map(String::from);
        }
    };
    Some(text.to_owned())
}
