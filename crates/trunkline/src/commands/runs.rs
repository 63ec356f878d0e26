//! `trunkline runs`: list, view.

use super::{Page, which};
use crate::exit::Exit;
use crate::globals::Globals;
use crate::render;
use serde::Serialize;
use trunkline_api::view::{RunView, StationView};

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
    /// View one run, and how far its release came
    View {
        /// A run, a commit or pr-N; the run of the commit that is checked out if left out
        run: Option<String>,
    },
}

/// A run, and how far its release came: a run that passed may have a release that failed in an environment.
#[derive(Serialize)]
struct Way {
    #[serde(flatten)]
    run: RunView,
    /// The environments on the way of its release, as in `trunkline where --json`; empty without one.
    stations: Vec<StationView>,
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
            let project = remote.project_of(run.as_deref())?;
            let run = which::run(&remote, &project, run.as_deref())?;
            let way = Way { stations: which::way(&remote, &project, &run)?, run };
            if screen.json() {
                screen.print_json(&way)?;
            } else {
                screen.print(&render::run::view(&way.run, &screen.out))?;
                screen.print(&render::run::way(&way.stations, &screen.out))?;
                if let Some(next) = render::run::next(&way.run, &way.stations) {
                    screen.note(&next);
                }
            }
        }
    }
    Ok(Exit::Good)
}
