//! The surroundings of the demo: a folder, a server as a process of its own, a repository, a developer.

use super::{interrupted, shop};
use crate::client::Client;
use anyhow::{Context as _, anyhow, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use trunkline_api::request::Position;

/// No single wait of the demo takes longer.
const WAIT_MAX: Duration = Duration::from_secs(40);

/// The surroundings.
pub struct World {
    /// Holds everything; removed at the end unless somebody named it.
    root: PathBuf,
    temporary: Option<tempfile::TempDir>,
    program: PathBuf,
    server: Option<Child>,
    address: String,
    /// The server's API.
    pub client: Client,
    /// Ports of test, qa and production.
    pub ports: [u16; 3],
    pull_requests: u32,
}

impl World {
    /// Makes the folder and the repository, starts the server, adds the project.
    pub fn begin(kept: Option<&Path>) -> anyhow::Result<Self> {
        let (root, temporary) = match kept {
            Some(folder) => {
                std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
                let empty = std::fs::read_dir(folder)?.next().is_none();
                ensure!(empty, "{} is not empty: the demo writes into a folder of its own", folder.display());
                (folder.canonicalize()?, None)
            }
            None => {
                let folder = tempfile::Builder::new().prefix("trunkline-demo-").tempdir()?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        let program = std::env::current_exe()?;
        let mut world = Self {
            client: Client::new("http://127.0.0.1:1", "the demo's server", None),
            root,
            temporary,
            program,
            server: None,
            address: String::new(),
            ports: [0; 3],
            pull_requests: 0,
        };
        world.start_server("127.0.0.1:0")?;
        world.make_repository()?;
        Ok(world)
    }

    /// The repository's folder.
    pub fn repository(&self) -> PathBuf {
        self.root.join("shop")
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The server's address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A file of the demo's own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn start_server(&mut self, listen: &str) -> anyhow::Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.root.join("server.log"))?;
        let mut child = self
            .trunkline()
            .args(["serve", "--json", "--listen", listen])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("starting the server")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the server's output")?;
        self.server = Some(child);
        BufReader::new(stdout).read_line(&mut line)?;
        let said: serde_json::Value =
            serde_json::from_str(&line).map_err(|_| anyhow!("the server did not start: {}", self.server_log()))?;
        self.address = said["address"].as_str().unwrap_or_default().to_owned();
        let token = std::fs::read_to_string(self.data().join("operator.token"))?.trim().to_owned();
        self.client = Client::new(&self.address, "the demo's server", Some(token));
        Ok(())
    }

    fn server_log(&self) -> String {
        std::fs::read_to_string(self.root.join("server.log")).unwrap_or_default()
    }

    /// Kills the server as a power cut would: no signal handler, no good-bye.
    pub fn kill_server(&mut self) -> anyhow::Result<()> {
        let mut child = self.server.take().context("the server runs")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Starts it again at the same address.
    pub fn restart_server(&mut self) -> anyhow::Result<()> {
        let listen = self.address.trim_start_matches("http://").to_owned();
        self.start_server(&listen)
    }

    /// This program with the demo's server and data.
    pub fn trunkline(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("TRUNKLINE_DATA", self.data()).env_remove("TRUNKLINE_TOKEN").env("NO_COLOR", "1").current_dir(&self.root);
        if self.address.is_empty() {
            command.env_remove("TRUNKLINE_SERVER");
        } else {
            command.env("TRUNKLINE_SERVER", &self.address);
        }
        command
    }

    fn make_repository(&mut self) -> anyhow::Result<()> {
        let folder = self.repository();
        std::fs::create_dir_all(&folder)?;
        self.ports = shop::write(&folder)?;
        self.git(&["init", "--quiet", "--initial-branch=main"])?;
        // So that whoever tries it afterwards can commit at once.
        self.git(&["config", "user.name", "Ana"])?;
        self.git(&["config", "user.email", "ana@example.org"])?;
        let added = self.trunkline().args(["project", "add", "shop"]).current_dir(&folder).stdin(Stdio::null()).output()?;
        said(&added).context("adding the project")?;
        Ok(())
    }

    /// Runs git in the repository. What it said, on both ways.
    pub fn git(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(self.repository())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::null())
            .output()?;
        said(&output).with_context(|| format!("git {}", arguments.join(" ")))
    }

    /// Commits everything on a branch and merges it, as a forge does with a pull request. Its number and the merge's id.
    pub fn merge_pull_request(&mut self, branch: &str, title: &str) -> anyhow::Result<(u32, String)> {
        self.pull_requests += 1;
        let number = self.pull_requests;
        let first = self.git(&["rev-parse", "--quiet", "--verify", "HEAD"]).is_err();
        if first {
            self.git(&["commit", "--quiet", "--allow-empty", "-m", "Begin"])?;
        }
        self.git(&["switch", "--quiet", "-c", branch])?;
        self.git(&["add", "-A"])?;
        self.git(&["commit", "--quiet", "-m", title])?;
        self.git(&["switch", "--quiet", "main"])?;
        let message = format!("Merge pull request #{number} from ana/{branch}\n\n{title}");
        self.git(&["merge", "--quiet", "--no-ff", "-m", &message, branch])?;
        Ok((number, self.git(&["rev-parse", "HEAD"])?.trim().to_owned()))
    }

    /// Pushes, and gives what the server said.
    pub fn push(&self) -> anyhow::Result<Vec<String>> {
        let said = self.git(&["push", "trunkline", "main"])?;
        Ok(said.lines().filter_map(|line| line.strip_prefix("remote: ")).map(|line| line.trim_end().to_owned()).collect())
    }

    /// Asks until the answer is as wanted. `watch` is called after each change of the record.
    pub fn until<A: DeserializeOwned, T>(
        &self,
        path: &str,
        mut watch: impl FnMut(&Self),
        wanted: impl Fn(&A) -> Option<T>,
    ) -> anyhow::Result<T> {
        let end = Instant::now() + WAIT_MAX;
        loop {
            if let Ok(answer) = self.client.get::<A>(path)
                && let Some(found) = wanted(&answer)
            {
                return Ok(found);
            }
            watch(self);
            if interrupted() {
                bail!("interrupted");
            }
            ensure!(Instant::now() < end, "{path} is not as it should be after {} s", WAIT_MAX.as_secs());
            // Short naps rather than the server's bell: the board shows the visitor meanwhile.
            std::thread::sleep(Duration::from_millis(40));
        }
    }

    /// Where the ledger ends.
    pub fn position(&self) -> anyhow::Result<Position> {
        Ok(self.client.get("ledger/head")?)
    }

    /// Accepted applies of each deployment, as the supervisors themselves count them.
    pub fn applies(&self) -> anyhow::Result<BTreeMap<String, u32>> {
        let mut applies = BTreeMap::new();
        for supervised in trunkline_runner::supervise_list(&self.data().join("runner")).0 {
            applies.extend(supervised.status.applies);
        }
        Ok(applies)
    }

    /// Ends the server and everything that it deployed. Removes the folder unless somebody named it.
    pub fn end(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.server.take() {
            // A child that was not waited for keeps its process id: the signal reaches it and nobody else.
            kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM)?;
            child.wait()?;
        }
        for supervised in trunkline_runner::supervise_list(&self.data().join("runner")).0 {
            trunkline_runner::supervise_stop(&supervised.folder)?;
        }
        for port in self.ports.iter().filter(|port| **port != 0) {
            ensure!(std::net::TcpStream::connect(("127.0.0.1", *port)).is_err(), "port {port} still answers");
        }
        if let Some(folder) = self.temporary.take() {
            folder.close().context("removing the demo's folder")?;
        }
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // After a failure in between: nothing may stay.
        drop(self.end());
    }
}

fn said(output: &Output) -> anyhow::Result<String> {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}", text.trim());
    Ok(text)
}
