//! The workloads.

use super::floor::Floor;
use super::process;
use super::repository::Repository;
use super::server::Server;
use super::sheet::{Clock, Pairs, median, round};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// What all workloads need.
pub struct Bench {
    /// The program that is measured.
    pub program: PathBuf,
    /// A folder for everything.
    pub folder: PathBuf,
    /// Rounds, where the caller says so.
    pub rounds: Option<u32>,
    /// What the jobs stand behind.
    pub level: &'static str,
}

type Workload = (&'static str, &'static str, fn(&Bench) -> Result<Value>);

/// Name, words, how it is measured.
pub const WORKLOADS: [Workload; 10] = [
    ("w1", "push to the fourth chained job recorded", push),
    ("w1x", "the same in a sandbox", push_behind_a_wall),
    ("w2", "500 pipelines of four chained jobs", pipelines),
    ("w3", "200 parallel jobs of one push", parallel),
    ("w4", "a log of 1,000,000 lines of 100 bytes", long_lines),
    ("w4b", "a log of 1,000,000 lines of 8 bytes", short_lines),
    ("w5", "idle: memory, start, size", idle),
    ("check", "a delivery file of 500 jobs is checked", check),
    ("run", "the working tree runs: first line of a job", run),
    (BUILD, "a clean release build", build),
];

/// Measured only where it is asked for by name: it takes minutes.
pub const BUILD: &str = "build";
/// Those whose jobs stand behind something.
pub const WITH_JOBS: [&str; 5] = ["w1", "w2", "w3", "w4", "w4b"];

/// Four jobs, each after the one before, each running an empty shell.
const CHAIN: &str = "on: { push: {}, manual: {} }\ndefaults: { sandbox: host }\njobs:\n  build: { run: 'sh -c :' }\n  test: { needs: build, run: 'sh -c :' }\n  deploy-qa: { needs: test, run: 'sh -c :' }\n  deploy-prod: { needs: deploy-qa, run: 'sh -c :' }\n";
/// 1,000,000 lines of 100 bytes.
const LONG: &str =
    "yes '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 abcdefghijklmnopqrstuvwxy' | head -n 1000000 || true";
/// 1,000,000 lines of 8 bytes.
const SHORT: &str = "seq 1000000 1999999";
const PIPELINES: u32 = 500;
const JOBS: u32 = 200;

impl Bench {
    /// The same with jobs that stand behind this, in a folder of its own, and a few rounds.
    pub fn behind(&self, name: &str, level: &'static str) -> Result<Self> {
        let folder = self.folder.join(format!("{name}-{level}"));
        std::fs::create_dir_all(&folder)?;
        Ok(Self { program: self.program.clone(), folder, rounds: Some(self.rounds.unwrap_or(ROUNDS_BEHIND)), level })
    }

    /// A delivery file whose jobs stand behind what they have to.
    fn leveled(&self, delivery_file: &str) -> String {
        delivery_file.replace("sandbox: host", &format!("sandbox: {}", self.level))
    }

    fn rounds(&self, usual: u32) -> u32 {
        self.rounds.unwrap_or(usual)
    }

    fn floor(&self, workload: &str) -> Result<Floor> {
        Floor::new(&self.folder.join(format!("{workload}-floor")))
    }

    fn server(&self, workload: &str) -> Result<Server> {
        Server::start(&self.program, &self.folder.join(format!("{workload}-data")))
    }
}

/// Rounds of what only tells the sandbox's cost.
const ROUNDS_BEHIND: u32 = 5;
/// Pushes whose flushes are counted.
const COUNTED: u32 = 10;

/// How often it is asked whether many things have ended; the time that is measured is longer by up to this.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// W1. Beside the whole time: from git's end to the last job's record, and the flushes of it all.
fn push(bench: &Bench) -> Result<Value> {
    let (floor, server) = (bench.floor("w1")?, bench.server("w1")?);
    let repository = server.project("shop", &bench.folder.join("w1-source"), &bench.leveled(CHAIN))?;
    let mut number = 0;
    let after_push = RefCell::new(Vec::new());
    let mut ours = || {
        repository.commit()?;
        number += 1;
        let clock = Clock::start();
        repository.push("trunkline")?;
        let pushed = clock.read();
        let run = server.run_ended("shop", number)?;
        let done = clock.read();
        ensure!(run["result"] == json!("passed"), "the run did not pass: {run}");
        after_push.borrow_mut().push((done - pushed).as_secs_f64());
        anyhow::Ok(done)
    };
    for _ in 0..3 {
        ours()?;
        floor.push()?;
    }
    let pairs = Pairs::take(bench.rounds(41), || floor.push(), &mut ours)?;
    let mut figures = pairs.json();
    figures["after_push"] = json!(round(median(&after_push.borrow())));
    figures["hook_to_done_floor"] = json!(round(median(&floor.hooks()?)));
    figures["flushes"] = process::flushes(server.pid(), COUNTED, || ours().map(drop))?;
    Ok(figures)
}

