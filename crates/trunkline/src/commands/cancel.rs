//! `trunkline cancel`: end a run or a deployment.

use super::act::{Answer, Consent, consent};
use super::which;
use crate::exit::Exit;
use crate::globals::Globals;
use crate::reference::Reference;
use crate::render::{deployment, run as run_renderer};
use trunkline_api::request::Act;
use trunkline_api::view::{DeploymentView, RunView};

/// What to end.
#[derive(clap::Args)]
pub struct Arguments {
    /// A run, or deployment/N
    #[arg(value_name = "RUN|DEPLOYMENT")]
    what: String,
    #[command(flatten)]
    consent: Consent,
}

/// Ends it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let project = remote.project_of(Some(&arguments.what))?;
    let screen = remote.screen;
    if let Reference::Deployment(number) = Reference::parse(&arguments.what) {
        let path = format!("projects/{project}/deployments/{number}");
        let before: DeploymentView = remote.client.get(&path)?;
        let plan = deployment::view(&before, &screen.err);
        if consent(&screen, &plan, &format!("Cancel deployment {number}?"), &arguments.consent)? == Answer::Go {
            let after: DeploymentView = remote.client.post(&format!("{path}/cancel"), &Act {})?;
            if screen.json() {
                screen.print_json(&after)?
            } else {
                screen.print(&deployment::view(&after, &screen.out))?
            }
            screen.note(&format!("next: trunkline status {}", after.environment));
        }
        return Ok(Exit::Good);
    }
    let before = which::run(&remote, &project, Some(&arguments.what))?;
    let number = before.number;
    if consent(&screen, &run_renderer::view(&before, &screen.err), &format!("Cancel run {number}?"), &arguments.consent)? == Answer::Go {
        let after: RunView = remote.client.post(&format!("projects/{project}/runs/{number}/cancel"), &Act {})?;
        if screen.json() {
            screen.print_json(&after)?
        } else {
            screen.print(&run_renderer::view(&after, &screen.out))?
        }
        if after.result.is_none() {
            screen.note(&format!("its jobs get time to end; next: trunkline watch {number}"));
        }
    }
    Ok(Exit::Good)
}
