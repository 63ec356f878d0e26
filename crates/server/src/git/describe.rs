//! Questions to the history that need the git program.

use super::command::{GitError, git};
use std::path::Path;
use trunkline_domain::foundation::Revision;

/// Commits that one push may bring along and that are remembered one by one; older ones are found by their run's ancestry.
pub const COMMITS_MAX: usize = 1_000;
/// Changed files of a push that are looked at.
const PATHS_MAX: usize = 50_000;

/// What `git describe --tags --always` says.
pub fn describe(repository: &Path, revision: &Revision) -> Result<String, GitError> {
    let printed = git(repository, &["describe", "--tags", "--always", revision.as_str()])?;
    Ok(String::from_utf8_lossy(&printed).trim().to_owned())
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
