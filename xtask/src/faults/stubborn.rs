//! F18: a job ignores TERM, and leaves processes behind that do too; then it is cancelled.

use super::runner::{Seat, until};
use super::{Ground, check};
use crate::bench::Server;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// Jobs at once.
const BATCH: u32 = 20;
/// Batches at most.
const BATCHES_MAX: u32 = 8;
/// From so many on the built-in runner with its own grace is tried; below it a runner with a short one.
const LONG_FROM: u32 = 100;
const LONG_GRACE: Duration = Duration::from_secs(30);
const SHORT_GRACE: Duration = Duration::from_secs(2);
/// The end may come so much after the grace.
const LATE_MAX: Duration = Duration::from_secs(5);

/// Ignores TERM itself; leaves a child in its group, one in a session of its own, and a grandchild whose parent has gone.
const STUBBORN: &str = r#"trap '' TERM
sleep MARK &
setsid sh -c "trap '' TERM; sleep MARK; :" &
(setsid sh -c "trap '' TERM; sleep MARK; :" &)
echo begun
while :; do sleep MARK; done
"#;

/// Cancels them.
pub fn run(ground: &Ground) -> Result<Value> {
    let data = ground.folder.join("data");
    let long = ground.count >= LONG_FROM;
    // No other process sleeps for exactly that long.
    let mark = format!("{}", 700_000 + ground.seed % 100_000);
    let slots = if long { BATCH } else { 0 };
    let mut command = Command::new(&ground.program);
    command.stderr(std::process::Stdio::null());
    let server = Server::start_by(command, &ground.program, &data, &["--listen", "127.0.0.1:0", "--slots", &slots.to_string()])?;
    let seat = Seat {
        program: &ground.program,
        data: &data,
        folder: ground.folder.join("runners/r0"),
        server: format!("http://{}", server.listen()),
        slots: BATCH as usize,
        grace: SHORT_GRACE,
        renew: Duration::from_millis(500),
        clock: None,
    };
    let _runner = if long { None } else { Some(seat.start()?) };
    let grace = if long { LONG_GRACE } else { SHORT_GRACE };
    let source = ground.folder.join("source");
    fs::create_dir_all(&source)?;
    fs::write(source.join("stubborn.sh"), STUBBORN.replace("MARK", &mark))?;
    // Half of them behind the best wall that there is, half without one.
    let file = "on: { manual: {} }\njobs:\n  walled: { run: 'sh stubborn.sh' }\n  bare: { sandbox: host, run: 'sh stubborn.sh' }\n";
    server.project("shop", &source, file)?.push("trunkline")?;
    let (mut took, mut left) = (Vec::new(), ground.count.clamp(1, BATCH * BATCHES_MAX));
    let jobs = left.next_multiple_of(2);
    while left > 0 {
        let runs = left.min(BATCH).div_ceil(2);
        left = left.saturating_sub(runs * 2);
        took.extend(batch(&server, runs, grace)?);
        let survivors = alive(&mark)?;
        ensure!(survivors == 0, "{survivors} processes survived the cancel of their job");
    }
    took.sort_by(f64::total_cmp);
    let slowest = took.last().copied().unwrap_or_default();
    ensure!(slowest <= (grace + LATE_MAX).as_secs_f64(), "a cancel took {slowest:.1} s, the grace is {} s", grace.as_secs());
    ensure!(slowest >= grace.as_secs_f64() * 0.9, "it ended after {slowest:.1} s: nothing ignored TERM, this tells nothing");
    drop(server);
    let entries = check::ledger(&ground.program, &data)?;
    Ok(json!({
        "seed": ground.seed, "jobs": jobs, "grace_s": grace.as_secs(), "runner": if long { "built-in" } else { "of its own, with a short grace" },
        "cancel_to_end_s_max": (slowest * 100.0).round() / 100.0, "survivors": 0, "entries": entries,
    }))
}

/// Starts so many runs of two jobs, cancels all, and says how long each took to end.
fn batch(server: &Server, runs: u32, grace: Duration) -> Result<Vec<f64>> {
    let mut numbers = Vec::new();
    for _ in 0..runs {
        numbers.push(server.post("projects/shop/runs", &json!({}))?["number"].as_u64().context("no number")?);
    }
    for number in &numbers {
        let run = server.get(&format!("projects/shop/runs/{number}"))?;
        for job in run["jobs"].as_array().into_iter().flatten() {
            let work = job["work"].as_str().context("no work")?;
            until(Duration::from_secs(30), || Ok(String::from_utf8_lossy(&server.log("shop", work)?).contains("\nbegun").then_some(())))
                .with_context(|| format!("run {number} does not begin"))?;
        }
    }
    std::thread::scope(|scope| {
        let ends: Vec<_> = numbers.iter().map(|number| scope.spawn(move || cancel(server, *number, grace))).collect();
        ends.into_iter().map(|end| end.join().unwrap_or_else(|_| anyhow::bail!("a thread broke"))).collect()
    })
}

fn cancel(server: &Server, number: u64, grace: Duration) -> Result<f64> {
    let started = Instant::now();
    server.post(&format!("projects/shop/runs/{number}/cancel"), &json!({}))?;
    until(grace + LATE_MAX * 4, || {
        let run = server.get(&format!("projects/shop/runs/{number}"))?;
        Ok((!run["result"].is_null()).then_some(run))
    })
    .and_then(|run| {
        ensure!(run["result"] == "cancelled", "run {number} was cancelled and ended as {}", run["result"]);
        Ok(started.elapsed().as_secs_f64())
    })
}

/// Processes that sleep for that long.
fn alive(mark: &str) -> Result<usize> {
    let mut alive = 0;
    for entry in fs::read_dir("/proc")?.flatten() {
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        alive += usize::from(line.split(|byte| *byte == 0).any(|word| word == mark.as_bytes()));
    }
    Ok(alive)
}
