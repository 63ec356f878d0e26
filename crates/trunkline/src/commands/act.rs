//! What every act does: show the plan, ask, and follow what it began.

use super::watch::tell;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{Manner, Place, Sight, Subject, follow};
use crate::globals::Remote;
use crate::reference;
use crate::render::Screen;
use std::time::Duration;
use trunkline_api::view::DeploymentView;

/// Options of every act.
#[derive(Clone, Debug, clap::Args)]
pub struct Consent {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of acts that begin a deployment.
#[derive(Clone, Debug, clap::Args)]
pub struct Waiting {
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
    /// Give up waiting after this time, with exit code 124
    #[arg(long, value_parser = reference::duration)]
    timeout: Option<Duration>,
}

/// Whether to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Do it.
    Go,
    /// Only the plan was wanted.
    PlanOnly,
}

/// Shows the plan and asks, unless the command line has answered.
pub fn consent(screen: &Screen, plan: &str, question: &str, consent: &Consent) -> Result<Answer, Failure> {
    screen.note(plan);
    if consent.dry_run {
        screen.note("nothing was changed (--dry-run)");
        return Ok(Answer::PlanOnly);
    }
    if consent.yes {
        return Ok(Answer::Go);
    }
    if !screen.can_ask {
        return Err(Failure::new(Code::NeedsYes, "nobody can be asked here, so nothing was changed")
            .help("add --yes, or --dry-run to see the plan"));
    }
    if screen.ask(question) { Ok(Answer::Go) } else { Err(Failure::new(Code::Declined, "you said no; nothing was changed")) }
}

/// Waits for the end of a deployment that an act began, and says what comes next and how to undo it.
pub fn finish(remote: &Remote, deployment: DeploymentView, waiting: &Waiting, undo: Option<String>) -> anyhow::Result<Exit> {
    let screen = remote.screen;
    let number = deployment.number;
    if waiting.no_wait {
        if screen.json() {
            screen.print_json(&deployment)?;
        } else {
            screen.print(&format!("deployment/{number}"))?;
            screen.note(&format!("next: trunkline watch deployment/{number}"));
        }
        return Ok(Exit::Good);
    }
    let subject = Subject::Deployment(deployment.project.clone(), number);
    let (sight, mut ending) = follow(remote, subject, Manner { timeout: waiting.timeout, place: Place::Err })?;
    if screen.json() {
        match &sight {
            Some(Sight::Deployment { deployment, .. }) => screen.print_json(deployment)?,
            _ => screen.print_json(&deployment)?,
        }
    }
    if let (Exit::Good, Some(undo)) = (ending.exit, undo) {
        ending.words.retain(|line| !line.starts_with("undo: "));
        ending.words.push(format!("undo: {undo}"));
    }
    tell(&screen, &ending);
    Ok(ending.exit)
}
