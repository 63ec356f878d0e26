//! From a commit to a frozen plan: reads the delivery file, the release's files and the configuration at
//! that commit. Everything that is decided later is decided on this plan.

use crate::git::{Commit, Departure, EntryKind, File, GitError, Reader, Repositories, changed_paths, commits_between, departure, describe};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use trunkline_delivery_file as delivery_file;
use trunkline_domain::change::{ChangeNote, pull_request_of};
use trunkline_domain::foundation::{Digest, ProjectKey, RepositoryKey, Revision, RunId};
use trunkline_domain::pipeline::{Definition, FrozenFile, PathRules, Plan, SandboxLevel, VersionRule, limit};
use trunkline_domain::project::SkipReason;
use trunkline_domain::run::{PlanNote, StartRun, Trigger, Unplanned};
use trunkline_engine::{Beside, Blobs, Text};

/// The delivery file's name.
pub const DELIVERY_FILE: &str = "trunkline.yaml";

/// What a wanted run comes to.
#[derive(Debug)]
pub enum Planned {
    /// A run, perhaps a refused one; the words are for the pusher.
    Run {
        /// The run's beginning.
        start: Box<StartRun>,
        /// What is kept beside it.
        beside: Beside,
        /// For the pusher: warnings, or why the file was refused.
        words: String,
    },
    /// Nothing, for this reason.
    Nothing(String),
    /// Nothing, and the record says why.
    Skipped(SkipReason),
}

/// What is planned for.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The project.
    pub project: &'a ProjectKey,
    /// Its repository.
    pub repository: &'a RepositoryKey,
    /// The folder of it that the project is; empty: all of it.
    pub folder: &'a str,
    /// The ref.
    pub reference: &'a str,
    /// The commit.
    pub revision: &'a Revision,
    /// What wants it.
    pub cause: Cause<'a>,
    /// Heads of pull requests by number.
    pub pull_heads: &'a [(u32, Revision)],
    /// Tags that come with the ref, and are not here yet.
    pub tags: &'a BTreeMap<String, Revision>,
    /// The least sandbox that it may ask for.
    pub floor: SandboxLevel,
}

/// What wants a run.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    /// The ref moved here from there.
    Push(Option<&'a Revision>),
    /// Somebody asked, with these inputs.
    Manual(&'a BTreeMap<String, String>),
}

/// What in a commit's message asks for no run.
const SKIP_MARKS: [&str; 5] = ["[skip ci]", "[ci skip]", "[no ci]", "[skip trunkline]", "[trunkline skip]"];

/// Why no plan could be made: the server itself failed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The delivery file asks for what its commit does not have.
    #[error("{0}")]
    Unfit(String),
    /// A manual start that the delivery file does not allow.
    #[error(
        "{DELIVERY_FILE} at {0} does not allow a run to be started by hand: add the line 'manual: {{}}' below 'on:', or for 'on: push' write 'on: {{ push: {{}}, manual: {{}} }}'"
    )]
    NotByHand(String),
    /// Inputs that it does not declare so.
    #[error("{0}")]
    Inputs(String),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// Files could not be kept.
    #[error(transparent)]
    Blob(#[from] trunkline_engine::BlobError),
}

