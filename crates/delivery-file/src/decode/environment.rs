//! Environments.

use super::part::{self, Listen, Script};
use super::{Defaults, check, names};
use crate::Code;
use crate::fields::{Fields, Placed, Reader};
use crate::finding::{Finding, shown};
use crate::keys;
use crate::tree::{Content, Entry, Node};
use std::ops::Range;
use trunkline_domain::foundation::EnvironmentName;
use trunkline_domain::pipeline::{After, EnvironmentRule, QueuePolicy, RollbackCause, Tier};

pub(crate) struct EnvironmentDraft {
    pub rule: EnvironmentRule,
    /// Its key.
    pub at: Range<usize>,
    /// Places of the names in `rule.after`.
    pub after_at: Vec<Range<usize>>,
    /// Scripts that run in a folder with the release's artifacts and files.
    pub scripts: Vec<Script>,
    /// Addresses that its parts listen on.
    pub listens: Vec<Listen>,
    /// Artifacts that its parts start from.
    pub artifacts: Vec<Placed<String>>,
    /// Whether 'verify' could be read, so that its emptiness means something.
    pub verify_read: bool,
}

pub(super) fn environment(reader: &mut Reader<'_>, entry: &Entry, defaults: &Defaults) -> Option<EnvironmentDraft> {
    let name: Option<EnvironmentName> = reader.name(&entry.key, &entry.key_at, "an environment");
    let owner = format!("environment '{}'", shown(&entry.key));
    let fields = reader.fields(&entry.value, &keys::ENVIRONMENT, owner, entry.key_at.clone());
    let fields = fields?;
    let (after, after_at) = fields.get("after").map(|entry| after(reader, entry)).unwrap_or_default();
    let parts = part::parts(reader, &fields);
    let checks = check::checks(reader, &fields, defaults);
    let mut scripts = parts.scripts;
    scripts.extend(checks.scripts);
    let tier = tier(reader, &fields);
    let queue = match fields.choice(reader, "queue") {
        Some("newest") => QueuePolicy::Newest,
        Some("reject") => QueuePolicy::Reject,
        _ => QueuePolicy::Queue,
    };
    let config = fields.get("config").and_then(|entry| config(reader, entry));
    let rollback = rollback(reader, &fields);
    // Only now: what else is wrong with an environment of a bad name was to be found too.
    let rule = EnvironmentRule { name: name?, tier, after, queue, config, parts: parts.parts, verify: checks.checks, rollback };
    let at = entry.key_at.clone();
    Some(EnvironmentDraft { rule, at, after_at, scripts, listens: parts.listens, artifacts: parts.artifacts, verify_read: checks.read })
}

fn tier(reader: &mut Reader<'_>, environment: &Fields<'_>) -> Tier {
    match environment.choice(reader, "tier") {
        Some("testing") => Tier::Testing,
        Some("staging") => Tier::Staging,
        Some("production") => Tier::Production,
        _ => Tier::Development,
    }
}

fn after(reader: &mut Reader<'_>, entry: &Entry) -> (After, Vec<Range<usize>>) {
    let nothing = (After::Release, Vec::new());
    let (node, any) = match &entry.value.content {
        Content::Mapping(_) => {
            let Some(fields) = reader.fields(&entry.value, &keys::AFTER, "'after'".to_owned(), entry.key_at.clone()) else {
                return nothing;
            };
            match (fields.get("all"), fields.get("any")) {
                (Some(all), None) => (&all.value, false),
                (None, Some(any)) => (&any.value, true),
                (Some(_), Some(any)) => {
                    reader.findings.add(Finding::error(Code::Conflict, any.key_at.clone(), "'after' has both 'all' and 'any'"));
                    return nothing;
                }
                (None, None) => {
                    if !fields.taught {
                        reader.missing(
                            "'after'",
                            "all",
                            entry.key_at.clone(),
                            "the environments where a release must be verified, or 'any'",
                        );
                    }
                    return nothing;
                }
            }
        }
        _ => (&entry.value, false),
    };
    if matches!(&node.content, Content::List(items) if items.is_empty()) {
        let finding = Finding::error(Code::Empty, entry.key_at.clone(), "'after' names no environment");
        reader.findings.add(finding.help("leave it out where releases come here as soon as they are cut"));
    }
    let (found, places): (Vec<EnvironmentName>, _) =
        names(reader, node, "after", "an environment").into_iter().map(|name| (name.value, name.at)).unzip();
    match (found.is_empty(), any) {
        (true, _) => nothing,
        (false, true) => (After::Any(found), places),
        (false, false) => (After::All(found), places),
    }
}

fn config(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    if let Content::Text(text) = &entry.value.content {
        let finding = Finding::error(Code::WrongType, entry.value.at.clone(), "'config' must be a mapping of keys, but this is a text");
        reader.findings.add(finding.help(format!("write config: {{ from: {} }}", shown(&text.value))));
        return None;
    }
    let fields = reader.fields(&entry.value, &keys::CONFIG, "'config'".to_owned(), entry.key_at.clone())?;
    reader.path(fields.value("from")?, "from").map(|path| path.value)
}

/// Both causes where the file says nothing; none for `on: []`.
fn rollback(reader: &mut Reader<'_>, environment: &Fields<'_>) -> Vec<RollbackCause> {
    let default = vec![RollbackCause::Health, RollbackCause::Verify];
    let Some(entry) = environment.get("rollback") else { return default };
    let Some(fields) = reader.fields(&entry.value, &keys::ROLLBACK, "'rollback'".to_owned(), entry.key_at.clone()) else { return default };
    let Some(node) = fields.value("on") else { return default };
    let mut causes = Vec::new();
    for item in reader.one_or_more(node, "on").unwrap_or_default() {
        let cause = match rollback_cause(reader, item) {
            Some("health") => RollbackCause::Health,
            Some(_) => RollbackCause::Verify,
            None => continue,
        };
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes
}

fn rollback_cause(reader: &mut Reader<'_>, node: &Node) -> Option<&'static str> {
    if matches!(&node.content, Content::Text(text) if text.value == "analysis") {
        let finding = Finding::error(Code::NotYet, node.at.clone(), "'analysis' is not yet in this version");
        reader.findings.add(finding.help("health and verify bring the last verified release back"));
        return None;
    }
    reader.choice(node, "on", keys::ROLLBACK_ON)
}
