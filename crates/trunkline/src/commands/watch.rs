//! `trunkline watch`: follow a run or a deployment to its end.

use super::which::{self, Work};
use crate::exit::Exit;
use crate::follow::{Ending, Manner, Place, Subject, follow};
use crate::globals::Globals;
use crate::reference;
use crate::render::Screen;
use crate::render::paint::Mark;
use std::time::Duration;

/// What to follow.
#[derive(clap::Args)]
pub struct Arguments {
    /// A run, a commit, pr-N or deployment/N; the run of the commit that is checked out if left out
    #[arg(value_name = "RUN|SHA|DEPLOYMENT")]
    what: Option<String>,
    /// Give up after this time, with exit code 124
    #[arg(long, value_parser = reference::duration)]
    timeout: Option<Duration>,
}

/// Follows it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let project = remote.project_of(arguments.what.as_deref())?;
    let work = match arguments.what.as_deref() {
        // The end of another run would be taken for that of this commit, by scripts above all.
        None => Work::Run(Box::new(which::run_here_alone(&remote, &project)?)),
        what => which::work(&remote, &project, what)?,
    };
    let subject = match work {
        Work::Deployment(number) => Subject::Deployment(project, number),
        Work::Run(run) => Subject::Run(project, run.number),
    };
    let (_, ending) = follow(&remote, subject, Manner { timeout: arguments.timeout, place: Place::Out })?;
    tell(&remote.screen, &ending);
    Ok(ending.exit)
}

/// Says how it ended and what comes next.
pub fn tell(screen: &Screen, ending: &Ending) {
    let mark = match ending.exit {
        Exit::Good => Mark::Passed,
        Exit::Blocked => Mark::Waiting,
        Exit::Interrupted | Exit::TimedOut => Mark::Running,
        _ => Mark::Failed,
    };
    for (index, words) in ending.words.iter().enumerate() {
        let line = if index == 0 { screen.err.paint.mark(mark, words) } else { words.clone() };
        screen.note(&line);
    }
}
