//! The tree to domain values, with the places that later checks point at.
//!
//! A value that cannot be read becomes its default here: the problem was reported, and what else is wrong shall be
//! found too. [`crate::read`] gives no definition away once anything was reported.

mod check;
mod environment;
mod job;
mod manual;
mod part;
mod release;
mod trigger;

pub(crate) use environment::EnvironmentDraft;
pub(crate) use job::JobDraft;
pub(crate) use part::Script;
pub(crate) use release::ReleaseDraft;

use crate::Code;
use crate::fields::{Fields, Placed, Reader, first_line};
use crate::finding::{Finding, shown};
use crate::keys;
use crate::tree::{Entry, Node};
use std::collections::BTreeMap;
use std::ops::Range;
use trunkline_domain::expression::{Place, Template};
use trunkline_domain::foundation::{IdParseError, Millis};
use trunkline_domain::pipeline::{Definition, SandboxChoice, Triggers, limit};

/// Attempts of a job and scripts of a part end after this, where the file says nothing.
pub(crate) const TIMEOUT: Millis = Millis::minutes(60);

/// Bytes of names and values in `defaults.env`.
const DEFAULT_ENV_BYTES_MAX: usize = 16 * 1024;

/// A whole file as far as it could be read.
pub(crate) struct Draft {
    pub name: Option<String>,
    pub on: Triggers,
    pub jobs: Vec<JobDraft>,
    pub release: Section<ReleaseDraft>,
    pub environments: Vec<EnvironmentDraft>,
    /// The key `environments`.
    pub environments_at: Range<usize>,
}

/// A part of the file that may be absent. Unreadable is not absent: then nobody shall ask for it.
pub(crate) enum Section<T> {
    Absent,
    Unreadable,
    Given(T),
}

impl<T> Section<T> {
    pub fn given(&self) -> Option<&T> {
        match self {
            Section::Given(value) => Some(value),
            Section::Absent | Section::Unreadable => None,
        }
    }
}

impl Draft {
    pub fn into_definition(self) -> Definition {
        let release = match self.release {
            Section::Given(release) => Some(release.rule),
            Section::Absent | Section::Unreadable => None,
        };
        Definition {
            name: self.name,
            on: self.on,
            jobs: self.jobs.into_iter().map(|job| job.rule).collect(),
            release,
            environments: self.environments.into_iter().map(|environment| environment.rule).collect(),
        }
    }
}

/// What `defaults` gives to every job.
#[derive(Default)]
struct Defaults {
    timeout: Option<Millis>,
    env: BTreeMap<String, Template>,
    sandbox: Option<SandboxChoice>,
}

pub(crate) fn definition(reader: &mut Reader<'_>, root: &Node) -> Option<Draft> {
    if !matches!(root.content, crate::tree::Content::Mapping(_) | crate::tree::Content::Refused) {
        let message = format!("a delivery file is a mapping of keys, but this is {}", root.kind());
        let at = first_line(reader.text, &root.at);
        reader.findings.add(Finding::error(Code::NotAMapping, at, message).help("such as on: push, and below it jobs:"));
        return None;
    }
    let file = reader.fields(root, &keys::FILE, "the file".to_owned(), root.at.start..root.at.start)?;
    let on = trigger::triggers(reader, &file);
    reader.inputs = on.manual.iter().flat_map(|manual| &manual.inputs).map(|input| input.name.clone()).collect();
    let defaults = defaults(reader, &file);
    let mut jobs = Vec::new();
    for entry in named(reader, &file, "jobs", "a job", limit::JOBS_MAX) {
        jobs.extend(job::job(reader, entry, &defaults));
    }
    let release = match file.get("release") {
        Some(entry) => release::release(reader, entry, &jobs).map_or(Section::Unreadable, Section::Given),
        None => Section::Absent,
    };
    let mut environments = Vec::new();
    for entry in named(reader, &file, "environments", "an environment", limit::ENVIRONMENTS_MAX) {
        environments.extend(environment::environment(reader, entry, &defaults));
    }
    Some(Draft {
        name: file.text(reader, "name").map(|name| name.value),
        on,
        jobs,
        release,
        environments,
        environments_at: file.get("environments").map_or(0..0, |entry| entry.key_at.clone()),
    })
}

fn defaults(reader: &mut Reader<'_>, file: &Fields<'_>) -> Defaults {
    let Some(entry) = file.get("defaults") else { return Defaults::default() };
    let Some(fields) = reader.fields(&entry.value, &keys::DEFAULTS, "'defaults'".to_owned(), entry.key_at.clone()) else {
        return Defaults::default();
    };
    let inputs = reader.inputs.clone();
    let mut env = fields.value("env").map(|node| reader.env(node, Place::JobEnv { needs: &[], inputs: &inputs })).unwrap_or_default();
    // Every job gets a copy, so a large one would be multiplied by 5,000.
    let bytes: usize = env.iter().map(|(name, value)| name.len() + value.0.len()).sum();
    if let (true, Some(entry)) = (bytes > DEFAULT_ENV_BYTES_MAX, fields.get("env")) {
        let message = format!("'env' of 'defaults' has {bytes} bytes; at most {DEFAULT_ENV_BYTES_MAX} are allowed");
        reader.findings.add(Finding::error(Code::TooMany, entry.key_at.clone(), message).help("give it to the jobs that need it"));
        env.clear();
    }
    Defaults { timeout: fields.duration(reader, "timeout"), env, sandbox: job::sandbox(reader, &fields) }
}

/// The entries of a mapping whose keys are the user's names; at least one where it is given.
fn named<'a>(reader: &mut Reader<'_>, file: &Fields<'a>, key: &str, what: &str, most: usize) -> &'a [Entry] {
    let Some(entry) = file.get(key) else { return &[] };
    if matches!(entry.value.content, crate::tree::Content::Null) {
        let finding = Finding::error(Code::Empty, entry.key_at.clone(), format!("'{key}' is empty"));
        reader.findings.add(finding.help(format!("name {what} below it")));
        return &[];
    }
    let entries = reader.mapping(&entry.value, &format!("'{key}'")).unwrap_or_default();
    let matters = matches!(&entry.value.content, crate::tree::Content::Mapping(entries) if entries.is_empty());
    if matters {
        let finding = Finding::error(Code::Empty, entry.key_at.clone(), format!("'{key}' is empty"));
        reader.findings.add(finding.help(format!("name {what} in it")));
    }
    if entries.len() > most {
        let message = format!("'{key}' has {} entries; at most {most} are allowed", entries.len());
        reader.findings.add(Finding::error(Code::TooMany, entry.key_at.clone(), message));
        return &entries[..most];
    }
    entries
}

/// Names from a list or one text, each with its place; a name given twice is reported.
fn names<T: std::str::FromStr<Err = IdParseError> + PartialEq>(
    reader: &mut Reader<'_>,
    node: &Node,
    key: &str,
    what: &str,
) -> Vec<Placed<T>> {
    let mut names: Vec<Placed<T>> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let items = reader.one_or_more(node, key).unwrap_or_default();
    for item in reader.at_most(items, limit::JOBS_MAX, node, key) {
        let Some(text) = reader.plain(item, key) else { continue };
        let Some(name) = reader.name(&text.value, &text.at, what) else { continue };
        if seen.insert(text.value.clone()) {
            names.push(Placed { value: name, at: text.at });
        } else {
            let message = format!("'{}' is named twice in '{key}'", shown(&text.value));
            reader.findings.add(Finding::error(Code::DuplicateName, text.at, message));
        }
    }
    names
}
