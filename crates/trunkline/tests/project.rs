//! `trunkline project add` as a newcomer meets it: outside of a repository, and in one that leads elsewhere already.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, run, run_to, shell};
use std::path::Path;

fn git(home: &Path, folder: &Path, text: &str) -> String {
    run(&mut shell(home, folder, text), text).trim().to_owned()
}

#[test]
fn a_remote_that_leads_elsewhere_stays_until_somebody_says_so() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), folder.path(), "trunkline serve");
    let trunkline = |text: &str| run_to(shell(home.path(), folder.path(), text).env("TRUNKLINE_SERVER", &server.address));
    git(home.path(), folder.path(), "git init -q -b main && git commit -q --allow-empty -m Begin");
    assert_eq!(trunkline("trunkline project add shop").0, Some(0));
    let before = git(home.path(), folder.path(), "cat .git/config");
    let (code, said) = trunkline("trunkline project add own");
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("TL0224") && said.contains("leads to project shop"), "{said}");
    assert!(said.contains("trunkline project add own --repoint"), "{said}");
    assert_eq!(git(home.path(), folder.path(), "cat .git/config"), before);
    assert!(!trunkline("trunkline projects list").1.contains("own"), "a refused project was added");
    assert_eq!(trunkline("trunkline project add own --repoint").0, Some(0));
    assert!(git(home.path(), folder.path(), "git remote get-url trunkline").ends_with("/git/own.git"));
}

#[test]
fn outside_of_a_repository_the_printed_commands_lead_to_a_run() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), folder.path(), "trunkline serve --data data");
    let shop = folder.path().join("shop");
    std::fs::create_dir_all(shop.join("tests")).unwrap();
    std::fs::write(shop.join("tests/__init__.py"), "").unwrap();
    std::fs::write(shop.join("tests/test_one.py"), "import unittest\nclass T(unittest.TestCase):\n    def test_one(self): pass\n").unwrap();
    // Both said by options, not by the environment: the printed commands must say them again.
    let add = format!("trunkline project add own --server {} --data ../data", server.address);
    let said = run(&mut shell(home.path(), &shop, &add), "add");
    let commands: Vec<&str> = said.lines().filter_map(|line| line.split_once(": ")).map(|(_, commands)| commands).collect();
    let all = commands.iter().find(|commands| commands.starts_with("git init")).unwrap();
    run(&mut shell(home.path(), &shop, all), all);
    let runs = run(&mut shell(home.path(), &shop, "trunkline runs list"), "runs");
    assert!(runs.contains("Begin"), "{runs}");
}

#[test]
fn a_commit_that_never_ran_is_not_watched_as_another() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), folder.path(), "trunkline serve --slots 1");
    let shop = folder.path().join("shop");
    std::fs::create_dir(&shop).unwrap();
    std::fs::write(shop.join("trunkline.yaml"), "on: push\ndefaults: { sandbox: host }\njobs: { a: { run: 'true' } }\n").unwrap();
    let trunkline = |text: &str| run_to(shell(home.path(), &shop, text).env("TRUNKLINE_SERVER", &server.address));
    git(home.path(), &shop, "git init -q -b main && git add -A && git commit -qm Begin");
    assert_eq!(trunkline("trunkline project add shop && git push -q trunkline main && trunkline watch").0, Some(0));
    for (text, push) in [("Not pushed", "true"), ("Left out [skip ci]", "git push -q trunkline main")] {
        let (code, said) = trunkline(&format!("git commit -q --allow-empty -m '{text}' && {push} && trunkline watch --timeout 20s"));
        assert!(code == Some(5) && said.contains("the newest run: trunkline watch 1"), "{text}: {said}");
        assert_eq!(trunkline("trunkline watch 1").0, Some(0));
        assert_eq!(trunkline("trunkline runs view").0, Some(0), "what only reads may fall back");
    }
}

#[test]
fn what_a_followed_repository_lacks_is_pushed_there_and_not_here() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), folder.path(), "trunkline serve --slots 0");
    let trunkline = |text: &str| run_to(shell(home.path(), folder.path(), text).env("TRUNKLINE_SERVER", &server.address));
    let file = "on: { manual: {} }\njobs: { a: { run: make } }";
    let begin = format!("git init -q -b main shop && cd shop && echo '{file}' > trunkline.yaml && git add -A && git commit -qm Begin");
    git(home.path(), folder.path(), &begin);
    let add = format!("trunkline project add shop --git file://{}/shop", folder.path().display());
    assert_eq!(trunkline(&add).0, Some(0));
    assert_eq!(trunkline("git clone -q shop clone && git init -q other && cd other && trunkline project add other").0, Some(0));
    for verb in ["runs list", "project view", "promote 1 qa --yes"] {
        let (_, said) = trunkline(&format!("cd clone && trunkline {verb}"));
        assert!(said.contains("project shop, which follows the git remote 'origin'"), "{verb}: {said}");
        let (code, said) = trunkline(&format!("cd shop && trunkline {verb}"));
        assert!(code == Some(2) && said.contains("--project shop"), "{verb}: {said}");
    }
    for verb in ["where", "where HEAD", "watch", "runs view", "tests"] {
        let (code, said) = trunkline(&format!("cd shop && trunkline {verb} -p shopp"));
        assert!(code == Some(5) && said.contains("no project 'shopp'") && !said.contains("push"), "{verb}: {code:?} {said}");
    }
    for (text, help) in [
        ("trunkline start -p shop --ref work", "help: push it to the repository that is followed, then: trunkline sync\n"),
        ("trunkline runs view -p shop", "help: trunkline sync shop\n"),
    ] {
        let (code, said) = trunkline(text);
        assert!(code == Some(5) && said.ends_with(help) && !said.contains("git push"), "{text}: {code:?} {said}");
    }
}

