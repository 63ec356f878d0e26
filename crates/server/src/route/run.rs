//! `/api/v1`: a project's runs, their logs, and where a change is.

use super::Problem;
use super::api::Server;
use super::asked::{Body, Nothing, Order, Place, Read};
use super::document::ROOT;
use super::named::{Question, RunNumber};
use super::table::Table;
use super::told::{Answer, LogText, act, answer, look, try_out};
use crate::access::{Authorized, Look, Operate};
use crate::shared::Shared;
use crate::view;
use axum::extract::State;
use schemars::JsonSchema;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use trunkline_api::request::{Act, LIST_ITEMS, LIST_ITEMS_MAX, StartRun};
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
        .post("/projects/{project}/runs/{number}/cancel/dry-run", try_cancel_run, "Says whether it could be ended; nothing is done.")
        .get("/projects/{project}/log", log, "The log of a job, of a part of a deployment, or of a check.")
        .get("/projects/{project}/where/{question}", where_is, "Where a change is: a commit (at least 4 digits), or `pr-` and a number.")
}

/// A page of a list that is told newest first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Only what has a smaller number than this one.
    pub before: Option<u32>,
    /// How many at most. For more, ask again with `before`.
    #[serde(default = "usual", deserialize_with = "limit")]
    #[schemars(range(min = 1, max = LIST_ITEMS_MAX))]
    pub limit: u32,
}

fn usual() -> u32 {
    LIST_ITEMS
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    deserializer.deserialize_u32(Limit)
}

/// Not cut to what is allowed: whoever asks for more would take the answer for all there is.
struct Limit;

impl Visitor<'_> for Limit {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 1 to {LIST_ITEMS_MAX}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u32, E> {
        let limit = u32::try_from(number).ok().filter(|limit| (1..=LIST_ITEMS_MAX).contains(limit));
        limit.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}

async fn runs(
    _: Authorized<Look>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Read(page): Read<Page>,
) -> Answer<Vec<RunView>> {
    answer(&shared, move |shared| view::runs(shared, &project, page.before, page.limit)).await
}

async fn start_run(
    by: Authorized<Operate>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Order(asked, once): Order<StartRun>,
) -> Answer<RunView> {
    let (actor, once) = (by.actor, once.within(&project));
    answer(&shared, move |shared| {
        let number = crate::start::start(shared, actor, (&project, once), &asked)?;
        view::run(shared, &project, number)
    })
    .await
}

async fn one_run(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, RunNumber(number))): Place<(ProjectKey, RunNumber)>,
    Read(Nothing {}): Read<Nothing>,
) -> Answer<RunView> {
    answer(&shared, move |shared| view::run(shared, &project, number)).await
}

async fn try_cancel_run(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, RunNumber(number))): Place<(ProjectKey, RunNumber)>,
    Body(Act {}): Body<Act>,
) -> Answer<RunView> {
    let key = project.clone();
    let command = move |shared: &Shared| Ok(Command::Run(view::run(shared, &key, number)?.id, run::Command::Cancel));
    try_out(&shared, by.actor, command).await.map_err(|no| Problem::of(no, &project, number))?;
    answer(&shared, move |shared| view::run(shared, &project, number)).await
}

async fn cancel_run(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, RunNumber(number))): Place<(ProjectKey, RunNumber)>,
    Order(Act {}, once): Order<Act>,
) -> Answer<RunView> {
    let (key, once) = (project.clone(), once.within(&project));
    let command = move |shared: &Shared| Ok(Command::Run(view::run(shared, &key, number)?.id, run::Command::Cancel));
    act(&shared, by.actor, once, command).await.map_err(|no| Problem::of(no, &project, number))?;
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

async fn where_is(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, Question(question))): Place<(ProjectKey, Question)>,
    Read(Nothing {}): Read<Nothing>,
) -> Answer<WhereView> {
    answer(&shared, move |shared| view::where_is(shared, &project, &question)).await
}
