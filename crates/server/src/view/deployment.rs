//! Deployments.

use super::release::{reference, state as release_state};
use super::run::tests_with_messages;
use super::{missing, row, rows};
use crate::about::About;
use crate::shared::{Failure, Shared};
use trunkline_api::view::{CheckView, DeploymentRef, DeploymentStatus, DeploymentView, PartView, SafeMode};
use trunkline_domain::deployment::{Deployment, DeploymentResult, FailureCause, Progress, Stage, WorkKey, WorkState};
use trunkline_domain::environment::Cause;
use trunkline_domain::foundation::{DeploymentId, ProjectKey, Timestamp};
use trunkline_domain::pipeline::{PartKind, Plan};
use trunkline_domain::reading::{DeploymentRow, Table, numbered};
use trunkline_domain::record::{Key, State};
use trunkline_domain::release::Release;
use trunkline_engine::Read;

/// One deployment by its number.
pub fn deployment(shared: &Shared, project: &ProjectKey, number: u32) -> Result<DeploymentView, Failure> {
    let row: Option<DeploymentRow> = row(shared, Table::Deployment, &numbered(project, number))?;
    let Some(row) = row else {
        let newest: Option<DeploymentRow> = rows(shared, Table::Deployment, project, None, 1)?.pop();
        return Err(missing(
            shared,
            project,
            (About::Deployment, format!("deployment {number} of project {project}")),
            newest.map(|newest| newest.number),
        ));
    };
    by_id(shared, row.id)
}

/// The newest deployments, before a number.
pub fn deployments(shared: &Shared, project: &ProjectKey, before: Option<u32>, limit: u32) -> Result<Vec<DeploymentView>, Failure> {
    let found: Vec<DeploymentRow> = rows(shared, Table::Deployment, project, before, limit)?;
    found.into_iter().map(|row| by_id(shared, row.id)).collect()
}

/// A deployment's state by its id.
pub fn state(shared: &Shared, id: DeploymentId) -> Result<Deployment, Failure> {
    match shared.state(&Key::Deployment(id))? {
        Some(State::Deployment(deployment)) => Ok(deployment),
        _ => Err(Failure::NotFound(About::Deployment, format!("deployment {id}"))),
    }
}

/// A deployment by its id.
pub fn by_id(shared: &Shared, id: DeploymentId) -> Result<DeploymentView, Failure> {
    let deployment = state(shared, id)?;
    let release = release_state(shared, deployment.release)?;
    let progress = deployment.done();
    let (status, reason, _) = standing(shared, &deployment)?;
    let undoes = undoes(shared, &deployment)?;
    Ok(DeploymentView {
        id,
        project: deployment.project.clone(),
        number: deployment.number,
        environment: deployment.environment.clone(),
        release: reference(deployment.release, &release),
        cause: cause_words(&deployment.cause, undoes),
        rollback: deployment.cause.is_rollback(),
        undoes,
        status,
        reason,
        cancelling: deployment.progress().is_some_and(|progress| progress.cancelling),
        requested_at: deployment.requested_at,
        began: progress.map(|progress| progress.began),
        ended_at: match &deployment.stage {
            Stage::Ended { at, .. } => Some(*at),
            Stage::Waiting { .. } | Stage::Running(_) => None,
        },
        fence: progress.map(|progress| progress.fence),
        before: progress.map(|progress| progress.before.clone()).unwrap_or_default(),
        parts: parts(id, &deployment, progress),
        checks: checks(shared, id, &deployment, progress)?,
        configuration: deployment.skeleton.configuration,
        tests: progress.map(Progress::tests).unwrap_or_default(),
    })
}

/// Where a deployment stands, why, and since when.
fn standing(shared: &Shared, deployment: &Deployment) -> Result<(DeploymentStatus, Option<String>, Timestamp), Failure> {
    let waits = matches!(deployment.stage, Stage::Waiting { .. });
    let applies = deployment.progress().filter(|progress| matches!(progress.work, WorkKey::Apply(_)));
    let (status, reason, since) = standing_by_itself(deployment);
    if (waits || applies.is_some()) && super::safe_mode(shared)?.is_some() {
        return Ok((DeploymentStatus::Waiting, Some(SafeMode::WHY.to_owned()), since));
    }
    Ok((status, reason, since))
}

fn standing_by_itself(deployment: &Deployment) -> (DeploymentStatus, Option<String>, Timestamp) {
    match &deployment.stage {
        Stage::Waiting { .. } => {
            (DeploymentStatus::Waiting, Some("another deployment has the environment".to_owned()), deployment.requested_at)
        }
        Stage::Ended { result, reason, at, .. } => (DeploymentStatus::Ended(*result), reason.clone(), *at),
        Stage::Running(progress) => match (&progress.state, progress.unknown_since) {
            (WorkState::Asking { reason, since }, _) => (DeploymentStatus::Asking, Some(reason.clone()), *since),
            (_, Some(since)) => {
                (DeploymentStatus::Unknown, Some("nobody knows whether it took effect: the target is being observed".to_owned()), since)
            }
            _ if matches!(progress.work, WorkKey::Verify(_)) => (DeploymentStatus::Verifying, None, progress.began),
            _ => (DeploymentStatus::Deploying, None, progress.began),
        },
    }
}

