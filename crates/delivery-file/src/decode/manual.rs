//! `on.manual`: what a person or a tool may give at the start.

use crate::Code;
use crate::fields::{Fields, Reader};
use crate::finding::{Finding, shown};
use crate::keys;
use crate::tree::{Content, Entry};
use trunkline_domain::foundation::JobKey;
use trunkline_domain::pipeline::{InputKind, InputRule, ManualTrigger, limit};

pub(super) fn manual_trigger(reader: &mut Reader<'_>, entry: &Entry) -> ManualTrigger {
    if matches!(&entry.value.content, Content::Null) || matches!(&entry.value.content, Content::Mapping(entries) if entries.is_empty()) {
        return ManualTrigger::default();
    }
    let Some(manual) = reader.fields(&entry.value, &keys::MANUAL, "'manual'".to_owned(), entry.key_at.clone()) else {
        return ManualTrigger::default();
    };
    let Some(inputs) = manual.get("inputs") else { return ManualTrigger::default() };
    let entries = reader.mapping(&inputs.value, "'inputs'").unwrap_or_default();
    if entries.len() > limit::INPUTS_MAX {
        let message = format!("'inputs' has {} entries; at most {} are allowed", entries.len(), limit::INPUTS_MAX);
        reader.findings.add(Finding::error(Code::TooMany, inputs.key_at.clone(), message));
        return ManualTrigger::default();
    }
    ManualTrigger { inputs: entries.iter().filter_map(|entry| input(reader, entry)).collect() }
}

fn input(reader: &mut Reader<'_>, entry: &Entry) -> Option<InputRule> {
    let owner = format!("input '{}'", shown(&entry.key));
    // The form of names is the same everywhere, and makes a variable's name of every input.
    let name: Option<JobKey> = reader.name(&entry.key, &entry.key_at, "an input");
    let fields = reader.fields(&entry.value, &keys::INPUT, owner, entry.key_at.clone())?;
    let kind = match fields.choice(reader, "type")? {
        "boolean" => InputKind::Boolean,
        "number" => InputKind::Number,
        "choice" => InputKind::Choice(options(reader, &fields)?),
        _ => InputKind::String,
    };
    let required = fields.boolean(reader, "required").unwrap_or(false);
    let description = fields.text(reader, "description").map(|text| text.value);
    let default = fields.value("default").and_then(|node| reader.any_text(node, "default", "a text"));
    if let Some(default) = &default
        && let Err(wanted) = kind.accepts(&default.value)
    {
        let message = format!("'default' takes {wanted}, not '{}'", shown(&default.value));
        reader.findings.add(Finding::error(Code::NotAChoice, default.at.clone(), message));
    }
    Some(InputRule { name: name?.to_string(), kind, required, default: default.map(|text| text.value), description })
}

fn options(reader: &mut Reader<'_>, input: &Fields<'_>) -> Option<Vec<String>> {
    let Some(node) = input.value("options") else {
        let owner = input.owner.clone();
        reader.missing(&owner, "options", input.at.clone(), "the words of the choice");
        return None;
    };
    let items = reader.list(node, "options")?;
    if items.is_empty() {
        reader.findings.add(Finding::error(Code::Empty, node.at.clone(), "'options' is empty: nothing can be chosen"));
    }
    Some(items.iter().filter_map(|item| reader.plain(item, "options")).map(|text| text.value).collect())
}
