//! Where a change is: the stations of its way, with times and the reason of each wait.

use super::deployment::by_id as deployment_by_id;
use super::release::{by_id as release_by_id, release_ref};
use super::run::by_id as run_by_id;
use super::{environments, row, rows};
use crate::about::About;
use crate::shared::{Failure, Shared};
use trunkline_api::view::{
    DeploymentStatus, DeploymentView, EnvironmentView, JobStatus, JobView, Projects, ReleaseView, RunView, StationKind, StationState,
    StationView, WhereView,
};
use trunkline_domain::deployment::DeploymentResult;
use trunkline_domain::foundation::{EnvironmentName, ProjectKey, Timestamp};
use trunkline_domain::reading::{CommitRow, DeploymentRow, ReleaseRow, Row, SkipRow, Table, numbered};
use trunkline_domain::run::{JobResult, ReleaseVerdict, RunResult};
use trunkline_engine::{Read, StoreError};

/// Digits of a commit id that name it at least.
const DIGITS_MIN: usize = 4;

/// Where a change is, by commit (its first digits) or by `pr-N`.
pub fn where_is(shared: &Shared, project: &ProjectKey, question: &str) -> Result<WhereView, Failure> {
    let (revision, commit) = find(shared, project, question)?;
    let run = run_by_id(shared, commit.id)?;
    let release = run.release.as_ref().map(|release| release_by_id(shared, release.id)).transpose()?;
    let newest: Option<ReleaseRow> = rows(shared, Table::Release, project, None, 1)?.pop();
    let newer = newest.filter(|newest| release.as_ref().is_some_and(|own| newest.number > own.release.number)).map(|row| release_ref(&row));
    let stations = stations(shared, project, &run, release.as_ref())?;
    Ok(WhereView {
        project: project.clone(),
        revision: revision.parse().map_err(|_| Failure::NotFound(About::Other, question.to_owned()))?,
        run,
        release,
        stations,
        newer,
    })
}

/// Why a commit has no run.
fn not_run(shared: &Shared, project: &ProjectKey, (prefix, question): (&str, &str)) -> Result<Failure, Failure> {
    let skipped = shared.reader.rows(Table::Skip, prefix, None, 1)?;
    let why = match skipped.first().and_then(|(_, body)| Row::decode::<SkipRow>(body).ok()) {
        Some(row) => format!("it started none: {}", row.skip.reason.words()),
        None => "it was not pushed here, or it started none".to_owned(),
    };
    Ok(Failure::NotFound(about(shared, project)?, format!("run of commit {question} in project {project}: {why}")))
}

fn about(shared: &Shared, project: &ProjectKey) -> Result<About, Failure> {
    Ok(About::Change(shared.arrival(&shared.repository_of(project)?)?))
}

fn find(shared: &Shared, project: &ProjectKey, question: &str) -> Result<(String, CommitRow), Failure> {
    if let Some(number) = question.strip_prefix("pr-").and_then(|number| number.parse().ok()) {
        let commit: Option<CommitRow> = row(shared, Table::PullRequest, &numbered(project, number))?;
        let Some(commit) = commit else {
            let what = format!("pull request {number} in project {project}: git did not show it");
            return Err(Failure::NotFound(about(shared, project)?, what));
        };
        return Ok((commit.head.to_string(), commit));
    }
    let hex = question.len() >= DIGITS_MIN && question.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hex {
        return Err(Failure::Invalid(
            About::Other,
            format!("'{question}' is neither a commit (at least {DIGITS_MIN} hex digits) nor pr-N"),
        ));
    }
    let prefix = format!("{project}/{}", question.to_ascii_lowercase());
    let found = shared.reader.rows(Table::Commit, &prefix, None, 2)?;
    match found.as_slice() {
        [] => Err(not_run(shared, project, (&prefix, question))?),
        [(key, body)] => {
            let commit = Row::decode(body).map_err(|error| StoreError::Damaged(format!("commit {key}: {error}")))?;
            Ok((key.rsplit('/').next().unwrap_or_default().to_owned(), commit))
        }
        _ => Err(Failure::Invalid(About::Other, format!("several commits begin with {question}: give more digits"))),
    }
}

fn stations(shared: &Shared, project: &ProjectKey, run: &RunView, release: Option<&ReleaseView>) -> Result<Vec<StationView>, Failure> {
    let mut stations = vec![StationView {
        name: "pushed".to_owned(),
        kind: StationKind::Push,
        state: StationState::Passed,
        at: Some(run.started_at),
        took: None,
        reason: None,
        seen: false,
        deployment: None,
        status: None,
    }];
    stations.extend(run.jobs.iter().map(job_station));
    stations.push(release_station(run, release));
    let deployments = release.map(|release| deployments_of(shared, project, release)).transpose()?.unwrap_or_default();
    let several = super::projects(shared)?;
    for environment in environments(shared, project)? {
        let named = release.map_or(!environment.retired, |release| release.environments.contains(&environment.name));
        if named {
            stations.push(environment_station(run, release, (&environment, several), &deployments));
        }
    }
    Ok(stations)
}

