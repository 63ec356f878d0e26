//! `trunkline releases`: list, view.

use super::Page;
use crate::client::segment;
use crate::exit::Exit;
use crate::globals::Globals;
use crate::{reference, render};
use trunkline_api::view::ReleaseView;

/// What to do with releases.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(clap::Subcommand)]
enum Act {
    /// List releases, newest first
    List(Page),
    /// View one release
    View {
        /// Its number, version or alias
        release: String,
    },
}

/// Does it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let project = remote.project()?;
    let screen = remote.screen;
    match arguments.act.as_ref().unwrap_or(&Act::List(Page::default())) {
        Act::List(page) => {
            let releases: Vec<ReleaseView> = remote.client.get(&format!("projects/{project}/releases?{}", page.query()))?;
            screen.print_table(&releases, &render::release::table(&releases, &screen.out))?;
        }
        Act::View { release } => {
            let release: ReleaseView =
                remote.client.get(&format!("projects/{project}/releases/{}", segment(reference::release(release))))?;
            if screen.json() { screen.print_json(&release)? } else { screen.print(&render::release::view(&release, &screen.out))? }
        }
    }
    Ok(Exit::Good)
}
