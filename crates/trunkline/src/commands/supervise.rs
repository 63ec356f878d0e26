//! `trunkline supervise`: not for people. The runner starts one for each part of kind `process`; it outlives both
//! runner and server.

use crate::exit::Exit;
use std::path::PathBuf;

/// Which part.
#[derive(clap::Args)]
pub struct Arguments {
    /// The part's folder
    folder: PathBuf,
    /// End its instances and its supervisor
    #[arg(long)]
    stop: bool,
}

/// Supervises, or ends that.
pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.stop {
        trunkline_runner::supervise_stop(&arguments.folder)?;
    } else {
        trunkline_runner::supervise_main(&arguments.folder)?;
    }
    Ok(Exit::Good)
}
