//! Jobs.

use super::{Defaults, TIMEOUT, names};
use crate::Code;
use crate::fields::{Fields, Placed, Reader};
use crate::finding::{Finding, shown};
use crate::keys;
use crate::tree::{Content, Entry, Node};
use std::ops::Range;
use trunkline_domain::expression::{Place, Type};
use trunkline_domain::foundation::JobKey;
use trunkline_domain::pipeline::{
    ArtifactRule, FailureMode, JobRule, ReportFormat, ReportRule, Retry, RetryCause, SandboxChoice, SandboxLevel, Step, limit,
};

pub(crate) struct JobDraft {
    pub rule: JobRule,
    /// Its key.
    pub at: Range<usize>,
    /// Places of `rule.needs`.
    pub needs_at: Vec<Range<usize>>,
    /// Places of the names of `rule.artifacts`.
    pub artifacts_at: Vec<Range<usize>>,
}

pub(super) fn job(reader: &mut Reader<'_>, entry: &Entry, defaults: &Defaults) -> Option<JobDraft> {
    let key: Option<JobKey> = reader.name(&entry.key, &entry.key_at, "a job");
    let fields = reader.fields(&entry.value, &keys::JOB, format!("job '{}'", shown(&entry.key)), entry.key_at.clone());
    let fields = fields?;
    let needs: Vec<Placed<JobKey>> = fields.value("needs").map(|node| names(reader, node, "needs", "a job")).unwrap_or_default();
    let (needs, needs_at): (Vec<_>, Vec<_>) = needs.into_iter().map(|need| (need.value, need.at)).unzip();
    let inputs = reader.inputs.clone();
    let place = Place::JobCondition { needs: &needs, inputs: &inputs };
    let condition = fields.value("if").and_then(|node| reader.expression(node, "if", place, &Type::Bool));
    let mut env = defaults.env.clone();
    if let Some(node) = fields.value("env") {
        env.extend(reader.env(node, Place::JobEnv { needs: &needs, inputs: &inputs }));
    }
    let (artifacts, artifacts_at) = artifacts(reader, &fields);
    let steps = steps(reader, &fields);
    let timeout = fields.duration(reader, "timeout").or(defaults.timeout).unwrap_or(TIMEOUT);
    let sandbox = sandbox(reader, &fields).or(defaults.sandbox).unwrap_or_default();
    let reports = fields.get("reports").map(|entry| reports(reader, entry)).unwrap_or_default();
    let retry = fields.get("retry").map(|entry| retry(reader, entry)).unwrap_or_default();
    let failure = match fields.choice(reader, "failure") {
        Some("warn") => FailureMode::Warn,
        _ => FailureMode::Fail,
    };
    // Only now: what else is wrong with a job of a bad name was to be found too.
    let rule = JobRule { key: key?, needs, condition, steps, env, timeout, sandbox, artifacts, reports, retry, failure };
    Some(JobDraft { rule, at: entry.key_at.clone(), needs_at, artifacts_at })
}

