//! `trunkline deployments`: list, view.

use super::Page;
use crate::exit::Exit;
use crate::globals::Globals;
use crate::{reference, render};
use trunkline_api::view::DeploymentView;

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
    let project = remote.project()?;
    let screen = remote.screen;
    match arguments.act.as_ref().unwrap_or(&Act::List(Page::default())) {
        Act::List(page) => {
            let deployments: Vec<DeploymentView> = remote.client.get(&format!("projects/{project}/deployments?{}", page.query()))?;
            screen.print_table(&deployments, &render::deployment::table(&deployments, &screen.out))?;
        }
        Act::View { deployment } => {
            let number = reference::deployment(deployment)?;
            let deployment: DeploymentView = remote.client.get(&format!("projects/{project}/deployments/{number}"))?;
            if screen.json() {
                screen.print_json(&deployment)?
            } else {
                screen.print(&render::deployment::view(&deployment, &screen.out))?
            }
        }
    }
    Ok(Exit::Good)
}
