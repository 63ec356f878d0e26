//! Teaching errors for what YAML reads otherwise than its author: unquoted stars, exclamation marks, colons,
//! `${{`, and tabs.

use crate::Code;
use crate::finding::{Finding, shown};
use granit_parser::{ErrorKind, ScanError};
use std::ops::Range;

/// A value that starts with `*`: an alias, or a pattern without quotes.
pub(crate) fn alias(text: &str, at: Range<usize>) -> Finding {
    let name = shown(text.get(at.clone()).unwrap_or("*"));
    let pattern = name.contains(['.', '/', '?']) || name[1..].contains('*') || name.len() < 2;
    if pattern {
        let finding = Finding::error(Code::UnquotedStar, at, format!("without quotes, '{name}' is a YAML alias and not a pattern"));
        finding.help(format!("quote it: \"{name}\""))
    } else {
        let finding = Finding::error(Code::Alias, at, format!("aliases such as '{name}' are not read"));
        finding.help("write the value where it is needed; quote a value that really starts with '*'")
    }
}

/// A value that starts with `!`: a tag, or a condition without quotes.
pub(crate) fn tag(text: &str, at: Range<usize>) -> Finding {
    let name = shown(text.get(at.clone()).unwrap_or("!"));
    let line = line_at(text, at.start);
    let condition = name.contains('(') || name.contains('.') || key_of(line).is_some_and(|key| key.ends_with("if"));
    if condition {
        let finding = Finding::error(Code::UnquotedNot, at.clone(), format!("without quotes, '{name}' is a YAML tag and not a condition"));
        let rest = text[at.start..].lines().next().unwrap_or_default();
        finding.help(format!("quote the whole condition: {}", quoted(without_comment(rest))))
    } else {
        Finding::error(Code::Tag, at, format!("tags such as '{name}' are not read"))
            .help("leave it out; quote a value that really starts with '!'")
    }
}

/// A text that is not YAML.
pub(crate) fn syntax(text: &str, error: &ScanError) -> Finding {
    let start = floor(text, error.marker().byte_offset().unwrap_or(0));
    let one = start..text[start..].chars().next().map_or(start, |c| start + c.len_utf8());
    let line = line_at(text, start);
    let line_start = start - column(text, start);
    // A plain text may go on in the next line, which is read before the tab in it is found.
    let next = line_start + line.len() + 1;
    let after = text.get(next..).filter(|_| error.to_string().contains("tab")).and_then(indenting_tab);
    if let Some(tab) = indenting_tab(line).map(|tab| line_start + tab).or(after.map(|tab| next + tab)) {
        let at = tab..tab + 1;
        return Finding::error(Code::Tab, at, "a tab indents this line; YAML wants spaces").help("replace each tab by two spaces");
    }
    // Between braces, a plain `${{ x }}` falls apart at its own braces.
    let before = &text[line_start..start];
    let opened = before.rfind("${{").or_else(|| text[line_start..].starts_with("${{").then_some(0));
    let broken = opened.map(|at| line_start + at).or_else(|| (before.ends_with('$') && text[start..].starts_with("{{")).then(|| start - 1));
    if let Some(at) = broken.filter(|at| !matches!(text.as_bytes().get(at.wrapping_sub(1)), Some(b'"' | b'\''))) {
        let length = text[at..].lines().next().map_or(0, |rest| rest.find("}}").map_or(3, |end| end + 2));
        let finding = Finding::error(Code::UnquotedTemplate, at..at + length, "'${{ … }}' between braces or brackets has to be quoted");
        return finding.help(format!("write {}", quoted(&text[at..at + length])));
    }
    match error.kind() {
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => colon(line, &text[line_start..start], one),
        ErrorKind::UnexpectedCharacter { character } if character.is_control() => {
            let finding =
                Finding::error(Code::Syntax, one, format!("a control character (U+{:04X}) is not allowed", u32::from(*character)));
            finding.help("remove it, or write it as an escape between double quotes")
        }
        ErrorKind::UnexpectedCharacter { character } => {
            let message = format!("a value cannot start with '{character}'");
            Finding::error(Code::Syntax, one, message).help("quote the whole value")
        }
        ErrorKind::InvalidTrailingDoubleQuotedScalar | ErrorKind::InvalidTrailingSingleQuotedScalar => {
            let finding = Finding::error(Code::Syntax, one, "text follows the closing quote");
            match value_of(line) {
                Some(value) => finding.help(format!("quote the whole value: {}", quoted(value))),
                None => finding.help("quote the whole value"),
            }
        }
        ErrorKind::DirectiveDisallowed => Finding::error(Code::Syntax, one, "YAML directives are not read").help("remove the line"),
        other => {
            Finding::error(Code::Syntax, one, format!("this is not YAML: {other}")).help("check brackets, quotes and the indentation here")
        }
    }
}

fn indenting_tab(line: &str) -> Option<usize> {
    line.find(|c: char| c != ' ').filter(|at| line[*at..].starts_with('\t'))
}

/// A colon that YAML reads as the end of a key: `run: echo a: b`, or a line that is indented too far.
fn colon(line: &str, before: &str, at: Range<usize>) -> Finding {
    match value_of(line).filter(|_| before.contains(": ")) {
        Some(value) => {
            let finding = Finding::error(Code::UnquotedColon, at, "a value with ': ' in it has to be quoted");
            let key = key_of(line).unwrap_or("run");
            finding.help(format!("quote it: {key}: {}; or write it below '{key}: |'", quoted(value)))
        }
        None => Finding::error(Code::Syntax, at, "a key does not fit here")
            .help("indent it exactly as the keys beside it, and quote texts with ':'"),
    }
}

/// The text in quotes that need no escapes where that is possible.
fn quoted(value: &str) -> String {
    let value = value.trim();
    if value.contains('"') || value.contains('\\') { format!("'{}'", value.replace('\'', "''")) } else { format!("\"{value}\"") }
}

fn without_comment(value: &str) -> &str {
    value.split(" #").next().unwrap_or(value).trim()
}

fn key_of(line: &str) -> Option<&str> {
    line.trim_start_matches([' ', '-', '{']).split_once(": ").map(|(key, _)| key)
}

fn value_of(line: &str) -> Option<&str> {
    line.trim_start_matches([' ', '-']).split_once(": ").map(|(_, value)| without_comment(value)).filter(|value| value.len() <= 200)
}

fn line_at(text: &str, at: usize) -> &str {
    text[at - column(text, at)..].lines().next().unwrap_or_default()
}

/// Bytes between the start of the line and this place.
fn column(text: &str, at: usize) -> usize {
    at - text[..at].rfind('\n').map_or(0, |end| end + 1)
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
