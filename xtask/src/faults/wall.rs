//! F14: the wall clock jumps while the server runs.

use super::Ground;
use super::clock::{Clock, SPEED};
use super::site::Site;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use trunkline_sim::Random;

const HOUR: i64 = 3_600;
const TEN_YEARS: i64 = 10 * 365 * 24 * HOUR;
/// Where the clock jumps to, in seconds from the real one.
const JUMPS: [i64; 7] = [HOUR, -HOUR, TEN_YEARS, -TEN_YEARS, 0, 30, -30];
/// Jumps while one push is built and delivered.
const JUMPS_OF_ROUND: u32 = 5;
/// Rounds at most.
const ROUNDS_MAX: u32 = 60;

/// Lets it jump.
pub fn run(ground: &Ground) -> Result<Value> {
    let clock = Clock::new(&ground.folder, &ground.program, SPEED)?;
    let mut random = Random::new(ground.seed);
    let started = Instant::now();
    let mut site = Site::open(ground, clock)?;
    let _runners = [site.runner("r0", 1, None)?, site.runner("r1", 1, None)?];
    // Only then could anything expire at all.
    site.end_of_quiet();
    let rounds = ground.count.div_ceil(JUMPS_OF_ROUND).clamp(1, ROUNDS_MAX);
    for round in 0..rounds {
        site.push()?;
        for _ in 0..JUMPS_OF_ROUND {
            site.clock.wall(JUMPS[random.below(JUMPS.len() as u64) as usize])?;
            std::thread::sleep(Duration::from_millis(50 + random.below(200)));
        }
        site.settled().with_context(|| format!("round {round}"))?;
    }
    // A server that starts long before its own record goes on from the record.
    let program = ground.program.clone();
    site.clock.wall(-TEN_YEARS)?;
    site.restart(&program, |server| server.terminate().map(drop))?;
    site.push()?;
    site.settled().context("after a start ten years before the record")?;
    site.clock.wall(0)?;
    let (mut figures, facts) = site.check()?;
    let elapsed_ms = started.elapsed().as_millis() as i64 * SPEED;
    ensure!(figures["runs_whose_job_was_lost_twice"] == 0, "a run did not pass: {figures:?}");
    ensure!(figures["of_these"]["failed"].is_null(), "a deployment failed: {figures:?}");
    ensure!(facts.attempts_lost == 0 && facts.became_unknown == 0, "a lease was lost to a jump of the clock");
    ensure!(facts.by_time == 0, "{} things expired early", facts.by_time);
    ensure!(facts.span_ms() <= elapsed_ms, "the record spans {} ms, the experiment {elapsed_ms} ms", facts.span_ms());
    figures.insert("jumps".to_owned(), json!(rounds * JUMPS_OF_ROUND + 1));
    figures.insert("leases".to_owned(), json!(facts.given.len()));
    figures.insert("early_expiries".to_owned(), json!(0));
    figures.insert("firings_of_schedules".to_owned(), json!("this version has none"));
    Ok(Value::Object(figures))
}