/// The number of the deployment that it undoes.
pub fn undoes(shared: &Shared, deployment: &Deployment) -> Result<Option<u32>, Failure> {
    match &deployment.cause {
        Cause::Rollback { undoes: Some(undone), .. } => Ok(Some(state(shared, *undone)?.number)),
        Cause::Rollback { undoes: None, .. } | Cause::Promotion | Cause::Person(_) | Cause::Again(_) => Ok(None),
    }
}

fn cause_words(cause: &Cause, undoes: Option<u32>) -> String {
    match (cause, undoes) {
        (Cause::Promotion, _) => "promotion".to_owned(),
        (Cause::Person(name), _) => format!("asked by {name}"),
        (Cause::Again(name), _) => format!("asked once more by {name}"),
        (Cause::Rollback { by: None, .. }, Some(number)) => format!("rollback of deployment {number}, which failed"),
        (Cause::Rollback { by: None, .. }, None) => "rollback after a failure".to_owned(),
        (Cause::Rollback { by: Some(name), .. }, Some(number)) => format!("rollback of deployment {number} by {name}"),
        (Cause::Rollback { by: Some(name), .. }, None) => format!("rollback by {name}"),
    }
}

fn parts(id: DeploymentId, deployment: &Deployment, progress: Option<&Progress>) -> Vec<PartView> {
    let view = |(index, part): (usize, &trunkline_domain::pipeline::PartSkeleton)| {
        let index = index as u32;
        let applied = progress.and_then(|progress| progress.applied.iter().find(|applied| applied.part == index));
        PartView {
            name: part.name.clone(),
            applied_at: applied.map(|applied| applied.at),
            found: applied.is_some_and(|applied| applied.found),
            work: format!("{id}/{}", WorkKey::Apply(index)),
        }
    };
    deployment.skeleton.parts.iter().enumerate().map(view).collect()
}

fn checks(shared: &Shared, id: DeploymentId, deployment: &Deployment, progress: Option<&Progress>) -> Result<Vec<CheckView>, Failure> {
    let mut views = Vec::new();
    for (index, name) in deployment.skeleton.checks.iter().enumerate() {
        let index = index as u32;
        let record = progress.and_then(|progress| progress.checks.iter().find(|record| record.check == index));
        let work = format!("{id}/{}", WorkKey::Verify(index));
        views.push(CheckView {
            name: name.clone(),
            verdict: record.map(|record| record.verdict),
            evidence: record.map(|record| record.evidence.clone()),
            tests: tests_with_messages(shared, &work, record.map(|record| record.tests.clone()))?,
            at: record.map(|record| record.at),
            sandbox: record.and_then(|record| record.sandbox),
            work,
        });
    }
    Ok(views)
}

/// A deployment, named.
pub fn named(shared: &Shared, id: DeploymentId) -> Result<DeploymentRef, Failure> {
    let deployment = state(shared, id)?;
    let release = release_state(shared, deployment.release)?;
    let (status, reason, since) = standing(shared, &deployment)?;
    let undoes = undoes(shared, &deployment)?;
    let not_in_place = not_in_place(shared, &deployment, &release)?;
    let number = deployment.number;
    Ok(DeploymentRef { number, release: reference(deployment.release, &release), undoes, status, reason, not_in_place, since })
}

/// Whether a deployment failed before any part of it was in place. Of a script that failed nobody knows what it did; a
/// supervisor that could not switch to a release has not, and neither has a target that refused or was hindered.
fn not_in_place(shared: &Shared, deployment: &Deployment, release: &Release) -> Result<bool, Failure> {
    let (Some(DeploymentResult::Failed(cause)), Some(progress)) = (deployment.result(), deployment.done()) else { return Ok(false) };
    if !progress.applied.is_empty() {
        return Ok(false);
    }
    match (progress.work, cause) {
        (WorkKey::Observe(_), _) => Ok(progress.applies == 0),
        (WorkKey::Apply(_), FailureCause::Stale | FailureCause::Hindered) => Ok(true),
        (WorkKey::Apply(part), FailureCause::Health) => {
            let Some(bytes) = shared.reader.value(&release.cut.plan)? else { return Ok(false) };
            let Ok(plan) = serde_json::from_slice::<Plan>(&bytes) else { return Ok(false) };
            let rule = plan.definition.environments.iter().find(|rule| rule.name == deployment.environment);
            Ok(rule.and_then(|rule| rule.parts.get(part as usize)).is_some_and(|part| matches!(part.kind, PartKind::Process(_))))
        }
        _ => Ok(false),
    }
}
