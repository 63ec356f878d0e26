//! F20: the server is replaced in the middle of runs, while its runner works on.

use super::Ground;
use super::clock::Clock;
use super::site::Site;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use trunkline_sim::Random;

/// Upgrades at most, about a second and a half each.
const ROUNDS_MAX: u32 = 120;

/// Replaces it so often.
pub fn run(ground: &Ground) -> Result<Value> {
    let clock = Clock::new(&ground.folder, &ground.program, 1)?;
    let mut random = Random::new(ground.seed);
    // There is one version yet: the new one is the same program at another place.
    let next = ground.folder.join("next");
    fs::create_dir_all(&next)?;
    let programs = [ground.program.clone(), next.join("trunkline")];
    fs::copy(&programs[0], &programs[1])?;
    let mut site = Site::open(ground, clock)?;
    let _runners = [site.runner("r0", 1, None)?, site.runner("r1", 1, None)?];
    let rounds = ground.count.clamp(1, ROUNDS_MAX);
    let (mut killed, mut longest) = (0, Duration::ZERO);
    for round in 0..rounds {
        site.push()?;
        std::thread::sleep(Duration::from_millis(random.below(900)));
        let kill = random.chance(30);
        killed += u32::from(kill);
        site.restart(&programs[(round as usize + 1) % 2], |server| {
            if kill {
                server.kill();
                return Ok(());
            }
            server.terminate().map(drop)
        })
        .with_context(|| format!("upgrade {round}"))?;
        longest = longest.max(site.server.ready);
    }
    site.settled()?;
    let (mut figures, facts) = site.check()?;
    ensure!(figures["runs_whose_job_was_lost_twice"] == 0, "a run did not pass: {figures:?}");
    ensure!(figures["of_these"]["failed"].is_null(), "a deployment failed: {figures:?}");
    // A short outage kills no build, and a runner that worked on needs no second attempt.
    ensure!(facts.attempts_lost == 0, "{} attempts were lost to an upgrade", facts.attempts_lost);
    figures.insert("upgrades".to_owned(), json!(rounds));
    figures.insert("old_server_killed".to_owned(), json!(killed));
    figures.insert("ready_ms_max".to_owned(), json!(longest.as_millis() as u64));
    figures.insert("attempts_lost".to_owned(), json!(facts.attempts_lost));
    figures.insert("deployments_unknown".to_owned(), json!(facts.became_unknown));
    figures.insert("versions".to_owned(), json!("one: the new server is the same program"));
    Ok(Value::Object(figures))
}
