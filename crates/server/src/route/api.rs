//! `/api/v1`: the table in `trunkline_api::request`, route by route. Nothing is decided here.

use super::Problem;
use super::asked::{Ask, Body, Place};
use crate::access::{Administer, Authorized, Look, Operate};
use crate::shared::{Failure, Shared};
use crate::view;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use trunkline_api::request::{Act, AddProject, Health, Link, Position, Promote, Rollback, Settle, StartRun, Synced};
use trunkline_api::view::{DeploymentView, EnvironmentView, ProjectView};
use trunkline_domain::foundation::{EnvironmentKey, EnvironmentName, ProjectKey};
use trunkline_domain::record::{Command, Fact};
use trunkline_domain::{deployment, environment, release, run};
use trunkline_engine::Receipt;

/// How long `wait` waits.
const WAIT_MAX: Duration = Duration::from_secs(25);
/// How long the answer to a new project waits for its repository's first commits.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(10);
/// Bytes of a log in one answer.
const LOG_BYTES_MAX: usize = 1 << 20;

type Answer<T> = Result<Json<T>, Problem>;
type Server = State<Arc<Shared>>;

pub fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v1/health", get(health))
        .route("/api/v1/status", get(status))
        .route("/api/v1/wait", get(wait))
        .route("/api/v1/ledger/head", get(head))
        .route("/api/v1/links", post(link))
        .route("/api/v1/resume", post(resume))
        .route("/api/v1/projects", get(projects).post(add_project))
        .route("/api/v1/projects/{project}", get(one_project))
        .nest("/api/v1/projects/{project}", in_project())
}

fn in_project() -> Router<Arc<Shared>> {
    Router::new()
        .route("/sync", post(sync))
        .route("/runs", get(runs).post(start_run))
        .route("/runs/{number}", get(one_run))
        .route("/runs/{number}/cancel", post(cancel_run))
        .route("/log", get(log))
        .route("/releases", get(releases))
        .route("/releases/{name}", get(one_release))
        .route("/releases/{name}/promote", post(promote))
        .route("/deployments", get(deployments))
        .route("/deployments/{number}", get(one_deployment))
        .route("/deployments/{number}/cancel", post(cancel_deployment))
        .route("/deployments/{number}/settle", post(settle))
        .route("/environments", get(environments))
        .route("/environments/{name}", get(one_environment))
        .route("/environments/{name}/rollback", post(roll_back))
        .route("/environments/{name}/accept", post(accept))
        .route("/trace/{name}", get(trace))
        .route("/where/{question}", get(where_is))
}

/// Views read the database, which blocks for less than a millisecond as a rule; still, not on the threads that answer.
async fn look<T: Send + 'static>(
    shared: &Arc<Shared>,
    view: impl FnOnce(&Shared) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let shared = shared.clone();
    let result = tokio::task::spawn_blocking(move || view(&shared)).await;
    result.unwrap_or_else(|_| Err(Failure::Internal("reading broke off".to_owned())))
}

async fn answer<T: Serialize + Send + 'static>(
    shared: &Arc<Shared>,
    view: impl FnOnce(&Shared) -> Result<T, Failure> + Send + 'static,
) -> Answer<T> {
    Ok(Json(look(shared, view).await?))
}

/// Open to everyone: says nothing but that the server is up.
async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

async fn status(_: Authorized<Look>, State(shared): Server) -> Answer<trunkline_api::view::StatusView> {
    answer(&shared, view::status).await
}

async fn head(_: Authorized<Look>, State(shared): Server) -> Answer<Position> {
    answer(&shared, view::position).await
}

