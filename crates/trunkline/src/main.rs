//! The `trunkline` program: server, runner, command line and pages in one.

fn main() {}
