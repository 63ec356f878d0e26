//! `trunkline log environment/NAME` with the real program: read where the services run, and no server is asked.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, run, run_to, shell, ssh};
use std::path::PathBuf;
use tempfile::TempDir;

/// A repository whose server has ended, in the data folder `one`, and the log of a service that runs on.
struct World {
    home: TempDir,
    folder: TempDir,
    address: String,
}

impl World {
    fn new() -> Self {
        let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        run(&mut shell(home.path(), folder.path(), "git init -q -b main shop"), "a repository");
        let server = Server::start(home.path(), folder.path(), "trunkline serve --slots 0 --data one");
        let world = Self { home, folder, address: server.address.clone() };
        assert_eq!(world.in_shop("trunkline project add shop --data ../one").0, Some(0));
        server.end();
        std::fs::create_dir_all(world.log().parent().unwrap()).unwrap();
        std::fs::write(world.log(), "served\n").unwrap();
        world
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("one/runner/process/shop/qa/main/service.log")
    }

    fn in_shop(&self, text: &str) -> (Option<i32>, String) {
        run_to(&mut shell(self.home.path(), &self.folder.path().join("shop"), text))
    }

    fn refused(&self, text: &str, code: i32, words: &str) {
        let (found, said) = self.in_shop(text);
        assert!(found == Some(code) && said.contains(words) && !said.contains("served\n"), "{text}: {found:?} {said}");
    }
}

#[test]
fn a_stopped_server_hides_no_log() {
    let world = World::new();
    for text in [
        "trunkline log environment/qa",
        "trunkline log environment/qa main --data ../one",
        "TRUNKLINE_DATA=../one trunkline log environment/qa",
        &format!("trunkline log environment/qa --server {}", world.address),
        "cd .. && trunkline log environment/qa --project shop --data one",
        "cd .. && trunkline log environment/qa --data one",
        "mkdir -p ~/.local/state && mv ../one ~/.local/state/trunkline && cd .. && trunkline log environment/qa",
    ] {
        assert_eq!(world.in_shop(text), (Some(0), "served\n".to_owned()), "{text}");
    }
}

#[test]
fn another_machines_log_is_not_looked_for() {
    let world = World::new();
    let (path, called) = ssh(world.folder.path(), "exit 255");
    for server in ["ssh://build.example", "http://cd.example", "http://127.0.0.1:1"] {
        let text = format!("PATH={path}:$PATH TRUNKLINE_TOKEN=none trunkline log environment/qa --server {server}");
        world.refused(&text, 5, "--data DATA");
    }
    assert!(!called.exists(), "a way was opened");
    world.refused("trunkline log environment/qa --project other", 5, "other/qa has no service on this machine");
    world.refused("trunkline log environment/prod", 5, "there are services of shop/qa");
}

#[test]
fn a_mistyped_name_is_told_by_a_server_that_runs() {
    let world = World::new();
    let _server = Server::start(world.home.path(), world.folder.path(), "trunkline serve --slots 0 --data one");
    let command = |rest: &str| format!("trunkline log environment/{rest} --data ../one");
    world.refused(&command("qa --project toolzz"), 5, "error[TL0504]: there is no project 'toolzz'\nhelp: trunkline projects list");
    world.refused(&command("prod --project shop"), 5, "prod");
    assert_eq!(world.in_shop(&command("qa --project shop")), (Some(0), "served\n".to_owned()));
}

#[test]
fn what_means_nothing_there_is_refused() {
    World::new().refused("trunkline log environment/qa --failed", 2, "--failed is for the logs of a run or a deployment");
}

#[test]
fn what_a_service_put_in_its_logs_place_is_not_read() {
    let world = World::new();
    let log = world.log();
    std::fs::remove_file(&log).unwrap();
    let secret = world.folder.path().join("secret");
    std::fs::write(&secret, "served\n").unwrap();
    std::os::unix::fs::symlink(&secret, &log).unwrap();
    world.refused("trunkline log environment/qa", 2, "symbolic link");
    std::fs::remove_file(&log).unwrap();
    run(std::process::Command::new("mkfifo").arg(&log), "a pipe");
    world.refused("timeout 20 trunkline log environment/qa -f", 2, "no regular file");
}

#[test]
fn json_says_what_it_does_not_show() {
    let world = World::new();
    let said = |text: &str| world.in_shop(&format!("trunkline log environment/qa --json {text}")).1;
    assert_eq!(said(""), "{\"name\":\"main\",\"text\":\"served\\n\"}\n");
    std::fs::write(world.log(), vec![b'x'; (16 << 20) + 5]).unwrap();
    assert!(said("--quiet > /dev/null").starts_with("part main printed 5 bytes more: --json shows the first 16777216"));
    assert_eq!(said("2> /dev/null | wc -c").trim(), (16 * (1 << 20) + "{'name':'main','text':''}\n".len()).to_string());
}
