//! Reading mappings by the table of keys, and values by their forms. Every method reports what is wrong and gives
//! `None`; nothing stops at the first problem.

use crate::Code;
use crate::finding::{Finding, Findings, shown};
use crate::shape::{Form, Need, Shape};
use crate::tree::{Content, Entry, Node};
use std::ops::Range;
use std::rc::Rc;
use trunkline_domain::foundation::Millis;

/// A value and its place in the file.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub value: T,
    pub at: Range<usize>,
}

pub(crate) struct Reader<'r> {
    pub text: &'r str,
    /// Inputs of a manual start, once `on` was read.
    pub inputs: Rc<[String]>,
    pub findings: &'r mut Findings,
}

/// A mapping whose keys were checked against its shape.
pub(crate) struct Fields<'a> {
    shape: &'static Shape,
    /// For messages: `job 'package'`.
    pub owner: String,
    /// Where to point when something is missing.
    pub at: Range<usize>,
    /// Whether a refused key already said what belongs here, so that its absence need not be reported.
    pub taught: bool,
    entries: &'a [Entry],
}

/// What a refused key stands for.
#[derive(PartialEq, Eq)]
enum Meant {
    /// A key of the shape, misspelt.
    Key(&'static str),
    /// Something that the help speaks of.
    Elsewhere,
    Unknown,
}

impl<'a> Fields<'a> {
    /// The entry of a key of the shape.
    pub fn get(&self, name: &str) -> Option<&'a Entry> {
        debug_assert!(self.shape.key(name).is_some(), "'{name}' is read but not in the table");
        self.entries.iter().find(|entry| entry.key == name)
    }

    pub fn value(&self, name: &str) -> Option<&'a Node> {
        self.get(name).map(|entry| &entry.value)
    }

    fn form(&self, name: &str) -> &'static Form {
        &self.shape.key(name).expect("keys that are read are in the table").form
    }

    pub fn text(&self, reader: &mut Reader<'_>, name: &str) -> Option<Placed<String>> {
        reader.plain(self.value(name)?, name)
    }

    pub fn script(&self, reader: &mut Reader<'_>, name: &str) -> Option<Placed<String>> {
        reader.script(self.value(name)?, name)
    }

    pub fn duration(&self, reader: &mut Reader<'_>, name: &str) -> Option<Millis> {
        reader.duration(self.value(name)?, name)
    }

    pub fn whole(&self, reader: &mut Reader<'_>, name: &str) -> Option<i64> {
        let Form::Whole { min, max } = self.form(name) else { return None };
        reader.whole(self.value(name)?, name, *min..=*max)
    }

    pub fn boolean(&self, reader: &mut Reader<'_>, name: &str) -> Option<bool> {
        let node = self.value(name)?;
        let text = reader.any_text(node, name, "true or false")?;
        match text.value.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                let message = format!("'{name}' takes true or false, not '{}'", shown(other));
                reader.findings.add(Finding::error(Code::NotABoolean, node.at.clone(), message));
                None
            }
        }
    }

    pub fn choice(&self, reader: &mut Reader<'_>, name: &str) -> Option<&'static str> {
        let Form::Choice(words) = self.form(name) else { return None };
        reader.choice(self.value(name)?, name, words)
    }
}