/// W1 at sandbox level `sandbox`, with as many rounds.
fn push_behind_a_wall(bench: &Bench) -> Result<Value> {
    push(&Bench { rounds: bench.rounds, ..bench.behind("w1x", "sandbox")? })
}

/// W2.
fn pipelines(bench: &Bench) -> Result<Value> {
    let (floor, server) = (bench.floor("w2")?, bench.server("w2")?);
    let repository = server.project("shop", &bench.folder.join("w2-source"), &bench.leveled(CHAIN))?;
    repository.push("trunkline")?;
    server.run_ended("shop", 1)?;
    let mut last = 1;
    let (mut own, mut all) = (Vec::new(), Vec::new());
    let ours = || {
        let before = process::cpu(server.pid())?;
        let clock = Clock::start();
        for _ in 0..PIPELINES {
            last += 1;
            server.post("projects/shop/runs", &json!({ "reference": "refs/heads/main" }))?;
        }
        // They end about in order, two at a time.
        for number in (last - 9..=last).rev() {
            server.run_ended_within("shop", number, ASK_EVERY)?;
        }
        let took = clock.read();
        for number in last + 1 - u64::from(PIPELINES)..=last {
            let run = server.get(&format!("projects/shop/runs/{number}"))?;
            ensure!(run["result"] == json!("passed"), "run {number} is not passed by now: {run}");
        }
        let after = process::cpu(server.pid())?;
        own.push((after.0 - before.0) / f64::from(PIPELINES));
        all.push((after.1 - before.1) / f64::from(PIPELINES));
        Ok(took)
    };
    let pairs = Pairs::take(bench.rounds(5), || floor.pipelines(PIPELINES), ours)?;
    let mut figures = pairs.json();
    figures["cpu_own_each"] = json!(round(median(&own)));
    figures["cpu_each"] = json!(round(median(&all)));
    figures["peak_mb"] = json!(process::peak(server.pid())? / 1_000_000);
    Ok(figures)
}

/// W3: from the push of one run with 200 jobs to its end, less the push itself.
fn parallel(bench: &Bench) -> Result<Value> {
    let mut delivery_file = "on: { push: {}, manual: {} }\ndefaults: { sandbox: host }\njobs:\n".to_owned();
    for number in 1..=JOBS {
        writeln!(delivery_file, "  job-{number}: {{ run: 'sh -c :' }}")?;
    }
    let (floor, server) = (bench.floor("w3")?, bench.server("w3")?);
    let repository = server.project("shop", &bench.folder.join("w3-source"), &bench.leveled(&delivery_file))?;
    repository.push("trunkline")?;
    server.run_ended("shop", 1)?;
    let mut number = 1;
    let ours = || {
        number += 1;
        let clock = Clock::start();
        server.post("projects/shop/runs", &json!({ "reference": "refs/heads/main" }))?;
        server.run_ended_within("shop", number, ASK_EVERY)?;
        Ok(clock.read())
    };
    Ok(Pairs::take(bench.rounds(15), || floor.jobs(JOBS), ours)?.json())
}

/// W4.
fn long_lines(bench: &Bench) -> Result<Value> {
    log(bench, "w4", LONG, 100_000_000)
}

/// W4b.
fn short_lines(bench: &Bench) -> Result<Value> {
    log(bench, "w4b", SHORT, 8_000_000)
}

/// From the start of a run with one job to its end: the log is sealed by then.
fn log(bench: &Bench, workload: &str, command: &str, bytes: u64) -> Result<Value> {
    let delivery_file = format!(
        "on: {{ push: {{}}, manual: {{}} }}\ndefaults: {{ sandbox: host }}\njobs:\n  talk:\n    steps:\n      - name: talk\n        run: |\n          {command}\n"
    );
    // The log opens with the step's name.
    let bytes = bytes + "▸ talk\n".len() as u64;
    let (floor, server) = (bench.floor(workload)?, bench.server(workload)?);
    let repository = server.project("shop", &bench.folder.join(format!("{workload}-source")), &bench.leveled(&delivery_file))?;
    repository.push("trunkline")?;
    server.run_ended("shop", 1)?;
    let mut number = 1;
    let ours = || {
        number += 1;
        let clock = Clock::start();
        server.post("projects/shop/runs", &json!({ "reference": "refs/heads/main" }))?;
        let run = server.run_ended("shop", number)?;
        let took = clock.read();
        let job = &run["jobs"][0];
        ensure!(job["log_bytes"] == json!(bytes) && job["log_sealed"] == json!(true), "the log is not {bytes} sealed bytes: {job}");
        Ok(took)
    };
    let pairs = Pairs::take(bench.rounds(9), || floor.output(command), ours)?;
    let mut figures = pairs.json();
    figures["peak_mb"] = json!(process::peak(server.pid())? / 1_000_000);
    Ok(figures)
}

