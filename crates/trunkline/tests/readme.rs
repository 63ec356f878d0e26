//! The README's commands, run as a new user would run them: the real program, a real server, a real repository.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const README: &str = include_str!("../../../README.md");

/// The lines that begin with `$ ` in the console block that holds `with`.
fn commands(with: &str) -> Vec<&'static str> {
    let block = README.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()).find(|block| block.contains(with));
    block.unwrap_or_else(|| panic!("no block with {with}")).lines().filter_map(|line| line.strip_prefix("$ ")).collect()
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A shell that finds this build as `trunkline`, and nothing of the user's own.
fn shell(home: &Path, folder: &Path, text: &str) -> Command {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_trunkline"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-ec", text]).current_dir(folder).env_clear().env("PATH", path).env("HOME", home).stdin(Stdio::null());
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_AUTHOR_NAME", "Ana").env("GIT_AUTHOR_EMAIL", "ana@example.org");
    command.env("GIT_COMMITTER_NAME", "Ana").env("GIT_COMMITTER_EMAIL", "ana@example.org");
    command
}

fn run(command: &mut Command, what: &str) -> String {
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {said}");
    said
}

#[test]
fn its_commands_work_in_the_order_in_which_they_stand() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let serve = *commands("trunkline serve").last().unwrap();
    // A free port rather than the usual one, which somebody may use on this machine.
    let text = format!("exec {serve} --json --listen 127.0.0.1:0");
    let mut child = shell(home.path(), folder.path(), &text).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _server = Server(child);
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = said["address"].as_str().unwrap();

    std::fs::create_dir(folder.path().join("tests")).unwrap();
    std::fs::write(folder.path().join("tests/__init__.py"), "").unwrap();
    let test = "import unittest\nclass T(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(1, 1)\n";
    std::fs::write(folder.path().join("tests/test_one.py"), test).unwrap();
    run(
        &mut shell(home.path(), folder.path(), "git init --quiet --initial-branch=main && git add -A && git commit --quiet -m Begin"),
        "git init",
    );

    let mut ran = 0;
    for command in commands("trunkline init") {
        run(shell(home.path(), folder.path(), command).env("TRUNKLINE_SERVER", address), command);
        ran += 1;
    }
    assert_eq!(ran, 6, "the README's way has six steps");
    for command in ["trunkline status", "trunkline where", "trunkline runs", "trunkline ledger verify"] {
        let said = run(shell(home.path(), folder.path(), command).env("TRUNKLINE_SERVER", address), command);
        assert!(!said.trim().is_empty(), "{command} said nothing");
    }
}

#[test]
fn its_delivery_file_is_good() {
    let file = README.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("trunkline.yaml"), file).unwrap();
    run(&mut shell(folder.path(), folder.path(), "trunkline check trunkline.yaml"), "trunkline check");
}
