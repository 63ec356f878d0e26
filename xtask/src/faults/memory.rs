//! F17: a job takes all the memory there is, beside a job that does not.

use super::{Ground, check};
use crate::bench::Server;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Memory for the server, its runner and its jobs together.
const MEMORY_BYTES: u64 = 300 << 20;
/// Rounds at most: each takes about a second.
const ROUNDS_MAX: u32 = 100;
const FILE: &str = "on: { manual: {} }\njobs:\n  greedy: { run: 'tail /dev/zero' }\n  modest: { run: 'sleep 0.3; echo done' }\n";

/// Lets it.
pub fn run(ground: &Ground) -> Result<Value> {
    let group = match Group::new() {
        Ok(group) => group,
        Err(error) => return Ok(json!({ "not_tried": format!("{error:#}") })),
    };
    let data = ground.folder.join("data");
    let mut command = Command::new("sh");
    // The shell enters the group and becomes the program.
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"", group.0.display());
    command.args(["-c", &enter]).arg(&ground.program);
    let server = Server::start_by(command, &ground.program, &data, &["--listen", "127.0.0.1:0", "--slots", "2"])?;
    let repository = server.project("shop", &ground.folder.join("source"), FILE)?;
    repository.push("trunkline")?;
    let rounds = ground.count.clamp(1, ROUNDS_MAX);
    let mut named = 0;
    for round in 0..rounds {
        let number = server.post("projects/shop/runs", &json!({}))?["number"].as_u64().context("no number")?;
        let run = server.run_ended("shop", number)?;
        let job = |key: &str| run["jobs"].as_array().into_iter().flatten().find(|job| job["key"] == key).cloned().unwrap_or_default();
        let (greedy, modest) = (job("greedy"), job("modest"));
        ensure!(greedy["status"]["ended"] == "failed", "round {round}: the greedy job: {greedy}");
        ensure!(modest["status"]["ended"] == "passed", "round {round}: the modest job: {modest}");
        named += u32::from(greedy["reason"].as_str().is_some_and(|reason| reason.contains("memory")));
    }
    ensure!(named == rounds, "{named} of {rounds} failures say that memory was the cause");
    drop(server);
    let entries = check::ledger(&ground.program, &data)?;
    Ok(json!({
        "seed": ground.seed, "rounds": rounds, "memory_mib": MEMORY_BYTES >> 20, "culprit_failed_and_named": named,
        "others_passed": rounds, "server_survived": true, "entries": entries,
    }))
}

/// A control group of the first version with little memory.
struct Group(PathBuf);

impl Group {
    fn new() -> Result<Self> {
        let path = PathBuf::from(format!("/sys/fs/cgroup/memory/trunkline-faults-{}", std::process::id()));
        fs::create_dir(&path).context("no control group for memory can be made")?;
        let group = Self(path);
        fs::write(group.0.join("memory.limit_in_bytes"), MEMORY_BYTES.to_string()).context("memory cannot be limited")?;
        // Swap would only make the same end slow; not every kernel counts it.
        let _ = fs::write(group.0.join("memory.memsw.limit_in_bytes"), MEMORY_BYTES.to_string());
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel lets go of the last process a moment after its end.
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