impl Reader<'_> {
    /// A mapping of this shape. Reports unknown and missing keys.
    pub fn fields<'a>(&mut self, node: &'a Node, shape: &'static Shape, owner: String, at: Range<usize>) -> Option<Fields<'a>> {
        if matches!(node.content, Content::Null) {
            self.findings.add(Finding::error(Code::Empty, at, format!("{owner} is empty")));
            return None;
        }
        let entries = self.mapping(node, &owner)?;
        let unknown = entries.iter().filter(|entry| shape.key(&entry.key).is_none());
        let meant: Vec<Meant> = unknown.map(|entry| self.refuse_key(entry, shape, &owner)).collect();
        for key in shape.keys.iter().filter(|key| key.need == Need::Required) {
            // Where a refused key stands for the missing one, its own help says what to write.
            let stands_in = meant.iter().any(|meant| matches!(meant, Meant::Elsewhere) || *meant == Meant::Key(key.name));
            if !stands_in && !entries.iter().any(|entry| entry.key == key.name) {
                self.missing(&owner, key.name, at.clone(), key.doc);
            }
        }
        let taught = meant.iter().any(|meant| *meant != Meant::Unknown);
        Some(Fields { shape, owner, at, taught, entries })
    }

    pub fn missing(&mut self, owner: &str, key: &str, at: Range<usize>, doc: &str) {
        let message = format!("{owner} has no '{key}'");
        self.findings
            .add(Finding::error(Code::MissingKey, at, message).help(format!("add '{key}': {}", lower_first(doc.trim_end_matches('.')))));
    }

    /// A key that the shape does not have: of a later version, of another system, or misspelt.
    fn refuse_key(&mut self, entry: &Entry, shape: &'static Shape, owner: &str) -> Meant {
        let find = |list: &[(&'static str, &'static str)]| list.iter().find(|(name, _)| *name == entry.key).map(|(_, help)| *help);
        let name = shown(&entry.key);
        let at = entry.key_at.clone();
        if let Some(help) = find(shape.later) {
            self.findings.add(Finding::error(Code::NotYet, at, format!("'{name}' in {owner} is not yet in this version")).help(help));
            return Meant::Elsewhere;
        }
        if let Some(help) = find(shape.habits) {
            self.findings.add(Finding::error(Code::Habit, at, format!("there is no '{name}' in {owner}")).help(help));
            return Meant::Elsewhere;
        }
        let near = self.findings.nearest(&entry.key, shape.keys.iter().map(|key| key.name));
        let known = match shape.keys {
            [] => "it has no keys".to_owned(),
            keys => format!("known are {}", keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")),
        };
        let help = near.map_or(known, |near| format!("did you mean '{near}'?"));
        self.findings.add(Finding::error(Code::UnknownKey, at, format!("unknown key '{name}' in {owner}")).help(help));
        near.map_or(Meant::Unknown, Meant::Key)
    }

    /// The entries of a mapping.
    pub fn mapping<'a>(&mut self, node: &'a Node, owner: &str) -> Option<&'a [Entry]> {
        match &node.content {
            Content::Mapping(entries) => Some(entries),
            _ => self.wrong(node, owner, "a mapping of keys"),
        }
    }

    /// The items of a list.
    pub fn list<'a>(&mut self, node: &'a Node, key: &str) -> Option<&'a [Node]> {
        match &node.content {
            Content::List(items) => Some(items),
            _ => self.wrong(node, &format!("'{key}'"), "a list"),
        }
    }

    /// The items of a list, or the one value in its place.
    pub fn one_or_more<'a>(&mut self, node: &'a Node, key: &str) -> Option<&'a [Node]> {
        match &node.content {
            Content::List(items) => Some(items),
            Content::Text(_) => Some(std::slice::from_ref(node)),
            _ => self.wrong(node, &format!("'{key}'"), "a text or a list of texts"),
        }
    }

    /// The first `most` of these; more are reported.
    pub fn at_most<'a>(&mut self, items: &'a [Node], most: usize, node: &Node, key: &str) -> &'a [Node] {
        if items.len() <= most {
            return items;
        }
        let message = format!("'{key}' has {} entries; at most {most} are allowed", items.len());
        self.findings.add(Finding::error(Code::TooMany, first_line(self.text, &node.at), message));
        &items[..most]
    }

    pub fn wrong<T>(&mut self, node: &Node, subject: &str, expected: &str) -> Option<T> {
        if !matches!(node.content, Content::Refused) {
            let message = format!("{subject} must be {expected}, but this is {}", node.kind());
            self.findings.add(Finding::error(Code::WrongType, first_line(self.text, &node.at), message));
        }
        None
    }

    /// Any scalar that is not empty, as it is written.
    pub fn any_text(&mut self, node: &Node, key: &str, expected: &str) -> Option<Placed<String>> {
        match &node.content {
            Content::Text(text) => Some(Placed { value: text.value.clone(), at: node.at.clone() }),
            Content::Null => {
                self.findings.add(Finding::error(Code::Empty, node.at.clone(), format!("'{key}' is empty; it takes {expected}")));
                None
            }
            _ => self.wrong(node, &format!("'{key}'"), expected),
        }
    }

    pub fn choice(&mut self, node: &Node, key: &str, words: &'static [&'static str]) -> Option<&'static str> {
        let text = self.any_text(node, key, "a word")?;
        let found = words.iter().copied().find(|word| *word == text.value);
        if found.is_none() {
            let message = format!("'{key}' does not know '{}'", shown(&text.value));
            let near = self.findings.nearest(&text.value, words.iter().copied());
            let help = near.map_or_else(|| format!("it takes {}", words.join(", ")), |near| format!("did you mean '{near}'?"));
            self.findings.add(Finding::error(Code::NotAChoice, node.at.clone(), message).help(help));
        }
        found
    }

    pub fn whole(&mut self, node: &Node, key: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let text = self.any_text(node, key, "a whole number")?;
        let limits = format!("it takes {} to {}", range.start(), range.end());
        // Only digits: `+1`, `0x1f` and `1_000` are numbers in some YAML, and texts in other.
        let plain = matches!(&node.content, Content::Text(text) if text.plain);
        let digits = plain && !text.value.is_empty() && text.value.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            let message = format!("'{key}' takes a whole number, not '{}'", shown(&text.value));
            self.findings.add(Finding::error(Code::WrongType, node.at.clone(), message).help(limits));
            return None;
        }
        let number = text.value.parse::<i64>().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!("'{key}' cannot be {}", shown(&text.value));
            self.findings.add(Finding::error(Code::OutOfRange, node.at.clone(), message).help(limits));
        }
        number
    }

    pub fn duration(&mut self, node: &Node, key: &str) -> Option<Millis> {
        let text = self.any_text(node, key, "a duration")?;
        let split = text.value.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (digits, unit) = text.value.split_at(split);
        let seconds = match unit {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3_600),
            "d" => Some(86_400),
            _ => None,
        };
        let count = digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let (Some(seconds), Some(count)) = (seconds, count) else {
            let message = format!("'{}' is not a duration", shown(&text.value));
            self.findings.add(
                Finding::error(Code::NotADuration, node.at.clone(), message).help("write 90s, 15m, 2h or 7d: one number and one unit"),
            );
            return None;
        };
        let total = count.checked_mul(seconds).filter(|total| (1..=DURATION_SECONDS_MAX).contains(total));
        if total.is_none() {
            let message = format!("'{key}' cannot be {}", shown(&text.value));
            self.findings.add(Finding::error(Code::OutOfRange, node.at.clone(), message).help("it takes 1s to 30d"));
        }
        total.map(Millis::seconds)
    }
}

/// The longest duration of a file: 30 days.
const DURATION_SECONDS_MAX: u64 = 30 * 86_400;

/// The part of a place in its first line: carets end there.
pub(crate) fn first_line(text: &str, at: &Range<usize>) -> Range<usize> {
    let length = text.get(at.clone()).and_then(|piece| piece.lines().next()).map_or(0, str::len);
    at.start..at.start + length
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // Words such as JUnit keep their capitals.
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}
