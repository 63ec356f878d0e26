//! `trunkline trace`: how what runs in an environment got there.

use crate::exit::Exit;
use crate::globals::Globals;
use crate::render;
use trunkline_api::view::TraceView;

/// Which environment.
#[derive(clap::Args)]
pub struct Arguments {
    /// The environment
    environment: String,
}

/// Shows the chain.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let name = crate::reference::environment(&arguments.environment)?;
    let remote = globals.connect()?;
    let view: TraceView = remote.client.get(&format!("projects/{}/trace/{name}", remote.project()?))?;
    let screen = remote.screen;
    if !screen.json() && screen.out_terminal {
        screen.print(&render::trace::chain(&view, &screen.out))?;
    } else {
        screen.print_table(&view, &render::trace::table(&view, &screen.out))?;
    }
    Ok(Exit::Good)
}
