//! The README's commands, run as a new user would run them: the real program, a real server, a real repository.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, blocks, run, shell};

const README: &str = include_str!("../../../README.md");

/// The commands of the console block that holds `with`.
fn commands(with: &str) -> Vec<&'static str> {
    let block = blocks(README).into_iter().find(|block| block.iter().any(|line| line.contains(with)));
    block.unwrap_or_else(|| panic!("no block with {with}"))
}

#[test]
fn its_commands_work_in_the_order_in_which_they_stand() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let serve = *commands("trunkline serve").last().unwrap();
    let server = Server::start(home.path(), folder.path(), serve);
    let address = &server.address;

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
