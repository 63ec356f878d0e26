//! F19: a run is cancelled at the moment at which it ends by itself.

use super::{Ground, check};
use crate::bench::Server;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use trunkline_sim::Random;

/// Races at the same time.
const ABREAST: usize = 2;
/// Races at most.
const RACES_MAX: u32 = 500;
const FILE: &str = "on: { manual: {} }\njobs: { quick: { sandbox: host, run: 'sleep 0.03' } }\n";

/// How one race went.
struct Race {
    number: u64,
    cancel_taken: bool,
    result: String,
}

/// Races.
pub fn run(ground: &Ground) -> Result<Value> {
    let data = ground.folder.join("data");
    let server = Server::start(&ground.program, &data)?;
    server.project("shop", &ground.folder.join("source"), FILE)?.push("trunkline")?;
    let usual = usual(&server)?;
    let mut random = Random::new(ground.seed);
    let count = ground.count.clamp(ABREAST as u32, RACES_MAX) as usize;
    let mut races: Vec<Race> = Vec::new();
    while races.len() < count {
        // Around the usual end, a third of it to each side.
        let delays: Vec<Duration> = (0..ABREAST).map(|_| usual.mul_f64(0.66 + random.below(680) as f64 / 1000.0)).collect();
        let server = &server;
        let went: Result<Vec<Race>> = std::thread::scope(|scope| {
            let lanes: Vec<_> = delays.into_iter().map(|delay| scope.spawn(move || race(server, delay))).collect();
            lanes.into_iter().map(|lane| lane.join().unwrap_or_else(|_| anyhow::bail!("a thread broke"))).collect()
        });
        races.extend(went?);
    }
    let mut results: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &races {
        *results.entry(&one.result).or_default() += 1;
        let now = server.get(&format!("projects/shop/runs/{}", one.number))?;
        ensure!(now["result"] == one.result.as_str(), "run {} ended as {}, and is {} now", one.number, one.result, now["result"]);
        ensure!(one.cancel_taken || one.result == "passed", "run {}: no cancel was taken, and it ended as {}", one.number, one.result);
    }
    let too_late = races.iter().filter(|one| !one.cancel_taken).count();
    drop(server);
    let entries = check::ledger(&ground.program, &data)?;
    Ok(
        json!({ "seed": ground.seed, "races": races.len(), "ended_as": results, "cancels_too_late": too_late, "ended_twice": 0, "entries": entries }),
    )
}

/// How long a run takes from its start to its end when nobody cancels it: the middle of five.
fn usual(server: &Server) -> Result<Duration> {
    let mut spans = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let number = start(server)?;
        server.run_ended("shop", number)?;
        spans.push(started.elapsed());
    }
    spans.sort();
    Ok(spans[2])
}

fn start(server: &Server) -> Result<u64> {
    server.post("projects/shop/runs", &json!({}))?["number"].as_u64().context("no number")
}

fn race(server: &Server, delay: Duration) -> Result<Race> {
    let started = Instant::now();
    let number = start(server)?;
    std::thread::sleep(delay.saturating_sub(started.elapsed()));
    let cancel_taken = server.post(&format!("projects/shop/runs/{number}/cancel"), &json!({})).is_ok();
    let run = server.run_ended("shop", number)?;
    Ok(Race { number, cancel_taken, result: run["result"].as_str().context("no result")?.to_owned() })
}
