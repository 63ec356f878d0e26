//! `on`: what starts a run.

use super::manual;
use crate::Code;
use crate::fields::{Fields, Placed, Reader};
use crate::finding::{Finding, shown};
use crate::keys;
use crate::tree::{Content, Entry, Node};
use trunkline_domain::pipeline::{ManualTrigger, PathRules, Pattern, PushTrigger, Triggers, limit};

pub(super) fn triggers(reader: &mut Reader<'_>, file: &Fields<'_>) -> Triggers {
    let mut triggers = Triggers::default();
    let Some(entry) = file.get("on") else { return triggers };
    match &entry.value.content {
        Content::Mapping(entries) if !entries.is_empty() => {
            let Some(on) = reader.fields(&entry.value, &keys::ON, "'on'".to_owned(), entry.key_at.clone()) else { return triggers };
            triggers.push = on.get("push").map(|push| push_trigger(reader, push));
            triggers.manual = on.get("manual").map(|entry| manual::manual_trigger(reader, entry));
        }
        Content::Text(_) | Content::List(_) => {
            let events = reader.one_or_more(&entry.value, "on").unwrap_or_default();
            for event in events {
                match event_name(reader, event).as_deref() {
                    Some("push") => triggers.push = Some(PushTrigger::default()),
                    Some(_) => triggers.manual = Some(ManualTrigger::default()),
                    None => {}
                }
            }
            if events.is_empty() {
                nothing(reader, entry);
            }
        }
        Content::Refused => {}
        Content::Null | Content::Mapping(_) => nothing(reader, entry),
    }
    triggers
}

fn nothing(reader: &mut Reader<'_>, entry: &Entry) {
    reader.findings.add(Finding::error(Code::Empty, entry.key_at.clone(), "'on' is empty: nothing starts a run").help("such as on: push"));
}

/// An event by its name alone; the same keys as in the mapping.
fn event_name(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.plain(node, "on")?;
    if keys::ON.key(&text.value).is_some() {
        return Some(text.value);
    }
    let find = |list: &[(&'static str, &'static str)]| list.iter().find(|(name, _)| *name == text.value).map(|(_, help)| *help);
    let name = shown(&text.value);
    let finding = if let Some(help) = find(keys::ON.later) {
        Finding::error(Code::NotYet, text.at, format!("'{name}' in 'on' is not yet in this version")).help(help)
    } else if let Some(help) = find(keys::ON.habits) {
        Finding::error(Code::Habit, text.at, format!("there is no '{name}' in 'on'")).help(help)
    } else {
        let near = reader.findings.nearest(&text.value, keys::ON.keys.iter().map(|key| key.name));
        let help = near.map_or_else(|| "it takes push and manual".to_owned(), |near| format!("did you mean '{near}'?"));
        Finding::error(Code::NotAChoice, text.at, format!("'on' does not know '{name}'")).help(help)
    };
    reader.findings.add(finding);
    None
}

fn push_trigger(reader: &mut Reader<'_>, entry: &Entry) -> PushTrigger {
    if matches!(entry.value.content, Content::Null) {
        return PushTrigger::default();
    }
    let Some(push) = reader.fields(&entry.value, &keys::PUSH, "'push'".to_owned(), entry.key_at.clone()) else {
        return PushTrigger::default();
    };
    PushTrigger { branches: patterns(reader, &push, "branches"), tags: patterns(reader, &push, "tags"), paths: paths(reader, &push) }
}

fn paths(reader: &mut Reader<'_>, push: &Fields<'_>) -> PathRules {
    PathRules(texts(reader, push, "paths").into_iter().map(|text| text.value).collect())
}

fn patterns(reader: &mut Reader<'_>, push: &Fields<'_>, key: &str) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for text in texts(reader, push, key) {
        if text.value.starts_with('!') {
            let message = format!("a pattern that excludes, such as '{}', is not yet in this version", shown(&text.value));
            reader.findings.add(Finding::error(Code::NotYet, text.at, message).help("name the patterns that start a run"));
        } else {
            patterns.push(Pattern(text.value));
        }
    }
    patterns
}

/// One or more texts; at least one where the key is given.
fn texts(reader: &mut Reader<'_>, push: &Fields<'_>, key: &str) -> Vec<Placed<String>> {
    let Some(node) = push.value(key) else { return Vec::new() };
    let items = reader.one_or_more(node, key).unwrap_or_default();
    if matches!(&node.content, Content::List(items) if items.is_empty()) {
        let finding = Finding::error(Code::Empty, node.at.clone(), format!("'{key}' is empty"));
        reader.findings.add(finding.help(format!("leave '{key}' out, or name at least one pattern")));
    }
    let items = reader.at_most(items, limit::PATTERNS_MAX, node, key);
    items
        .iter()
        .filter_map(|item| {
            let text = reader.plain(item, key)?;
            short(reader, text, key)
        })
        .collect()
}

fn short(reader: &mut Reader<'_>, text: Placed<String>, key: &str) -> Option<Placed<String>> {
    let bytes = text.value.len();
    if bytes <= limit::PATTERN_BYTES_MAX {
        return Some(text);
    }
    let message = format!("a pattern of '{key}' has {bytes} bytes; at most {} are allowed", limit::PATTERN_BYTES_MAX);
    reader.findings.add(Finding::error(Code::TooMany, text.at, message));
    None
}
