//! `trunkline resume`: end the safe mode of a server that was restored from a backup.

use super::act::{Answer, Consent, consent};
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::invocation::at_server;
use crate::render::{self, Look};
use trunkline_api::request::Act;
use trunkline_api::view::{SafeMode, StatusView};

/// Whether to ask.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    consent: Consent,
}

/// Ends it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let screen = remote.screen;
    let before = remote.status()?;
    let Some(safe) = &before.safe_mode else {
        return Err(Failure::new(Code::NothingThere, "the server is not in safe mode: there is nothing to resume")
            .help(format!("deployments go on as they are: {} shows what is where", at_server!("status")))
            .into());
    };
    let question = "Have you seen what really runs, and may deployments begin?";
    if consent(&screen, &plan(&before, safe, &screen.err), question, &arguments.consent)? == Answer::Go {
        let after: StatusView = remote.client.post("resume", &Act {})?;
        if screen.json() {
            screen.print_json(&after)?;
        } else {
            screen.print(&render::status::matrix(&after, &screen.out))?;
        }
        screen.note(&format!("safe mode has ended; next: {}", at_server!("status")));
    }
    Ok(Exit::Good)
}

/// What the record says, and what begins at once.
fn plan(status: &StatusView, safe: &SafeMode, look: &Look) -> String {
    let mut text = format!("{}\n{}", render::status::safe_mode(safe, look), render::status::matrix(status, look));
    let environments = status.projects.iter().flat_map(|project| &project.environments);
    let mut begins: Vec<String> = Vec::new();
    for environment in environments {
        let next = environment.incoming.as_ref().or(environment.queue.first());
        begins.extend(next.map(|next| format!("  {} {}", environment_name(environment), render::text::clean(&next.release.version))));
    }
    match begins.is_empty() {
        true => text += "Nothing waits: deployments begin with the next release.",
        false => text += &format!("What may begin at once:\n{}", begins.join("\n")),
    }
    text
}

fn environment_name(environment: &trunkline_api::view::EnvironmentView) -> String {
    format!("{}/{}", environment.project, environment.name)
}
