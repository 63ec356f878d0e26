//! The release rule.

use super::{JobDraft, names};
use crate::Code;
use crate::fields::{Fields, Placed, Reader};
use crate::finding::{Finding, shown};
use crate::keys;
use crate::tree::Entry;
use std::ops::Range;
use trunkline_domain::expression::{Place, Type};
use trunkline_domain::foundation::JobKey;
use trunkline_domain::pipeline::{ReleaseRule, VersionRule, limit};

pub(crate) struct ReleaseDraft {
    pub rule: ReleaseRule,
    /// Places of `rule.needs`.
    pub needs_at: Vec<Range<usize>>,
    /// Places of `rule.artifacts`.
    pub artifacts_at: Vec<Range<usize>>,
}

pub(super) fn release(reader: &mut Reader<'_>, entry: &Entry, jobs: &[JobDraft]) -> Option<ReleaseDraft> {
    let fields = reader.fields(&entry.value, &keys::RELEASE, "'release'".to_owned(), entry.key_at.clone())?;
    let needs: Option<Vec<Placed<JobKey>>> = fields.value("needs").map(|node| names(reader, node, "needs", "a job"));
    let needs_at = needs.iter().flatten().map(|need| need.at.clone()).collect();
    let needs: Option<Vec<JobKey>> = needs.map(|needs| needs.into_iter().map(|need| need.value).collect());
    let visible = needs.clone().unwrap_or_else(|| jobs.iter().map(|job| job.rule.key.clone()).collect());
    let inputs = reader.inputs.clone();
    let place = Place::ReleaseCondition { needs: &visible, inputs: &inputs };
    let condition = fields.value("if").and_then(|node| reader.expression(node, "if", place, &Type::Bool));
    let version = version(reader, &fields).unwrap_or(VersionRule::Calver);
    let artifacts: Option<Vec<Placed<JobKey>>> = fields.value("artifacts").map(|node| names(reader, node, "artifacts", "an artifact"));
    let artifacts_at = artifacts.iter().flatten().map(|artifact| artifact.at.clone()).collect();
    let artifacts = artifacts.map(|artifacts| artifacts.into_iter().map(|artifact| artifact.value.to_string()).collect());
    let rule = ReleaseRule { needs, condition, version, artifacts, files: files(reader, &fields) };
    Some(ReleaseDraft { rule, needs_at, artifacts_at })
}

fn version(reader: &mut Reader<'_>, release: &Fields<'_>) -> Option<VersionRule> {
    let node = release.value("version")?;
    let text = reader.any_text(node, "version", "calver, git-describe or a CEL expression")?;
    match text.value.as_str() {
        "calver" => return Some(VersionRule::Calver),
        "git-describe" => return Some(VersionRule::GitDescribe),
        "semver-from-tags" => {
            let finding = Finding::error(Code::NotYet, text.at, "'semver-from-tags' is not yet in this version");
            reader.findings.add(finding.help("git-describe starts with the newest tag"));
            return None;
        }
        _ => {}
    }
    // One word that is no name of the table is a misspelt keyword, not an expression.
    let word = text.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    // Nor is a number with points.
    let number =
        text.value.starts_with(|c: char| c.is_ascii_digit()) && text.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    if (word || number) && !matches!(text.value.as_str(), "change" | "event" | "inputs") {
        let near = reader.findings.nearest(&text.value, ["calver", "git-describe"]);
        let help = near.map_or_else(
            || "it takes calver, git-describe or a CEL expression; a fixed text is written '\"1.0\"', with both quotes".to_owned(),
            |near| format!("did you mean '{near}'?"),
        );
        let message = format!("'version' does not know '{}'", shown(&text.value));
        reader.findings.add(Finding::error(Code::NotAChoice, text.at, message).help(help));
        return None;
    }
    let inputs = reader.inputs.clone();
    reader.expression(node, "version", Place::Version { inputs: &inputs }, &Type::Text).map(VersionRule::Expression)
}

fn files(reader: &mut Reader<'_>, release: &Fields<'_>) -> Vec<String> {
    let Some(node) = release.value("files") else { return Vec::new() };
    let items = reader.list(node, "files").unwrap_or_default();
    let items = reader.at_most(items, limit::RELEASE_FILES_MAX, node, "files");
    items.iter().filter_map(|item| reader.path(item, "files")).map(|path| path.value).collect()
}
