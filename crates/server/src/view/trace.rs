//! From what runs in an environment back to the pull request.

use super::{deployment, environment, position, release, run};
use crate::about::About;
use crate::shared::{Failure, Shared};
use trunkline_api::view::TraceView;
use trunkline_domain::foundation::{EnvironmentName, ProjectKey};

/// The trace of what runs in an environment.
pub fn trace(shared: &Shared, project: &ProjectKey, name: &EnvironmentName) -> Result<TraceView, Failure> {
    let environment = environment(shared, project, name)?;
    let Some(runs) = environment.runs.clone() else {
        return Err(Failure::NotFound(
            About::Delivered,
            format!("verified release in {project}/{name}: nothing was delivered there yet, or the last delivery failed"),
        ));
    };
    let release = release(shared, project, &runs.release.number.to_string())?;
    let deployment = deployment(shared, project, runs.deployment)?;
    let run = run(shared, project, release.run)?;
    let position = position(shared)?;
    Ok(TraceView {
        configuration: release.configuration.get(name).copied(),
        environment,
        release,
        deployment,
        run,
        as_of: position.seq,
        root: position.root,
    })
}
