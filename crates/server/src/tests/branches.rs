//! Branches and tags as repositories have them: some that cannot be taken in, some that are new, and old faults.

use super::follow::{FILE, Forge, sync};
use super::git::endless;
use super::{Server, add_project};
use serde_json::json;
use std::os::unix::fs::OpenOptionsExt;

/// Linux's, on every processor that it is built for here.
const O_NONBLOCK: i32 = 0o4000;

#[test]
fn one_branch_that_cannot_be_taken_in_holds_up_no_other() {
    let (server, forge) = (Server::start(1), Forge::new());
    let clone = &forge.clone;
    clone.commit(&[("trunkline.yaml", "on: push\njobs: { a: { run: 'true' } }\nrelease: { version: calver, files: [bomb/] }\n")], "Begin");
    clone.push();
    assert_eq!(server.post("projects", json!({"name": "shop", "git": forge.url()})).0, 200);
    // Before main in the order of their names.
    clone.git(&["push", "-q", "trunkline", &format!("{}:refs/heads/aaa", endless(clone))]);
    clone.commit(&[("text", "2")], "Go on");
    clone.push();
    let words = sync(&server);
    assert!(words.contains("not taken in: refs/heads/aaa: ") && words.contains("more than 200000 files"), "{words}");
    assert!(words.contains("run shop/2 "), "{words}");
    let project = server.get("projects/shop");
    let failed = project["source"]["failed"].as_str().unwrap();
    assert!(failed.starts_with("not taken in: refs/heads/aaa: "), "{project}");
    clone.git(&["push", "-q", "--delete", "trunkline", "aaa"]);
    assert_eq!(sync(&server), "");
    assert!(server.get("projects/shop")["source"]["failed"].is_null());
}

#[test]
fn a_tag_of_a_file_is_passed_over_once() {
    let (server, forge) = (Server::start(1), Forge::new());
    let clone = &forge.clone;
    clone.commit(&[("trunkline.yaml", FILE), ("text", "1")], "Begin");
    clone.push();
    assert_eq!(server.post("projects", json!({"name": "shop", "git": forge.url()})).0, 200);
    clone.git(&["tag", "a-key", "HEAD:text"]);
    clone.git(&["tag", "zz"]);
    clone.git(&["push", "-q", "trunkline", "a-key", "zz"]);
    let words = sync(&server);
    assert!(words.starts_with("passed over: refs/tags/a-key leads to no commit"), "{words}");
    assert!(server.get("projects/shop")["source"]["failed"].is_null());
    assert_eq!(sync(&server), "", "said once, and the other tag is there");
    clone.git(&["tag", "-f", "a-key"]);
    clone.git(&["push", "-q", "-f", "trunkline", "a-key"]);
    assert!(!sync(&server).contains("passed over"), "it leads to a commit now");
}

