//! `trunkline start` against a real server: which ref it takes, and that a job sees what was given.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, run, run_to, shell};
use std::path::Path;

const FILE: &str = "on: { push: {}, manual: { inputs: { reason: { type: string } } } }
defaults: { sandbox: host }
jobs: { say: { run: 'echo \"reason=$TRUNKLINE_INPUT_REASON\"' } }
";

/// A repository beside the server with a branch, and the name of its folder as an address.
fn repository(home: &Path, folder: &Path, branch: &str, file: &str) -> String {
    std::fs::create_dir(folder).unwrap();
    std::fs::write(folder.join("trunkline.yaml"), file).unwrap();
    let begin = format!("git init -q -b {branch} && git add -A && git commit -qm Begin");
    run(&mut shell(home, folder, &begin), &begin);
    format!("file://{}", folder.display())
}

#[test]
fn without_a_ref_the_usual_branch_is_taken_and_a_job_sees_the_inputs() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), folder.path(), "trunkline serve --slots 1");
    let trunkline = |text: &str| run_to(shell(home.path(), home.path(), text).env("TRUNKLINE_SERVER", &server.address));
    let url = repository(home.path(), &folder.path().join("shop"), "master", FILE);
    assert_eq!(trunkline(&format!("trunkline project add shop --git {url} && trunkline watch 1 --timeout 60s")).0, Some(0));
    // A newer run of another branch, which nobody means who names none.
    let branch = "git switch -qc next && git commit -q --allow-empty -m Next && git switch -q master";
    run(&mut shell(home.path(), &folder.path().join("shop"), branch), branch);
    assert_eq!(trunkline("trunkline sync shop && trunkline watch 2 --timeout 60s").0, Some(0));

    let (code, said) = trunkline("trunkline start --key once --timeout 60s --input reason='new logo'");
    assert_eq!(code, Some(0), "{said}");
    let begun = trunkline("trunkline runs view 3 --json").1;
    assert!(begun.contains("refs/heads/master"), "{begun}");
    let (code, said) = trunkline("trunkline start --key once --no-wait --input reason='new logo'");
    assert!(code == Some(0) && said.starts_with("shop/3\n"), "the same start: {said}");
    let log = trunkline("trunkline log 3").1;
    assert!(log.contains("reason=new logo"), "{log}");

    let (code, said) = trunkline("trunkline start --ref next --input reason=a=b --timeout 60s");
    assert_eq!(code, Some(0), "{said}");
    let log = trunkline("trunkline log 4").1;
    assert!(log.contains("reason=a=b"), "{log}");
    let run = trunkline("trunkline runs view 4 --json").1;
    assert!(run.contains("refs/heads/next"), "{run}");
}

#[test]
fn the_usual_branch_needs_no_run_and_goes_where_that_of_the_followed_repository_goes() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), folder.path(), "trunkline serve --slots 1");
    let trunkline = |text: &str| run_to(shell(home.path(), home.path(), text).env("TRUNKLINE_SERVER", &server.address));
    let file = FILE.replace("push: {}, ", "");
    let shop = folder.path().join("shop");
    let url = repository(home.path(), &shop, "master", &file);
    assert_eq!(trunkline(&format!("trunkline project add shop --git {url} && trunkline sync shop")).0, Some(0));
    let reference = |number: u32| {
        assert_eq!(trunkline("trunkline start --timeout 60s").0, Some(0));
        trunkline(&format!("trunkline runs view {number} --json")).1
    };
    let first = reference(1);
    assert!(first.contains("refs/heads/master"), "{first}");
    let renamed = "git branch trunk && git symbolic-ref HEAD refs/heads/trunk";
    run(&mut shell(home.path(), &shop, renamed), renamed);
    assert_eq!(trunkline("trunkline sync shop").0, Some(0));
    let second = reference(2);
    assert!(second.contains("refs/heads/trunk"), "{second}");
    // Not a question of the ref.
    let (code, said) = trunkline("trunkline start --project gone");
    assert!(code == Some(5) && !said.contains("branch"), "{said}");
}

#[test]
fn of_a_repository_that_is_pushed_to_the_first_branch_is_the_usual_one() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), folder.path(), "trunkline serve --slots 1");
    let shop = folder.path().join("shop");
    repository(home.path(), &shop, "trunk", FILE);
    let trunkline = |text: &str| run_to(shell(home.path(), &shop, text).env("TRUNKLINE_SERVER", &server.address));
    assert_eq!(trunkline("trunkline project add shop").0, Some(0));
    let (code, said) = trunkline("trunkline start");
    assert!(code == Some(5) && said.contains("none was named") && said.contains("git push trunkline"), "{said}");
    let pushes = "git push -q trunkline trunk && git switch -qc next && git commit -q --allow-empty -m Next && git push -q trunkline next";
    assert_eq!(trunkline(pushes).0, Some(0));
    assert_eq!(trunkline("trunkline start --timeout 60s").0, Some(0));
    let begun = trunkline("trunkline runs view 3 --json").1;
    assert!(begun.contains("refs/heads/trunk"), "{begun}");
}
