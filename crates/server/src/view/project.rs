//! Projects: what is where.

use super::{environments, runs};
use crate::shared::{Failure, Shared};
use trunkline_api::request::Position;
use trunkline_api::view::{ProjectView, StatusView};
use trunkline_domain::foundation::ProjectKey;
use trunkline_domain::reading::{ProjectRow, Row, Table};
use trunkline_domain::record::{Key, State};
use trunkline_engine::Read;

/// Where the ledger ends.
pub fn position(shared: &Shared) -> Result<Position, Failure> {
    let head = shared.reader.head()?;
    Ok(Position { seq: head.frontier.size(), root: head.frontier.root(), at: shared.clock.now() })
}

/// Every project's name, in order.
pub fn projects(shared: &Shared) -> Result<Vec<ProjectKey>, Failure> {
    let mut names: Vec<ProjectKey> = Vec::new();
    loop {
        let page = shared.reader.rows(Table::Project, "", names.last().map(ProjectKey::as_str), super::PAGE_MAX)?;
        if page.is_empty() {
            names.reverse();
            return Ok(names);
        }
        for (key, body) in page {
            let row: ProjectRow =
                Row::decode(&body).map_err(|error| trunkline_engine::StoreError::Damaged(format!("project {key}: {error}")))?;
            names.push(row.project);
        }
    }
}

/// One project.
pub fn project(shared: &Shared, name: &ProjectKey) -> Result<ProjectView, Failure> {
    match shared.state(&Key::Project(name.clone()))? {
        Some(State::Project(_)) => {}
        _ => return Err(Failure::NotFound(format!("project '{name}'"))),
    }
    Ok(ProjectView {
        name: name.clone(),
        git: format!("/git/{name}.git"),
        last_run: runs(shared, name, None, 1)?.pop(),
        environments: environments(shared, name)?,
    })
}

/// All projects.
pub fn status(shared: &Shared) -> Result<StatusView, Failure> {
    let position = position(shared)?;
    let projects = projects(shared)?.iter().map(|name| project(shared, name)).collect::<Result<_, _>>()?;
    Ok(StatusView { as_of: position.seq, at: position.at, projects })
}