fn job_station(job: &JobView) -> StationView {
    let state = match job.status {
        JobStatus::Blocked => StationState::Ahead,
        JobStatus::Queued => StationState::Waiting,
        JobStatus::Running => StationState::Running,
        JobStatus::Ended(JobResult::Passed) => StationState::Passed,
        JobStatus::Ended(JobResult::Failed | JobResult::Lost) => StationState::Failed,
        JobStatus::Ended(JobResult::Skipped(_) | JobResult::Cancelled) => StationState::Stopped,
    };
    let reason = match (job.status, &job.reason) {
        (JobStatus::Queued, _) => Some("waits for a runner".to_owned()),
        (JobStatus::Blocked, _) => {
            let needs: Vec<&str> = job.needs.iter().map(|need| need.as_str()).collect();
            Some(format!("waits for {}", needs.join(", ")))
        }
        (_, reason) => reason.clone().or_else(|| job.tests.as_ref().map(tests_words)),
    };
    let took = job.began.zip(job.ended_at).map(|(began, ended)| ended.since(began));
    StationView {
        name: job.key.to_string(),
        kind: StationKind::Job,
        state,
        at: job.ended_at.or(job.since),
        took,
        reason,
        seen: false,
        deployment: None,
        status: None,
    }
}

fn tests_words(tests: &trunkline_domain::report::TestSummary) -> String {
    match (tests.failed, tests.failures.first()) {
        (0, _) => format!("{} tests passed", tests.passed),
        (failed, Some(first)) => format!("{failed} of {} tests failed: {}", tests.passed + failed, first.name),
        (failed, None) => format!("{failed} of {} tests failed", tests.passed + failed),
    }
}

fn release_station(run: &RunView, release: Option<&ReleaseView>) -> StationView {
    let mut station = StationView {
        name: "release".to_owned(),
        kind: StationKind::Release,
        state: StationState::Ahead,
        at: None,
        took: None,
        reason: None,
        seen: false,
        deployment: None,
        status: None,
    };
    if let Some(release) = release {
        station.state = StationState::Passed;
        station.at = Some(release.at);
        station.reason = Some(format!("{} \"{}\"", release.release.version, release.release.alias));
        return station;
    }
    match (&run.verdict, run.result) {
        (None, _) => station.reason = Some("cut when every job has passed".to_owned()),
        (Some(ReleaseVerdict::Cut), _) => {}
        (Some(verdict), result) => {
            station.state = StationState::Stopped;
            station.at = run.ended_at;
            station.reason = Some(match verdict {
                ReleaseVerdict::NotAsked if result == Some(RunResult::Refused) => {
                    format!(
                        "run {} was refused: {}",
                        run.number,
                        run.refused.first().map_or("the delivery file has errors", String::as_str)
                    )
                }
                ReleaseVerdict::NotAsked => "the delivery file makes no release".to_owned(),
                ReleaseVerdict::NotPassed => "the run did not pass".to_owned(),
                ReleaseVerdict::ConditionFalse => "release.if is false for this change".to_owned(),
                ReleaseVerdict::Impossible(why) => why.clone(),
                ReleaseVerdict::Cut => String::new(),
            });
        }
    }
    station
}

/// Deployments of this release, oldest first.
fn deployments_of(shared: &Shared, project: &ProjectKey, release: &ReleaseView) -> Result<Vec<DeploymentView>, Failure> {
    let mut own = Vec::new();
    let mut before = None;
    loop {
        let page: Vec<DeploymentRow> = rows(shared, Table::Deployment, project, before, super::PAGE_MAX)?;
        own.extend(page.iter().filter(|deployment| deployment.release == release.release.id).map(|deployment| deployment.id));
        match page.last() {
            // None is older than its release.
            Some(last) if last.requested_at >= release.at => before = Some(last.number),
            _ => break,
        }
    }
    own.into_iter().rev().map(|id| deployment_by_id(shared, id)).collect()
}

fn environment_station(
    run: &RunView,
    release: Option<&ReleaseView>,
    (environment, projects): (&EnvironmentView, Projects),
    deployments: &[DeploymentView],
) -> StationView {
    let last = deployments.iter().rev().find(|deployment| deployment.environment == environment.name);
    let mut station = StationView {
        name: environment.name.to_string(),
        kind: StationKind::Environment,
        state: StationState::Ahead,
        at: None,
        took: None,
        reason: None,
        seen: false,
        deployment: last.map(|deployment| deployment.number),
        status: last.map(|deployment| deployment.status),
    };
    let Some(release) = release else {
        if run.result.is_some() {
            station.state = StationState::Stopped;
        }
        return station;
    };
    match last {
        Some(deployment) => {
            stand(&mut station, deployment, release, environment);
            arrive(&mut station, deployments);
        }
        None => expect(&mut station, run, release, (environment, projects)),
    }
    station
}

