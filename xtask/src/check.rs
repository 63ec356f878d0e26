//! `cargo xtask test`: everything that must hold before a change lands.

use crate::tidy;
use anyhow::{Context, bail, ensure};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What to leave out.
#[derive(clap::Args)]
pub struct Arguments {
    /// Seeds of the simulator
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// Leave out the demo, which takes half a minute and a release build
    #[arg(long)]
    no_demo: bool,
    /// Also make what is installed, and have its program do the demo; takes some minutes
    #[arg(long)]
    dist: bool,
}

/// Programs that the tests use, with the Debian package that brings each.
const PROGRAMS: [(&str, &str); 6] =
    [("git", "git"), ("python3", "python3"), ("curl", "curl"), (VENV, "python3-venv"), ("sh", "dash"), ("strace", "strace")];
/// No program of its own: what `python3 -m venv` needs to put pip into a new environment.
const VENV: &str = "ensurepip";

/// Without these some tests skip themselves, and say so.
const OPTIONAL: [(&str, &str); 1] = [("strace", "faults F2 and F3 will not be tried")];

/// Runs everything, in the order in which a failure is found soonest.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    needs()?;
    step("format", "cargo", &["fmt", "--all", "--check"])?;
    println!("── tidy");
    tidy::run()?;
    step("lint", "cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    deny()?;
    step("tests", "cargo", &["test", "--workspace", "--locked"])?;
    println!("── simulator, {} seeds", arguments.seeds);
    step("simulator", "cargo", &["build", "--release", "--locked", "--package", "xtask", "--package", "trunkline"])?;
    let xtask = target_folder()?.join("release/xtask");
    let seeds = arguments.seeds.to_string();
    // Each kind of fault about once in ten seeds at least; the rarest comes more often than that.
    let faults = (arguments.seeds / 10).to_string();
    step("seeds", &xtask.to_string_lossy(), &["sim", "--seeds", &seeds, "--faults-min", &faults])?;
    step("fuzz", &xtask.to_string_lossy(), &["fuzz", "--seconds", "5"])?;
    let trunkline = target_folder()?.join("release/trunkline");
    step("faults", &xtask.to_string_lossy(), &["faults", "--count", "10", "--program", &trunkline.to_string_lossy()])?;
    step("api", &xtask.to_string_lossy(), &["api", "--program", &trunkline.to_string_lossy()])?;
    let trunkline = match arguments.dist {
        true => {
            println!("── dist");
            crate::dist::make(&crate::dist::Arguments::default())?
        }
        false => trunkline,
    };
    if !arguments.no_demo {
        step("demo", &trunkline.to_string_lossy(), &["demo", "--once", "--fast"])?;
    }
    println!("all is well, after {} s", started.elapsed().as_secs());
    Ok(())
}

/// Where cargo builds.
pub fn target_folder() -> anyhow::Result<PathBuf> {
    let output =
        Command::new("cargo").args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(tidy::root()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, rest) = text.split_once("\"target_directory\":\"").context("cargo metadata names no target folder")?;
    Ok(tidy::root().join(rest.split('"').next().unwrap_or_default()))
}

fn step(name: &str, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    println!("── {name}: {program} {}", arguments.join(" "));
    let started = Instant::now();
    let status = Command::new(program).args(arguments).current_dir(tidy::root()).stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("{program} cannot be started"))?;
    ensure!(status.success(), "{name} failed: {program} {}", arguments.join(" "));
    println!("   {name}: {} s", started.elapsed().as_secs());
    Ok(())
}

fn works(program: &str) -> bool {
    let (program, probe): (&str, &[&str]) = match program {
        "sh" => ("sh", &["-c", ":"]),
        VENV => ("python3", &["-c", "import ensurepip"]),
        other => (other, &["--version"]),
    };
    let status = Command::new(program).args(probe).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// What is missing is installed where that is allowed, and named where it is not.
fn needs() -> anyhow::Result<()> {
    let missing: Vec<&str> = PROGRAMS.iter().filter(|(program, _)| !works(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("── installing {}", missing.join(", "));
    let update = Command::new("apt-get").args(["update", "-q"]).status();
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(&missing);
    let installed = update.is_ok_and(|status| status.success())
        && Command::new("apt-get").args(&arguments).status().is_ok_and(|status| status.success());
    if installed {
        return Ok(());
    }
    let mut needed = missing.clone();
    needed.retain(|package| OPTIONAL.iter().all(|(optional, _)| optional != package));
    if !needed.is_empty() {
        bail!("the tests need {}; on Debian: apt-get {}", needed.join(", "), arguments.join(" "));
    }
    for (package, without) in OPTIONAL.iter().filter(|(package, _)| missing.contains(package)) {
        println!("   {package} is not there: {without}");
    }
    Ok(())
}

/// Licences, banned crates, sources. Installed once where it is missing.
fn deny() -> anyhow::Result<()> {
    let have = Command::new("cargo").args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !have.is_ok_and(|status| status.success()) {
        step("cargo deny, once", "cargo", &["install", "--locked", "--quiet", "cargo-deny"])?;
    }
    step("dependencies", "cargo", &["deny", "--locked", "--log-level", "error", "check", "bans", "licenses", "sources"])
}
