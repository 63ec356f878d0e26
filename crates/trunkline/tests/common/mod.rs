//! What the tests of documented commands share: the program as a new user has it.

// Each test program uses some of it.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server of this build.
pub struct Server {
    process: Child,
    /// Where it listens.
    pub address: String,
}

impl Server {
    /// Starts one by the documented command, at a free port rather than the usual one, which somebody may use.
    pub fn start(home: &Path, folder: &Path, documented: &str) -> Self {
        let text = format!("exec {documented} --json --listen 127.0.0.1:0");
        let mut process = shell(home, folder, &text).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self { process, address: said["address"].as_str().unwrap().to_owned() }
    }
}

impl Server {
    /// Ends it in order, as its service would.
    pub fn end(mut self) {
        let end = Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(end.success() && self.process.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The commands of each console block of a page: what stands behind `$ `, with the lines that go on with it.
pub fn blocks(page: &'static str) -> Vec<Vec<&'static str>> {
    let blocks = page.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| block.lines().filter_map(|line| line.strip_prefix("$ ")).collect()).collect()
}

/// A shell that finds this build as `trunkline`, and nothing of the user's own.
pub fn shell(home: &Path, folder: &Path, text: &str) -> Command {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_trunkline"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-ec", text]).current_dir(folder).env_clear().env("PATH", path).env("HOME", home).stdin(Stdio::null());
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_AUTHOR_NAME", "Ana").env("GIT_AUTHOR_EMAIL", "ana@example.org");
    command.env("GIT_COMMITTER_NAME", "Ana").env("GIT_COMMITTER_EMAIL", "ana@example.org");
    command
}

/// Runs it to its end, which must be good, and gives what it said.
pub fn run(command: &mut Command, what: &str) -> String {
    let (code, said) = run_to(command);
    assert!(code == Some(0), "{what}: {said}");
    said
}

/// Runs it to its end, and gives its exit code and what it said.
pub fn run_to(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// An `ssh` that does this instead: the folder to be found first, and the file in which it keeps what it was called with.
pub fn ssh(folder: &Path, script: &str) -> (String, PathBuf) {
    let (bin, called) = (folder.join("ssh"), folder.join("ssh.called"));
    self::script(&bin, "ssh", &format!("echo \"$*\" >> '{}'\n{script}\n", called.display()));
    (bin.display().to_string(), called)
}

/// A program of bash in this folder.
pub fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(&path, format!("#!/bin/bash\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}
