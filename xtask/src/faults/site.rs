//! A server without a runner of its own, runners beside it, two environments, and everything that was done to them.

use super::clock::{Clock, SPEED};
use super::runner::{Process, Seat, read_journal};
use super::target::{Target, script};
use super::{Ground, check, facts};
use crate::bench::{Repository, Server};
use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::PathBuf;
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
    targets: [(&'static str, Target); 2],
    repository: Repository,
    acknowledged: Vec<String>,
    started: Instant,
    names: Vec<String>,
}

impl<'a> Site<'a> {
    /// Starts the server with fast clocks. None of the runners stands yet.
    pub fn open(ground: &'a Ground, clock: Clock) -> Result<Self> {
        let server = serve(ground, &clock, "127.0.0.1:0")?;
        let targets = ["test", "production"].map(|name| (name, ground.folder.join(name)));
        let targets = [(targets[0].0, Target::new(&targets[0].1)?), (targets[1].0, Target::new(&targets[1].1)?)];
        let file = format!(
            "on: push\njobs:\n  build: {{ run: 'sh say.sh', artifacts: [{{ name: out, path: out }}] }}\n  unit: {{ needs: build, run: 'sh say.sh' }}\nrelease: {{ version: calver, artifacts: [out], files: [apply.sh] }}\nenvironments:\n{}{}",
            targets[0].1.environment("test", ""),
            targets[1].1.environment("production", "    after: test\n")
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
    pub fn restart(&mut self, program: &std::path::Path, end: impl FnOnce(&mut Server) -> Result<()>) -> Result<()> {
        let listen = self.server.listen();
        end(&mut self.server)?;
        let ground = Ground { program: program.to_owned(), folder: self.ground.folder.clone(), ..*self.ground };
        self.server = serve(&ground, &self.clock, &listen)?;
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

    /// One more commit.
    pub fn push(&mut self) -> Result<()> {
        self.repository.commit()?;
        self.repository.push("trunkline")?;
        self.acknowledged.push(self.repository.head()?);
        Ok(())
    }

    /// Waits until every run and every deployment has ended.
    pub fn settled(&self) -> Result<()> {
        check::runs(&self.server, &self.acknowledged)?;
        check::deployments(&self.server).map(drop)
    }

    /// Everything that must hold, and what it was seen on.
    pub fn check(&self) -> Result<(Map<String, Value>, facts::Facts)> {
        let (runs, passed) = check::runs(&self.server, &self.acknowledged)?;
        let deployments = check::deployments(&self.server)?;
        let mut accepted = 0;
        for (name, target) in &self.targets {
            accepted += check::journal(name, &target.journal()?)?;
        }
        let bytes = check::logs(&self.server, &self.acknowledged, LINES)?;
        let facts = facts::read(&self.data())?;
        let mut journal = Vec::new();
        for name in &self.names {
            journal.extend(read_journal(&self.folder(name))?);
        }
        let refused = check::writes(&journal, &facts)?;
        let entries = check::ledger(&self.ground.program, &self.data())?;
        ensure!(passed > 0 && accepted > 0, "nothing was delivered between the faults: this tells nothing");
        let figures = json!({
            "seed": self.ground.seed, "runs": runs, "passed": passed, "lost": 0, "deployments": deployments.len(),
            "accepted_applies": accepted, "duplicate_applies": 0, "log_bytes": bytes, "stale_writes_refused": refused,
            "stale_writes_accepted": 0, "entries": entries, "clock_speed": self.clock.speed,
        });
        Ok((figures.as_object().cloned().unwrap_or_default(), facts))
    }

    /// What the runner of this name was granted and answered, oldest first.
    pub fn journal(&self, name: &str) -> Result<Vec<Value>> {
        read_journal(&self.folder(name))
    }
}

fn data(ground: &Ground) -> PathBuf {
    ground.folder.join("data")
}

fn serve(ground: &Ground, clock: &Clock, listen: &str) -> Result<Server> {
    let mut command = Command::new(&ground.program);
    clock.tell(&mut command);
    // It greets and takes leave at each start.
    command.stderr(std::process::Stdio::null());
    Server::start_by(command, &ground.program, &data(ground), &["--listen", listen, "--slots", "0"])
}
