//! `trunkline environments`: list, view, accept.

use super::act::{Answer, Consent, consent, tried};
use super::which;
use crate::exit::Exit;
use crate::globals::Globals;
use crate::invocation::in_project;
use crate::{reference, render};
use trunkline_api::request::Act as Nothing;
use trunkline_api::view::EnvironmentView;

/// What to do with environments.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(clap::Subcommand)]
enum Act {
    /// List environments
    List,
    /// View one environment
    View {
        /// Its name
        environment: String,
    },
    /// Let releases come to an environment that a delivery file named anew
    Accept {
        /// Its name
        environment: String,
        #[command(flatten)]
        consent: Consent,
    },
}

/// Does it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let project = match &arguments.act {
        Some(Act::Accept { .. }) => remote.project_to_act()?,
        Some(Act::List | Act::View { .. }) | None => remote.project()?,
    };
    let screen = remote.screen;
    let environment = match arguments.act.as_ref().unwrap_or(&Act::List) {
        Act::List => {
            let environments: Vec<EnvironmentView> = remote.client.get(&format!("projects/{project}/environments"))?;
            screen.print_table(&environments, &render::environment::table(&environments, &screen.out))?;
            return Ok(Exit::Good);
        }
        Act::View { environment } => which::environment(&remote, &project, environment)?,
        Act::Accept { environment, consent: given } => {
            let name = reference::environment(environment)?;
            let before = which::environment(&remote, &project, name.as_str())?;
            let plan = render::environment::view(&before, &screen.err);
            if consent(&screen, &plan, &format!("Let releases come to {name}?"), given)? == Answer::PlanOnly {
                let path = format!("projects/{project}/environments/{name}/accept/dry-run");
                tried(&screen, &remote.client.post::<_, EnvironmentView>(&path, &Nothing {})?)?;
                return Ok(Exit::Good);
            }
            let accepted = remote.client.post(&format!("projects/{project}/environments/{name}/accept"), &Nothing {})?;
            screen.note(&format!("{name} takes releases now; next: {}", in_project!("watch")));
            accepted
        }
    };
    if screen.json() {
        screen.print_json(&environment)?;
    } else {
        screen.print(&render::environment::view(&environment, &screen.out))?;
    }
    Ok(Exit::Good)
}