#[test]
fn what_git_once_wrote_wrong_is_taken_in_and_what_is_dangerous_is_not() {
    let (server, forge) = (Server::start(1), Forge::new());
    let clone = &forge.clone;
    clone.commit(&[("trunkline.yaml", FILE), ("text", "1")], "Begin");
    let tree = clone.git(&["rev-parse", "HEAD^{tree}"]);
    let head = clone.git(&["rev-parse", "HEAD"]);
    let old = format!(
        "tree {}\nparent {}\nauthor Ana 1700000000 +051800\ncommitter Ana <> 1700000000 +051800\n\nOld\n",
        tree.trim(),
        head.trim()
    );
    let old = clone.feed(&["hash-object", "-t", "commit", "-w", "--stdin", "--literally"], old.as_bytes());
    clone.git(&["push", "-q", "trunkline", &format!("{old}:refs/heads/main")]);
    let (status, project) = server.post("projects", json!({"name": "shop", "git": forge.url()}));
    assert!(status == 200 && project["source"]["failed"].is_null(), "{project}");
    assert_eq!(server.until("projects/shop/runs/1", |body| body["result"].is_string())["result"], json!("passed"));

    let pushed_to = Server::start(1);
    let clone = add_project(&pushed_to);
    let push = |clone: &super::Clone, id: &str| clone.try_git(&["push", "trunkline", &format!("{id}:refs/heads/main")]);
    clone.git(&["fetch", "-q", &forge.path().to_string_lossy(), "main"]);
    let pushed = push(&clone, &old);
    assert!(pushed.status.success(), "{pushed:?}");
    let file = clone.feed(&["hash-object", "-w", "--stdin"], b"x");
    let raw: Vec<u8> = (0..20).map(|at| u8::from_str_radix(&file[2 * at..2 * at + 2], 16).unwrap()).collect();
    let tree = clone.feed(&["hash-object", "-t", "tree", "-w", "--stdin", "--literally"], &[b"100644 .git\0", &raw[..]].concat());
    let bad = clone.git(&["commit-tree", "-p", &old, "-m", "Bad", &tree]);
    let pushed = push(&clone, bad.trim());
    assert!(!pushed.status.success() && String::from_utf8_lossy(&pushed.stderr).contains("hasDotgit"), "{pushed:?}");
}

#[test]
fn a_new_branch_starts_those_whose_files_it_touches_and_a_tag_all_that_name_it() {
    let server = Server::start(1);
    let clone = add_project(&server);
    for name in ["api", "web"] {
        assert_eq!(server.post("projects", json!({"name": name, "beside": "shop", "folder": name})).0, 200);
    }
    let part = "on: { push: { branches: ['**'], tags: ['v*'], paths: ['**', '/shared/**'] } }\njobs: { a: { run: 'true' } }\n";
    let root = "on: { push: { branches: [main] } }\njobs: { a: { run: 'true' } }\n";
    clone.commit(&[("trunkline.yaml", root), ("api/trunkline.yaml", part), ("web/trunkline.yaml", part), ("shared/x", "1")], "Begin");
    let said = clone.push();
    assert!(said.contains("run api/1 for") && said.contains("run web/1 for"), "all of it is new: {said}");
    let push = |name: &str| String::from_utf8_lossy(&clone.try_git(&["push", "trunkline", &format!("HEAD:{name}")]).stderr).into_owned();

    let said = push("refs/heads/same");
    assert!(said.contains("api: no run: its paths are untouched") && said.contains("web: no run: its paths are untouched"), "{said}");
    clone.commit(&[("web/name", "1")], "Web");
    clone.commit(&[("readme", "1")], "Neither");
    let said = push("refs/heads/feature");
    assert!(said.contains("run web/2 for") && said.contains("api: no run: its paths are untouched"), "{said}");
    let said = push("refs/tags/v1");
    assert!(said.contains("run web/3 for") && said.contains("run api/2 for"), "{said}");
    assert!(push("refs/tags/other").contains("does not name refs/tags/other"));
    let run = server.until("projects/api/runs/2", |body| body["result"].is_string());
    assert_eq!((run["reference"].as_str(), run["result"].as_str()), (Some("refs/tags/v1"), Some("passed")), "{run}");
}

#[test]
fn of_branches_that_come_together_the_usual_one_has_the_run() {
    let part = "on: push\njobs: { a: { run: 'true' } }\n";
    let server = Server::start(1);
    let clone = add_project(&server);
    assert_eq!(server.post("projects", json!({"name": "web", "beside": "shop", "folder": "web"})).0, 200);
    clone.commit(&[("web/trunkline.yaml", part), ("trunkline.yaml", part)], "Begin");
    clone.git(&["push", "-q", "trunkline", "main:refs/heads/aaa", "main"]);
    let run = server.until("projects/web/runs/1", |body| body["result"].is_string());
    assert_eq!(run["reference"], json!("refs/heads/main"));
    assert_eq!(server.get("projects/web/runs").as_array().unwrap().len(), 1, "the other one brings nothing");

    let (server, forge) = (Server::start(1), Forge::new());
    forge.clone.commit(&[("trunkline.yaml", "on: { push: { paths: ['**'] } }\njobs: { a: { run: 'true' } }\n")], "Begin");
    forge.clone.git(&["push", "-q", "trunkline", "main:refs/heads/aaa", "main"]);
    assert_eq!(server.post("projects", json!({"name": "shop", "git": forge.url()})).0, 200);
    assert_eq!(server.until("projects/shop/runs/1", |body| body["result"].is_string())["reference"], json!("refs/heads/main"));
}

