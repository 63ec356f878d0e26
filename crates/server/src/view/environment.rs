//! Environments: what runs there, what comes, what waits.

use super::deployment::{named, state as deployment_state, undoes};
use super::release::{reference, release_ref, state as release_state};
use super::rows;
use crate::about::About;
use crate::shared::{Failure, Shared};
use trunkline_api::view::{EnvironmentView, ReleaseRef, RunningView};
use trunkline_domain::deployment::DeploymentResult;
use trunkline_domain::environment::Environment;
use trunkline_domain::foundation::{EnvironmentKey, EnvironmentName, ProjectKey};
use trunkline_domain::pipeline::EnvironmentSkeleton;
use trunkline_domain::reading::{EnvironmentRow, ReleaseRow, Table};
use trunkline_domain::record::{Key, State};

/// One environment.
pub fn environment(shared: &Shared, project: &ProjectKey, name: &EnvironmentName) -> Result<EnvironmentView, Failure> {
    let all = environments(shared, project)?;
    let names: Vec<&str> = all.iter().map(|environment| environment.name.as_str()).collect();
    let known = match names.as_slice() {
        [] => {
            shared.project(project)?;
            "no release of the project has named one yet".to_owned()
        }
        names => format!("the project has {}", names.join(", ")),
    };
    all.into_iter()
        .find(|environment| &environment.name == name)
        .ok_or_else(|| Failure::NotFound(About::Environment, format!("environment {project}/{name}: {known}")))
}

/// Every environment, in the order of the newest release's delivery file. Those that it no longer names come last, as
/// retired, while the record knows of something in them.
pub fn environments(shared: &Shared, project: &ProjectKey) -> Result<Vec<EnvironmentView>, Failure> {
    let newest: Option<ReleaseRow> = rows(shared, Table::Release, project, None, 1)?.pop();
    let skeletons = match &newest {
        Some(row) => release_state(shared, row.id)?.cut.environments,
        None => Vec::new(),
    };
    let mut views = Vec::new();
    for skeleton in &skeletons {
        let key = EnvironmentKey { project: project.clone(), name: skeleton.name.clone() };
        let state = match shared.state(&Key::Environment(key))? {
            Some(State::Environment(state)) => Some(state),
            _ => None,
        };
        let mut view = view(shared, project, &skeleton.name, state.as_ref(), Some(skeleton))?;
        view.rolled_back = newest.as_ref().and_then(|newest| rolled_back(&view, newest));
        views.push(view);
    }
    let known: Vec<EnvironmentRow> = rows(shared, Table::Environment, project, None, super::PAGE_MAX)?;
    for row in known {
        let state = row.environment;
        let named = skeletons.iter().any(|skeleton| skeleton.name == state.name);
        if !named && !empty(&state) {
            let skeleton = state.verified.first().map(|verified| verified.skeleton.as_ref());
            views.push(EnvironmentView { retired: true, ..view(shared, project, &state.name, Some(&state), skeleton)? });
        }
    }
    Ok(views)
}

/// The newest release, where a deployment of it failed in this environment and an earlier release runs there again.
fn rolled_back(view: &EnvironmentView, newest: &ReleaseRow) -> Option<ReleaseRef> {
    let newest = release_ref(newest);
    let earlier_runs = view.runs.as_ref().is_some_and(|runs| runs.release.number < newest.number);
    (newest.vetoed_from.contains(&view.name) && earlier_runs).then_some(newest)
}

/// Whether nothing was ever deployed there, nor is on its way.
fn empty(state: &Environment) -> bool {
    state.current.is_none() && state.holder.is_none() && state.queue.is_empty()
}

fn view(
    shared: &Shared,
    project: &ProjectKey,
    name: &EnvironmentName,
    state: Option<&Environment>,
    skeleton: Option<&EnvironmentSkeleton>,
) -> Result<EnvironmentView, Failure> {
    let mut view = EnvironmentView {
        project: project.clone(),
        name: name.clone(),
        tier: skeleton.map(|skeleton| skeleton.tier).unwrap_or_default(),
        after: skeleton.map(|skeleton| skeleton.after.names().to_vec()).unwrap_or_default(),
        retired: false,
        accepted: true,
        runs: None,
        last_failed: None,
        hindered_since: None,
        rolled_back: None,
        incoming: None,
        queue: Vec::new(),
        fence: 0,
        back_to: Vec::new(),
    };
    let Some(state) = state else { return Ok(view) };
    (view.accepted, view.fence) = (state.accepted, state.fence);
    view.runs = running(shared, state)?;
    let hindered = state.hindered.map(|deployment| named(shared, deployment)).transpose()?;
    (view.last_failed, view.hindered_since) = match &state.current {
        Some(current) if current.result != DeploymentResult::Succeeded => (Some(named(shared, current.deployment)?), hindered),
        // What ran before runs on, but what was to come has not, and nobody tries it again by itself.
        _ => (hindered, None),
    };
    view.incoming = state.holder.as_ref().map(|slot| named(shared, slot.deployment)).transpose()?;
    view.queue = state.queue.iter().map(|slot| named(shared, slot.deployment)).collect::<Result<_, _>>()?;
    for verified in state.way_back() {
        view.back_to.push(reference(verified.release, &release_state(shared, verified.release)?));
    }
    Ok(view)
}

/// What was verified last and has not been replaced since, as far as the record knows.
fn running(shared: &Shared, state: &Environment) -> Result<Option<RunningView>, Failure> {
    let Some(current) = state.current.as_ref().filter(|current| current.result == DeploymentResult::Succeeded) else { return Ok(None) };
    let release = release_state(shared, current.release)?;
    let deployment = deployment_state(shared, current.deployment)?;
    Ok(Some(RunningView {
        release: reference(current.release, &release),
        deployment: deployment.number,
        undoes: undoes(shared, &deployment)?,
        by: deployment.cause.person().map(str::to_owned),
        since: current.at,
        revision: release.cut.revision,
        run: release.cut.run_number,
        reference: release.cut.reference,
    }))
}
