//! F1: the server is killed at random points while people push and releases are deployed.

use super::Ground;
use super::check;
use super::progress::Progress;
use super::site::cancel_some;
use super::target::{Targets, script};
use crate::bench::{Repository, Server, median};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use trunkline_sim::Random;

/// Between two kills, at most.
const LIFE_MS_MAX: u64 = 900;
/// Of so many servers one lives until it has made progress, and for less than [`LIFE_MS_MAX`] after it.
const PATIENT: u64 = 4;
/// From a start to the first thing that a runner says, at most.
const PROGRESS_WITHIN: Duration = Duration::from_secs(10);

/// Kills the server so often, then looks at everything.
pub fn run(ground: &Ground) -> Result<Value> {
    let mut random = Random::new(ground.seed);
    let targets = Targets::new(&ground.folder)?;
    let data = ground.folder.join("data");
    let server = Server::start(&ground.program, &data)?;
    let source = ground.folder.join("source");
    fs::create_dir_all(&source)?;
    fs::write(source.join("apply.sh"), script())?;
    let repository = server.project("shop", &source, &delivery_file(&targets))?;
    // The address must stay the same: the remote of the repository names it.
    let listen = server.listen();
    let started = Instant::now();
    let mut lives = Lives { ground, data, listen, server, started, repository, progress: None, taken: Taken::default() };
    for _ in 0..ground.count {
        let patient = random.below(PATIENT) == 0;
        lives.one(patient, Duration::from_millis(random.below(LIFE_MS_MAX)))?;
    }
    lives.check(&targets)
}

fn delivery_file(targets: &Targets) -> String {
    format!(
        "on: push\njobs:\n  build: {{ run: 'sleep 0.05; date +%s%N > out', artifacts: [{{ name: out, path: out }}] }}\n  unit: {{ needs: build, run: 'sleep 0.05' }}\nrelease: {{ version: calver, artifacts: [out], files: [apply.sh] }}\n{}",
        targets.environments()
    )
}

/// One server after another on the same record.
struct Lives<'a> {
    ground: &'a Ground,
    data: PathBuf,
    listen: String,
    server: Server,
    started: Instant,
    repository: Repository,
    progress: Option<Progress>,
    taken: Taken,
}

/// What the lives came to.
#[derive(Default)]
struct Taken {
    acknowledged: Vec<String>,
    refused: usize,
    ready: Vec<f64>,
    progress: Vec<f64>,
}

impl Lives<'_> {
    /// A push, a kill at some moment of it or after it, and the next server.
    fn one(&mut self, patient: bool, span: Duration) -> Result<()> {
        let Self { repository, server, progress, started, taken, .. } = self;
        let (pushed, progressed) = std::thread::scope(|scope| {
            let pusher = scope.spawn(|| push(repository));
            // What the server before this one was busy with.
            let cancelled = taken.acknowledged.last().map_or(Ok(()), |last| cancel_some(server, last, taken.acknowledged.len()));
            let progressed = match progress {
                Some(progress) if patient => progress.wait(*started, PROGRESS_WITHIN).map(Some),
                _ => Ok(None),
            };
            std::thread::sleep(span);
            server.kill();
            cancelled?;
            anyhow::Ok((pusher.join().unwrap_or(Ok(None))?, progressed?))
        })?;
        match pushed {
            Some(commit) => self.taken.acknowledged.push(commit),
            None => self.taken.refused += 1,
        }
        self.taken.progress.extend(progressed.map(|took| took.as_secs_f64()));
        self.progress = Some(Progress::after_all_of(&self.data)?);
        self.started = Instant::now();
        self.server = Server::start_on(&self.ground.program, &self.data, &self.listen)?;
        self.taken.ready.push(self.server.ready.as_secs_f64());
        Ok(())
    }

    fn check(mut self, targets: &Targets) -> Result<Value> {
        // One more push: the chain still works. It also brings what a killed server did not take.
        self.taken.acknowledged.extend(push(&self.repository)?);
        let Taken { acknowledged, refused, mut ready, mut progress } = self.taken;
        let runs = check::runs(&self.server, &acknowledged)?;
        let deployments = check::deployments(&self.server)?;
        let accepted = check::journals(targets)?;
        drop(self.server);
        let entries = check::ledger(&self.ground.program, &self.data)?;
        ensure!(runs.passed > 0, "nothing was built between the kills: this tells nothing");
        ready.sort_by(f64::total_cmp);
        progress.sort_by(f64::total_cmp);
        let mut figures = runs.figures();
        let others = json!({
            "kills": self.ground.count, "seed": self.ground.seed, "acknowledged": acknowledged.len(), "not_acknowledged": refused, "lost": 0,
            "deployments": deployments.len(), "of_these": check::results(&deployments)?, "accepted_applies": accepted,
            "duplicate_applies": 0, "entries": entries, "ready_ms_median": ms(median(&ready)), "ready_ms_max": ms(at(&ready, 100)),
            "restarts_with_a_look_at_progress": progress.len(), "restart_to_progress_ms_median": ms(median(&progress)),
            "restart_to_progress_ms_p99": ms(at(&progress, 99)), "restart_to_progress_ms_max": ms(at(&progress, 100)),
        });
        figures.extend(others.as_object().cloned().unwrap_or_default());
        Ok(Value::Object(figures))
    }
}

/// The commit, if the server said that it has it.
fn push(repository: &Repository) -> Result<Option<String>> {
    repository.commit()?;
    let commit = repository.head()?;
    Ok(repository.push("trunkline").is_ok().then_some(commit))
}

fn ms(seconds: f64) -> f64 {
    (seconds * 1000.0).round()
}

/// The smallest value that so many percent do not exceed.
fn at(sorted: &[f64], percent: usize) -> f64 {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}
