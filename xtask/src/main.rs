//! Chores of this repository: `cargo xtask test`, `cargo xtask sim`, `cargo xtask tidy`.

mod sim;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run the simulator over many seeds, or replay one.
    Sim(sim::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Sim(arguments) => sim::run(&arguments),
    }
}
