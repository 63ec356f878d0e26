//! `deploy`: the parts of a deployment.

use super::TIMEOUT;
use crate::Code;
use crate::fields::{Fields, Placed, Reader, first_line};
use crate::finding::{Finding, shown};
use crate::keys;
use crate::place::inside;
use crate::tree::{Content, Node};
use std::collections::HashSet;
use std::ops::Range;
use trunkline_domain::expression::Place;
use trunkline_domain::foundation::{JobKey, Millis};
use trunkline_domain::pipeline::{Part, PartKind, ProcessPart, RunPart, limit};

/// Parts of an environment.
const PARTS_MAX: usize = 50;

/// A script that runs in a folder of the release.
pub(crate) struct Script {
    /// What it starts with: a command of the shell or a file.
    pub word: String,
    /// Where that stands.
    pub at: Range<usize>,
}

impl Script {
    pub fn read(reader: &Reader<'_>, node: &Node, text: &str) -> Script {
        let start = text.len() - text.trim_start().len();
        let ends = |c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '<' | '>' | '(' | ')');
        let word = text[start..].split(ends).next().unwrap_or_default();
        Script { word: word.to_owned(), at: inside(reader.text, node, start..start + word.len()) }
    }
}

/// An address that a part listens on.
pub(crate) struct Listen {
    pub address: String,
    pub at: Range<usize>,
}

#[derive(Default)]
pub(super) struct Parts {
    pub parts: Vec<Part>,
    pub scripts: Vec<Script>,
    pub listens: Vec<Listen>,
    pub artifacts: Vec<Placed<String>>,
}

pub(super) fn parts(reader: &mut Reader<'_>, environment: &Fields<'_>) -> Parts {
    let mut parts = Parts::default();
    let Some(entry) = environment.get("deploy") else { return parts };
    let items = match &entry.value.content {
        Content::List(items) => items.as_slice(),
        _ => std::slice::from_ref(&entry.value),
    };
    if items.is_empty() {
        reader.findings.add(Finding::error(Code::Empty, entry.key_at.clone(), format!("{} deploys nothing", environment.owner)));
    }
    let items = reader.at_most(items, PARTS_MAX, &entry.value, "deploy");
    let mut taken = HashSet::new();
    for item in items {
        let at = if items.len() == 1 { entry.key_at.clone() } else { first_line(reader.text, &item.at) };
        let Some((name, kind)) = part(reader, item, &environment.owner, at, &mut parts) else { continue };
        let name = match name {
            Some(name) => {
                if !taken.insert(name.value.clone()) {
                    let message = format!("two parts of {} are named '{}'", environment.owner, shown(&name.value));
                    reader.findings.add(Finding::error(Code::DuplicateName, name.at, message));
                }
                name.value
            }
            None if items.len() == 1 => "main".to_owned(),
            None => free_name(&mut taken, if matches!(kind, PartKind::Process(_)) { "process" } else { "run" }),
        };
        parts.parts.push(Part { name, kind });
    }
    parts
}

/// `base`, or `base-2` and so on.
pub(super) fn free_name(taken: &mut HashSet<String>, base: &str) -> String {
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    let name = std::iter::once(base.to_owned()).chain(numbered).find(|name| !taken.contains(name)).expect("numbers do not end");
    taken.insert(name.clone());
    name
}

type NamedKind = (Option<Placed<String>>, PartKind);

fn part(reader: &mut Reader<'_>, node: &Node, environment: &str, at: Range<usize>, parts: &mut Parts) -> Option<NamedKind> {
    let owner = format!("a part of {environment}");
    let entries = reader.mapping(node, &format!("'deploy' of {environment}"))?;
    let Some(kind) = entries.iter().find(|entry| entry.key == "kind") else {
        reader.missing(&owner, "kind", at, "process or run");
        return None;
    };
    let word = reader.plain(&kind.value, "kind")?;
    if keys::KINDS_LATER.contains(&word.value.as_str()) {
        let finding = Finding::error(Code::NotYet, word.at, format!("kind '{}' is not yet in this version", word.value));
        reader.findings.add(finding.help("deploy with your own scripts: kind: run"));
        return None;
    }
    let process = reader.choice(&kind.value, "kind", keys::KINDS)? == "process";
    let fields = reader.fields(node, if process { &keys::PROCESS } else { &keys::RUN }, owner, at)?;
    let name = fields.text(reader, "name");
    let name = name.filter(|name| reader.name::<JobKey>(&name.value, &name.at, "a part").is_some());
    let kind = if process { process_part(reader, &fields, parts) } else { run_part(reader, &fields, parts) };
    Some((name, kind))
}

fn process_part(reader: &mut Reader<'_>, fields: &Fields<'_>, parts: &mut Parts) -> PartKind {
    let artifact = fields.text(reader, "artifact");
    let run = fields.script(reader, "run");
    let listen = fields.text(reader, "listen");
    let instances = fields.whole(reader, "instances").and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
    if let (2.., None, Some(entry)) = (instances, fields.get("listen"), fields.get("instances")) {
        let finding = Finding::error(
            Code::InstancesWithoutListen,
            entry.value.at.clone(),
            format!("{instances} instances cannot share an address that is not given"),
        );
        reader.findings.add(finding.help("add listen: \"127.0.0.1:8000\"; the supervisor hands the socket to every instance (LISTEN_FDS)"));
    }
    parts.artifacts.extend(artifact.clone());
    if let (Some(run), Some(node)) = (&run, fields.value("run")) {
        parts.scripts.push(Script::read(reader, node, &run.value));
    }
    parts.listens.extend(listen.clone().map(|listen| Listen { address: listen.value, at: listen.at }));
    PartKind::Process(ProcessPart {
        artifact: artifact.map(|artifact| artifact.value),
        run: run.map_or_else(String::new, |run| run.value),
        listen: listen.map(|listen| listen.value),
        instances,
        env: fields.value("env").map(|node| reader.env(node, Place::PartEnv)).unwrap_or_default(),
        ready_within: ready_within(reader, fields),
    })
}

fn ready_within(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Millis> {
    let within = fields.duration(reader, "ready-within")?;
    if within > limit::READY_WITHIN_MAX
        && let Some(node) = fields.value("ready-within")
    {
        let finding = Finding::error(Code::OutOfRange, node.at.clone(), format!("'ready-within' cannot be {within}"));
        reader.findings.add(finding.help(format!("it takes 1s to {}", limit::READY_WITHIN_MAX)));
    }
    Some(within)
}

fn run_part(reader: &mut Reader<'_>, fields: &Fields<'_>, parts: &mut Parts) -> PartKind {
    let mut script = |key: &str| {
        let script = fields.script(reader, key)?;
        parts.scripts.push(Script::read(reader, fields.value(key)?, &script.value));
        Some(script.value)
    };
    let (apply, observe) = (script("apply").unwrap_or_default(), script("observe"));
    let (health, rollback) = (script("health"), script("rollback"));
    PartKind::Run(RunPart {
        apply,
        observe,
        health,
        rollback,
        idempotent: fields.boolean(reader, "idempotent").unwrap_or(false),
        env: fields.value("env").map(|node| reader.env(node, Place::PartEnv)).unwrap_or_default(),
        timeout: fields.duration(reader, "timeout").unwrap_or(TIMEOUT),
    })
}
