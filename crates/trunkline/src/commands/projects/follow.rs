//! `trunkline projects follow`: another address or another token of a repository that is followed.

use super::add::{follow_words, token};
use crate::exit::Exit;
use crate::globals::Globals;
use crate::reference;
use crate::render::paint::Mark;
use std::path::PathBuf;
use trunkline_api::request::Follow;
use trunkline_api::view::ProjectView;

/// What to follow.
#[derive(clap::Args)]
pub struct Arguments {
    /// The project; that of this repository if left out
    name: Option<String>,
    /// Where the repository lives: https://…, ssh://…, git@host:path, file:///path
    #[arg(long, value_name = "URL")]
    git: String,
    /// A file with a token for that address; - reads standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Follows it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let asked = Follow { git: arguments.git.clone(), token: arguments.token_file.as_deref().map(token).transpose()? };
    let remote = globals.connect()?;
    let screen = remote.screen;
    let name = match &arguments.name {
        Some(name) => reference::project(name)?,
        None => remote.project_to_act()?,
    };
    let project: ProjectView = remote.client.post(&format!("projects/{name}/follow"), &asked)?;
    if screen.json() {
        screen.print_json(&project)?;
        return Ok(Exit::Good);
    }
    screen.print(&screen.out.paint.mark(Mark::Passed, &format!("project {name}")))?;
    if let Some(source) = &project.source {
        follow_words(&screen, &project, source);
    }
    Ok(Exit::Good)
}
