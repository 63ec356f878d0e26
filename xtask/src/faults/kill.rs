//! F1: the server is killed at random points while people push and releases are deployed.

use super::Ground;
use super::check;
use super::target::{Target, script};
use crate::bench::{Server, median};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use trunkline_sim::Random;

/// Between two kills, at most.
const LIFE_MS_MAX: u64 = 900;

/// Kills the server so often, then looks at everything.
pub fn run(ground: &Ground) -> Result<Value> {
    let mut random = Random::new(ground.seed);
    let data = ground.folder.join("data");
    let (test, production) = (Target::new(&ground.folder.join("test"))?, Target::new(&ground.folder.join("production"))?);
    let file = format!(
        "on: push\njobs:\n  build: {{ run: 'sleep 0.05; date +%s%N > out', artifacts: [{{ name: out, path: out }}] }}\n  unit: {{ needs: build, run: 'sleep 0.05' }}\nrelease: {{ version: calver, artifacts: [out], files: [apply.sh] }}\nenvironments:\n{}{}",
        test.environment("test", ""),
        production.environment("production", "    after: test\n")
    );
    let mut server = Server::start(&ground.program, &data)?;
    // The address must stay the same: the remote of the repository names it.
    let listen = server.listen();
    let source = ground.folder.join("source");
    fs::create_dir_all(&source)?;
    fs::write(source.join("apply.sh"), script())?;
    let repository = server.project("shop", &source, &file)?;
    let (mut acknowledged, mut ready, mut refused) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ground.count {
        let pushed = std::thread::scope(|scope| {
            let pusher = scope.spawn(|| {
                repository.commit()?;
                let commit = repository.head()?;
                anyhow::Ok(repository.push("trunkline").is_ok().then_some(commit))
            });
            std::thread::sleep(Duration::from_millis(random.below(LIFE_MS_MAX)));
            server.kill();
            pusher.join().unwrap_or(Ok(None))
        })?;
        match pushed {
            Some(commit) => acknowledged.push(commit),
            None => refused += 1,
        }
        server = Server::start_on(&ground.program, &data, &listen)?;
        ready.push(server.ready.as_secs_f64());
    }
    // One more push: the chain still works. It also brings what a killed server did not take.
    repository.commit()?;
    repository.push("trunkline")?;
    acknowledged.push(repository.head()?);
    let (runs, passed) = check::runs(&server, &acknowledged)?;
    let deployments = check::deployments(&server)?;
    let accepted = check::journal("test", &test.journal()?)? + check::journal("production", &production.journal()?)?;
    drop(server);
    let entries = check::ledger(&ground.program, &data)?;
    ensure!(passed > 0 && accepted > 0, "nothing was delivered between the kills: this tells nothing");
    ready.sort_by(f64::total_cmp);
    let slowest = ready.last().copied().unwrap_or_default();
    Ok(json!({
        "kills": ground.count, "seed": ground.seed, "acknowledged": acknowledged.len(), "not_acknowledged": refused, "lost": 0,
        "runs": runs, "passed": passed, "deployments": deployments.len(), "accepted_applies": accepted, "duplicate_applies": 0,
        "entries": entries, "ready_ms_median": (median(&ready) * 1000.0).round(), "ready_ms_max": (slowest * 1000.0).round(),
    }))
}
