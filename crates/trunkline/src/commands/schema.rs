//! `trunkline schema`: the JSON Schema of the delivery file, for editors.

use crate::exit::Exit;
use crate::globals::Globals;

/// Prints it.
pub fn run(globals: &Globals) -> anyhow::Result<Exit> {
    globals.screen().print_json(&trunkline_delivery_file::schema())?;
    Ok(Exit::Good)
}
