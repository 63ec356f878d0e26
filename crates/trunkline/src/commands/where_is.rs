//! `trunkline where`: where a commit is on its way.

use super::which;
use crate::exit::Exit;
use crate::globals::Globals;
use crate::render;

/// Which change.
#[derive(clap::Args)]
pub struct Arguments {
    /// A commit, pr-N, or a run; the commit that is checked out if left out
    #[arg(value_name = "SHA|PR")]
    change: Option<String>,
}

/// Shows where it is.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let view = which::change(&remote, &remote.project_of(arguments.change.as_deref())?, arguments.change.as_deref())?;
    let screen = remote.screen;
    if !screen.json() && screen.out_terminal {
        screen.print(&render::change::stations(&view, &screen.out))?;
    } else {
        screen.print_table(&view, &render::change::table(&view))?;
    }
    Ok(Exit::Good)
}
