//! A thread that asks the server and hands on each sight: it looks, waits until the ledger is longer, looks again.

use super::Sight;
use crate::client::{Client, segment};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::in_project;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;
use trunkline_api::request::Position;
use trunkline_api::view::{DeploymentView, EnvironmentView, RunView, WhereView};
use trunkline_domain::foundation::ProjectKey;

/// The least time between two looks, so that a busy ledger of others costs little.
const PAUSE: Duration = Duration::from_millis(150);
/// After a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What is followed.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A run, and its commit on the way through the environments.
    Run(ProjectKey, u32),
    /// A deployment.
    Deployment(ProjectKey, u32),
}

impl Subject {
    /// The command that follows it again.
    pub fn command(&self) -> String {
        match self {
            Subject::Run(_, number) => in_project!("watch {number}"),
            Subject::Deployment(_, number) => in_project!("watch deployment/{number}"),
        }
    }
}

/// Starts the thread. It ends when nobody listens any more, at the latest after the next answer.
pub fn spawn(client: Arc<Client>, subject: Subject, events: Sender<Result<Box<Sight>, Failure>>) {
    std::thread::spawn(move || {
        let mut after = None;
        loop {
            let seen = next(&client, &subject, &mut after);
            let pause = if seen.is_ok() { PAUSE } else { PAUSE_AFTER_FAILURE };
            if events.send(seen).is_err() {
                return;
            }
            std::thread::sleep(pause);
        }
    });
}

/// Waits for news, then looks. The position is read before the look, so that no change falls between them.
fn next(client: &Client, subject: &Subject, after: &mut Option<u64>) -> Result<Box<Sight>, Failure> {
    let position: Position = match *after {
        None => client.get("ledger/head")?,
        Some(seq) => client.wait(seq)?,
    };
    let sight = look(client, subject)?;
    *after = Some(position.seq);
    Ok(Box::new(sight))
}

fn look(client: &Client, subject: &Subject) -> Result<Sight, Failure> {
    match subject {
        Subject::Deployment(project, number) => {
            let deployment: DeploymentView = client.get(&format!("projects/{project}/deployments/{number}"))?;
            let environment = client.get(&format!("projects/{project}/environments/{}", deployment.environment))?;
            Ok(Sight::Deployment { deployment: Box::new(deployment), environment: Box::new(environment) })
        }
        Subject::Run(project, number) => {
            let run: RunView = client.get(&format!("projects/{project}/runs/{number}"))?;
            if run.result.is_none() || run.release.is_none() {
                return Ok(Sight::Run(Box::new(run)));
            }
            match client.get::<WhereView>(&format!("projects/{project}/where/{}", segment(run.commit.revision.as_str()))) {
                Ok(change) if change.run.number == *number => {
                    // After the change: what undoes a failed deployment begins in the moment in which that one fails.
                    let environments: Vec<EnvironmentView> = client.get(&format!("projects/{project}/environments"))?;
                    Ok(Sight::Change { change: Box::new(change), environments })
                }
                // A later run of the same commit carries it now.
                Ok(_) => Ok(Sight::Run(Box::new(run))),
                Err(failure) if failure.exit == Exit::NotFound => Ok(Sight::Run(Box::new(run))),
                Err(failure) => Err(failure),
            }
        }
    }
}
