//! `/api/v1`, the server itself and its projects. Nothing is decided here.

use super::Problem;
use super::asked::{Ask, Body, Nothing, Order, Place, Read};
use super::document::{ROOT, openapi};
use super::table::Table;
use super::told::{Answer, answer, look};
use crate::access::{Administer, Authorized, Look, Open, Operate};
use crate::shared::{Failure, Shared};
use crate::view;
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use trunkline_api::request::{Act, AddProject, Follow, Health, Link, Position, Synced};
use trunkline_api::view::{ProjectView, ServerView, StatusView};
use trunkline_domain::foundation::{ProjectKey, RepositoryKey};

/// How long `wait` waits.
const WAIT_MAX: Duration = Duration::from_secs(25);
/// How long the answer to a new project waits for its repository's first commits.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(10);

/// What every handler is given.
pub type Server = State<Arc<Shared>>;

pub fn routes() -> Table {
    Table::below(ROOT)
        .get("/health", health, "Says that the server is up, and the program's version. Needs no token, and says nothing else.")
        .get("/openapi.json", openapi, "This document.")
        .get("/status", status, "All projects: what is where.")
        .get("/wait", wait, "Where the ledger ends, once it is longer than `after`, or after 25 seconds.")
        .get("/server", server, "The server itself: its version, and what its runner keeps jobs behind.")
        .get("/ledger/head", head, "Where the ledger ends.")
        .post("/links", link, "Makes a link that opens the pages once, within ten minutes.")
        .post("/resume", resume, "Ends the safe mode of a record that was restored from a backup.")
        .get("/projects", projects, "All projects, by name.")
        .post("/projects", add_project, "Begins a project.")
        .get("/projects/{project}", one_project, "One project: its last run and its environments.")
        .post("/projects/{project}/follow", follow, "Follows the same repository at another address, or with another token.")
        .post("/projects/{project}/sync", sync, "Looks at a followed repository now.")
}

/// Open to everyone: says nothing of what the server holds.
async fn health(_: Open, Ask(Nothing {}): Ask<Nothing>) -> Result<Json<Health>, Problem> {
    Ok(Json(Health { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }))
}

async fn status(_: Authorized<Look>, State(shared): Server, Read(Nothing {}): Read<Nothing>) -> Answer<StatusView> {
    answer(&shared, view::status).await
}

async fn server(_: Authorized<Look>, State(shared): Server, Read(Nothing {}): Read<Nothing>) -> Answer<ServerView> {
    answer(&shared, |shared| Ok(ServerView { version: env!("CARGO_PKG_VERSION").to_owned(), runner: shared.runner.get().cloned() })).await
}

async fn head(_: Authorized<Look>, State(shared): Server, Read(Nothing {}): Read<Nothing>) -> Answer<Position> {
    answer(&shared, view::position).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct After {
    /// An entry of the ledger.
    after: u64,
}

async fn wait(_: Authorized<Look>, State(shared): Server, Ask(place): Ask<After>) -> Answer<Position> {
    let mut bell = shared.writer.bell().watch();
    let ending = shared.writer.bell().clone();
    let longer = bell.wait_for(|seq| *seq > place.after || ending.is_ending());
    // Whether it rang or the time is over, the answer is where the ledger ends now.
    let _ = tokio::time::timeout(WAIT_MAX, longer).await;
    answer(&shared, view::position).await
}

async fn link(_: Authorized<Administer>, State(shared): Server, Body(Act {}): Body<Act>) -> Result<Json<Link>, Problem> {
    let secret = hex(&shared.random::<32>()?);
    shared.keys.link_add(&secret, shared.clock.now());
    Ok(Json(Link { path: format!("/l/{secret}") }))
}

async fn resume(by: Authorized<Operate>, State(shared): Server, Body(Act {}): Body<Act>) -> Answer<StatusView> {
    crate::shared::receipt(shared.writer.call(trunkline_engine::Call::Resume(by.actor)).await.map_err(Failure::from)?)?;
    answer(&shared, view::status).await
}

async fn projects(_: Authorized<Look>, State(shared): Server, Read(Nothing {}): Read<Nothing>) -> Answer<Vec<ProjectView>> {
    answer(&shared, |shared| Ok(view::status(shared)?.projects)).await
}

async fn one_project(
    _: Authorized<Look>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Read(Nothing {}): Read<Nothing>,
) -> Answer<ProjectView> {
    answer(&shared, move |shared| view::project(shared, &project)).await
}

async fn add_project(by: Authorized<Administer>, State(shared): Server, Order(add, once): Order<AddProject>) -> Answer<ProjectView> {
    let (actor, name) = (by.actor, add.name.clone());
    let followed = look(&shared, move |shared| crate::project::add(shared, actor, once.beginning(), &add)).await?;
    if let Some(key) = followed {
        take_in(&shared, key).await;
    }
    answer(&shared, move |shared| view::project(shared, &name)).await
}

async fn follow(
    by: Authorized<Administer>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Order(asked, once): Order<Follow>,
) -> Answer<ProjectView> {
    let (actor, name) = (by.actor, project.clone());
    let key = look(&shared, move |shared| crate::project::follow(shared, actor, (&project, once.within(&project)), &asked)).await?;
    take_in(&shared, key).await;
    answer(&shared, move |shared| view::project(shared, &name)).await
}

/// Takes in a repository whose address is new. What goes wrong is shown with the project, and tried again. A large repository
/// takes its time: it is taken in all the same.
async fn take_in(shared: &Arc<Shared>, key: RepositoryKey) {
    let own = shared.clone();
    let taken = tokio::task::spawn_blocking(move || drop(crate::follow::sync(&own, &key)));
    let _ = tokio::time::timeout(FIRST_LOOK_MAX, taken).await;
}

async fn sync(_: Authorized<Operate>, State(shared): Server, Place(project): Place<ProjectKey>, Body(Act {}): Body<Act>) -> Answer<Synced> {
    answer(&shared, move |shared| {
        let repository = shared.repository_of(&project)?;
        Ok(Synced { words: crate::follow::sync(shared, &repository)? })
    })
    .await
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
