//! `trunkline deployments`: list, view.

use super::{Page, which};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::{Globals, Remote};
use crate::render::deployment::Around;
use crate::render::words;
use crate::{reference, render};
use trunkline_api::view::{DeploymentView, ReleaseRef, ReleaseView};
use trunkline_domain::deployment::Live;

/// What to do with deployments.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(clap::Subcommand)]
enum Act {
    /// List deployments, newest first
    List(Page),
    /// View one deployment
    View {
        /// Its number
        deployment: String,
    },
}

/// Does it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let screen = remote.screen;
    match arguments.act.as_ref().unwrap_or(&Act::List(Page::default())) {
        Act::List(page) => {
            let project = remote.project()?;
            let deployments: Vec<DeploymentView> = remote.client.get(&format!("projects/{project}/deployments?{}", page.query()))?;
            screen.print_table(&deployments, &render::deployment::table(&deployments, &screen.out))?;
        }
        Act::View { deployment } => {
            let number = reference::deployment(deployment)?;
            let project = remote.project_of(Some(deployment))?;
            let deployment: DeploymentView = remote.client.get(&format!("projects/{project}/deployments/{number}"))?;
            if screen.json() {
                screen.print_json(&deployment)?
            } else {
                screen.print(&render::deployment::view(&deployment, &around(&remote, &deployment)?, &screen.out))?
            }
        }
    }
    Ok(Exit::Good)
}

/// What people want to know beside a deployment: the names of what it found there, and what runs on where it failed.
pub fn around(remote: &Remote, deployment: &DeploymentView) -> Result<Around, Failure> {
    let project = &deployment.project;
    let mut seen: Vec<ReleaseRef> = Vec::new();
    for before in &deployment.before {
        let Live::Release(digest) = before.live else { continue };
        if seen.iter().any(|release| release.digest == digest) {
            continue;
        }
        match remote.client.get::<ReleaseView>(&format!("projects/{project}/releases/{digest}")) {
            Ok(view) => seen.push(view.release),
            // Put there by hand, or by another server: its digest is all that is known.
            Err(failure) if failure.exit == Exit::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    let environment = which::environment(remote, project, deployment.environment.as_str())?;
    let last = environment.last_failed.as_ref();
    let about = last.is_some_and(|last| last.number == deployment.number || last.undoes == Some(deployment.number));
    let now = words::runs_unverified(&environment).filter(|_| about);
    Ok(Around { seen, now })
}
