//! F8: runners are cut off from the server, in each direction, for less and for more than their lease.

use super::Ground;
use super::clock::{Clock, LOST_AFTER, SPEED};
use super::proxy::{Proxy, TROUBLES, Trouble};
use super::site::Site;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use trunkline_sim::Random;

/// Runners, each behind a network of its own.
const RUNNERS: usize = 5;
/// Troubles of one runner in one round.
const TROUBLES_OF_ROUND: usize = 2;
/// No round begins after this.
const BUDGET: Duration = Duration::from_secs(250);
/// Pushes of a round.
const PUSHES: usize = 3;

/// Cuts them off.
pub fn run(ground: &Ground) -> Result<Value> {
    let clock = Clock::new(&ground.folder, &ground.program, SPEED)?;
    let mut random = Random::new(ground.seed);
    let mut site = Site::open(ground, clock)?;
    let mut runners = Vec::new();
    for number in 0..RUNNERS {
        let proxy = Proxy::start(site.server.listen())?;
        let process = site.runner(&format!("r{number}"), 1, Some(proxy.address.clone()))?;
        runners.push((proxy, process));
    }
    site.end_of_quiet();
    let started = Instant::now();
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    let mut longest = Duration::ZERO;
    for round in 0..(ground.count.max(1) as usize).div_ceil(RUNNERS * TROUBLES_OF_ROUND) {
        if started.elapsed() > BUDGET {
            break;
        }
        let plans: Vec<Vec<Step>> = (0..RUNNERS).map(|_| (0..TROUBLES_OF_ROUND).map(|_| Step::any(&mut random)).collect()).collect();
        for step in plans.iter().flatten() {
            *made.entry(step.trouble.word()).or_default() += 1;
            longest = longest.max(step.span);
        }
        std::thread::scope(|scope| {
            for ((proxy, _), plan) in runners.iter().zip(&plans) {
                scope.spawn(|| plan.iter().for_each(|step| step.make(proxy)));
            }
            (0..PUSHES).try_for_each(|_| site.push())
        })?;
        site.settled().with_context(|| format!("round {round}"))?;
    }
    let (mut figures, facts) = site.check()?;
    figures.insert("troubles".to_owned(), json!(made.values().sum::<usize>()));
    figures.insert("kinds".to_owned(), json!(made));
    figures.insert("longest_s".to_owned(), json!((longest.as_secs_f64() * SPEED as f64).round()));
    figures.insert("attempts_lost".to_owned(), json!(facts.attempts_lost));
    figures.insert("deployments_unknown".to_owned(), json!(facts.became_unknown));
    figures.insert("log_bytes_missing".to_owned(), json!(0));
    Ok(Value::Object(figures))
}

/// One trouble.
struct Step {
    after: Duration,
    trouble: Trouble,
    span: Duration,
}

impl Step {
    /// Two of three are shorter than a lease.
    fn any(random: &mut Random) -> Self {
        let lease_ms = (LOST_AFTER * 1000.0) as u64 / SPEED as u64;
        let span_ms = if random.chance(66) { 50 + random.below(lease_ms / 3) } else { lease_ms + 200 + random.below(lease_ms / 3) };
        Self {
            after: Duration::from_millis(random.below(1_200)),
            trouble: TROUBLES[random.below(TROUBLES.len() as u64) as usize],
            span: Duration::from_millis(span_ms),
        }
    }

    fn make(&self, proxy: &Proxy) {
        std::thread::sleep(self.after);
        proxy.trouble(self.trouble);
        std::thread::sleep(self.span);
        proxy.trouble(Trouble::None);
    }
}
