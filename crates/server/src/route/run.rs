//! `/api/v1`: a project's runs, their logs, and where a change is.

use super::Problem;
use super::api::Server;
use super::asked::{Body, Nothing, Place, Read};
use super::document::ROOT;
use super::table::Table;
use super::told::{Answer, LogText, answer, look};
use crate::access::{Authorized, Look, Operate};
use crate::view;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use trunkline_api::request::{Act, StartRun};
use trunkline_api::view::{RunView, WhereView};
use trunkline_domain::foundation::ProjectKey;
use trunkline_domain::record::Command;
use trunkline_domain::run;

/// Bytes of a log in one answer.
const LOG_BYTES_MAX: usize = 1 << 20;

pub fn routes() -> Table {
    Table::below(ROOT)
        .get("/projects/{project}/runs", runs, "Runs, newest first.")
        .post("/projects/{project}/runs", start_run, "Starts a run by hand; the delivery file must allow it.")
        .get("/projects/{project}/runs/{number}", one_run, "One run.")
        .post("/projects/{project}/runs/{number}/cancel", cancel_run, "Ends a run.")
        .get("/projects/{project}/log", log, "The log of a job, of a part of a deployment, or of a check.")
        .get("/projects/{project}/where/{question}", where_is, "Where a change is: a commit (at least 4 digits), or `pr-` and a number.")
}

/// A page of a list that is told newest first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Only what has a smaller number than this one.
    pub before: Option<u32>,
    /// How many at most: 20 where nothing is said, and never more than 200.
    pub limit: Option<u32>,
}

async fn runs(
    _: Authorized<Look>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Read(page): Read<Page>,
) -> Answer<Vec<RunView>> {
    answer(&shared, move |shared| view::runs(shared, &project, page.before, page.limit.unwrap_or(20))).await
}

async fn start_run(
    by: Authorized<Operate>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Body(asked): Body<StartRun>,
) -> Answer<RunView> {
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
    Read(Nothing {}): Read<Nothing>,
) -> Answer<RunView> {
    answer(&shared, move |shared| view::run(shared, &project, number)).await
}

async fn cancel_run(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, number)): Place<(ProjectKey, u32)>,
    Body(Act {}): Body<Act>,
) -> Answer<RunView> {
    let key = project.clone();
    let id = look(&shared, move |shared| view::run(shared, &key, number)).await?.id;
    shared.command(by.actor, Command::Run(id, run::Command::Cancel)).await?;
    answer(&shared, move |shared| view::run(shared, &project, number)).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogPlace {
    /// Names the log: a job, a part or a check has it as `work`.
    #[schemars(regex(
        pattern = r"^(?:run_[0-9a-f]{32}/[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,99}|dep_[0-9a-f]{32}/(?:observe|apply|verify)/[0-9]{1,9})$"
    ))]
    work: String,
    /// The first byte that is wanted.
    from: Option<u64>,
}

async fn log(
    _: Authorized<Look>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Read(place): Read<LogPlace>,
) -> Result<LogText, Problem> {
    let (bytes, open) =
        look(&shared, move |shared| view::log(shared, &project, &place.work, place.from.unwrap_or(0), LOG_BYTES_MAX)).await?;
    Ok(LogText { bytes, open })
}

/// A commit (at least 4 digits), or `pr-` and a number.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
struct Question(#[schemars(regex(pattern = r"^(?:pr-[0-9]{1,9}|[0-9A-Fa-f]{4,})$"))] String);

async fn where_is(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, Question(question))): Place<(ProjectKey, Question)>,
    Read(Nothing {}): Read<Nothing>,
) -> Answer<WhereView> {
    answer(&shared, move |shared| view::where_is(shared, &project, &question)).await
}
