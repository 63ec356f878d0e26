//! What an environment's fact makes a deployment do, and what a deployment's fact makes its environment and release do.

use super::{Command, Deployment, DeploymentResult, Fact, Requested};
use crate::environment::{self, Environment};
use crate::foundation::{DeploymentId, EnvironmentKey, ReleaseId};
use crate::release;

/// What a deployment's fact makes others do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Its environment.
    Environment(EnvironmentKey, environment::Command),
    /// Its release.
    Release(ReleaseId, release::Command),
}

/// What an environment's fact makes a deployment do.
pub fn follow_environment(fact: &environment::Fact, environment: &Environment) -> Option<(DeploymentId, Command)> {
    match fact {
        environment::Fact::Promoted { deployment, release, brief, cause, skeleton } => {
            let requested = Requested {
                project: environment.project.clone(),
                environment: environment.name.clone(),
                number: 0,
                release: *release,
                brief: brief.clone(),
                cause: cause.clone(),
                skeleton: skeleton.clone(),
            };
            Some((*deployment, Command::Request(Box::new(requested))))
        }
        environment::Fact::Superseded { deployment, .. } => {
            Some((*deployment, Command::GiveUp { result: DeploymentResult::Superseded, reason: None }))
        }
        environment::Fact::Withdrawn { deployment } => {
            Some((*deployment, Command::GiveUp { result: DeploymentResult::Cancelled, reason: None }))
        }
        environment::Fact::Forbidden { deployment } => {
            let reason = Some("its release was vetoed while it waited".to_owned());
            Some((*deployment, Command::GiveUp { result: DeploymentResult::Refused, reason }))
        }
        environment::Fact::LockGranted { deployment, fence } => Some((*deployment, Command::Begin { fence: *fence })),
        environment::Fact::Opened { .. }
        | environment::Fact::Pending(_)
        | environment::Fact::Accepted
        | environment::Fact::Declined { .. }
        | environment::Fact::LockReleased { .. }
        | environment::Fact::Restored { .. } => None,
    }
}

/// What a deployment's fact makes its environment and its release do.
pub fn follow(fact: &Fact, id: DeploymentId, deployment: &Deployment) -> Vec<Follow> {
    let Fact::Ended { result, .. } = fact else { return Vec::new() };
    let key = EnvironmentKey { project: deployment.project.clone(), name: deployment.environment.clone() };
    let Some(progress) = deployment.done() else {
        // It never had the lock. If it ended by itself it may still be in the queue.
        return match result {
            DeploymentResult::Cancelled => vec![Follow::Environment(key, environment::Command::Withdraw { deployment: id })],
            _ => Vec::new(),
        };
    };
    let touched = progress.touched(*result);
    let settle = environment::Command::Settle { deployment: id, result: *result, touched };
    let mut follows = Vec::new();
    // First the release, so that its veto stands before anything else is offered.
    if *result == DeploymentResult::Succeeded {
        let verified = release::Command::NoteVerified { environment: deployment.environment.clone() };
        follows.push(Follow::Release(deployment.release, verified));
    }
    // Only a release that reached a target can have been found bad there.
    if result.blames_release() && touched && !deployment.cause.is_rollback() {
        let veto = release::Command::Veto { from: deployment.environment.clone(), deployment: id };
        follows.push(Follow::Release(deployment.release, veto));
    }
    follows.push(Follow::Environment(key, settle));
    follows
}