#[test]
fn a_repository_that_does_not_answer_keeps_nobody_waiting() {
    let (server, forge) = (Server::start(1), Forge::new());
    forge.clone.commit(&[("trunkline.yaml", FILE), ("text", "1")], "Begin");
    forge.clone.push();
    assert_eq!(server.post("projects", json!({"name": "shop", "git": forge.url()})).0, 200);
    // Git opens this file to read the refs, and waits for a writer.
    let refs = forge.path().join("packed-refs");
    mkfifo(&refs);
    let held = std::thread::scope(|scope| {
        let sync = scope.spawn(|| server.post("projects/shop/sync", json!({})));
        std::thread::sleep(std::time::Duration::from_millis(500));
        let asked = std::time::Instant::now();
        assert_eq!(server.get("status")["projects"].as_array().unwrap().len(), 1);
        let waited = asked.elapsed();
        assert!(!sync.is_finished(), "the look hangs");
        // Every reader gets an end; without one this opens nothing, and does not wait.
        while !sync.is_finished() {
            drop(std::fs::OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(&refs));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        waited
    });
    assert!(held < std::time::Duration::from_millis(400), "{held:?}");
}

fn mkfifo(path: &std::path::Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_tag_names_the_release_of_its_own_push() {
    let file = "on: { push: { branches: [main], tags: ['v*'] } }\njobs: { a: { run: 'true' } }\nrelease: { version: git-describe }\n";
    let server = Server::start(1);
    let clone = add_project(&server);
    clone.commit(&[("trunkline.yaml", file)], "Begin");
    clone.git(&["tag", "-a", "-m", "One", "v1.0"]);
    clone.git(&["push", "-q", "trunkline", "v1.0"]);
    assert_eq!(version(&server, 1), "v1.0", "the tag comes alone");
    clone.commit(&[("text", "2")], "Go on");
    clone.push();
    assert!(version(&server, 2).starts_with("v1.0-1-g"));
    clone.commit(&[("text", "3")], "Go further");
    clone.git(&["tag", "v2.0"]);
    clone.git(&["push", "-q", "trunkline", "main", "v2.0"]);
    assert_eq!((version(&server, 3), version(&server, 4)), ("v2.0".to_owned(), "v2.0".to_owned()), "with its branch");
    // A tag that moves names what it names now.
    clone.commit(&[("text", "4")], "Go further still");
    clone.git(&["tag", "-f", "v2.0"]);
    clone.git(&["push", "-q", "--force", "trunkline", "v2.0"]);
    assert_eq!(version(&server, 5), "v2.0");

    let (server, forge) = (Server::start(1), Forge::new());
    forge.clone.commit(&[("trunkline.yaml", file)], "Begin");
    forge.clone.git(&["tag", "v3.0"]);
    forge.clone.git(&["push", "-q", "trunkline", "main", "v3.0"]);
    assert_eq!(server.post("projects", json!({"name": "shop", "git": forge.url()})).0, 200);
    assert_eq!(version(&server, 1), "v3.0", "found at the first look");
}

/// The version of the release of a run.
fn version(server: &Server, run: u32) -> String {
    let ended = server.until(&format!("projects/shop/runs/{run}"), |body| body["release"].is_object());
    ended["release"]["version"].as_str().unwrap().to_owned()
}
