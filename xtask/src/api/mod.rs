//! `cargo xtask api`: the real program beside its own document. Schemathesis reads the document, asks everything that it
//! allows and much that it forbids, and compares the answers with it.

use crate::bench::Server;
use crate::check;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The version that is installed. Another one may check more, and find more: that is a change of its own.
const VERSION: &str = "4.32.5";
/// However slow the machine: by then it is stopped, and has failed.
const PATIENCE: Duration = Duration::from_secs(300);
/// What is not asked, with the reason.
const LEFT_OUT: [(&str, &str); 3] = [
    ("events", "a stream that does not end; crates/server/src/tests/events.rs listens to it"),
    ("wait", "it is held open for 25 s; crates/server/src/tests/api.rs asks it"),
    ("claim", "it would take the work of the built-in runner; the contract suite of crates/runner asks it"),
];
/// What is left to Python: values that exist, so that not every answer is "there is no such thing".
const HOOKS: &str = include_str!("hooks.py");
/// Which refusals are fit answers, operation by operation.
const SETTINGS: &str = include_str!("schemathesis.toml");

/// One environment, one job, and a start by hand.
const DELIVERY: &str = "on: { push: { branches: [main] }, manual: {} }
jobs:
  build: { run: 'echo hello > out.txt', artifacts: [{ name: app, path: out.txt }] }
release: { version: calver, artifacts: [app] }
environments:
  test:
    deploy: { kind: run, apply: 'true', observe: 'echo release=none', idempotent: true }
    verify: [{ run: 'true' }]
";

/// How it is tried.
#[derive(clap::Args)]
pub struct Arguments {
    /// Try this program instead of building a release
    #[arg(long)]
    program: Option<PathBuf>,
    /// Cases for each operation and phase
    #[arg(long, default_value_t = 15)]
    examples: u32,
    /// What the cases are made of: the same seed asks the same
    #[arg(long, default_value_t = 20_261_129)]
    seed: u64,
    /// Without a way to install schemathesis: say so, and go on
    #[arg(long)]
    optional: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments) -> Result<()> {
    let schemathesis = match installed() {
        Ok(program) => program,
        Err(error) if arguments.optional => {
            println!("api: not tried: {error:#}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let program = match &arguments.program {
        Some(program) => program.canonicalize()?,
        None => crate::bench::build()?,
    };
    let folder = tempfile::Builder::new().prefix("trunkline-api-").tempdir()?;
    let server = Server::start(&program, &folder.path().join("data"))?;
    let known = delivered(&server, folder.path())?;
    for (operation, why) in LEFT_OUT {
        println!("api: not asked: {operation}: {why}");
    }
    let asked = ask(&schemathesis, &server, folder.path(), &known, arguments);
    server.get("health").context("the server does not answer any more")?;
    if let Err(error) = asked {
        let kept = folder.keep();
        return Err(error.context(format!("everything is kept in {}", kept.display())));
    }
    Ok(())
}

/// Schemathesis in a folder of its own beside what cargo builds, installed once.
fn installed() -> Result<PathBuf> {
    let folder = check::target_folder()?.join(format!("schemathesis-{VERSION}"));
    let program = folder.join("bin/schemathesis");
    if program.exists() {
        return Ok(program);
    }
    println!("api: installing schemathesis {VERSION} into {}", folder.display());
    quietly("python3", &["-m", "venv", &folder.to_string_lossy()])
        .context("no virtual environment; on Debian: apt-get install python3-venv")?;
    let pip = folder.join("bin/pip");
    let installed =
        quietly(&pip.to_string_lossy(), &["install", "--quiet", "--disable-pip-version-check", &format!("schemathesis=={VERSION}")]);
    if installed.is_err() {
        // A half one would be taken for a whole one.
        let _ = fs::remove_dir_all(&folder);
    }
    installed.context("schemathesis cannot be installed from the Python package index")?;
    Ok(program)
}

fn quietly(program: &str, arguments: &[&str]) -> Result<()> {
    let output =
        Command::new(program).args(arguments).stdin(Stdio::null()).output().with_context(|| format!("{program} cannot be started"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), said.trim().lines().last().unwrap_or("it failed"));
    Ok(())
}

/// A project with a run, a release and a deployment that have ended, so that there is something to ask for.
fn delivered(server: &Server, folder: &Path) -> Result<Value> {
    let repository = server.project("shop", &folder.join("shop"), DELIVERY)?;
    repository.push("trunkline")?;
    let run = server.run_ended("shop", 1)?;
    ensure!(run["result"] == "passed", "the run did not pass: {run}");
    let deployment = server.until(|| {
        let one = server.try_get("projects/shop/deployments/1")?;
        Ok(one.filter(|one| !one["ended_at"].is_null()))
    })?;
    let head = server.get("ledger/head")?;
    Ok(json!({
        "revision": run["commit"]["revision"],
        "work": [run["jobs"][0]["work"], deployment["parts"][0]["work"]],
        "digest": run["jobs"][0]["artifacts"][0]["digest"],
        "seq": head["seq"],
    }))
}

fn ask(schemathesis: &Path, server: &Server, folder: &Path, known: &Value, arguments: &Arguments) -> Result<()> {
    let hooks = folder.join("hooks.py");
    fs::write(&hooks, HOOKS)?;
    fs::write(folder.join("schemathesis.toml"), SETTINGS)?;
    fs::write(folder.join("known.json"), known.to_string())?;
    let document = format!("{}/api/v1/openapi.json", server.address());
    let (seed, examples) = (arguments.seed.to_string(), arguments.examples.to_string());
    let mut command = Command::new(schemathesis);
    command.args(["run", &document, "--seed", &seed, "--max-examples", &examples]);
    command.args(["--workers", "2", "--checks", "all", "--no-color", "--suppress-health-check", "all", "--continue-on-failure"]);
    command.args(["--report", "ndjson", "--report-ndjson-path"]).arg(folder.join("report.ndjson"));
    for (operation, _) in LEFT_OUT {
        command.args(["--exclude-operation-id", operation]);
    }
    command.args(["--header", &format!("Authorization: Bearer {}", server.token())]);
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", folder).env("NO_COLOR", "1").current_dir(folder).stdin(Stdio::null());
    let started = Instant::now();
    let mut process = command.spawn().context("schemathesis cannot be started")?;
    let status = loop {
        if let Some(status) = process.try_wait()? {
            break status;
        }
        if started.elapsed() > PATIENCE {
            let _ = process.kill();
            let _ = process.wait();
            bail!("schemathesis does not end within {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    ensure!(status.success(), "the program and its document say different things: see above");
    println!("api: {} s with seed {seed}", started.elapsed().as_secs());
    Ok(())
}
