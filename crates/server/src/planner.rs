//! From a pushed commit to a frozen plan: reads the delivery file, the release's files and the configuration at
//! that commit. Everything that is decided later is decided on this plan.

use crate::git::{Commit, GitError, Repositories, commits_between, describe};
use std::collections::BTreeMap;
use trunkline_delivery_file as delivery_file;
use trunkline_domain::change::{ChangeNote, pull_request_of};
use trunkline_domain::foundation::{Digest, ProjectKey, RepositoryKey, Revision, RunId};
use trunkline_domain::pipeline::{Definition, FrozenFile, Plan, VersionRule, limit};
use trunkline_domain::run::{PlanNote, StartRun};
use trunkline_engine::{Beside, Blobs, Text};

/// The delivery file's name.
pub const DELIVERY_FILE: &str = "trunkline.yaml";

/// What a pushed ref brings about in a project.
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
}

/// What is planned for.
#[derive(Debug)]
pub struct Pushed<'a> {
    /// The project.
    pub project: &'a ProjectKey,
    /// Its repository.
    pub repository: &'a RepositoryKey,
    /// The ref.
    pub reference: &'a str,
    /// Where it stood.
    pub old: Option<&'a Revision>,
    /// Where it stands.
    pub new: &'a Revision,
    /// Heads of pull requests by number.
    pub pull_heads: &'a [(u32, Revision)],
}

/// Why no plan could be made: the server itself failed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The delivery file asks for what its commit does not have.
    #[error("{0}")]
    Unfit(String),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// Files could not be kept.
    #[error(transparent)]
    Blob(#[from] trunkline_engine::BlobError),
}

/// Plans what a pushed ref brings about.
pub fn plan(repositories: &Repositories, blobs: &dyn Blobs, pushed: &Pushed<'_>, salt: [u8; 16]) -> Result<Planned, PlanError> {
    let (revision, commit) = repositories.read(pushed.repository, |reader| reader.commit(pushed.new))?;
    let file = repositories.read(pushed.repository, |reader| reader.object(&format!("{revision}:{DELIVERY_FILE}")));
    let bytes = match file {
        Ok((_, kind, bytes)) if kind == "blob" => bytes,
        Ok(_) | Err(GitError::Missing(_)) => {
            return Ok(Planned::Nothing(format!("no {DELIVERY_FILE} at this commit, so nothing runs · make one: trunkline init")));
        }
        Err(error) => return Err(error.into()),
    };
    let (definition, diagnostics) = delivery_file::read(&bytes);
    let mut words = delivery_file::render(DELIVERY_FILE, &bytes, &diagnostics);
    if let Some(definition) = &definition
        && !triggers(definition, pushed.reference)
    {
        return Ok(Planned::Nothing(format!("on.push in {DELIVERY_FILE} does not name {}, so nothing runs", pushed.reference)));
    }
    let text = Text { salt, text: words_of(&commit) };
    let mut beside = Beside { values: Vec::new(), texts: vec![text.clone()], commits: brought_along(repositories, pushed, &commit)? };
    let plan = match definition {
        Some(definition) => {
            match freeze(repositories, blobs, pushed, &revision, &commit, (definition, &bytes)) {
                Ok((note, value)) => {
                    beside.values.push(value);
                    Ok(note)
                }
                // The file is good, but not for this commit: the push is kept, and its run is refused with the reason.
                Err(PlanError::Unfit(why)) => {
                    words.push_str(&format!("{why}\n"));
                    Err(vec![why])
                }
                Err(error) => return Err(error),
            }
        }
        None => Err(diagnostics
            .iter()
            .take(20)
            .map(|diagnostic| format!("{} {DELIVERY_FILE}:{}:{}", diagnostic.code, diagnostic.span.line, diagnostic.span.column))
            .collect()),
    };
    let change = change_note(&commit, &revision, pushed, text.digest());
    let start = StartRun { project: pushed.project.clone(), revision, reference: pushed.reference.to_owned(), change, plan };
    Ok(Planned::Run { start: Box::new(start), beside, words })
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

fn change_note(commit: &Commit, revision: &Revision, pushed: &Pushed<'_>, text: Digest) -> ChangeNote {
    let parents: Vec<&str> = commit.parents.iter().map(String::as_str).collect();
    let heads: Vec<(u32, &str)> = pushed.pull_heads.iter().map(|(number, head)| (*number, head.as_str())).collect();
    let pull_request = pull_request_of(&commit.message, revision.as_str(), &parents, &heads);
    ChangeNote { committed_at: commit.committed_at, pull_request, text }
}

/// Other commits of the push. The usual push of one commit on top of the old one needs no question to git.
fn brought_along(repositories: &Repositories, pushed: &Pushed<'_>, commit: &Commit) -> Result<Vec<Revision>, GitError> {
    let on_top = pushed.old.is_some_and(|old| commit.parents.len() == 1 && commit.parents[0] == old.as_str());
    if on_top {
        return Ok(Vec::new());
    }
    commits_between(&repositories.path(pushed.repository), pushed.old, pushed.new)
}

type Value = (Digest, Vec<u8>);

fn freeze(
    repositories: &Repositories,
    blobs: &dyn Blobs,
    pushed: &Pushed<'_>,
    revision: &Revision,
    commit: &Commit,
    (definition, bytes): (Definition, &[u8]),
) -> Result<(PlanNote, Value), PlanError> {
    let reader = repositories.reader(pushed.repository)?;
    let mut files = Vec::new();
    let mut configuration = BTreeMap::new();
    if let Some(release) = &definition.release {
        let snapshot = repositories.trees().get(&reader, &commit.tree)?;
        for path in &release.files {
            let before = files.len();
            for (name, executable, content) in snapshot.under(path) {
                files.push(FrozenFile { path: name.to_owned(), digest: keep(blobs, content)?, executable });
            }
            if files.len() == before {
                return Err(missing(path, "release.files"));
            }
        }
        for environment in &definition.environments {
            let Some(path) = &environment.config else { continue };
            let content = snapshot.under(path).next().map(|(_, _, content)| content).ok_or_else(|| missing(path, "config.from"))?;
            configuration.insert(environment.name.clone(), keep(blobs, content)?);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    if files.len() > limit::RELEASE_FILES_MAX {
        return Err(PlanError::Unfit(format!("release.files are {} files, more than {}", files.len(), limit::RELEASE_FILES_MAX)));
    }
    let described = match definition.release.as_ref().map(|release| &release.version) {
        Some(VersionRule::GitDescribe) => Some(describe(&repositories.path(pushed.repository), revision)?),
        _ => None,
    };
    let plan = Plan {
        schema: 1,
        project: pushed.project.clone(),
        revision: revision.clone(),
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

fn keep(blobs: &dyn Blobs, mut content: &[u8]) -> Result<Digest, trunkline_engine::BlobError> {
    let digest = Digest::of(content);
    if !blobs.has(&digest) {
        blobs.put(&digest, &mut content)?;
    }
    Ok(digest)
}

fn missing(path: &str, key: &str) -> PlanError {
    PlanError::Unfit(format!("{key} in {DELIVERY_FILE} names '{path}', which this commit does not have"))
}
