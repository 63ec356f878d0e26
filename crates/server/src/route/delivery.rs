//! `/api/v1`: releases, deployments and environments of a project.

use super::Problem;
use super::api::Server;
use super::asked::{Body, Nothing, Order, Place, Read};
use super::named::{DeploymentNumber, ReleaseName};
use super::run::Page;
use super::table::Table;
use super::told::{Answer, act, answer, try_out};
use crate::access::{Authorized, Look, Operate};
use crate::once::Once;
use crate::shared::{Failure, Shared};
use crate::view;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;
use trunkline_api::request::{Act, Intended, Promote, Rollback, Settle};
use trunkline_api::view::{DeploymentView, EnvironmentView, ReleaseView, TraceView};
use trunkline_domain::deployment::Requested;
use trunkline_domain::environment::Declined;
use trunkline_domain::foundation::{EnvironmentKey, EnvironmentName, ProjectKey};
use trunkline_domain::record::{Command, Fact};
use trunkline_domain::release::Wish;
use trunkline_domain::{deployment, environment, release};
use trunkline_engine::Receipt;

pub fn routes() -> Table {
    Table::below("/api/v1/projects/{project}")
        .get("/releases", releases, "Releases, newest first.")
        .get("/releases/{name}", one_release, "One release, by number, version or alias.")
        .post("/releases/{name}/promote", promote, "Lets a release into an environment.")
        .post("/releases/{name}/promote/dry-run", try_promote, "Says what promoting would bring about, or the no; nothing is done.")
        .get("/deployments", deployments, "Deployments, newest first.")
        .get("/deployments/{number}", one_deployment, "One deployment.")
        .post("/deployments/{number}/cancel", cancel_deployment, "Ends a deployment.")
        .post("/deployments/{number}/cancel/dry-run", try_cancel_deployment, "Says whether it could be ended; nothing is done.")
        .post("/deployments/{number}/settle", settle, "Says what runs after an apply whose end nobody knows.")
        .post("/deployments/{number}/settle/dry-run", try_settle, "Says whether that could be said; nothing is done.")
        .get("/environments", environments, "Environments, in the order of the newest release's delivery file.")
        .get("/environments/{name}", one_environment, "One environment.")
        .post("/environments/{name}/rollback", roll_back, "Brings an earlier release back.")
        .post("/environments/{name}/rollback/dry-run", try_roll_back, "Says what a rollback would bring about, or the no; nothing is done.")
        .post("/environments/{name}/accept", accept, "Lets releases into a new environment.")
        .post("/environments/{name}/accept/dry-run", try_accept, "Says whether it waits to be accepted; nothing is done.")
        .get("/trace/{name}", trace, "From what runs in an environment back to the pull request.")
}

async fn releases(
    _: Authorized<Look>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Read(page): Read<Page>,
) -> Answer<Vec<ReleaseView>> {
    answer(&shared, move |shared| view::releases(shared, &project, page.before, page.limit)).await
}

async fn one_release(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, ReleaseName(name))): Place<(ProjectKey, ReleaseName)>,
    Read(Nothing {}): Read<Nothing>,
) -> Answer<ReleaseView> {
    answer(&shared, move |shared| view::release(shared, &project, &name)).await
}

async fn promote(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, ReleaseName(name))): Place<(ProjectKey, ReleaseName)>,
    Order(asked, once): Order<Promote>,
) -> Answer<DeploymentView> {
    let once = once.within(&project);
    let receipt = act(&shared, by.actor, once, promotion(project.clone(), name, asked)).await?;
    brought_about(&shared, &project, &receipt).await
}

async fn try_promote(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, ReleaseName(name))): Place<(ProjectKey, ReleaseName)>,
    Body(asked): Body<Promote>,
) -> Answer<Intended> {
    let receipt = try_out(&shared, by.actor, promotion(project, name, asked)).await?;
    intended(&shared, &receipt).await
}

/// Makes the command once its release is found.
fn promotion(project: ProjectKey, name: String, asked: Promote) -> impl FnOnce(&Shared) -> Result<Command, Failure> + Send + 'static {
    let wish = if asked.again { Wish::Again } else { Wish::New };
    let promote = release::Command::Promote { environment: asked.environment, wish };
    move |shared| Ok(Command::Release(view::find_release(shared, &project, &name)?.id, promote))
}