/// Plans what is wanted.
pub fn plan(repositories: &Repositories, blobs: &dyn Blobs, wanted: &Wanted<'_>, salt: [u8; 16]) -> Result<Planned, PlanError> {
    let (revision, commit) = repositories.read(wanted.repository, |reader| reader.commit(wanted.revision))?;
    let Some(file) = repositories.read(wanted.repository, |reader| file_of(reader, &commit, wanted.folder))? else {
        return Ok(Planned::Nothing(format!("there is no folder {} at this commit, so nothing runs", wanted.folder)));
    };
    let name = file_name(wanted.folder);
    let bytes = file.as_ref().ok();
    let (definition, diagnostics) = bytes.map_or((None, Vec::new()), |bytes| delivery_file::read(bytes));
    let mut words = bytes.map_or_else(String::new, |bytes| delivery_file::render(&name, bytes, &diagnostics));
    if let Some(definition) = &definition
        && let Some(nothing) = wants_nothing(repositories, definition, wanted, &commit)?
    {
        return Ok(nothing);
    }
    let inputs = inputs(definition.as_ref(), wanted.cause)?;
    let text = Text { salt, text: words_of(&commit) };
    let mut beside = Beside { values: Vec::new(), texts: vec![text.clone()], commits: brought_along(repositories, wanted, &commit)? };
    let plan = match (definition, &file) {
        (Some(definition), Ok(bytes)) => match freeze(repositories, blobs, wanted, &revision, &commit, (definition, bytes)) {
            Ok((note, value)) => {
                beside.values.push(value);
                Ok(note)
            }
            // The file is good, but not for this commit: the push is kept, and its run is refused with the reason.
            Err(PlanError::Unfit(why)) => {
                words.push_str(&format!("{why}\n"));
                Err(Unplanned::Beyond(why))
            }
            Err(error) => return Err(error),
        },
        (_, Err(NoFile { why, help })) => {
            words.push_str(&format!("{why} · {help}\n"));
            Err(Unplanned::Beyond(why.clone()))
        }
        (None, Ok(_)) => Err(Unplanned::File(places(&name, &diagnostics))),
    };
    let change = change_note(&commit, &revision, wanted, text.digest());
    let trigger = match wanted.cause {
        Cause::Push(_) => Trigger::Push,
        Cause::Manual(_) => Trigger::Manual,
    };
    let (project, reference) = (wanted.project.clone(), wanted.reference.to_owned());
    let start = StartRun { project, revision, reference, trigger, inputs, change, plan };
    Ok(Planned::Run { start: Box::new(start), beside, words })
}

/// Why a commit has no delivery file, and what helps.
struct NoFile {
    why: String,
    help: &'static str,
}

/// The delivery file's path in the repository.
fn file_name(folder: &str) -> String {
    if folder.is_empty() { DELIVERY_FILE.to_owned() } else { format!("{folder}/{DELIVERY_FILE}") }
}

/// The delivery file's bytes; none at all where the project's folder is missing. What git keeps of a symbolic link is the
/// name that it leads to, which is no delivery file; it is not followed, since it may lead out of the repository.
fn file_of(reader: &mut Reader, commit: &Commit, folder: &str) -> Result<Option<Result<Vec<u8>, NoFile>>, GitError> {
    let mut entries = reader.tree(&commit.tree)?;
    for part in folder.split('/').filter(|part| !part.is_empty()) {
        let below = entries.into_iter().find(|entry| entry.name == part.as_bytes() && entry.kind == EntryKind::Tree);
        let Some(below) = below else { return Ok(None) };
        entries = reader.tree(&below.id)?;
    }
    let name = file_name(folder);
    let Some(entry) = entries.into_iter().find(|entry| entry.name == DELIVERY_FILE.as_bytes()) else {
        return Ok(Some(Err(NoFile { why: format!("there is no {name} at this commit"), help: "make one: trunkline init" })));
    };
    let other = match entry.kind {
        EntryKind::File | EntryKind::Executable => return reader.object(&entry.id).map(|(_, _, bytes)| Some(Ok(bytes))),
        EntryKind::Link => "a symbolic link",
        EntryKind::Tree => "a folder",
        EntryKind::Submodule => "a submodule",
    };
    Ok(Some(Err(NoFile { why: format!("{name} is {other} at this commit"), help: "commit the file itself under that name" })))
}

/// Codes and places of the first errors; a warning refuses nothing.
fn places(name: &str, diagnostics: &[delivery_file::Diagnostic]) -> Vec<String> {
    let place = |found: &delivery_file::Diagnostic| format!("{} {name}:{}:{}", found.code, found.span.line, found.span.column);
    diagnostics.iter().filter(|found| found.severity == delivery_file::Severity::Error).take(20).map(place).collect()
}

