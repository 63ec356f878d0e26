//! A server with a folder of its own, in which nobody may find the canary.

use crate::common::{Server, run, shell};
use crate::text::{assert_shown, canary};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A status, and what was answered.
pub type Answered = (u16, String);

/// Everything that a test needs, all of it below one folder.
pub struct Place {
    /// Holds all the rest.
    root: tempfile::TempDir,
    server: Server,
    agent: ureq::Agent,
    token: String,
}

impl Place {
    /// A server that works in the folder and keeps everything in it, with a project.
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["home", "tmp", "shop", "probes", "bin"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        // Whatever would leave this machine says that it was called, and how.
        let ssh = root.path().join("bin/ssh");
        let called = root.path().join("ssh.called");
        std::fs::write(&ssh, format!("#!/bin/sh\nprintf '%s\\0' \"$@\" >> '{}'\nexit 255\n", called.display())).unwrap();
        std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
        let place = root.path().display();
        let serve = format!("env TMPDIR={place}/tmp PATH={place}/bin:\"$PATH\" trunkline serve --slots 2 2> {place}/server.log");
        let home = root.path().join("home");
        let server = Server::start(&home, root.path(), &serve);
        let token = std::fs::read_to_string(home.join(".local/state/trunkline/operator.token")).unwrap().trim().to_owned();
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None);
        let place = Self { root, server, agent: config.build().into(), token };
        place.git("git init -q -b main && git commit -q --allow-empty -m Begin");
        place.cli(&["project", "add", "shop"], 0);
        place
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The bytes that a job left there.
    pub fn probe(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path("probes").join(name)).unwrap_or_else(|error| panic!("probe {name}: {error}"))
    }

    /// What stood between NULs there.
    pub fn probes(&self, name: &str) -> Vec<String> {
        let bytes = self.probe(name);
        let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
        parts.map(|part| String::from_utf8(part.to_vec()).unwrap()).collect()
    }

    /// Runs something of git's own in the repository.
    pub fn git(&self, text: &str) -> String {
        run(&mut shell(&self.path("home"), &self.path("shop"), text), text)
    }

    /// Calls the program, which must end so, and gives what a terminal would be given.
    pub fn cli(&self, arguments: &[&str], code: i32) -> String {
        let (found, out, err) = self.cli_to(arguments);
        assert_eq!(found, code, "trunkline {arguments:?}: {out}{err}");
        out
    }

    /// Calls the program, and gives its exit code, standard output and standard error, in which nothing is to be obeyed.
    pub fn cli_to(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
        command.args(arguments).current_dir(self.path("shop")).env_clear().env("HOME", self.path("home"));
        command.env("PATH", std::env::var("PATH").unwrap()).env("TRUNKLINE_SERVER", &self.server.address);
        let output = command.output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_shown(&out, &format!("standard output of trunkline {arguments:?}"));
        assert_shown(&err, &format!("standard error of trunkline {arguments:?}"));
        (output.status.code().unwrap(), out, err)
    }

    /// Reads an address below the server's, with headers besides its own.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answered {
        let mut request = self.agent.get(format!("{}{path}", self.server.address));
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut answer = request.call().unwrap();
        (answer.status().as_u16(), String::from_utf8_lossy(&answer.body_mut().read_to_vec().unwrap()).into_owned())
    }

    /// Reads an address below the server's.
    pub fn get(&self, path: &str) -> Answered {
        self.get_with(path, &[])
    }

    /// Reads an object of the API.
    pub fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(&format!("/api/v1/{path}"));
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Sends bytes there.
    pub fn post(&self, path: &str, kind: &str, body: &[u8], headers: &[(&str, &str)]) -> (u16, Vec<u8>) {
        let request = self.agent.post(format!("{}{path}", self.server.address)).content_type(kind);
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut answer = request.send(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().with_config().limit(64 << 20).read_to_vec().unwrap())
    }

    /// Asks the API for an act.
    pub fn ask(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answered {
        let (status, answer) = self.post(&format!("/api/v1/{path}"), "application/json", body.to_string().as_bytes(), headers);
        (status, String::from_utf8_lossy(&answer).into_owned())
    }

    /// A page, in which every text must be a text.
    pub fn page(&self, path: &str) -> String {
        let (status, page) = self.get_with(path, &[("accept", "text/html")]);
        assert!(page.starts_with("<!DOCTYPE html>"), "{path}: {page}");
        assert!(matches!(status, 200 | 400 | 401 | 404), "{path}: {status}");
        // White space to a browser.
        assert_shown(&page.replace('\r', ""), path);
        for raw in ["<script", "<img", "onerror=\"", "<svg/onload"] {
            assert!(!page.contains(raw), "{path} holds a raw {raw}");
        }
        page
    }

    /// All runs, newest first, once none of them goes on.
    pub fn runs(&self, at_least: usize) -> Vec<Value> {
        self.runs_of("shop", at_least)
    }

    /// The same of another project.
    pub fn runs_of(&self, project: &str, at_least: usize) -> Vec<Value> {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let mut runs: Vec<Value> = Vec::new();
            loop {
                let before = runs.last().map(|run| format!("&before={}", run["number"])).unwrap_or_default();
                let more = self.json(&format!("projects/{project}/runs?limit=200{before}"));
                if more.as_array().unwrap().is_empty() {
                    break;
                }
                runs.extend(more.as_array().unwrap().iter().cloned());
            }
            if runs.len() >= at_least && runs.iter().all(|run| !run["result"].is_null()) {
                return runs;
            }
            assert!(Instant::now() < until, "{} runs, not all of which end", runs.len());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends the server. Nobody may have obeyed a text, neither here nor where a program may have been started.
    pub fn end(self) {
        self.server.end();
        let said = std::fs::read_to_string(self.root.path().join("server.log")).unwrap();
        assert_shown(&said, "what the server said");
        assert!(!said.contains("panicked"), "{said}");
        assert_no_canary(self.root.path());
    }
}

/// Looks for the canary below a folder, and where a program of no folder would leave it.
fn assert_no_canary(folder: &Path) {
    let elsewhere = [Path::new("/").to_owned(), std::env::temp_dir(), std::env::current_dir().unwrap(), "/tmp".into(), "/root".into()];
    for place in elsewhere {
        assert!(!place.join(canary()).exists(), "a text was obeyed in {}", place.display());
    }
    let mut folders = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            seen += 1;
            assert!(entry.file_name() != *canary(), "a text was obeyed: {}", entry.path().display());
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    assert!(seen > 20, "only {seen} files were looked at");
}