/// `sandbox`, where it is given.
pub(super) fn sandbox(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<SandboxChoice> {
    Some(match fields.choice(reader, "sandbox")? {
        "host" => SandboxChoice::Exactly(SandboxLevel::Host),
        "landlock" => SandboxChoice::Exactly(SandboxLevel::Landlock),
        "sandbox" => SandboxChoice::Exactly(SandboxLevel::Sandbox),
        _ => SandboxChoice::Auto,
    })
}

/// `run`, or `steps`: one of them.
fn steps(reader: &mut Reader<'_>, job: &Fields<'_>) -> Vec<Step> {
    let owner = &job.owner;
    match (job.get("run"), job.get("steps")) {
        (Some(run), Some(_)) => {
            let finding = Finding::error(Code::Conflict, run.key_at.clone(), format!("{owner} has both 'run' and 'steps'"));
            reader.findings.add(finding.help("'run' is the shorthand for one step: make it one of the steps"));
            Vec::new()
        }
        (Some(_), None) => job.script(reader, "run").map(|run| Step { name: None, run: run.value }).into_iter().collect(),
        (None, Some(entry)) => {
            let items = reader.list(&entry.value, "steps").unwrap_or_default();
            if matches!(entry.value.content, Content::List(_)) && items.is_empty() {
                reader.findings.add(Finding::error(Code::Empty, entry.key_at.clone(), format!("{owner} has no steps")));
            }
            let items = reader.at_most(items, limit::STEPS_MAX, &entry.value, "steps");
            items.iter().enumerate().filter_map(|(index, item)| step(reader, item, index, owner)).collect()
        }
        (None, None) => {
            if !job.taught {
                reader.missing(owner, "run", job.at.clone(), "the command, or 'steps' for several");
            }
            Vec::new()
        }
    }
}

fn step(reader: &mut Reader<'_>, node: &Node, index: usize, job: &str) -> Option<Step> {
    let owner = format!("step {} of {job}", index + 1);
    let at = crate::fields::first_line(reader.text, &node.at);
    if matches!(node.content, Content::Text(_)) {
        let finding = Finding::error(Code::WrongType, at, format!("{owner} must be a mapping of keys, but this is a text"));
        reader.findings.add(finding.help("write - run: and the command"));
        return None;
    }
    let fields = reader.fields(node, &keys::STEP, owner, at)?;
    let name = fields.text(reader, "name").map(|name| name.value);
    Some(Step { name, run: fields.script(reader, "run")?.value })
}

fn artifacts(reader: &mut Reader<'_>, job: &Fields<'_>) -> (Vec<ArtifactRule>, Vec<Range<usize>>) {
    let Some(node) = job.value("artifacts") else { return Default::default() };
    let items = reader.list(node, "artifacts").unwrap_or_default();
    let read = |item: &Node| {
        let at = crate::fields::first_line(reader.text, &item.at);
        let fields = reader.fields(item, &keys::ARTIFACT, format!("an artifact of {}", job.owner), at)?;
        let path = fields.value("path").and_then(|node| reader.path(node, "path"));
        let name = fields.text(reader, "name")?;
        // It becomes the name of a file, and has the same form as the names of jobs.
        reader.name::<JobKey>(&name.value, &name.at, "an artifact")?;
        Some((ArtifactRule { name: name.value, path: path.map_or_else(String::new, |path| path.value) }, name.at))
    };
    items.iter().filter_map(read).unzip()
}

pub(super) fn reports(reader: &mut Reader<'_>, entry: &Entry) -> Vec<ReportRule> {
    let Some(fields) = reader.fields(&entry.value, &keys::REPORT, "'reports'".to_owned(), entry.key_at.clone()) else { return Vec::new() };
    let mut reports = Vec::new();
    for (key, format) in [("junit", ReportFormat::Junit), ("libtest", ReportFormat::Libtest)] {
        // The word `log` is a path as any other here; whoever reads reports knows it.
        if let Some(path) = fields.value(key).and_then(|node| reader.path(node, key)) {
            reports.push(ReportRule { format, path: path.value });
        }
    }
    reports
}

fn retry(reader: &mut Reader<'_>, entry: &Entry) -> Retry {
    let Some(fields) = reader.fields(&entry.value, &keys::RETRY, "'retry'".to_owned(), entry.key_at.clone()) else {
        return Retry::default();
    };
    let max = fields.whole(reader, "max").and_then(|max| u32::try_from(max).ok()).unwrap_or(0);
    let mut on = Vec::new();
    if let Some(node) = fields.value("on") {
        for item in reader.one_or_more(node, "on").unwrap_or_default() {
            on.extend(retry_cause(reader, item));
        }
    }
    Retry { max, on }
}

fn retry_cause(reader: &mut Reader<'_>, node: &Node) -> Option<RetryCause> {
    let number =
        matches!(&node.content, Content::Text(text) if text.plain && text.value.starts_with(|c: char| c.is_ascii_digit() || c == '-'));
    if number {
        return reader.whole(node, "on", 1..=255).and_then(|code| i32::try_from(code).ok()).map(RetryCause::ExitCode);
    }
    match reader.choice(node, "on", keys::RETRY_ON)? {
        "lost" => Some(RetryCause::Lost),
        _ => Some(RetryCause::Failed),
    }
}
