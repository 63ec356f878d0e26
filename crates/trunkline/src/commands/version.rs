//! `trunkline version`: of this program; that of the server is in `trunkline doctor`.

use crate::exit::Exit;
use crate::globals::Globals;

/// Prints it.
pub fn run(globals: &Globals) -> anyhow::Result<Exit> {
    let screen = globals.screen();
    let version = env!("CARGO_PKG_VERSION");
    if screen.json() {
        screen.print_json(&serde_json::json!({ "version": version }))?;
    } else {
        screen.print(&format!("trunkline {version}"))?;
    }
    Ok(Exit::Good)
}
