//! Problems as they are found, before lines and columns are counted.

use crate::{Code, Severity};
use std::ops::Range;
use trunkline_domain::foundation::is_obeyed;

/// Problems shown of one file; the rest is counted.
pub(crate) const FINDINGS_MAX: usize = 200;

#[derive(Debug)]
pub(crate) struct Finding {
    pub code: Code,
    pub severity: Severity,
    /// Bytes of the file.
    pub at: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

impl Finding {
    pub fn error(code: Code, at: Range<usize>, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, at, message: message.into(), help: None }
    }

    pub fn warning(code: Code, at: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, at, message) }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    more: usize,
    error: bool,
}

impl Findings {
    pub fn add(&mut self, finding: Finding) {
        self.error |= finding.severity == Severity::Error;
        if self.is_full() {
            self.more += 1;
        } else {
            self.list.push(finding);
        }
    }

    /// Adds an error whose words cost a look at the text, which is spared where it is only counted.
    pub fn add_error(&mut self, finding: impl FnOnce() -> Finding) {
        if self.is_full() {
            self.error = true;
            self.more += 1;
        } else {
            self.add(finding());
        }
    }

    pub fn any_error(&self) -> bool {
        self.error
    }

    pub fn is_full(&self) -> bool {
        self.list.len() >= FINDINGS_MAX
    }

    /// In the order of the text.
    pub fn into_list(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|finding| (finding.at.start, finding.code));
        if self.more > 0 {
            let at = self.list.last().map_or(0..0, |last| last.at.clone());
            self.list.push(Finding::error(Code::MoreProblems, at, format!("{} more problems are not shown", self.more)));
        }
        self.list
    }

    /// The nearest of these names, where one is near. Not asked once enough was found: it costs a look at every name.
    pub fn nearest<'n>(&self, wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
        if self.is_full() || wrong.chars().count() > 100 {
            return None;
        }
        let allowed = (wrong.chars().count() / 3).max(1);
        let distance = |name: &str| match name.len().abs_diff(wrong.len()) {
            // Longer words are never near; measuring them would be wasted.
            far if far > 8 => usize::MAX,
            _ => strsim::osa_distance(&wrong.to_lowercase(), &name.to_lowercase()),
        };
        let (near, name) = names.into_iter().map(|name| (distance(name), name)).min_by_key(|(near, _)| *near)?;
        (near <= allowed).then_some(name)
    }
}

/// A character of the user's as it is shown: never one that a terminal would obey.
pub(crate) fn visible(c: char) -> char {
    match c {
        c if c.is_whitespace() && c.is_control() => ' ',
        c if is_obeyed(c) => '?',
        c => c,
    }
}

/// A text of the user's for a message: short, in one line.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(60).map(visible).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}