#[test]
fn a_name_that_is_taken_by_another_repository_is_a_conflict() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), folder.path(), "trunkline serve --slots 0");
    let trunkline = |text: &str| run_to(shell(home.path(), folder.path(), text).env("TRUNKLINE_SERVER", &server.address));
    git(home.path(), folder.path(), "git init -q -b main a && cd a && git commit -q --allow-empty -m Begin && git clone -q . ../b");
    let (a, b) = (format!("file://{}/a", folder.path().display()), format!("file://{}/b", folder.path().display()));
    for add in [format!("shop --git {a}"), "plain".to_owned(), "web --beside shop --path services/web".to_owned()] {
        assert_eq!(trunkline(&format!("trunkline project add {add}")).0, Some(0), "{add}");
        assert_eq!(trunkline(&format!("trunkline project add {add}")).0, Some(0), "{add}, again");
    }
    let follow = format!("trunkline project follow shop --git {b}");
    for (add, why, help) in [
        (format!("shop --git {b}"), format!("project shop follows {a}"), follow.as_str()),
        (format!("plain --git {b}"), "project plain is pushed to".to_owned(), "under another name"),
        ("web --beside shop --path services/api".to_owned(), "is the folder services/web".to_owned(), "--path FOLDER"),
        ("web --path services/api".to_owned(), "is the folder services/web".to_owned(), "--path FOLDER"),
        ("plain --beside shop --path web".to_owned(), "has not the repository of shop".to_owned(), "--beside shop"),
    ] {
        let (code, said) = trunkline(&format!("trunkline project add {add}"));
        assert!(code == Some(6) && said.contains(&why) && said.contains(help), "{add}: {code:?} {said}");
        assert!(!said.contains("\u{2713}"), "{add}: {said}");
    }
    let (code, said) = trunkline(&format!("echo x > token; trunkline project add shop --git {a} --token-file token"));
    assert!(code == Some(0) && said.contains("its token was left as it is"), "{said}");
    assert_eq!(trunkline(&format!("{follow} && trunkline project add shop --git {b}")).0, Some(0));
}

#[test]
fn a_repository_that_git_does_not_trust_is_not_taken_for_none() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), folder.path(), "trunkline serve --slots 0");
    let shop = folder.path().join("shop");
    git(home.path(), folder.path(), "git init -q -b main shop && git -C shop commit -q --allow-empty -m Begin");
    // Git's own means to test it: the folder counts as somebody else's.
    let trunkline = |text: &str| {
        let mut command = shell(home.path(), &shop, text);
        run_to(command.env("TRUNKLINE_SERVER", &server.address).env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"))
    };
    let verbs = ["project add own", "init", "run", "check", "where", "watch", "start", "promote 1 qa --yes", "runs list"];
    for verb in verbs {
        let (code, said) = trunkline(&format!("trunkline {verb}"));
        assert!(code == Some(1) && said.contains("error[TL0213]") && said.contains("dubious ownership"), "{verb}: {code:?} {said}");
        assert!(said.contains("git config --global --add safe.directory"), "{verb}: {said}");
    }
    let said = trunkline("trunkline doctor").1;
    assert!(said.contains("bad repository") && said.contains("safe.directory"), "{said}");
    let listed = trunkline("trunkline projects list").1;
    assert!(!listed.contains("own") && !shop.join("trunkline.yaml").exists(), "{listed}");
}

#[test]
fn an_act_in_a_foreign_repository_wants_its_project_named() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), folder.path(), "trunkline serve --slots 0");
    let inside = |name: &str, text: &str| {
        let folder = folder.path().join(name);
        run_to(shell(home.path(), &folder, text).env("TRUNKLINE_SERVER", &server.address))
    };
    git(home.path(), folder.path(), "mkdir plain; git init -q -b main shop; git init -q -b main other");
    assert_eq!(inside("shop", "git commit -q --allow-empty -m Begin && trunkline project add shop").0, Some(0));
    let acts = ["start", "promote 1 qa --yes", "rollback qa --yes", "settle deployment/1 --live --yes", "cancel 1 --yes"];
    for act in acts.into_iter().chain(["environments accept qa --yes"]) {
        let (code, said) = inside("other", &format!("trunkline {act}"));
        assert!(code == Some(2) && said.contains("--project shop"), "{act}: {said}");
        for (place, named) in [("other", " --project shop"), ("plain", ""), ("shop", "")] {
            let (code, said) = inside(place, &format!("trunkline {act}{named}"));
            assert!(code != Some(2) && !said.contains("--project"), "{act} in {place}: {said}");
        }
    }
    for verb in
        ["settle DEPLOYMENT --live --yes", "cancel DEPLOYMENT --yes", "deployment view DEPLOYMENT", "watch DEPLOYMENT", "log DEPLOYMENT"]
    {
        let (code, said) = inside("other", &format!("trunkline {}", verb.replace("DEPLOYMENT", "shop/deployment/1")));
        assert!(code == Some(5) && said.contains("there is no deployment"), "{verb}: {code:?} {said}");
    }
    let (code, said) = inside("other", "trunkline runs list");
    assert!(code == Some(0) && said.contains("project shop, the server's only one"), "{said}");
}
