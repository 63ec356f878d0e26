//! `cargo xtask bench`: our times beside those of a plain shell script, in turns, in the same minutes.

mod floor;
mod page;
mod process;
mod repository;
mod server;
mod sheet;
mod work;

pub use process::peak;
pub use repository::Repository;
pub use server::Server;
pub use sheet::median;

use crate::tidy;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::process::Command;

/// Which workloads.
#[derive(clap::Args)]
pub struct Arguments {
    /// w1 push, w2 pipelines, w3 parallel jobs, w4 and w4b logs, w5 idle, check, run, build; none: all but build
    workloads: Vec<String>,
    /// Print one object alone
    #[arg(long)]
    json: bool,
    /// Write docs/benchmarks.md of what is measured
    #[arg(long)]
    page: bool,
    /// Rounds of each pair, instead of each workload's own number
    #[arg(long)]
    rounds: Option<u32>,
    /// Measure this program instead of building a release
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Runs the workloads.
pub fn run(arguments: &Arguments) -> Result<()> {
    let program = match &arguments.program {
        Some(program) => program.canonicalize()?,
        None => build()?,
    };
    let folder = tempfile::Builder::new().prefix("trunkline-bench-").tempdir()?;
    let bench = work::Bench { program, folder: folder.path().to_owned(), rounds: arguments.rounds, level: "host" };
    let unknown = arguments.workloads.iter().find(|name| work::WORKLOADS.iter().all(|(known, ..)| known != name));
    ensure!(unknown.is_none(), "there is no workload '{}'", unknown.map_or("", String::as_str));
    let mut sheet = Map::new();
    for (name, words, measure) in work::WORKLOADS {
        let named = arguments.workloads.iter().any(|wanted| wanted == name);
        if !named && (!arguments.workloads.is_empty() || name == work::BUILD) {
            continue;
        }
        let mut figures = measure(&bench).with_context(|| format!("{name}, {words}"))?;
        if work::WITH_JOBS.contains(&name) {
            // What the sandbox costs, beside it.
            for level in ["landlock", "sandbox"] {
                let behind = measure(&bench.behind(name, level)?).with_context(|| format!("{name}, {words}, behind {level}"))?;
                figures[level] = behind["ratio"].clone();
            }
        }
        if !arguments.json {
            println!("{name:<4} {words:<44} {}", plain(&figures));
        }
        sheet.insert(name.to_owned(), figures);
    }
    if arguments.page {
        page::write(&sheet, &work::WORKLOADS.map(|(name, words, _)| (name, words)))?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&sheet)?);
    }
    Ok(())
}

fn plain(figures: &Value) -> String {
    let fields = figures.as_object().into_iter().flatten();
    fields.map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(" · ")
}

/// The release program.
pub fn build() -> Result<PathBuf> {
    let status =
        Command::new("cargo").args(["build", "--release", "--locked", "--package", "trunkline"]).current_dir(tidy::root()).status()?;
    ensure!(status.success(), "the release build failed");
    Ok(crate::check::target_folder()?.join("release/trunkline"))
}
