//! A server of ours, as a user has it: the release binary, an empty data folder, two slots.

use super::repository::Repository;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server.
pub struct Server {
    process: Child,
    program: PathBuf,
    data: PathBuf,
    address: String,
    token: String,
    agent: ureq::Agent,
    /// From the start of the process to its first answer.
    pub ready: Duration,
}

impl Server {
    /// Starts one and waits until it answers.
    pub fn start(program: &Path, data: &Path) -> Result<Self> {
        Self::start_on(program, data, "127.0.0.1:0")
    }

    /// Starts one at an address.
    pub fn start_on(program: &Path, data: &Path, listen: &str) -> Result<Self> {
        Self::start_by(Command::new(program), program, data, &["--listen", listen, "--slots", "2"])
    }

    /// Starts one by a command that ends in the program, such as a tracer that becomes it.
    pub fn start_by(mut command: Command, program: &Path, data: &Path, arguments: &[&str]) -> Result<Self> {
        let started = Instant::now();
        let mut process = command
            .args(["serve", "--json", "--data"])
            .arg(data)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("no output")?).read_line(&mut line)?;
        let hello: Value = serde_json::from_str(&line).context("the server's first line")?;
        let address = hello["address"].as_str().context("no address")?.to_owned();
        let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build());
        let token = fs::read_to_string(data.join("operator.token"))?;
        let mut server = Self {
            process,
            program: program.to_owned(),
            data: data.to_owned(),
            address,
            token: token.trim().to_owned(),
            agent,
            ready: Duration::ZERO,
        };
        server.get("health")?;
        server.ready = started.elapsed();
        Ok(server)
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> Result<std::process::ExitStatus> {
        let started = Instant::now();
        loop {
            match self.process.try_wait()? {
                Some(status) => return Ok(status),
                None if started.elapsed() > PATIENCE => bail!("the server does not end"),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Where it listens: `127.0.0.1:7420`.
    pub fn listen(&self) -> String {
        self.address.trim_start_matches("http://").to_owned()
    }

    /// Tells it to end, and waits until it has.
    pub fn end(mut self) -> Result<std::process::ExitStatus> {
        Command::new("kill").args(["-TERM", &self.pid().to_string()]).status()?;
        self.ended()
    }

    /// Where it is: `http://127.0.0.1:7420`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The operator's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// TERM, then its end.
    pub fn terminate(&mut self) -> Result<std::process::ExitStatus> {
        let pid = self.pid().to_string();
        if Path::new(&format!("/proc/{pid}")).exists() {
            let _ = Command::new("kill").args(["-TERM", &pid]).stderr(Stdio::null()).status();
        }
        self.ended()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// A repository with this delivery file, and its project, set up as a user does it: `trunkline project add`.
    pub fn project(&self, name: &str, folder: &Path, delivery_file: &str) -> Result<Repository> {
        let repository = Repository::new(folder, &[("trunkline.yaml", delivery_file)])?;
        let output = Command::new(&self.program)
            .args(["project", "add", name, "--data"])
            .arg(&self.data)
            .env("TRUNKLINE_SERVER", &self.address)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()?;
        ensure!(output.status.success(), "project add: {}", String::from_utf8_lossy(&output.stderr));
        Ok(repository)
    }

    /// Waits until the project's run of this number has ended, and gives it.
    pub fn run_ended(&self, project: &str, number: u64) -> Result<Value> {
        self.until(|| self.if_ended(project, number))
    }

    /// The same for a run among many or with many jobs: asked so often only, since each of hundreds of entries asked for
    /// would measure the asking.
    pub fn run_ended_within(&self, project: &str, number: u64, every: Duration) -> Result<Value> {
        self.until(|| {
            let ended = self.if_ended(project, number)?;
            if ended.is_none() {
                std::thread::sleep(every);
            }
            Ok(ended)
        })
    }

    fn if_ended(&self, project: &str, number: u64) -> Result<Option<Value>> {
        let run = self.try_get(&format!("projects/{project}/runs/{number}"))?;
        Ok(run.filter(|run| !run["ended_at"].is_null()))
    }

    /// Asks again after every entry of the record, until there is an answer.
    pub fn until<T>(&self, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let started = Instant::now();
        let mut seq = 0;
        loop {
            if let Some(answer) = ask()? {
                return Ok(answer);
            }
            if started.elapsed() > PATIENCE {
                bail!("nothing after {} s", PATIENCE.as_secs());
            }
            seq = self.get(&format!("wait?after={seq}"))?["seq"].as_u64().unwrap_or(seq);
        }
    }

    /// What is at this address.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.try_get(path)?.with_context(|| format!("{path} is missing"))
    }

    /// Asks for an act without words. Whether it was done; false if it is too late for it.
    pub fn act(&self, path: &str) -> Result<bool> {
        let url = format!("{}/api/v1/{path}", self.address);
        let ask = self.agent.post(&url).header("authorization", format!("Bearer {}", self.token)).content_type("application/json");
        match ask.send("{}") {
            Ok(_) => Ok(true),
            Err(ureq::Error::StatusCode(409)) => Ok(false),
            Err(error) => Err(error).with_context(|| url),
        }
    }

    /// What is at this address, if anything.
    pub fn try_get(&self, path: &str) -> Result<Option<Value>> {
        let url = format!("{}/api/v1/{path}", self.address);
        match self.agent.get(&url).header("authorization", format!("Bearer {}", self.token)).call() {
            Ok(mut answer) => Ok(Some(serde_json::from_str(&answer.body_mut().read_to_string()?)?)),
            Err(ureq::Error::StatusCode(404)) => Ok(None),
            Err(error) => Err(error).with_context(|| url),
        }
    }

    /// The text at this address.
    pub fn text(&self, path: &str) -> Result<String> {
        let url = format!("{}/api/v1/{path}", self.address);
        let mut answer = self.agent.get(&url).header("authorization", format!("Bearer {}", self.token)).call().with_context(|| url)?;
        Ok(answer.body_mut().read_to_string()?)
    }

    /// The whole log of a piece of work, as far as it has come.
    pub fn log(&self, project: &str, work: &str) -> Result<Vec<u8>> {
        let mut log = Vec::new();
        loop {
            let bytes = self.log_from(project, work, log.len() as u64)?;
            if bytes.is_empty() {
                return Ok(log);
            }
            log.extend_from_slice(&bytes);
        }
    }

    /// What one answer gives of a log from there on.
    pub fn log_from(&self, project: &str, work: &str, from: u64) -> Result<Vec<u8>> {
        let url = format!("{}/api/v1/projects/{project}/log?work={work}&from={from}", self.address);
        let answer = self.agent.get(&url).header("authorization", format!("Bearer {}", self.token)).call();
        Ok(answer.context(url)?.body_mut().with_config().limit(2 << 30).read_to_vec()?)
    }

    /// Asks for an act.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/api/v1/{path}", self.address);
        let answer = self.agent.post(&url).header("authorization", format!("Bearer {}", self.token)).content_type("application/json");
        let mut answer = answer.send(body.to_string()).with_context(|| format!("{url} {}", json!(body)))?;
        Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Measured and over: nothing of it is wanted any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
