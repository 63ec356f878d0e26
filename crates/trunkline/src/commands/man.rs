//! `trunkline man`: a manual page for each verb, for packages.

use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use std::path::PathBuf;

/// Where they go.
#[derive(clap::Args)]
pub struct Arguments {
    /// A folder, which is made where it is missing
    folder: PathBuf,
}

/// Writes them.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let folder = &arguments.folder;
    let failed = |error| Failure::new(Code::FileUnreadable, format!("{} cannot be written", folder.display())).why(error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    // Named as `man` finds them: trunkline.1, trunkline-promote.1.
    clap_mangen::generate_to(super::command(), folder).map_err(failed)?;
    globals.screen().note(&format!("man -l {}", folder.join("trunkline.1").display()));
    Ok(Exit::Good)
}
