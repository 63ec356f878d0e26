//! F20: the server is replaced in the middle of runs, while its runner works on.

use super::Ground;
use super::clock::Clock;
use super::site::Site;
use crate::bench::Server;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;
use trunkline_sim::Random;

/// Upgrades at most, about a second and a half each.
const ROUNDS_MAX: u32 = 120;
/// Upgrades from an earlier version at most, each of a record of its own: about four seconds.
const RECORDS_MAX: u32 = 50;
/// Pushes before and after such an upgrade.
const PUSHES: usize = 3;

/// Replaces it so often.
pub fn run(ground: &Ground) -> Result<Value> {
    match &ground.previous {
        Some(previous) => from_earlier(ground, previous),
        None => in_place(ground),
    }
}

/// One record, and a server after another of the same program at two places.
fn in_place(ground: &Ground) -> Result<Value> {
    let clock = Clock::new(&ground.folder, &ground.program, 1)?;
    let mut random = Random::new(ground.seed);
    let next = ground.folder.join("next");
    fs::create_dir_all(&next)?;
    let programs = [ground.program.clone(), next.join("trunkline")];
    fs::copy(&programs[0], &programs[1])?;
    let mut site = Site::open(ground, clock)?;
    let _runners = [site.runner("r0", 1, None)?, site.runner("r1", 1, None)?];
    let mut upgrades = Upgrades::default();
    for round in 0..ground.count.clamp(1, ROUNDS_MAX) as usize {
        site.push()?;
        upgrades.one(&mut site, &programs[(round + 1) % 2], &mut random).with_context(|| format!("upgrade {round}"))?;
    }
    site.settled()?;
    let mut figures = checked(&mut site)?;
    figures.insert("seed".to_owned(), json!(ground.seed));
    figures.insert("versions".to_owned(), json!("one: the new server is the same program"));
    Ok(upgrades.told(figures))
}

/// Many records, each begun by a server of the earlier version.
fn from_earlier(ground: &Ground, previous: &Path) -> Result<Value> {
    let mut random = Random::new(ground.seed);
    let (mut upgrades, mut sums) = (Upgrades::default(), Map::new());
    let records = ground.count.clamp(1, RECORDS_MAX);
    for record in 0..records {
        let folder = ground.folder.join(record.to_string());
        fs::create_dir_all(&folder)?;
        let program = ground.program.clone();
        let place = Ground { program, previous: None, folder, count: 1, seed: ground.seed };
        let mut site = Site::open_by(previous, &place, Clock::new(&place.folder, &place.program, 1)?)?;
        let _runners = [site.runner("r0", 1, None)?, site.runner("r1", 1, None)?];
        for _ in 0..PUSHES {
            site.push()?;
        }
        upgrades.one(&mut site, &place.program, &mut random).with_context(|| format!("record {record}"))?;
        for _ in 0..PUSHES {
            site.push()?;
        }
        site.settled().with_context(|| format!("record {record}"))?;
        add(&mut sums, checked(&mut site)?);
    }
    sums.insert("seed".to_owned(), json!(ground.seed));
    sums.insert("clock_speed".to_owned(), json!(1));
    sums.insert("records".to_owned(), json!(records));
    sums.insert("versions".to_owned(), json!("the server before is that of an earlier commit; runners are the new one's"));
    Ok(upgrades.told(sums))
}

/// What the upgrades came to.
#[derive(Default)]
struct Upgrades {
    all: u32,
    killed: u32,
    slowest: Duration,
}

impl Upgrades {
    fn one(&mut self, site: &mut Site, program: &Path, random: &mut Random) -> Result<()> {
        std::thread::sleep(Duration::from_millis(random.below(900)));
        let kill = random.chance(30);
        self.all += 1;
        self.killed += u32::from(kill);
        let end = |server: &mut Server| match kill {
            true => {
                server.kill();
                Ok(())
            }
            false => server.terminate().map(drop),
        };
        site.restart(program, end)?;
        self.slowest = self.slowest.max(site.server.ready);
        Ok(())
    }

    fn told(&self, mut figures: Map<String, Value>) -> Value {
        figures.insert("upgrades".to_owned(), json!(self.all));
        figures.insert("old_server_killed".to_owned(), json!(self.killed));
        figures.insert("ready_ms_max".to_owned(), json!(self.slowest.as_millis() as u64));
        Value::Object(figures)
    }
}

/// What must hold when nothing is to blame but an upgrade.
fn checked(site: &mut Site) -> Result<Map<String, Value>> {
    let (mut figures, facts) = site.check()?;
    ensure!(figures["runs_whose_job_was_lost_twice"] == 0, "a run did not pass: {figures:?}");
    ensure!(figures["of_these"]["failed"].is_null(), "a deployment failed: {figures:?}");
    // A short outage kills no build, and a runner that worked on needs no second attempt.
    ensure!(facts.attempts_lost == 0, "{} attempts were lost to an upgrade", facts.attempts_lost);
    figures.insert("attempts_lost".to_owned(), json!(facts.attempts_lost));
    figures.insert("deployments_unknown".to_owned(), json!(facts.became_unknown));
    Ok(figures)
}

/// Adds numbers to numbers, also within objects.
fn add(sums: &mut Map<String, Value>, figures: Map<String, Value>) {
    for (name, value) in figures {
        let before = sums.entry(name).or_insert(Value::Null);
        *before = match (before.take(), value) {
            (Value::Object(mut inner), Value::Object(more)) => {
                add(&mut inner, more);
                Value::Object(inner)
            }
            (Value::Number(one), Value::Number(other)) => json!(one.as_u64().unwrap_or(0) + other.as_u64().unwrap_or(0)),
            (_, value) => value,
        };
    }
}
