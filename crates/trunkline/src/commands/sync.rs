//! `trunkline sync`: look at a followed repository now.

use crate::exit::Exit;
use crate::globals::Globals;
use crate::reference;
use crate::render::text::clean;
use trunkline_api::request::{Act, Synced};

/// What to look at.
#[derive(clap::Args)]
pub struct Arguments {
    /// The project; that of this repository if left out
    project: Option<String>,
}

/// Looks.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let project = match &arguments.project {
        Some(name) => reference::project(name)?,
        None => remote.project()?,
    };
    let synced: Synced = remote.client.post(&format!("projects/{project}/sync"), &Act {})?;
    let screen = remote.screen;
    if screen.json() {
        screen.print_json(&synced)?;
        return Ok(Exit::Good);
    }
    for line in &synced.words {
        screen.print(&clean(line))?;
    }
    if synced.words.is_empty() {
        screen.note("nothing new");
    }
    Ok(Exit::Good)
}
