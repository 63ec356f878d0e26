//! Parser events to a tree with spans, and the strictness of the format: no anchors, aliases, tags, merge keys,
//! duplicate keys or second documents, at most 32 levels. Knows nothing of delivery files.

use crate::finding::{Finding, Findings, shown};
use crate::{Code, habit};
use granit_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;
use std::ops::Range;
use trunkline_domain::pipeline::limit;

/// A value and the bytes that it takes in the file.
#[derive(Debug)]
pub(crate) struct Node {
    pub content: Content,
    pub at: Range<usize>,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// Nothing, `~` or `null`.
    Null,
    Text(Text),
    List(Vec<Node>),
    Mapping(Vec<Entry>),
    /// Something that was reported already; whoever reads it stays silent.
    Refused,
}

#[derive(Debug)]
pub(crate) struct Text {
    pub value: String,
    /// Written without quotes on purpose or not: only such a text can be a number or a boolean.
    pub plain: bool,
}

/// A key of a mapping with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub key_at: Range<usize>,
    pub value: Node,
}

impl Node {
    /// For messages: "but this is …".
    pub fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "empty",
            Content::Text(_) => "a text",
            Content::List(_) => "a list",
            Content::Mapping(_) => "a mapping",
            Content::Refused => "refused",
        }
    }
}

/// The root of the file. None where it cannot be read; then the findings say why.
pub(crate) fn parse(text: &str, findings: &mut Findings) -> Option<Node> {
    let options = granit_parser::options! {
        strict_indentation: true,
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: false,
    };
    let mut builder = Builder { text, findings, open: Vec::new(), root: None };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                if !builder.take(event, &span) {
                    return None;
                }
            }
            Err(error) => {
                let finding = habit::syntax(text, &error);
                findings.add(finding);
                return None;
            }
        }
    }
    let Builder { root, .. } = builder;
    if root.is_none() {
        let finding = Finding::error(Code::NotAMapping, 0..0, "the file is empty");
        findings.add(finding.help("a delivery file has at least 'on' and 'jobs'; `trunkline init` writes one"));
    }
    root
}

struct Builder<'a> {
    text: &'a str,
    findings: &'a mut Findings,
    open: Vec<Open>,
    root: Option<Node>,
}

/// A collection that has not ended yet.
enum Open {
    List { start: usize, items: Vec<Node>, refused: bool },
    Mapping { start: usize, entries: Vec<Entry>, key: Option<(String, Range<usize>)>, seen: HashMap<String, usize>, refused: bool },
}

impl Builder<'_> {
    /// Takes the next event; false where reading on would make no sense.
    fn take(&mut self, event: Event<'_>, span: &Span) -> bool {
        let at = span.byte_range().unwrap_or(0..0);
        let refused = event.tag().is_some();
        if refused {
            let tag_at = span.tag_span().and_then(|tag| tag.byte_range()).unwrap_or(at.clone());
            let text = self.text;
            self.findings.add_error(|| habit::tag(text, tag_at));
        }
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                let finding = Finding::error(Code::SecondDocument, at, "a second document starts here; a delivery file is one document");
                self.findings.add(finding.help("remove the '---'"));
                return false;
            }
            Event::Scalar(value, style, ..) => {
                let content = if refused { Content::Refused } else { scalar(value.into_owned(), style) };
                self.add(Node { content, at });
            }
            Event::SequenceStart(..) => self.open.push(Open::List { start: at.start, items: Vec::new(), refused }),
            Event::MappingStart(..) => {
                self.open.push(Open::Mapping { start: at.start, entries: Vec::new(), key: None, seen: HashMap::new(), refused });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at.end),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let text = self.text;
                self.findings.add_error(|| habit::alias(text, at.clone()));
                self.add(Node { content: Content::Refused, at });
            }
            // After an unquoted `!(a) && b` the anchor is only a consequence.
            Event::Anchor(_, name) if !name.starts_with('&') => {
                let finding = Finding::error(Code::Anchor, at, format!("anchors such as '&{}' are not read", shown(&name)));
                self.findings.add(finding.help("write the value where it is needed; 'defaults' holds what all jobs share"));
            }
            _ => {}
        }
        if self.open.len() > limit::DEPTH_MAX {
            let at = self.open.last().map_or(0, |open| match open {
                Open::List { start, .. } | Open::Mapping { start, .. } => *start,
            });
            let message = format!("mappings and lists are nested deeper than {}", limit::DEPTH_MAX);
            self.findings.add(Finding::error(Code::TooDeep, at..at, message).help("a delivery file needs fewer than ten levels"));
            return false;
        }
        true
    }

    fn close(&mut self, end: usize) {
        let node = match self.open.pop() {
            Some(Open::List { start, items, refused }) => {
                Node { content: if refused { Content::Refused } else { Content::List(items) }, at: start..end }
            }
            Some(Open::Mapping { start, entries, refused, .. }) => {
                Node { content: if refused { Content::Refused } else { Content::Mapping(entries) }, at: start..end }
            }
            None => return,
        };
        self.add(node);
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Mapping { entries, key: pending, seen, .. }) => match pending.take() {
                Some((key, key_at)) => {
                    // A refused key was reported; its value has no place.
                    if !key.is_empty() {
                        entries.push(Entry { key, key_at, value: node });
                    }
                }
                None => *pending = Some((key_of(&node, self.text, seen, self.findings), node.at)),
            },
        }
    }
}

/// The text of a key; empty where it was refused.
fn key_of(node: &Node, text: &str, seen: &mut HashMap<String, usize>, findings: &mut Findings) -> String {
    let key = match &node.content {
        Content::Refused => return String::new(),
        Content::Text(key) if key.plain && key.value == "<<" => {
            let finding = Finding::error(Code::MergeKey, node.at.clone(), "merge keys are not read");
            findings.add(finding.help("write the keys where they are needed; 'defaults' holds what all jobs share"));
            return String::new();
        }
        Content::Text(key) if !key.value.is_empty() => &key.value,
        Content::Text(_) => {
            let finding = Finding::error(Code::KeyNotText, node.at.clone(), "a key cannot be empty");
            findings.add(finding.help("write a name before the ':'"));
            return String::new();
        }
        _ => {
            let finding = Finding::error(Code::KeyNotText, node.at.clone(), format!("a key must be a text, but this is {}", node.kind()));
            findings.add(finding.help("write the key without '?', braces or brackets"));
            return String::new();
        }
    };
    if let Some(first) = seen.get(key) {
        findings.add_error(|| {
            let line = text[..*first].matches('\n').count() + 1;
            let finding = Finding::error(Code::DuplicateKey, node.at.clone(), format!("'{}' is given twice", shown(key)));
            finding.help(format!("it was given in line {line}; keep one of them"))
        });
        return String::new();
    }
    seen.insert(key.clone(), node.at.start);
    key.clone()
}

fn scalar(value: String, style: ScalarStyle) -> Content {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(value.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        Content::Null
    } else {
        Content::Text(Text { value, plain })
    }
}