/// Whether the delivery file, or the commit itself, asks for no run.
fn wants_nothing(
    repositories: &Repositories,
    definition: &Definition,
    wanted: &Wanted<'_>,
    commit: &Commit,
) -> Result<Option<Planned>, PlanError> {
    let reference = wanted.reference;
    let Cause::Push(old) = wanted.cause else {
        let allowed = definition.on.manual.is_some();
        return if allowed { Ok(None) } else { Err(PlanError::NotByHand(reference.to_owned())) };
    };
    if !triggers(definition, reference) {
        return Ok(Some(Planned::Nothing(format!("on.push in {DELIVERY_FILE} does not name {reference}, so nothing runs"))));
    }
    if let Some(mark) = SKIP_MARKS.iter().find(|mark| commit.message.to_ascii_lowercase().contains(**mark)) {
        return Ok(Some(Planned::Skipped(SkipReason::Asked((*mark).to_owned()))));
    }
    let paths = definition.on.push.as_ref().map(|push| &push.paths).filter(|paths| !paths.is_empty() || !wanted.folder.is_empty());
    let touched = match paths {
        // A tag changes nothing: it says something of a commit.
        Some(paths) if reference.starts_with("refs/heads/") => touches(&repositories.path(wanted.repository), paths, wanted, old)?,
        _ => true,
    };
    Ok((!touched).then_some(Planned::Skipped(SkipReason::PathsUntouched)))
}

/// Whether what a branch brings touches one of these paths. Of a new branch that is what it has beyond all others.
fn touches(repository: &Path, paths: &PathRules, wanted: &Wanted<'_>, old: Option<&Revision>) -> Result<bool, GitError> {
    let changed = match old.map_or_else(|| departure(repository, wanted.revision), |old| Ok(Departure::Behind(old.clone())))? {
        Departure::Behind(base) => changed_paths(repository, &base, wanted.revision)?,
        Departure::Nowhere => return Ok(false),
        Departure::Anew => return Ok(true),
    };
    let rules = paths.of(wanted.folder);
    // A commit that changes nothing was made to start a run.
    Ok(changed.is_empty() || changed.iter().any(|path| rules.names(path)))
}

/// Every declared input with its value.
fn inputs(definition: Option<&Definition>, cause: Cause<'_>) -> Result<BTreeMap<String, String>, PlanError> {
    let declared = definition.and_then(|definition| definition.on.manual.clone()).unwrap_or_default();
    match cause {
        Cause::Push(_) => Ok(declared.defaults()),
        Cause::Manual(given) => declared.take(given).map_err(PlanError::Inputs),
    }
}

/// A fresh run id.
pub fn run_id(random: [u8; 10], now: trunkline_domain::foundation::Timestamp) -> RunId {
    RunId::new(uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.0).unwrap_or(0), &random).into_uuid())
}

fn triggers(definition: &Definition, reference: &str) -> bool {
    let Some(push) = &definition.on.push else { return false };
    match (reference.strip_prefix("refs/heads/"), reference.strip_prefix("refs/tags/")) {
        // Neither list: every branch. Tags alone: no branch.
        (Some(_), _) if push.branches.is_empty() => push.tags.is_empty(),
        (Some(branch), _) => push.branches.iter().any(|pattern| pattern.matches(branch)),
        (_, Some(tag)) => push.tags.iter().any(|pattern| pattern.matches(tag)),
        _ => false,
    }
}

/// The subject and the author, as they are kept beside the record.
fn words_of(commit: &Commit) -> String {
    let subject = commit.message.lines().next().unwrap_or_default();
    format!("{subject}\n{}", commit.author)
}

fn change_note(commit: &Commit, revision: &Revision, wanted: &Wanted<'_>, text: Digest) -> ChangeNote {
    let parents: Vec<&str> = commit.parents.iter().map(String::as_str).collect();
    let heads: Vec<(u32, &str)> = wanted.pull_heads.iter().map(|(number, head)| (*number, head.as_str())).collect();
    let pull_request = pull_request_of(&commit.message, revision.as_str(), &parents, &heads);
    ChangeNote { committed_at: commit.committed_at, pull_request, text }
}

/// Other commits of the push. The usual push of one commit on top of the old one needs no question to git.
fn brought_along(repositories: &Repositories, wanted: &Wanted<'_>, commit: &Commit) -> Result<Vec<Revision>, GitError> {
    let Cause::Push(old) = wanted.cause else { return Ok(Vec::new()) };
    let on_top = old.is_some_and(|old| commit.parents.len() == 1 && commit.parents[0] == old.as_str());
    if on_top {
        return Ok(Vec::new());
    }
    commits_between(&repositories.path(wanted.repository), old, wanted.revision)
}