/// The deployment that a command brought about.
async fn brought_about(shared: &Arc<Shared>, project: &ProjectKey, receipt: &Receipt) -> Answer<DeploymentView> {
    let (project, number) = (project.clone(), requested(receipt)?.number);
    answer(shared, move |shared| view::deployment(shared, &project, number)).await
}

/// What a command would bring about.
async fn intended(shared: &Arc<Shared>, receipt: &Receipt) -> Answer<Intended> {
    let Requested { environment, release: id, .. } = requested(receipt)?.clone();
    answer(shared, move |shared| view::intended(shared, environment, id)).await
}

/// The deployment in the facts of a command; without one the environment did not take the release.
fn requested(receipt: &Receipt) -> Result<&Requested, Problem> {
    let requested = receipt.facts.iter().find_map(|fact| match fact {
        Fact::Deployment { fact: deployment::Fact::Requested(requested), .. } => Some(requested.as_ref()),
        _ => None,
    });
    requested.ok_or_else(|| not_taken(receipt))
}

fn not_taken(receipt: &Receipt) -> Problem {
    let why = receipt.facts.iter().find_map(|fact| match fact {
        Fact::Environment { id, fact: environment::Fact::Declined { reason, .. } } => {
            Some((format!("not taken: {}", reason.words()), help_for(*reason, &id.name)))
        }
        Fact::Environment { id, fact: environment::Fact::Pending(_) } => Some((
            "the environment is new and waits for a person to accept it".to_owned(),
            format!("trunkline environments accept {}", id.name),
        )),
        _ => None,
    });
    let (why, help) = why.unwrap_or_else(|| ("nothing had to be done".to_owned(), ENVIRONMENTS.to_owned()));
    Problem::new(StatusCode::CONFLICT, "TL0510", why).help(help)
}

/// What shows more than a refusal of an environment says.
const ENVIRONMENTS: &str = "trunkline environments shows what was verified and what waits there";

/// What would change the answer of an environment that takes no release.
fn help_for(reason: Declined, environment: &EnvironmentName) -> String {
    match reason {
        Declined::AlreadyHere => {
            format!("trunkline environments view {environment}; where its target lost it: trunkline promote {environment} --again")
        }
        Declined::EarlierAfterInForce | Declined::Older | Declined::Busy | Declined::QueueFull | Declined::NotHere | Declined::Vetoed => {
            ENVIRONMENTS.to_owned()
        }
    }
}

async fn deployments(
    _: Authorized<Look>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Read(page): Read<Page>,
) -> Answer<Vec<DeploymentView>> {
    answer(&shared, move |shared| view::deployments(shared, &project, page.before, page.limit)).await
}

async fn one_deployment(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, DeploymentNumber(number))): Place<(ProjectKey, DeploymentNumber)>,
    Read(Nothing {}): Read<Nothing>,
) -> Answer<DeploymentView> {
    answer(&shared, move |shared| view::deployment(shared, &project, number)).await
}

async fn on_deployment(
    shared: &Arc<Shared>,
    by: Authorized<Operate>,
    (project, DeploymentNumber(number)): (ProjectKey, DeploymentNumber),
    (command, once): (deployment::Command, Once),
) -> Answer<DeploymentView> {
    let (key, once) = (project.clone(), once.within(&project));
    let command = move |shared: &Shared| Ok(Command::Deployment(view::deployment(shared, &key, number)?.id, command));
    act(shared, by.actor, once, command).await.map_err(|no| Problem::of(no, &project, number))?;
    answer(shared, move |shared| view::deployment(shared, &project, number)).await
}

/// The deployment as it is, where the command would be taken.
async fn try_on_deployment(
    shared: &Arc<Shared>,
    by: Authorized<Operate>,
    (project, DeploymentNumber(number)): (ProjectKey, DeploymentNumber),
    command: deployment::Command,
) -> Answer<DeploymentView> {
    let key = project.clone();
    let command = move |shared: &Shared| Ok(Command::Deployment(view::deployment(shared, &key, number)?.id, command));
    try_out(shared, by.actor, command).await.map_err(|no| Problem::of(no, &project, number))?;
    answer(shared, move |shared| view::deployment(shared, &project, number)).await
}

