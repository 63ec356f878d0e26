//! `trunkline runs`: list, view.

use super::{Page, which};
use crate::exit::Exit;
use crate::globals::Globals;
use crate::render;
use trunkline_api::view::RunView;

/// What to do with runs.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(clap::Subcommand)]
enum Act {
    /// List runs, newest first
    List(Page),
    /// View one run
    View {
        /// A run, a commit or pr-N; the run of the commit that is checked out if left out
        run: Option<String>,
    },
}

/// Does it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let screen = remote.screen;
    match arguments.act.as_ref().unwrap_or(&Act::List(Page::default())) {
        Act::List(page) => {
            let project = remote.project()?;
            let runs: Vec<RunView> = remote.client.get(&format!("projects/{project}/runs?{}", page.query()))?;
            screen.print_table(&runs, &render::run::table(&runs, &screen.out))?;
        }
        Act::View { run } => {
            let run = which::run(&remote, &remote.project_of(run.as_deref())?, run.as_deref())?;
            if screen.json() { screen.print_json(&run)? } else { screen.print(&render::run::view(&run, &screen.out))? }
        }
    }
    Ok(Exit::Good)
}