#[derive(Deserialize)]
struct After {
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

async fn link(_: Authorized<Administer>, State(shared): Server, Body(Act {}): Body<Act>) -> Answer<Link> {
    let secret = hex(&shared.random::<32>()?);
    shared.keys.link_add(&secret, shared.clock.now());
    Ok(Json(Link { path: format!("/l/{secret}") }))
}

async fn resume(by: Authorized<Operate>, State(shared): Server, Body(Act {}): Body<Act>) -> Answer<trunkline_api::view::StatusView> {
    crate::shared::receipt(shared.writer.call(trunkline_engine::Call::Resume(by.actor)).await.map_err(Failure::from)?)?;
    answer(&shared, view::status).await
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn projects(_: Authorized<Look>, State(shared): Server) -> Answer<Vec<ProjectView>> {
    answer(&shared, |shared| Ok(view::status(shared)?.projects)).await
}

async fn one_project(_: Authorized<Look>, State(shared): Server, Place(project): Place<ProjectKey>) -> Answer<ProjectView> {
    answer(&shared, move |shared| view::project(shared, &project)).await
}

async fn add_project(by: Authorized<Administer>, State(shared): Server, Body(add): Body<AddProject>) -> Answer<ProjectView> {
    let (actor, name) = (by.actor, add.name.clone());
    let followed = look(&shared, move |shared| crate::project::add(shared, actor, &add)).await?;
    if let Some(key) = followed {
        // The project is there whatever comes of this; what went wrong is shown with it, and tried again. A large
        // repository takes its time: it is taken in all the same.
        let own = shared.clone();
        let taken = tokio::task::spawn_blocking(move || drop(crate::follow::sync(&own, &key)));
        let _ = tokio::time::timeout(FIRST_LOOK_MAX, taken).await;
    }
    answer(&shared, move |shared| view::project(shared, &name)).await
}

async fn sync(_: Authorized<Operate>, State(shared): Server, Place(project): Place<ProjectKey>) -> Answer<Synced> {
    answer(&shared, move |shared| {
        let repository = shared.repository_of(&project)?;
        Ok(Synced { words: crate::follow::sync(shared, &repository)? })
    })
    .await
}

#[derive(Deserialize)]
struct Page {
    before: Option<u32>,
    limit: Option<u32>,
}

async fn runs(
    _: Authorized<Look>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Ask(page): Ask<Page>,
) -> Answer<Vec<trunkline_api::view::RunView>> {
    answer(&shared, move |shared| view::runs(shared, &project, page.before, page.limit.unwrap_or(20))).await
}

async fn start_run(
    by: Authorized<Operate>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Body(asked): Body<StartRun>,
) -> Answer<trunkline_api::view::RunView> {
    let actor = by.actor;
    answer(&shared, move |shared| {
        let number = crate::start::start(shared, actor, &project, &asked)?;
        view::run(shared, &project, number)
    })
    .await
}

async fn one_run(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, number)): Place<(ProjectKey, u32)>,
) -> Answer<trunkline_api::view::RunView> {
    answer(&shared, move |shared| view::run(shared, &project, number)).await
}

async fn cancel_run(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, number)): Place<(ProjectKey, u32)>,
    Body(Act {}): Body<Act>,
) -> Answer<trunkline_api::view::RunView> {
    let key = project.clone();
    let id = look(&shared, move |shared| view::run(shared, &key, number)).await?.id;
    shared.command(by.actor, Command::Run(id, run::Command::Cancel)).await?;
    answer(&shared, move |shared| view::run(shared, &project, number)).await
}

#[derive(Deserialize)]
struct LogPlace {
    work: String,
    from: Option<u64>,
}

async fn log(
    _: Authorized<Look>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Ask(place): Ask<LogPlace>,
) -> Result<Response, Problem> {
    let (bytes, open) =
        look(&shared, move |shared| view::log(shared, &project, &place.work, place.from.unwrap_or(0), LOG_BYTES_MAX)).await?;
    let mut headers = HeaderMap::new();
    let state = HeaderValue::from_static(if open { "open" } else { "ended" });
    headers.insert(HeaderName::from_static("trunkline-log-state"), state);
    headers.insert(axum::http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok((StatusCode::OK, headers, bytes).into_response())
}

async fn releases(
    _: Authorized<Look>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Ask(page): Ask<Page>,
) -> Answer<Vec<trunkline_api::view::ReleaseView>> {
    answer(&shared, move |shared| view::releases(shared, &project, page.before, page.limit.unwrap_or(20))).await
}

async fn one_release(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, name)): Place<(ProjectKey, String)>,
) -> Answer<trunkline_api::view::ReleaseView> {
    answer(&shared, move |shared| view::release(shared, &project, &name)).await
}

async fn promote(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, name)): Place<(ProjectKey, String)>,
    Body(asked): Body<Promote>,
) -> Answer<DeploymentView> {
    let key = project.clone();
    let found = look(&shared, move |shared| view::find_release(shared, &key, &name)).await?;
    let command = release::Command::Promote { environment: asked.environment.clone() };
    let receipt = shared.command(by.actor, Command::Release(found.id, command)).await?;
    requested(&shared, &project, &receipt).await
}

