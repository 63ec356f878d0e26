//! `trunkline settle`: say what runs after a deployment that nobody knows the end of.

use super::act::{Answer, Consent, consent, tried};
use super::deployments::around;
use crate::exit::Exit;
use crate::globals::Globals;
use crate::invocation::in_project;
use crate::render::deployment;
use crate::render::text::clean;
use trunkline_api::request::Settle;
use trunkline_api::view::DeploymentView;
use trunkline_domain::deployment::SettledAs;

/// Which deployment, and what runs.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("runs").required(true))]
pub struct Arguments {
    /// The deployment's number
    deployment: String,
    /// The new release runs
    #[arg(long, group = "runs")]
    live: bool,
    /// The old one runs
    #[arg(long, group = "runs")]
    old: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Says it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let number = crate::reference::deployment(&arguments.deployment)?;
    let remote = globals.connect()?;
    let screen = remote.screen;
    let path = format!("projects/{}/deployments/{number}", remote.project_to_act_of(&arguments.deployment)?);
    let before: DeploymentView = remote.client.get(&path)?;
    let version = clean(&before.release.version);
    let (runs, words) = match arguments.live {
        true if before.cancelling => (SettledAs::Live, cancelled(&version, &before)),
        true => (SettledAs::Live, format!("{version} runs in {}", before.environment)),
        false => (SettledAs::Old, format!("{version} does not run in {}", before.environment)),
    };
    let plan = format!("{}\nThe record will say: {words}", deployment::view(&before, &around(&remote, &before)?, &screen.err));
    if consent(&screen, &plan, "Is it so?", &arguments.consent)? == Answer::PlanOnly {
        tried(&screen, &remote.client.post::<_, DeploymentView>(&format!("{path}/settle/dry-run"), &Settle { runs })?)?;
    } else {
        let after: DeploymentView = remote.client.post(&format!("{path}/settle"), &Settle { runs })?;
        if screen.json() {
            screen.print_json(&after)?
        } else {
            screen.print(&deployment::view(&after, &around(&remote, &after)?, &screen.out))?
        }
        screen.note(&format!("next: {}", in_project!("watch deployment/{number}")));
    }
    Ok(Exit::Good)
}

/// Whoever had it cancelled wanted it gone: what runs now is not what stays.
fn cancelled(version: &str, deployment: &DeploymentView) -> String {
    let environment = &deployment.environment;
    format!("{version} runs in {environment}. It was to be cancelled, so it ends as cancelled, and what was verified there last comes back")
}
