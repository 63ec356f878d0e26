//! Projects: what is where.

use super::{environments, runs};
use crate::follow::Progress;
use crate::shared::{Failure, Shared};
use trunkline_api::request::Position;
use trunkline_api::view::{ProjectView, Projects, SafeMode, SourceView, StatusView};
use trunkline_domain::foundation::{ProjectKey, RepositoryKey};
use trunkline_domain::reading::{ProjectRow, Table};
use trunkline_domain::record::{Key, State};
use trunkline_engine::Read;

/// Where the ledger ends.
pub fn position(shared: &Shared) -> Result<Position, Failure> {
    let head = shared.reader.head()?;
    Ok(Position { seq: head.frontier.size(), root: head.frontier.root(), at: shared.clock.now() })
}

/// Every project, by name.
pub fn project_rows(shared: &Shared) -> Result<Vec<ProjectRow>, Failure> {
    let mut found: Vec<ProjectRow> = Vec::new();
    loop {
        let last = found.last().map(|row| row.project.clone());
        let page = shared.reader.rows(Table::Project, "", last.as_ref().map(ProjectKey::as_str), super::PAGE_MAX)?;
        if page.is_empty() {
            found.reverse();
            return Ok(found);
        }
        for (key, body) in page {
            found.push(super::decode(Table::Project, &key, &body)?);
        }
    }
}

/// How many projects there are.
pub fn projects(shared: &Shared) -> Result<Projects, Failure> {
    let some = shared.reader.rows(Table::Project, "", None, 2)?;
    Ok(Projects::of(some.len()))
}

/// The projects of a repository.
pub fn projects_of(shared: &Shared, repository: &RepositoryKey) -> Result<Vec<ProjectRow>, Failure> {
    Ok(project_rows(shared)?.into_iter().filter(|row| row.repository == *repository).collect())
}

/// One project.
pub fn project(shared: &Shared, name: &ProjectKey) -> Result<ProjectView, Failure> {
    let state = shared.project(name)?;
    Ok(ProjectView {
        name: name.clone(),
        git: format!("/git/{name}.git"),
        folder: state.folder,
        source: source(shared, &state.repository)?,
        repository_gone: shared.repositories.present(&state.repository).is_err(),
        last_run: runs(shared, name, None, 1)?.pop(),
        environments: environments(shared, name)?,
    })
}

/// Where a followed repository lives, and how following goes.
fn source(shared: &Shared, repository: &RepositoryKey) -> Result<Option<SourceView>, Failure> {
    let Some(State::Repository(state)) = shared.state(&Key::Repository(repository.clone()))? else { return Ok(None) };
    let Progress { seen_at, failed, redirected, .. } = shared.followed.progress(repository);
    Ok(state.source.map(|address| SourceView { address, seen_at, failed, redirected }))
}

/// All projects.
pub fn status(shared: &Shared) -> Result<StatusView, Failure> {
    let position = position(shared)?;
    let projects = project_rows(shared)?.iter().map(|row| project(shared, &row.project)).collect::<Result<_, _>>()?;
    Ok(StatusView {
        as_of: position.seq,
        at: position.at,
        projects,
        safe_mode: safe_mode(shared)?,
        disk_full: shared.writer.room().free_if_low(),
    })
}

/// The restoration that nobody has confirmed yet.
pub fn safe_mode(shared: &Shared) -> Result<Option<SafeMode>, Failure> {
    let newest = trunkline_engine::restoration(&shared.reader)?;
    let unconfirmed = newest.filter(|(_, restoration)| restoration.confirmed.is_none());
    Ok(unconfirmed.map(|(number, restoration)| SafeMode {
        restoration: number.0,
        taken_at: restoration.backup.taken_at,
        entries: restoration.backup.entries,
        since: restoration.at,
    }))
}
