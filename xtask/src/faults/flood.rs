//! F26: logs that are long, that have no end of line, and that are no text.

use super::{Ground, check};
use crate::bench::{Server, peak};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use trunkline_domain::foundation::Digest;
use trunkline_sim::Random;

/// The server must get by with this, whatever jobs print.
const PEAK_BYTES_MAX: u64 = 256 << 20;
/// Logs at most.
const LOGS_MAX: u32 = 200;
/// From so many on a log is tried that is longer than may be kept.
const ENDLESS_FROM: u32 = 50;
/// What a job prints; `N` is how many bytes.
const KINDS: [(&str, &str); 4] = [
    ("one_line", "head -c $N /dev/zero | tr '\\0' a"),
    ("short_lines", "yes 'a short line' | head -c $N"),
    ("no_text", "head -c $N /dev/urandom"),
    ("nul_bytes", "head -c $N /dev/zero"),
];
/// Sizes of the first log of each kind.
const BIG: [u64; 4] = [100_000_000, 100_000_000, 20_000_000, 20_000_000];
/// Further ones have up to so many bytes.
const SMALL_MAX: u64 = 3_000_000;

/// Prints them.
pub fn run(ground: &Ground) -> Result<Value> {
    let data = ground.folder.join("data");
    let server = Server::start_by(Command::new(&ground.program), &ground.program, &data, &["--listen", "127.0.0.1:0", "--slots", "2"])?;
    let source = ground.folder.join("source");
    fs::create_dir_all(&source)?;
    for (kind, command) in KINDS {
        // The job's own digest comes last, as a line of its own.
        let script = format!("N=$1\n{command} > bytes\ncat bytes\necho\nsha256sum < bytes\n");
        fs::write(source.join(format!("{kind}.sh")), script)?;
    }
    let jobs: String = KINDS
        .iter()
        .map(|(kind, _)| format!("  {kind}: {{ if: inputs.kind == '{kind}', run: 'sh {kind}.sh \"$TRUNKLINE_INPUT_N\"' }}\n"))
        .collect();
    let file = format!(
        "on: {{ manual: {{ inputs: {{ kind: {{ type: string, required: true }}, n: {{ type: string, required: true }} }} }} }}\njobs:\n{jobs}  endless: {{ if: inputs.kind == 'endless', run: 'yes | head -c \"$TRUNKLINE_INPUT_N\"' }}\n"
    );
    server.project("shop", &source, &file)?.push("trunkline")?;
    let mut random = Random::new(ground.seed);
    let count = ground.count.clamp(KINDS.len() as u32, LOGS_MAX) as usize;
    let mut bytes = 0;
    for index in 0..count {
        let place = index % KINDS.len();
        let size = if index < KINDS.len() { BIG[place] } else { random.below(SMALL_MAX) };
        bytes += exact(&server, KINDS[place].0, size).with_context(|| format!("{} of {size} bytes", KINDS[place].0))?;
    }
    let endless = if ground.count >= ENDLESS_FROM { json!(endless(&server)?) } else { json!(format!("from --count {ENDLESS_FROM} on")) };
    let peak = peak(server.pid())?;
    ensure!(peak <= PEAK_BYTES_MAX, "the server used {} MiB", peak >> 20);
    drop(server);
    let entries = check::ledger(&ground.program, &data)?;
    Ok(json!({
        "seed": ground.seed, "logs": count, "bytes": bytes, "bytes_exact": bytes, "cut_at_the_limit_and_marked": endless,
        "server_peak_mib": peak >> 20, "entries": entries,
    }))
}

fn started(server: &Server, kind: &str, size: u64) -> Result<Value> {
    let number = server.post("projects/shop/runs", &json!({ "inputs": { "kind": kind, "n": size.to_string() } }))?["number"].as_u64();
    let run = server.run_ended("shop", number.context("no number")?)?;
    let job = run["jobs"].as_array().into_iter().flatten().find(|job| job["key"] == kind).cloned().context("no job")?;
    ensure!(job["status"]["ended"] == "passed" && job["log_sealed"] == true, "{job}");
    Ok(job)
}

/// Every byte, as its job counted it. How many there were.
fn exact(server: &Server, kind: &str, size: u64) -> Result<u64> {
    let job = started(server, kind, size)?;
    let log = server.log("shop", job["work"].as_str().context("no work")?)?;
    let head = log.iter().position(|byte| *byte == b'\n').context("no line of the step")? + 1;
    // A newline, 64 digits, and "  -" with its newline.
    let tail = log.len().checked_sub(1 + 64 + 4).context("too short")?;
    let printed = log.get(head..tail).context("too short")?;
    ensure!(printed.len() as u64 == size, "{} bytes came", printed.len());
    let said = String::from_utf8_lossy(&log[tail + 1..tail + 65]).into_owned();
    ensure!(Digest::of(printed).to_string().ends_with(&said), "the bytes are not those that the job counted: {said}");
    Ok(size)
}

/// More than may be kept: cut there, and it says so.
fn endless(server: &Server) -> Result<u64> {
    let most = trunkline_api::runner::LOG_BYTES_MAX;
    let job = started(server, "endless", most + 50_000_000)?;
    ensure!(job["log_bytes"] == most, "{} bytes were kept", job["log_bytes"]);
    let work = job["work"].as_str().context("no work")?;
    let end = server.log_from("shop", work, most - 200)?;
    ensure!(String::from_utf8_lossy(&end).contains("the log is full"), "the cut is not marked");
    Ok(most)
}