/// The deployment that a command brought about.
async fn requested(shared: &Arc<Shared>, project: &ProjectKey, receipt: &Receipt) -> Answer<DeploymentView> {
    let number = receipt.facts.iter().find_map(|fact| match fact {
        Fact::Deployment { fact: deployment::Fact::Requested(requested), .. } => Some(requested.number),
        _ => None,
    });
    let Some(number) = number else { return Err(not_taken(receipt)) };
    let project = project.clone();
    answer(shared, move |shared| view::deployment(shared, &project, number)).await
}

fn not_taken(receipt: &Receipt) -> Problem {
    let why = receipt.facts.iter().find_map(|fact| match fact {
        Fact::Environment { fact: environment::Fact::Declined { reason, .. }, .. } => Some(format!("not taken: {}", reason.words())),
        Fact::Environment { fact: environment::Fact::Pending(_), .. } => {
            Some("the environment is new and waits for a person to accept it".to_owned())
        }
        _ => None,
    });
    Problem::new(StatusCode::CONFLICT, "TL0510", why.unwrap_or_else(|| "nothing had to be done".to_owned()))
        .help("trunkline environments shows what runs and what waits there")
}

async fn deployments(
    _: Authorized<Look>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Ask(page): Ask<Page>,
) -> Answer<Vec<DeploymentView>> {
    answer(&shared, move |shared| view::deployments(shared, &project, page.before, page.limit.unwrap_or(20))).await
}

async fn one_deployment(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, number)): Place<(ProjectKey, u32)>,
) -> Answer<DeploymentView> {
    answer(&shared, move |shared| view::deployment(shared, &project, number)).await
}

async fn on_deployment(
    shared: &Arc<Shared>,
    by: Authorized<Operate>,
    (project, number): (ProjectKey, u32),
    command: deployment::Command,
) -> Answer<DeploymentView> {
    let key = project.clone();
    let id = look(shared, move |shared| view::deployment(shared, &key, number)).await?.id;
    shared.command(by.actor, Command::Deployment(id, command)).await?;
    answer(shared, move |shared| view::deployment(shared, &project, number)).await
}

async fn cancel_deployment(
    by: Authorized<Operate>,
    State(shared): Server,
    Place(place): Place<(ProjectKey, u32)>,
    Body(Act {}): Body<Act>,
) -> Answer<DeploymentView> {
    on_deployment(&shared, by, place, deployment::Command::Cancel).await
}

async fn settle(
    by: Authorized<Operate>,
    State(shared): Server,
    Place(place): Place<(ProjectKey, u32)>,
    Body(asked): Body<Settle>,
) -> Answer<DeploymentView> {
    on_deployment(&shared, by, place, deployment::Command::Settle { runs: asked.runs }).await
}

async fn environments(_: Authorized<Look>, State(shared): Server, Place(project): Place<ProjectKey>) -> Answer<Vec<EnvironmentView>> {
    answer(&shared, move |shared| view::environments(shared, &project)).await
}

async fn one_environment(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, name)): Place<(ProjectKey, EnvironmentName)>,
) -> Answer<EnvironmentView> {
    answer(&shared, move |shared| view::environment(shared, &project, &name)).await
}

async fn roll_back(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, name)): Place<(ProjectKey, EnvironmentName)>,
    Body(asked): Body<Rollback>,
) -> Answer<DeploymentView> {
    let key = project.clone();
    let to = match asked.to {
        Some(wanted) => Some(look(&shared, move |shared| view::find_release(shared, &key, &wanted)).await?.id),
        None => None,
    };
    let command = Command::Environment(EnvironmentKey { project: project.clone(), name }, environment::Command::RollBack { to });
    let receipt = shared.command(by.actor, command).await?;
    requested(&shared, &project, &receipt).await
}

async fn accept(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, name)): Place<(ProjectKey, EnvironmentName)>,
    Body(Act {}): Body<Act>,
) -> Answer<EnvironmentView> {
    let key = EnvironmentKey { project: project.clone(), name: name.clone() };
    shared.command(by.actor, Command::Environment(key, environment::Command::Accept)).await?;
    answer(&shared, move |shared| view::environment(shared, &project, &name)).await
}

async fn trace(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, name)): Place<(ProjectKey, EnvironmentName)>,
) -> Answer<trunkline_api::view::TraceView> {
    answer(&shared, move |shared| view::trace(shared, &project, &name)).await
}

async fn where_is(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, question)): Place<(ProjectKey, String)>,
) -> Answer<trunkline_api::view::WhereView> {
    answer(&shared, move |shared| view::where_is(shared, &project, &question)).await
}
