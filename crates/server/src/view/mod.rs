//! Answers made from committed state: what pages and commands show. One file for each thing.

mod change;
mod deployment;
mod environment;
mod log;
mod project;
mod release;
mod run;
mod trace;

pub use change::where_is;
pub use deployment::{deployment, deployments};
pub use environment::{environment, environments};
pub use log::log;
pub use project::{position, project, project_rows, projects, projects_of, safe_mode, status};
pub use release::{find_release, intended, release, releases};
pub use run::{run, runs};
pub use trace::trace;

use crate::about::About;
use crate::shared::{Failure, Shared};
use serde::de::DeserializeOwned;
use trunkline_api::request::Event;
use trunkline_domain::foundation::ProjectKey;
use trunkline_domain::ledger::Entry;
use trunkline_domain::reading::{Row, Table};
use trunkline_domain::record::Fact;
use trunkline_engine::{Read, StoreError, StoredEntry};

/// Rows that are read at once where all are wanted.
const PAGE_MAX: u32 = 200;

/// A current reading row, typed.
fn row<T: DeserializeOwned>(shared: &Shared, table: Table, key: &str) -> Result<Option<T>, Failure> {
    let Some(body) = shared.reader.row(table, key)? else { return Ok(None) };
    Ok(Some(decode(table, key, &body)?))
}

/// Current reading rows of a project, newest first. An empty list is an answer only of a project that is there.
fn rows<T: DeserializeOwned>(
    shared: &Shared,
    table: Table,
    project: &ProjectKey,
    before: Option<u32>,
    limit: u32,
) -> Result<Vec<T>, Failure> {
    let before = before.map(|number| trunkline_domain::reading::numbered(project, number));
    let found = shared.reader.rows(table, &format!("{project}/"), before.as_deref(), limit)?;
    if found.is_empty() {
        shared.project(project)?;
    }
    found.iter().map(|(key, body)| decode(table, key, body)).collect()
}

/// That a project has no such thing, and which it has; or that there is no such project.
fn missing(shared: &Shared, project: &ProjectKey, (about, what): (About, String), newest: Option<u32>) -> Failure {
    let known = match newest {
        Some(newest) => format!("the newest is {newest}"),
        None => match shared.project(project) {
            Ok(_) => "there is none yet".to_owned(),
            Err(failure) => return failure,
        },
    };
    Failure::NotFound(about, format!("{what}: {known}"))
}

/// An entry of the ledger.
pub fn entry(shared: &Shared, seq: u64) -> Result<Entry<Fact>, Failure> {
    let stored = shared.reader.entries(seq.saturating_sub(1), 1)?.pop().filter(|stored| stored.seq == seq);
    let stored = stored.ok_or_else(|| Failure::NotFound(About::Other, format!("entry {seq}")))?;
    serde_json::from_slice(&stored.bytes).map_err(|error| StoreError::Damaged(format!("entry {seq}: {error}")).into())
}

/// What an entry changed, by key.
pub fn event(stored: &StoredEntry) -> Result<Event, Failure> {
    let entry: Entry<Fact> =
        serde_json::from_slice(&stored.bytes).map_err(|error| StoreError::Damaged(format!("entry {}: {error}", stored.seq)))?;
    let mut keys: Vec<String> = Vec::new();
    for key in entry.facts.iter().filter_map(Fact::key) {
        let key = format!("{}/{}", key.kind(), key.id());
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(Event { seq: entry.seq, at: entry.at, project: entry.project, keys })
}

fn decode<T: DeserializeOwned>(table: Table, key: &str, body: &[u8]) -> Result<T, Failure> {
    Row::decode(body).map_err(|error| StoreError::Damaged(format!("{} {key}: {error}", table.name())).into())
}
