//! Chores of this repository: `cargo xtask test`, `cargo xtask sim`, `cargo xtask tidy`, `cargo xtask bench`.

mod api;
mod bench;
mod check;
mod dist;
mod faults;
mod fuzz;
mod sim;
mod tidy;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Everything that must hold: format, tidy, lint, dependencies, tests, simulator, demo.
    Test(check::Arguments),
    /// The house rules that a compiler does not know.
    Tidy,
    /// Run the simulator over many seeds, or replay one.
    Sim(sim::Arguments),
    /// Put the real program under real faults, and check what must hold.
    Faults(faults::Arguments),
    /// Ask the real program everything that its document of the API says, and much that it forbids.
    Api(api::Arguments),
    /// A runner in a process of its own, for `faults`.
    #[command(hide = true)]
    FaultRunner(faults::runner::Arguments),
    /// Feed hostile bytes to everything that reads bytes of others.
    Fuzz(fuzz::Arguments),
    /// Make what a machine without Rust installs: a program, a Debian package, checksums.
    Dist(dist::Arguments),
    /// Measure the hot paths beside a plain shell script.
    Bench(bench::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Test(arguments) => check::run(&arguments),
        Chore::Tidy => tidy::run(),
        Chore::Sim(arguments) => sim::run(&arguments),
        Chore::Faults(arguments) => faults::run(&arguments),
        Chore::Api(arguments) => api::run(&arguments),
        Chore::FaultRunner(arguments) => faults::runner::main(&arguments),
        Chore::Fuzz(arguments) => fuzz::run(&arguments),
        Chore::Dist(arguments) => dist::run(&arguments),
        Chore::Bench(arguments) => bench::run(&arguments),
    }
}
