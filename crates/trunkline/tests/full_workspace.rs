//! Jobs that fill the disk of their workspace, with the real program on a small disk of its own: they fail with a reason,
//! and what comes after them has the room again.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, run, run_to, shell};
use serde_json::Value;
use std::path::Path;

/// In a user and mount namespace of its own: no rights are needed, and nothing of it is left behind.
const ON_A_SMALL_DISK: &str = "unshare --user --map-root-user --mount bash -ec 'mkdir -m 700 data data/runner; \
    mount -t tmpfs -o size=32m tmpfs data/runner; exec trunkline serve --slots 1 --data data \"$@\"' -";

const FILLING: &str = "\
on: push
defaults: { sandbox: host }
jobs:
  fill: { run: head -c 100M /dev/zero > big }
  pack:
    needs: [fill]
    if: needs['fill'].result != 'passed'
    run: mkdir out && head -c 20M /dev/urandom > out/big
    artifacts: [{ name: out, path: out }]
  after:
    needs: [pack]
    if: needs['pack'].result != 'passed'
    run: head -c 20M /dev/zero > big
";

fn may_mount(home: &Path) -> bool {
    let try_it = "mkdir small && unshare --user --map-root-user --mount mount -t tmpfs -o size=1m tmpfs small";
    run_to(&mut shell(home, home, try_it)).0 == Some(0)
}

fn job<'a>(run: &'a Value, name: &str) -> &'a Value {
    run["jobs"].as_array().unwrap().iter().find(|job| job["key"] == name).unwrap()
}

#[test]
fn a_job_that_fills_its_disk_fails_alone() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    if !may_mount(home.path()) {
        println!("SKIPPED: a small disk cannot be mounted here, so no job fills it");
        return;
    }
    let server = Server::start(home.path(), folder.path(), ON_A_SMALL_DISK);
    let shop = folder.path().join("shop");
    std::fs::create_dir(&shop).unwrap();
    let trunkline = |text: &str| {
        let mut command = shell(home.path(), &shop, text);
        command.env("TRUNKLINE_SERVER", &server.address).env("TRUNKLINE_DATA", folder.path().join("data"));
        command
    };
    std::fs::write(shop.join("trunkline.yaml"), FILLING).unwrap();
    run(&mut trunkline("git init -q -b main && git add -A && git commit -qm Fill && trunkline project add shop"), "add");
    let (code, said) = run_to(&mut trunkline("git push -q trunkline main && trunkline watch --timeout 60s"));
    assert_eq!(code, Some(1), "{said}");
    let ended: Value = serde_json::from_slice(&trunkline("trunkline runs view 1 --json").output().unwrap().stdout).unwrap();
    let log = run(&mut trunkline("trunkline log 1 fill"), "log");
    assert!(log.contains("No space left on device"), "{log}");
    assert_eq!(job(&ended, "fill")["status"], serde_json::json!({ "ended": "failed" }), "{ended:#}");
    let reason = job(&ended, "pack")["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("artifact 'out'") && reason.contains("No space left on device"), "{ended:#}");
    assert_eq!(job(&ended, "after")["status"], serde_json::json!({ "ended": "passed" }), "{ended:#}");
    let next = "printf 'on: push\\njobs: { a: { run: head -c 5M /dev/zero > big } }\\n' > trunkline.yaml && \
        git commit -qam Smaller && git push -q trunkline main && trunkline watch --timeout 60s";
    run(&mut trunkline(next), "the next run");
}
