//! A server without a runner of its own, runners beside it, four environments, and everything that was done to them.

use super::clock::{Clock, SPEED};
use super::runner::{Process, Seat, read_journal};
use super::target::{Targets, script};
use super::{Ground, check, facts};
use crate::bench::{Repository, Server};
use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Nothing is lost in this time after a start of the server.
const QUIET: Duration = Duration::from_millis(60_000 / SPEED as u64);
/// Lines that each job prints: more than travels inside a report.
pub const LINES: usize = 500;
/// Between TERM and KILL in these runners.
pub const GRACE: Duration = Duration::from_secs(2);

/// Prints numbered lines while time passes, and leaves an artifact.
const SAY: &str = r#"i=1
while [ $i -le 500 ]; do
    echo "line $i of a log that is long enough to be sent in pieces while the job still runs"
    [ $((i % 100)) -eq 0 ] && sleep 0.05
    i=$((i + 1))
done
date +%s%N > out
"#;

/// All of it.
pub struct Site<'a> {
    ground: &'a Ground,
    /// The clocks of server and runners.
    pub clock: Clock,
    /// The server.
    pub server: Server,
    targets: Targets,
    repository: Repository,
    acknowledged: Vec<String>,
    started: Instant,
    names: Vec<String>,
}

impl<'a> Site<'a> {
    /// Starts the server by these clocks. None of the runners stands yet.
    pub fn open(ground: &'a Ground, clock: Clock) -> Result<Self> {
        Self::open_by(&ground.program, ground, clock)
    }

    /// The same with a server of another program.
    pub fn open_by(program: &Path, ground: &'a Ground, clock: Clock) -> Result<Self> {
        let server = serve(program, ground, &clock, "127.0.0.1:0")?;
        let targets = Targets::new(&ground.folder)?;
        let file = format!(
            "on: push\njobs:\n  build: {{ run: 'sh say.sh', artifacts: [{{ name: out, path: out }}] }}\n  unit: {{ needs: build, run: 'sh say.sh' }}\nrelease: {{ version: calver, artifacts: [out], files: [apply.sh] }}\n{}",
            targets.environments()
        );
        let source = ground.folder.join("source");
        fs::create_dir_all(&source)?;
        fs::write(source.join("apply.sh"), script())?;
        fs::write(source.join("say.sh"), SAY)?;
        let repository = server.project("shop", &source, &file)?;
        Ok(Self { ground, clock, server, targets, repository, acknowledged: Vec::new(), started: Instant::now(), names: Vec::new() })
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        data(self.ground)
    }

    /// Waits until the server may lose leases.
    pub fn end_of_quiet(&self) {
        std::thread::sleep(QUIET.saturating_sub(self.started.elapsed()));
    }

    /// Ends the server and starts it again at the same address.
    pub fn restart(&mut self, program: &Path, end: impl FnOnce(&mut Server) -> Result<()>) -> Result<()> {
        let listen = self.server.listen();
        end(&mut self.server)?;
        self.server = serve(program, self.ground, &self.clock, &listen)?;
        self.started = Instant::now();
        Ok(())
    }

    /// A runner of this name, which finds the server at `address`.
    pub fn runner(&mut self, name: &str, slots: usize, address: Option<String>) -> Result<Process> {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
        let server = address.unwrap_or_else(|| self.server.listen());
        let folder = self.folder(name);
        let seat = Seat {
            program: &self.ground.program,
            data: &self.data(),
            folder,
            server: format!("http://{server}"),
            slots,
            grace: GRACE,
            // As often as the protocol has it, by the clock that leases go by.
            renew: trunkline_api::runner::RENEW_EVERY.duration() / self.clock.speed as u32,
            clock: Some(&self.clock),
        };
        seat.start()
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.ground.folder.join("runners").join(name)
    }

    /// One more commit. Now and then somebody ends its run, or what is being deployed.
    pub fn push(&mut self) -> Result<()> {
        let (pushes, commit) = (self.acknowledged.len(), self.commit()?);
        cancel_some(&self.server, &commit, pushes)
    }

    fn commit(&mut self) -> Result<String> {
        self.repository.commit()?;
        self.repository.push("trunkline")?;
        let commit = self.repository.head()?;
        self.acknowledged.push(commit.clone());
        Ok(commit)
    }

    /// Waits until every run and every deployment has ended.
    pub fn settled(&self) -> Result<()> {
        check::runs(&self.server, &self.acknowledged)?;
        check::deployments(&self.server).map(drop)
    }

    /// Everything that must hold, and what it was seen on. First the chain must still work: one more commit comes through.
    pub fn check(&mut self) -> Result<(Map<String, Value>, facts::Facts)> {
        self.commit()?;
        self.settled()?;
        let runs = check::runs(&self.server, &self.acknowledged)?;
        let deployments = check::deployments(&self.server)?;
        let accepted = check::journals(&self.targets)?;
        let bytes = check::logs(&self.server, &self.acknowledged, LINES)?;
        let facts = facts::read(&self.data())?;
        let mut journal = Vec::new();
        for name in &self.names {
            journal.extend(read_journal(&self.folder(name))?);
        }
        let refused = check::writes(&journal, &facts)?;
        let entries = check::ledger(&self.ground.program, &self.data())?;
        ensure!(runs.passed > 0, "nothing was built between the faults: this tells nothing");
        let mut figures = runs.figures();
        let others = json!({
            "seed": self.ground.seed, "pushes_lost": 0, "deployments": deployments.len(), "of_these": check::results(&deployments)?,
            "accepted_applies": accepted, "duplicate_applies": 0, "log_bytes": bytes, "stale_writes_refused": refused,
            "stale_writes_accepted": 0, "entries": entries, "clock_speed": self.clock.speed,
        });
        figures.extend(others.as_object().cloned().unwrap_or_default());
        Ok((figures, facts))
    }

    /// What the runner of this name was granted and answered, oldest first.
    pub fn journal(&self, name: &str) -> Result<Vec<Value>> {
        read_journal(&self.folder(name))
    }
}

fn data(ground: &Ground) -> PathBuf {
    ground.folder.join("data")
}

/// After every fifth push its run is ended, after every seventh the newest deployment, if it has not ended by itself.
pub fn cancel_some(server: &Server, commit: &str, pushes: usize) -> Result<()> {
    if pushes % 5 == 4 {
        let found = server.get(&format!("projects/shop/where/{commit}"))?;
        server.act(&format!("projects/shop/runs/{}/cancel", found["run"]["number"]))?;
    }
    if pushes % 7 == 6 {
        let newest = server.get("projects/shop/deployments?limit=1")?;
        if let Some(number) = newest[0]["number"].as_u64() {
            server.act(&format!("projects/shop/deployments/{number}/cancel"))?;
        }
    }
    Ok(())
}

fn serve(program: &Path, ground: &Ground, clock: &Clock, listen: &str) -> Result<Server> {
    let mut command = Command::new(program);
    clock.tell(&mut command);
    // It greets and takes leave at each start.
    command.stderr(std::process::Stdio::null());
    Server::start_by(command, program, &data(ground), &["--listen", listen, "--slots", "0"])
}
