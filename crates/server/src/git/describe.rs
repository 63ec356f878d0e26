//! Questions to the history that need the git program.

use super::command::{GitError, command, converse, git};
use super::refs;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use trunkline_domain::foundation::Revision;

/// Commits that one push may bring along and that are remembered one by one; older ones are found by their run's ancestry.
pub const COMMITS_MAX: usize = 1_000;
/// Changed files of a push that are looked at.
const PATHS_MAX: usize = 50_000;

/// What `git describe --tags --always` says where these tags stand beside those that are here already: they come with the
/// same push, and get their names only once the record has them. Git is shown a repository of tags alone, with the same objects.
pub fn describe(repository: &Path, revision: &Revision, coming: &BTreeMap<String, Revision>) -> Result<String, GitError> {
    let mut tags = refs::list(repository).map_err(failed)?;
    tags.extend(coming.clone());
    tags.retain(|name, _| name.starts_with(TAGS));
    let beside = tempfile::tempdir().and_then(|folder| tags_alone(folder, &tags)).map_err(failed)?;
    let mut command = command(repository);
    command.env("GIT_DIR", beside.path()).env("GIT_OBJECT_DIRECTORY", repository.join("objects"));
    command.args(["describe", "--tags", "--always", revision.as_str()]);
    let mut printed = Vec::new();
    converse(&mut command, "describe", &mut std::io::empty(), &mut printed)?;
    Ok(String::from_utf8_lossy(&printed).trim().to_owned())
}

const TAGS: &str = "refs/tags/";

fn failed(source: std::io::Error) -> GitError {
    GitError::Failed { what: "describe".to_owned(), source }
}

fn tags_alone(folder: TempDir, tags: &BTreeMap<String, Revision>) -> std::io::Result<TempDir> {
    fs::create_dir(folder.path().join("refs"))?;
    fs::write(folder.path().join("HEAD"), "ref: refs/heads/none\n")?;
    let lines: String = tags.iter().map(|(name, revision)| format!("{revision} {name}\n")).collect();
    fs::write(folder.path().join("packed-refs"), lines)?;
    Ok(folder)
}

/// Commits of `new` that are not in `old` (or in any ref, for a new one), without `new` itself.
pub fn commits_between(repository: &Path, old: Option<&Revision>, new: &Revision) -> Result<Vec<Revision>, GitError> {
    let limit = format!("--max-count={}", COMMITS_MAX + 1);
    let mut arguments = vec!["rev-list", &limit, new.as_str(), "--not"];
    match old {
        Some(old) => arguments.push(old.as_str()),
        None => arguments.push("--all"),
    }
    let printed = git(repository, &arguments)?;
    let lines = String::from_utf8_lossy(&printed);
    Ok(lines.lines().filter_map(|line| line.parse().ok()).filter(|revision| revision != new).collect())
}

/// Where a new branch leaves what is known here.
#[derive(Debug, PartialEq, Eq)]
pub enum Departure {
    /// Behind the oldest of its own commits, along first parents.
    Behind(Revision),
    /// It has none of its own: it rests at a known commit.
    Nowhere,
    /// All of it is new, or too much to be looked at.
    Anew,
}

/// Where the branch at this commit, which no ref names yet, leaves those that are there.
pub fn departure(repository: &Path, new: &Revision) -> Result<Departure, GitError> {
    let limit = format!("--max-count={}", COMMITS_MAX + 1);
    // With its parents: the first one of the last line is where it left.
    let printed = git(repository, &["rev-list", "--first-parent", "--parents", &limit, new.as_str(), "--not", "--all"])?;
    let lines = String::from_utf8_lossy(&printed);
    let Some(last) = lines.lines().next_back() else { return Ok(Departure::Nowhere) };
    let parent = last.split(' ').nth(1).and_then(|parent| parent.parse().ok());
    Ok(parent.filter(|_| lines.lines().count() <= COMMITS_MAX).map_or(Departure::Anew, Departure::Behind))
}

/// Paths of files that differ between two commits, at most [`PATHS_MAX`] of them.
pub fn changed_paths(repository: &Path, old: &Revision, new: &Revision) -> Result<Vec<String>, GitError> {
    let printed = git(repository, &["diff-tree", "-r", "-z", "--name-only", "--no-renames", old.as_str(), new.as_str()])?;
    let paths = printed.split(|byte| *byte == 0).filter(|path| !path.is_empty()).take(PATHS_MAX);
    Ok(paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect())
}
