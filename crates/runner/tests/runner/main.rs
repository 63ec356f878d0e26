//! The runner against a server in memory: real processes, real folders, no network but 127.0.0.1.

#![allow(clippy::unwrap_used, reason = "everything here is a test")]

mod archive;
mod contract;
mod fake;
mod fault;
mod group;
mod http;
mod job;
mod log;
mod process;
mod run;
mod sandbox;
mod shop;
mod siege;
mod verify;

/// Not a test of its own: the process driver's tests start this program again as `trunkline supervise DIR`.
#[test]
fn supervise_entry() {
    if let Ok(folder) = std::env::var("TRUNKLINE_TEST_SUPERVISE") {
        trunkline_runner::supervise_main(std::path::Path::new(&folder)).expect("supervised");
    }
}
