//! `trunkline open`: a link that opens the pages once.

use crate::address::{Address, PORT};
use crate::exit::Exit;
use crate::globals::Globals;
use trunkline_api::request::{Act, Link};

/// Prints the link.
pub fn run(globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let screen = remote.screen;
    let link: Link = remote.client.post("links", &Act {})?;
    if screen.json() {
        screen.print_json(&link)?;
        return Ok(Exit::Good);
    }
    let address = globals.address()?;
    if let Address::Ssh { destination, .. } = &address {
        // Our own way through ssh ends with this command; the browser needs one that stays.
        screen.note(&format!("keep a way open: ssh -N -L {PORT}:127.0.0.1:{PORT} {destination}"));
        screen.print(&format!("http://127.0.0.1:{PORT}{}", link.path))?;
    } else {
        screen.print(&remote.client.page(&link.path))?;
    }
    screen.note("It works once, within ten minutes.");
    Ok(Exit::Good)
}
