//! `trunkline cancel`: end a run or a deployment.

use super::act::{Answer, Consent, consent, tried};
use super::deployments::around;
use super::which::{self, Work};
use crate::exit::Exit;
use crate::globals::{Globals, Remote};
use crate::invocation::in_project;
use crate::render::{deployment as deployment_renderer, run as run_renderer};
use trunkline_api::request::Act;
use trunkline_api::view::{DeploymentView, RunView};
use trunkline_domain::foundation::ProjectKey;

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
    let project = remote.project_to_act_of(&arguments.what)?;
    let screen = remote.screen;
    let before = match which::work(&remote, &project, Some(&arguments.what))? {
        Work::Deployment(number) => return deployment(&remote, &project, number, &arguments.consent),
        Work::Run(run) => run,
    };
    let number = before.number;
    if consent(&screen, &run_renderer::view(&before, &screen.err), &format!("Cancel run {number}?"), &arguments.consent)?
        == Answer::PlanOnly
    {
        tried(&screen, &remote.client.post::<_, RunView>(&format!("projects/{project}/runs/{number}/cancel/dry-run"), &Act {})?)?;
    } else {
        let after: RunView = remote.client.post(&format!("projects/{project}/runs/{number}/cancel"), &Act {})?;
        if screen.json() {
            screen.print_json(&after)?
        } else {
            screen.print(&run_renderer::view(&after, &screen.out))?
        }
        if after.result.is_none() {
            screen.note(&format!("its jobs get time to end; next: {}", in_project!("watch {number}")));
        }
    }
    Ok(Exit::Good)
}

fn deployment(remote: &Remote, project: &ProjectKey, number: u32, given: &Consent) -> anyhow::Result<Exit> {
    let screen = remote.screen;
    let path = format!("projects/{project}/deployments/{number}");
    let before: DeploymentView = remote.client.get(&path)?;
    let plan = deployment_renderer::view(&before, &around(remote, &before)?, &screen.err);
    if consent(&screen, &plan, &format!("Cancel deployment {number}?"), given)? == Answer::PlanOnly {
        tried(&screen, &remote.client.post::<_, DeploymentView>(&format!("{path}/cancel/dry-run"), &Act {})?)?;
    } else {
        let after: DeploymentView = remote.client.post(&format!("{path}/cancel"), &Act {})?;
        if screen.json() {
            screen.print_json(&after)?
        } else {
            screen.print(&deployment_renderer::view(&after, &around(remote, &after)?, &screen.out))?
        }
        screen.note(&format!("next: {}", in_project!("status {}", after.environment)));
    }
    Ok(Exit::Good)
}
