//! F6 and F7: a runner is killed, or paused for longer than its lease and then continued, in whatever it is doing.

use super::Ground;
use super::clock::{Clock, LOST_AFTER, SPEED};
use super::facts::Facts;
use super::runner::{Process, now};
use super::site::Site;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use trunkline_sim::Random;

/// Runners that are struck in one round.
const VICTIMS: usize = 10;
/// A pause in seconds of the fast clock: longer than a lease.
const PAUSE: f64 = LOST_AFTER * 1.3;
/// The pause of a last round, where there are several: ten minutes.
const LONG_PAUSE: f64 = 600.0;
/// No round but the last begins after this: a lost lease takes four seconds even on fast clocks.
const BUDGET: Duration = Duration::from_secs(250);
/// Pushes of a round.
const PUSHES: u32 = 8;
/// From one push to the next.
const PUSH_EVERY: Duration = Duration::from_millis(350);
/// A runner that is given nothing for so long is struck while it waits.
const IDLE: Duration = Duration::from_secs(4);
/// The server looks for lost leases twice a second of the real clock; so many seconds of the fast one.
const LOOK: f64 = SPEED as f64 / 2.0;
/// A decision may take so long after the runner is gone, in seconds of the fast clock: 45, and two of these looks.
const DECIDED_WITHIN: f64 = LOST_AFTER + 5.0 + 2.0 * LOOK;

/// F6.
pub fn run(ground: &Ground) -> Result<Value> {
    strike(ground, Blow::Kill)
}

/// F7.
pub fn pause(ground: &Ground) -> Result<Value> {
    strike(ground, Blow::Pause)
}

#[derive(Clone, Copy, PartialEq)]
enum Blow {
    Kill,
    Pause,
}

/// One runner that was struck while it held this, if anything.
struct Struck {
    name: String,
    phase: String,
    lease: Option<(String, u64)>,
    at: f64,
}

fn strike(ground: &Ground, blow: Blow) -> Result<Value> {
    let clock = Clock::new(&ground.folder, &ground.program, SPEED)?;
    let mut random = Random::new(ground.seed);
    let mut site = Site::open(ground, clock)?;
    // Somebody must be there for what the others lose.
    let _steady = site.runner("steady", 1, None)?;
    let (mut struck, mut longest) = (Vec::new(), 0.0_f64);
    let started = Instant::now();
    let rounds = ground.count.max(1).div_ceil(VICTIMS as u32);
    for round in 0..rounds {
        let last = round + 1 == rounds || started.elapsed() > BUDGET;
        let pause = if last && round > 0 { LONG_PAUSE } else { PAUSE };
        one_round(&mut site, round, blow, pause, &mut random, &mut struck).with_context(|| format!("round {round}"))?;
        longest = longest.max(pause);
        if last {
            break;
        }
    }
    let (mut figures, facts) = site.check()?;
    let mut phases: BTreeMap<&str, usize> = BTreeMap::new();
    struck.iter().for_each(|one| *phases.entry(&one.phase).or_default() += 1);
    let decided = decisions(&site, &struck, &facts)?;
    let word = if blow == Blow::Kill { "kills" } else { "pauses" };
    figures.insert(word.to_owned(), json!(struck.len()));
    if blow == Blow::Pause {
        figures.insert("longest_pause_s".to_owned(), json!(longest.round()));
    }
    figures.insert("while".to_owned(), json!(phases));
    figures.insert("decided_after_s_max".to_owned(), json!(decided.round()));
    figures.insert("of_these_between_two_looks_s_max".to_owned(), json!(LOOK));
    figures.insert("attempts_lost".to_owned(), json!(facts.attempts_lost));
    figures.insert("deployments_unknown".to_owned(), json!(facts.became_unknown));
    let (given, unheard) = unheard(&site, &facts, &struck)?;
    // A kill may hit the moment between the grant and its arrival, but rarely. Of a pause the server can see nothing.
    ensure!(blow == Blow::Pause || unheard <= 1 + struck.len() / 10, "{unheard} leases were given to runners that were gone");
    figures.insert("leases".to_owned(), json!(given));
    figures.insert(format!("given_to_the_{}", if blow == Blow::Kill { "dead" } else { "paused" }), json!(unheard));
    Ok(Value::Object(figures))
}

/// Strikes fresh runners, and waits until everything has ended.
fn one_round(site: &mut Site, round: u32, blow: Blow, pause: f64, random: &mut Random, struck: &mut Vec<Struck>) -> Result<()> {
    let mut victims = Vec::new();
    for number in 0..VICTIMS {
        let name = format!("r{round}-{number}");
        victims.push((name.clone(), site.runner(&name, 1, None)?));
    }
    if round == 0 {
        site.end_of_quiet();
    }
    let paused = one_by_one(site, victims, blow, random, struck)?;
    if blow == Blow::Pause {
        std::thread::sleep(Duration::from_secs_f64(pause / SPEED as f64));
        for process in &paused {
            process.signal("CONT")?;
        }
    }
    site.settled()?;
    if blow == Blow::Pause {
        // What they still want to say must be heard before they go.
        said(site, struck, paused.len())?;
    }
    Ok(())
}

