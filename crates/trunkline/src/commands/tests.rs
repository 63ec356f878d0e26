//! `trunkline tests`: the tests of a run, the failed ones first.

use super::which;
use crate::exit::Exit;
use crate::globals::Globals;
use crate::render;

/// Which tests.
#[derive(clap::Args)]
pub struct Arguments {
    /// A run, a commit or pr-N; the run of the commit that is checked out if left out
    run: Option<String>,
    /// Only failed tests
    #[arg(long)]
    failed: bool,
}

/// Shows them.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let run = which::run(&remote, &remote.project_of(arguments.run.as_deref())?, arguments.run.as_deref())?;
    let screen = remote.screen;
    if screen.json() {
        screen.print_json(&run.jobs.iter().filter(|job| job.tests.is_some()).collect::<Vec<_>>())?;
    } else if screen.out_terminal {
        screen.print(&render::tests::view(&run, arguments.failed, &screen.out))?;
    } else {
        if run.tests.is_none() {
            screen.note(&format!("run {} reported no tests", run.number));
        }
        screen.print(&render::tests::table(&run, arguments.failed).plain())?;
    }
    Ok(Exit::Good)
}