async fn try_cancel_deployment(
    by: Authorized<Operate>,
    State(shared): Server,
    Place(place): Place<(ProjectKey, DeploymentNumber)>,
    Body(Act {}): Body<Act>,
) -> Answer<DeploymentView> {
    try_on_deployment(&shared, by, place, deployment::Command::Cancel).await
}

async fn try_settle(
    by: Authorized<Operate>,
    State(shared): Server,
    Place(place): Place<(ProjectKey, DeploymentNumber)>,
    Body(asked): Body<Settle>,
) -> Answer<DeploymentView> {
    try_on_deployment(&shared, by, place, deployment::Command::Settle { runs: asked.runs }).await
}

async fn try_accept(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, name)): Place<(ProjectKey, EnvironmentName)>,
    Body(Act {}): Body<Act>,
) -> Answer<EnvironmentView> {
    let key = EnvironmentKey { project: project.clone(), name: name.clone() };
    try_out(&shared, by.actor, |_: &Shared| Ok(Command::Environment(key, environment::Command::Accept))).await?;
    answer(&shared, move |shared| view::environment(shared, &project, &name)).await
}

async fn cancel_deployment(
    by: Authorized<Operate>,
    State(shared): Server,
    Place(place): Place<(ProjectKey, DeploymentNumber)>,
    Order(Act {}, once): Order<Act>,
) -> Answer<DeploymentView> {
    on_deployment(&shared, by, place, (deployment::Command::Cancel, once)).await
}

async fn settle(
    by: Authorized<Operate>,
    State(shared): Server,
    Place(place): Place<(ProjectKey, DeploymentNumber)>,
    Order(asked, once): Order<Settle>,
) -> Answer<DeploymentView> {
    on_deployment(&shared, by, place, (deployment::Command::Settle { runs: asked.runs }, once)).await
}

async fn environments(
    _: Authorized<Look>,
    State(shared): Server,
    Place(project): Place<ProjectKey>,
    Read(Nothing {}): Read<Nothing>,
) -> Answer<Vec<EnvironmentView>> {
    answer(&shared, move |shared| view::environments(shared, &project)).await
}

async fn one_environment(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, name)): Place<(ProjectKey, EnvironmentName)>,
    Read(Nothing {}): Read<Nothing>,
) -> Answer<EnvironmentView> {
    answer(&shared, move |shared| view::environment(shared, &project, &name)).await
}

async fn roll_back(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, name)): Place<(ProjectKey, EnvironmentName)>,
    Order(asked, once): Order<Rollback>,
) -> Answer<DeploymentView> {
    let once = once.within(&project);
    let receipt = act(&shared, by.actor, once, way_back(EnvironmentKey { project: project.clone(), name }, asked)).await?;
    brought_about(&shared, &project, &receipt).await
}

async fn try_roll_back(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, name)): Place<(ProjectKey, EnvironmentName)>,
    Body(asked): Body<Rollback>,
) -> Answer<Intended> {
    let receipt = try_out(&shared, by.actor, way_back(EnvironmentKey { project, name }, asked)).await?;
    intended(&shared, &receipt).await
}

/// Makes the command once its release is found.
fn way_back(key: EnvironmentKey, asked: Rollback) -> impl FnOnce(&Shared) -> Result<Command, Failure> + Send + 'static {
    move |shared| {
        let to = asked.to.map(|wanted| view::find_release(shared, &key.project, &wanted)).transpose()?;
        Ok(Command::Environment(key, environment::Command::RollBack { to: to.map(|to| to.id) }))
    }
}

async fn accept(
    by: Authorized<Operate>,
    State(shared): Server,
    Place((project, name)): Place<(ProjectKey, EnvironmentName)>,
    Order(Act {}, once): Order<Act>,
) -> Answer<EnvironmentView> {
    let key = EnvironmentKey { project: project.clone(), name: name.clone() };
    let command = |_: &Shared| Ok(Command::Environment(key, environment::Command::Accept));
    act(&shared, by.actor, once.within(&project), command).await?;
    answer(&shared, move |shared| view::environment(shared, &project, &name)).await
}

async fn trace(
    _: Authorized<Look>,
    State(shared): Server,
    Place((project, name)): Place<(ProjectKey, EnvironmentName)>,
    Read(Nothing {}): Read<Nothing>,
) -> Answer<TraceView> {
    answer(&shared, move |shared| view::trace(shared, &project, &name)).await
}
