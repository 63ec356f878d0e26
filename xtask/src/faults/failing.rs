//! F3: the n-th read, write or sync of the database fails, for every n.

use super::tracer::{self, Tracer};
use super::{Ground, check};
use crate::bench::Server;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use trunkline_sim::Random;

/// What can fail.
const CALLS: [&str; 4] = ["pread64", "pwrite64", "fdatasync", "fsync"];
/// Acknowledged acts of one life.
const ACTS: usize = 4;
/// A program that could not go on says so with this status.
const GIVEN_UP: i32 = 74;

/// Lets calls fail: all of them where `count` allows that many lives, otherwise so many that chance picks.
pub fn run(ground: &Ground) -> Result<Value> {
    if let Err(error) = tracer::is_allowed() {
        return Ok(json!({ "not_tried": format!("{error:#}") }));
    }
    let mut random = Random::new(ground.seed);
    let mut places = count_calls(ground)?;
    let all = places.len();
    while places.len() > ground.count as usize {
        places.swap_remove(random.below(places.len() as u64) as usize);
    }
    let (mut lived, mut ended, mut acknowledged) = (0, 0, 0);
    let mut tried: BTreeMap<&str, u32> = BTreeMap::new();
    for (call, number) in &places {
        let life = Life::new(ground, &format!("{call}-{number}"))?;
        let outcome = life.live(ground, Some(format!("{call}:error=EIO:when={number}"))).with_context(|| format!("{call} {number}"))?;
        *tried.entry(call).or_default() += 1;
        acknowledged += outcome.acknowledged.len();
        match outcome.gave_up {
            true => ended += 1,
            false => lived += 1,
        }
        // A sync that failed must end the process: the kernel forgets what it could not write.
        let sync_failed = call.ends_with("sync") && outcome.injected;
        ensure!(!sync_failed || outcome.gave_up, "{call} {number} failed and the server went on");
        life.check(ground, &outcome.acknowledged).with_context(|| format!("{call} {number}"))?;
        fs::remove_dir_all(&life.folder)?;
    }
    let tried: Map<String, Value> = tried.into_iter().map(|(call, count)| (call.to_owned(), json!(count))).collect();
    Ok(json!({
        "seed": ground.seed, "calls_of_one_life": all, "failed": tried, "server_gave_up": ended, "server_went_on": lived,
        "acknowledged": acknowledged, "false_acknowledgements": 0,
    }))
}

/// Every call of an undisturbed life: (name, its number in its thread).
fn count_calls(ground: &Ground) -> Result<Vec<(&'static str, u32)>> {
    let life = Life::new(ground, "undisturbed")?;
    let outcome = life.live(ground, None)?;
    ensure!(outcome.acknowledged.len() == ACTS, "an undisturbed server took {} of {ACTS} acts", outcome.acknowledged.len());
    life.check(ground, &outcome.acknowledged)?;
    let text = fs::read_to_string(life.folder.join("trace"))?;
    let mut threads: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let (Some(thread), Some(rest)) = (words.next(), words.next())
            && let Some((call, _)) = rest.split_once('(')
        {
            *threads.entry((call, thread)).or_default() += 1;
        }
    }
    let most = |call: &str| threads.iter().filter(|((name, _), _)| *name == call).map(|(_, count)| *count).max().unwrap_or(0);
    Ok(CALLS.iter().flat_map(|call| (1..=most(call)).map(move |number| (*call, number))).collect())
}

/// A server with a data folder of its own, from its first start on.
struct Life {
    folder: PathBuf,
    data: PathBuf,
}

struct Outcome {
    acknowledged: Vec<String>,
    injected: bool,
    gave_up: bool,
}

impl Life {
    fn new(ground: &Ground, name: &str) -> Result<Self> {
        let folder = ground.folder.join(name);
        fs::create_dir_all(&folder)?;
        Ok(Self { data: folder.join("data"), folder })
    }

    /// Starts, acts, and is told to end, if it still runs.
    fn live(&self, ground: &Ground, inject: Option<String>) -> Result<Outcome> {
        let log = self.folder.join("trace");
        let paths = ["trunkline.db", "trunkline.db-wal", "trunkline.db-journal"].map(|name| self.data.join(name)).to_vec();
        let tracer = Tracer { calls: CALLS.join(","), paths, inject, options: Vec::new(), log: log.clone() };
        let mut acknowledged = Vec::new();
        let gave_up = match tracer.serve(&ground.program, &self.data, 0) {
            // It did not even start; it must have said why, and acknowledged nothing.
            Err(_) => true,
            Ok(mut server) => {
                for number in 0..ACTS {
                    let name = format!("p{number}");
                    if server.post("projects", &json!({ "name": name })).is_ok() {
                        acknowledged.push(name);
                    }
                }
                server.terminate()?.code() == Some(GIVEN_UP)
            }
        };
        let injected = fs::read_to_string(&log)?.contains("(INJECTED)");
        Ok(Outcome { acknowledged, injected, gave_up })
    }

    /// What was acknowledged is there, and the ledger holds.
    fn check(&self, ground: &Ground, acknowledged: &[String]) -> Result<()> {
        let server = Server::start(&ground.program, &self.data).context("it does not start again")?;
        let status = server.get("status")?;
        let there: Vec<&str> = status["projects"].as_array().into_iter().flatten().filter_map(|project| project["name"].as_str()).collect();
        for name in acknowledged {
            ensure!(there.contains(&name.as_str()), "project {name} was acknowledged and is lost; there are {there:?}");
        }
        drop(server);
        check::ledger(&ground.program, &self.data).map(drop)
    }
}