/// A change arrives once: deployed again where it was verified before, it has been there since then.
fn arrive(station: &mut StationView, deployments: &[DeploymentView]) {
    if !matches!(station.state, StationState::Passed | StationState::Replaced | StationState::RolledBack) {
        return;
    }
    let succeeded = DeploymentStatus::Ended(DeploymentResult::Succeeded);
    let first = deployments.iter().find(|deployment| deployment.environment.as_str() == station.name && deployment.status == succeeded);
    if let Some(first) = first {
        station.at = first.ended_at;
        station.took = first.began.zip(first.ended_at).map(|(began, ended)| ended.since(began));
    }
}

fn stand(station: &mut StationView, deployment: &DeploymentView, release: &ReleaseView, environment: &EnvironmentView) {
    let runs_here = environment.runs.as_ref().is_some_and(|runs| runs.release.id == release.release.id);
    let end: Option<Timestamp> = deployment.ended_at;
    station.at = end.or(deployment.began).or(Some(deployment.requested_at));
    station.took = deployment.began.zip(end).map(|(began, end)| end.since(began));
    station.reason = deployment.reason.clone();
    station.state = match deployment.status {
        DeploymentStatus::Waiting | DeploymentStatus::Asking => StationState::Waiting,
        DeploymentStatus::Deploying | DeploymentStatus::Verifying | DeploymentStatus::Unknown => StationState::Running,
        DeploymentStatus::Ended(DeploymentResult::Succeeded) if runs_here => StationState::Passed,
        DeploymentStatus::Ended(DeploymentResult::Succeeded) => replaced(station, release, environment),
        DeploymentStatus::Ended(DeploymentResult::Failed(_)) => StationState::Failed,
        DeploymentStatus::Ended(_) => StationState::Stopped,
    };
    if station.state == StationState::Passed {
        let seen = deployment.checks.iter().rev().find_map(|check| check.evidence.clone());
        station.seen = seen.is_some();
        station.reason = Some(seen.unwrap_or_else(|| "in place; no check proves that it runs".to_owned()));
    }
}

fn replaced(station: &mut StationView, release: &ReleaseView, environment: &EnvironmentView) -> StationState {
    let Some(runs) = &environment.runs else { return StationState::Replaced };
    if runs.release.number > release.release.number {
        station.reason = Some(format!("{} runs there now", runs.release.version));
        return StationState::Replaced;
    }
    // It was verified there: what brought the earlier release is somebody's decision, and no failure of this one.
    let (version, number) = (&runs.release.version, runs.deployment);
    station.reason = Some(match &runs.by {
        Some(by) => format!("{by} put {version} back there by deployment/{number}"),
        None => format!("{version} runs there again, by deployment/{number}"),
    });
    StationState::RolledBack
}

fn expect(station: &mut StationView, run: &RunView, release: &ReleaseView, (environment, projects): (&EnvironmentView, Projects)) {
    let missing: Vec<&str> = environment.after.iter().filter(|name| !release.verified.contains(name)).map(|name| name.as_str()).collect();
    if release.forbidden.contains(&environment.name) && !release.verified.contains(&environment.name) {
        let from: Vec<&str> = release.release.vetoed_from.iter().map(|name| name.as_str()).collect();
        station.state = StationState::Stopped;
        station.reason = Some(format!("vetoed from {} onwards, since its deployment there failed", from.join(" and ")));
    } else if !environment.accepted {
        station.state = StationState::Waiting;
        station.reason = Some(to_accept(&environment.name, &environment.project, projects));
    } else if let Some(newer) = environment.runs.as_ref().filter(|runs| runs.reference == run.reference && runs.run > run.number) {
        station.reason = Some(format!("{} of a later run is there: only `trunkline promote` brings this one", newer.release.version));
    } else if !missing.is_empty() {
        station.reason = Some(format!("comes when it is verified in {}", missing.join(", ")));
    }
}

/// What lets releases come to a new environment.
fn to_accept(environment: &EnvironmentName, project: &ProjectKey, projects: Projects) -> String {
    let accept = projects.said(&format!("trunkline environments accept {environment}"), project);
    format!("a new environment: a person accepts it · {accept}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_lets_releases_in_names_its_project_where_there_are_several() {
        for (projects, end) in [(Projects::One, " accept eu"), (Projects::Several, " accept eu -p shop")] {
            let said = to_accept(&"eu".parse().unwrap(), &"shop".parse().unwrap(), projects);
            assert!(said.ends_with(end), "{said}");
        }
    }
}