/// Pushes, and strikes each of them once, most of them soon after they were given something. Gives back those that were paused.
fn one_by_one(
    site: &mut Site,
    mut victims: Vec<(String, Process)>,
    blow: Blow,
    random: &mut Random,
    struck: &mut Vec<Struck>,
) -> Result<Vec<Process>> {
    let started = Instant::now();
    let (mut seen, mut paused): (BTreeMap<String, usize>, Vec<Process>) = Default::default();
    let mut pushes = 0;
    while !victims.is_empty() {
        if pushes < PUSHES && started.elapsed() >= PUSH_EVERY * pushes {
            site.push()?;
            pushes += 1;
        }
        let mut index = 0;
        while index < victims.len() {
            let journal = site.journal(&victims[index].0)?;
            let before = seen.insert(victims[index].0.clone(), journal.len()).unwrap_or(0);
            let fresh = journal[before..].iter().rfind(|line| line["act"] == "granted");
            // Jobs are many and deployments few.
            let strikes = fresh.is_some_and(|line| random.chance(if line["rest"] == "job" { 40 } else { 80 }));
            if !strikes && started.elapsed() < IDLE {
                index += 1;
                continue;
            }
            // Observing and checking take a few milliseconds, applying and building a hundred times as long.
            std::thread::sleep(Duration::from_millis(if random.chance(50) { 0 } else { random.below(150) }));
            let (name, mut process) = victims.remove(index);
            match blow {
                Blow::Kill => process.kill(),
                Blow::Pause => process.signal("STOP")?,
            }
            struck.push(now_held(site, &name)?);
            match blow {
                Blow::Pause => paused.push(process),
                // Half of the machines come back at once and clean up, the others stay away with what they had started.
                Blow::Kill if random.chance(50) => paused.push(site.runner(&name, 1, None)?),
                Blow::Kill => {}
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(paused)
}

/// What it holds by its own word.
fn now_held(site: &Site, name: &str) -> Result<Struck> {
    let at = now();
    let journal = site.journal(name)?;
    let granted = journal.iter().rfind(|line| line["act"] == "granted");
    let held = granted.filter(|granted| {
        let same = |line: &&Value| line["act"] == "report" && line["work"] == granted["work"] && line["epoch"] == granted["epoch"];
        !journal.iter().any(|line| same(&line) && line["rest"]["answer"] != "no answer")
    });
    let phase = held.map_or("idle", |held| held["rest"].as_str().unwrap_or_default()).to_owned();
    let lease = held.map(|held| (held["work"].as_str().unwrap_or_default().to_owned(), held["epoch"].as_u64().unwrap_or_default()));
    Ok(Struck { name: name.to_owned(), phase, lease, at })
}

/// Waits until the newest paused runners have tried to report what they held.
fn said(site: &Site, struck: &[Struck], newest: usize) -> Result<()> {
    for one in struck.iter().rev().take(newest) {
        let Some((work, epoch)) = &one.lease else { continue };
        super::runner::until(Duration::from_secs(20), || {
            let after = |line: &&Value| line["at"].as_f64() > Some(one.at) && line["work"] == work.as_str() && line["epoch"] == *epoch;
            Ok(site.journal(&one.name)?.iter().find(after).map(drop))
        })
        .with_context(|| format!("{} says nothing after its pause", one.name))?;
    }
    Ok(())
}

/// The longest time from a blow to the fact that ended what was held, in seconds of the fast clock.
fn decisions(site: &Site, struck: &[Struck], facts: &Facts) -> Result<f64> {
    let mut longest = 0.0_f64;
    for one in struck {
        let Some((work, epoch)) = &one.lease else { continue };
        let given = facts.find(work, *epoch).with_context(|| format!("the ledger knows no lease {work} {epoch}"))?;
        let ended = given.ended_ms.with_context(|| format!("{work} was held by {} and nothing was decided", one.name))?;
        let journal = site.journal(&one.name)?;
        let granted = journal.iter().find(|line| line["act"] == "granted" && line["work"] == work.as_str() && line["epoch"] == *epoch);
        let granted = granted.and_then(|line| line["at"].as_f64()).context("no grant")?;
        let took = (ended - given.at_ms) as f64 / 1000.0 - (one.at - granted) * SPEED as f64;
        ensure!(took < DECIDED_WITHIN, "{}, struck while {}: decided after {took:.0} s", one.name, one.phase);
        longest = longest.max(took);
    }
    Ok(longest)
}

/// How many leases there were, and how many no runner ever heard of.
fn unheard(site: &Site, facts: &Facts, struck: &[Struck]) -> Result<(usize, usize)> {
    let mut heard = std::collections::BTreeSet::new();
    for name in struck.iter().map(|one| one.name.as_str()).chain(["steady"]) {
        for line in site.journal(name)?.iter().filter(|line| line["act"] == "granted") {
            heard.insert((line["work"].as_str().unwrap_or_default().to_owned(), line["epoch"].as_u64().unwrap_or_default()));
        }
    }
    let unheard = facts.given.iter().filter(|given| !heard.contains(&(given.work.clone(), given.epoch))).count();
    Ok((facts.given.len(), unheard))
}