type Value = (Digest, Vec<u8>);

/// Said at the push: a check that its runner refuses would fail the deployment when the release is already in place.
fn above_floor(definition: &Definition, floor: SandboxLevel) -> Result<(), PlanError> {
    let below = definition.asking_below(floor);
    let Some((what, level)) = below.first() else { return Ok(()) };
    let more = if below.len() > 1 { format!(" (and {} more)", below.len() - 1) } else { String::new() };
    Err(PlanError::Unfit(format!("{what}{more} asks for 'sandbox: {level}', and this server allows no less than '{floor}'")))
}

fn freeze(
    repositories: &Repositories,
    blobs: &dyn Blobs,
    wanted: &Wanted<'_>,
    revision: &Revision,
    commit: &Commit,
    (definition, bytes): (Definition, &[u8]),
) -> Result<(PlanNote, Value), PlanError> {
    above_floor(&definition, wanted.floor)?;
    let mut files = Vec::new();
    let mut configuration = BTreeMap::new();
    if let Some(release) = &definition.release {
        let snapshot = repositories.snapshot(wanted.repository, &commit.tree)?;
        for path in &release.files {
            let before = files.len();
            for (name, file) in snapshot.under(&in_folder(wanted.folder, path)) {
                let name = own_path(wanted.folder, name);
                let content = content(repositories, wanted, file, "release.files")?;
                files.push(FrozenFile { path: name.to_owned(), digest: keep(blobs, &content)?, executable: file.is_executable() });
            }
            if files.len() == before {
                return Err(missing(path, "release.files"));
            }
        }
        for environment in &definition.environments {
            let Some(path) = &environment.config else { continue };
            let place = in_folder(wanted.folder, path);
            let (_, file) = snapshot.under(&place).next().ok_or_else(|| missing(path, "config.from"))?;
            configuration.insert(environment.name.clone(), keep(blobs, &content(repositories, wanted, file, "config.from")?)?);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    if files.len() > limit::RELEASE_FILES_MAX {
        return Err(PlanError::Unfit(format!("release.files are {} files, more than {}", files.len(), limit::RELEASE_FILES_MAX)));
    }
    let described = match definition.release.as_ref().map(|release| &release.version) {
        Some(VersionRule::GitDescribe) => Some(describe(&repositories.path(wanted.repository), revision, wanted.tags)?),
        _ => None,
    };
    let plan = Plan {
        schema: 1,
        project: wanted.project.clone(),
        revision: revision.clone(),
        folder: wanted.folder.to_owned(),
        delivery_file: Digest::of(bytes),
        definition,
        files,
        configuration,
    };
    let value = plan.to_bytes();
    let digest = Digest::of(&value);
    let note = PlanNote { digest, jobs: plan.job_skeletons(), release: plan.release_skeleton().map(Box::new), described };
    Ok((note, (digest, value)))
}

/// A path of the project in its repository.
fn in_folder(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

/// A path of the repository in the project.
fn own_path<'a>(folder: &str, path: &'a str) -> &'a str {
    path.strip_prefix(folder).map_or(path, |rest| rest.trim_start_matches('/'))
}

/// The bytes of a file that is to be kept under its name.
fn content<'a>(repositories: &Repositories, wanted: &Wanted<'_>, file: &'a File, key: &str) -> Result<Cow<'a, [u8]>, PlanError> {
    if let Some(name) = file.odd_name() {
        let why = format!("{key} names the file '{name}', whose name is not UTF-8, so that no release can hold it: rename the file");
        return Err(PlanError::Unfit(why));
    }
    Ok(repositories.content(wanted.repository, file)?)
}

fn keep(blobs: &dyn Blobs, mut content: &[u8]) -> Result<Digest, trunkline_engine::BlobError> {
    let digest = Digest::of(content);
    if !blobs.is_sound(&digest) {
        blobs.put(&digest, &mut content)?;
    }
    Ok(digest)
}

fn missing(path: &str, key: &str) -> PlanError {
    PlanError::Unfit(format!("{key} in {DELIVERY_FILE} names '{path}', which this commit does not have"))
}