/// W5.
fn idle(bench: &Bench) -> Result<Value> {
    let mut starts = Vec::new();
    let data = bench.folder.join("w5-data");
    {
        let server = Server::start(&bench.program, &data)?;
        let repository = server.project("shop", &bench.folder.join("w5-source"), CHAIN)?;
        repository.push("trunkline")?;
        server.run_ended("shop", 1)?;
        for _ in 1..100 {
            server.post("projects/shop/runs", &json!({ "reference": "refs/heads/main" }))?;
        }
        server.run_ended("shop", 100)?;
    }
    for _ in 0..9 {
        starts.push(Server::start(&bench.program, &data)?.ready.as_secs_f64());
    }
    let server = Server::start(&bench.program, &data)?;
    let before = process::cpu(server.pid())?.0;
    std::thread::sleep(Duration::from_secs(60));
    let cpu = process::cpu(server.pid())?.0 - before;
    let size = std::fs::metadata(&bench.program)?.len();
    Ok(json!({
        "pss_mb": round(process::pss(server.pid())? as f64 / 1e6),
        "ready_ms": round(median(&starts) * 1000.0),
        "cpu_percent": round(cpu / 60.0 * 100.0),
        "binary_mb": round(size as f64 / 1e6),
    }))
}

/// From the start of `trunkline check` to its end, for 500 jobs that each need two others.
fn check(bench: &Bench) -> Result<Value> {
    let mut delivery_file = "on: push\njobs:\n".to_owned();
    for number in 1..=500 {
        let needs = if number > 2 { format!("needs: [job-{}, job-{}], ", number - 1, number - 2) } else { String::new() };
        writeln!(
            delivery_file,
            "  job-{number}:\n    {{ {needs}if: change.branch == 'main', run: make part-{number}, env: {{ PART: '{number}' }} }}"
        )?;
    }
    let path = bench.folder.join("trunkline.yaml");
    std::fs::write(&path, delivery_file)?;
    let mut times = Vec::new();
    for _ in 0..bench.rounds(21) {
        let clock = Clock::start();
        let output = std::process::Command::new(&bench.program).arg("check").arg(&path).output()?;
        times.push(clock.read().as_secs_f64());
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(json!({ "ms": round(median(&times) * 1000.0), "n": times.len() }))
}

/// From the start of `trunkline run` in a repository of 500 files, one of them changed, to the first line that its job
/// prints, at sandbox level auto.
fn run(bench: &Bench) -> Result<Value> {
    let folder = bench.folder.join("run");
    let file = ("trunkline.yaml", "on: push\njobs: { hello: { run: 'echo a line of the job; cat file-*.txt | wc -l' } }\n");
    let names: Vec<String> = (0..500).map(|number| format!("file-{number}.txt")).collect();
    let files = names.iter().map(|name| (name.as_str(), "a line\n")).chain([file]);
    Repository::new(&folder, &files.collect::<Vec<_>>())?;
    let mut times = Vec::new();
    for number in 0..bench.rounds(11) {
        std::fs::write(folder.join("file-7.txt"), format!("change {number}\n"))?;
        let clock = Clock::start();
        let mut command = std::process::Command::new(&bench.program);
        let mut process =
            command.arg("run").current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let output = BufReader::new(process.stderr.take().context("no output")?);
        let mut lines = output.lines();
        let seen = lines.by_ref().map_while(Result::ok).any(|line| line.contains("a line of the job") && !line.contains("echo"));
        times.push(clock.read().as_secs_f64());
        lines.for_each(drop);
        ensure!(process.wait()?.success() && seen, "the run did not pass, or printed nothing");
    }
    Ok(
        json!({ "ms": round(median(&times) * 1000.0), "slowest_ms": round(times.iter().fold(0.0, |a, b| b.max(a)) * 1000.0), "n": times.len() }),
    )
}

/// All of it, into an empty folder, with what is downloaded already.
fn build(bench: &Bench) -> Result<Value> {
    let clock = Clock::start();
    let mut command = std::process::Command::new("cargo");
    command.args(["build", "--release", "--locked", "--offline", "--quiet", "--package", "trunkline"]).current_dir(crate::tidy::root());
    let status = command.env("CARGO_TARGET_DIR", bench.folder.join("target")).env("CARGO_INCREMENTAL", "0").status()?;
    ensure!(status.success(), "the release build failed");
    Ok(json!({ "seconds": clock.read().as_secs() }))
}
