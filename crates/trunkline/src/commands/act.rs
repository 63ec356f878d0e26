//! What every act does: show the plan, ask, and follow what it began.

use super::watch::tell;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{Manner, Place, Sight, Subject, follow};
use crate::globals::Remote;
use crate::invocation::in_project;
use crate::reference;
use crate::render::Screen;
use std::time::Duration;
use trunkline_api::view::{DeploymentView, EnvironmentView, ReleaseRef};

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

/// What a dry run ends with: the thing as it is, which the server would have acted on.
pub fn tried(screen: &Screen, as_it_is: &impl serde::Serialize) -> anyhow::Result<()> {
    if screen.json() { Ok(screen.print_json(as_it_is)?) } else { Ok(()) }
}

/// How an act is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// By this command.
    Command(String),
    /// As what it ends in says.
    AsItEnds,
    /// By nothing: no other release came.
    Nothing,
}

impl Undo {
    /// What undoes bringing a release into an environment.
    pub fn of_bringing(release: &ReleaseRef, environment: &EnvironmentView) -> Self {
        match &environment.runs {
            // Going back from what was there all along would take away what nobody brought.
            Some(runs) if runs.release.number == release.number => Undo::Nothing,
            Some(runs) => Undo::Command(in_project!("rollback {} --to {}", environment.name, runs.release.number)),
            None => Undo::AsItEnds,
        }
    }

    /// The last words of an act that went well, with this in them.
    fn said(self, mut words: Vec<String>) -> Vec<String> {
        if self != Undo::AsItEnds {
            words.retain(|line| !line.starts_with("undo: "));
        }
        if let Undo::Command(command) = self {
            words.push(format!("undo: {command}"));
        }
        words
    }
}

/// Waits for the end of a deployment that an act began, and says what comes next and how to undo it.
pub fn finish(remote: &Remote, deployment: DeploymentView, waiting: &Waiting, undo: Undo) -> anyhow::Result<Exit> {
    let screen = remote.screen;
    let number = deployment.number;
    if waiting.no_wait {
        if screen.json() {
            screen.print_json(&deployment)?;
        } else {
            screen.print(&format!("deployment/{number}"))?;
            screen.note(&format!("next: {}", in_project!("watch deployment/{number}")));
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
    if ending.exit == Exit::Good {
        ending.words = undo.said(ending.words);
    }
    tell(&screen, &ending);
    Ok(ending.exit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn only_what_brought_another_release_is_undone() {
        let mut environment = sample::status().projects[1].environments[2].clone();
        let told = || ["production runs 1.42", "undo: trunkline rollback production --to 10"].map(str::to_owned).to_vec();
        let mut undo = |number| {
            environment.runs.as_mut().unwrap().release.number = number;
            Undo::of_bringing(&sample::release().release, &environment).said(told())
        };
        assert_eq!(undo(11)[1..], ["undo: trunkline rollback production --to 11"]);
        assert_eq!(undo(12)[1..], [""; 0], "the same release once more");
        environment.runs = None;
        assert_eq!(Undo::of_bringing(&sample::release().release, &environment).said(told()), told());
    }
}
