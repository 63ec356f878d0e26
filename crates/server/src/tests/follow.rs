//! Repositories that live elsewhere, and several projects in one.

use super::{Clone, Server, ask};
use serde_json::json;
use std::path::Path;
use std::process::Command;

pub const FILE: &str = "on: push\njobs: { a: { run: cat text } }\n";

/// A bare repository in a folder, and a clone that pushes to it.
pub struct Forge {
    folder: tempfile::TempDir,
    pub clone: Clone,
}

impl Forge {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("git").args(["init", "-q", "--bare", "-b", "main", "shop.git"]).current_dir(folder.path()).status();
        assert!(made.unwrap().success());
        let clone = Clone { folder: tempfile::tempdir().unwrap() };
        clone.git(&["init", "-q", "-b", "main"]);
        clone.git(&["remote", "add", "trunkline", &folder.path().join("shop.git").to_string_lossy()]);
        Self { folder, clone }
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("shop.git")
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }
}

pub fn sync(server: &Server) -> String {
    let (status, body) = server.post("projects/shop/sync", json!({}));
    assert_eq!(status, 200, "{body}");
    body["words"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_repository_that_was_empty_for_a_while_is_not_taken_for_a_new_one() {
    let (server, forge) = (Server::start(1), Forge::new());
    forge.clone.commit(&[("trunkline.yaml", FILE), ("text", "1")], "Begin");
    forge.clone.git(&["push", "-q", "trunkline", "main", "main:refs/heads/release"]);
    assert_eq!(server.post("projects", json!({"name": "shop", "git": forge.url()})).0, 200);
    // As a mirror that is made anew: for one look there is nothing.
    let aside = forge.path().with_file_name("aside.git");
    std::fs::rename(forge.path(), &aside).unwrap();
    let bare = Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(forge.path()).status();
    assert!(bare.unwrap().success());
    sync(&server);
    std::fs::remove_dir_all(forge.path()).unwrap();
    std::fs::rename(&aside, forge.path()).unwrap();
    forge.clone.commit(&[("text", "2")], "Meanwhile");
    forge.clone.git(&["push", "-q", "trunkline", "main:refs/heads/release"]);
    let words = sync(&server);
    assert!(words.contains("run shop/2 for") && words.contains("shop/1 had this commit already"), "{words}");
}

#[test]
fn a_followed_repository_starts_runs_like_a_pushed_one() {
    let (server, forge) = (Server::start(1), Forge::new());
    forge.clone.commit(&[("trunkline.yaml", FILE), ("text", "1")], "Begin");
    forge.clone.git(&["push", "-q", "trunkline", "main", "main:refs/heads/old", "main:refs/tags/v1"]);
    let (status, project) = server.post("projects", json!({"name": "shop", "git": forge.url()}));
    assert_eq!(status, 200, "{project}");
    assert_eq!(project["source"]["address"], json!(forge.url()));
    assert!(project["source"]["seen_at"].is_number() && project["source"]["failed"].is_null(), "{project}");
    assert_eq!(server.until("projects/shop/runs/1", |body| body["result"].is_string())["result"], json!("passed"));
    assert_eq!(
        server.get("projects/shop/runs").as_array().unwrap().len(),
        1,
        "what was there before is history, but for the default branch"
    );

    // A new commit, a rewritten branch, a branch that is gone and one whose name was its folder.
    forge.clone.commit(&[("text", "2")], "Go on");
    forge.clone.push();
    assert!(sync(&server).contains("run shop/2 for"));
    assert_eq!(sync(&server), "", "looking again starts nothing");
    forge.clone.git(&["commit", "-q", "--amend", "-m", "Go on otherwise"]);
    forge.clone.git(&["push", "-q", "--force", "trunkline", "main"]);
    forge.clone.git(&["push", "-q", "--delete", "trunkline", "old"]);
    forge.clone.git(&["push", "-q", "trunkline", "main:refs/heads/old/er"]);
    let words = sync(&server);
    assert!(words.contains("run shop/3 for") && words.contains("run shop/4 for"), "{words}");
    server.until("projects/shop/runs/4", |body| body["result"] == json!("passed"));

    // What is not here yet comes by way of that repository, and never by a push to this server.
    for (method, path, body) in [
        ("POST", "projects/shop/runs", json!({"reference": "work"})),
        ("POST", "projects/shop/runs", json!({"reference": "main", "revision": "0123456789012345678901234567890123456789"})),
        ("GET", "projects/shop/where/abcdef0", json!({})),
        ("GET", "projects/shop/where/pr-7", json!({})),
    ] {
        let (status, refused) = server.ask(method, &format!("/api/v1/{path}"), (method == "POST").then_some(body));
        let help = refused["help"].as_str().unwrap_or_default();
        assert!(status == 404 && help.starts_with("push it to the repository that is followed, then: trunkline sync"), "{path}: {refused}");
    }

    // Nobody can push past the repository that is followed.
    let past = Clone::new(&server);
    past.commit(&[("a", "1")], "Past it");
    let refused = past.try_git(&["push", "trunkline", "main:refs/heads/mine"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("push there"), "{refused:?}");

    // It vanishes, and comes back: said, and mended by itself.
    std::fs::rename(forge.path(), forge.folder.path().join("away")).unwrap();
    let (status, body) = server.post("projects/shop/sync", json!({}));
    assert!(status == 409 && body["message"].as_str().unwrap().contains("shop.git") && body["help"].is_string(), "{body}");
    assert!(server.get("projects/shop")["source"]["failed"].as_str().unwrap().contains("shop.git"));
    std::fs::rename(forge.folder.path().join("away"), forge.path()).unwrap();
    assert_eq!(sync(&server), "");
    assert!(server.get("projects/shop")["source"]["failed"].is_null());
    let mut server = server.restart(1);
    forge.clone.commit(&[("text", "3")], "While it was down");
    forge.clone.push();
    // No hook this time: the look of every minute comes soon after a start.
    server.until("projects/shop/runs/5", |body| body["result"] == json!("passed"));
    server.end();
    let store = trunkline_store::SqliteReader::open(&server.folder.path().join("data/trunkline.db")).unwrap();
    trunkline_engine::verify(&store, None).unwrap();
}

#[test]
fn what_cannot_be_followed_is_refused_and_nothing_is_recorded() {
    let server = Server::start(0);
    for (git, said) in [
        ("file:///nowhere/shop.git", "cannot be read"),
        ("ext::sh -c true", "no spaces"),
        ("--upload-pack=x:y", "begins with '-'"),
        ("https://user:secret@example.com/x", "--token-file"),
        ("http://127.0.0.1:1/x.git", "cannot be read"),
    ] {
        let (status, body) = server.post("projects", json!({"name": "shop", "git": git}));
        assert!(status == 400 && body["message"].as_str().unwrap().contains(said), "{git}: {body}");
        assert!(!body.to_string().contains("secret@"), "{body}");
    }
    assert_eq!(server.get("projects").as_array().unwrap().len(), 0);
    let left = std::fs::read_dir(server.folder.path().join("data/repositories")).unwrap().count();
    assert_eq!(left, 0, "and nothing is left behind");
}

#[test]
fn a_token_opens_the_repository_and_is_shown_nowhere() {
    // A Trunkline server is a git host that wants a token.
    let (host, server) = (Server::start(0), Server::start(1));
    let clone = super::add_project(&host);
    clone.commit(&[("trunkline.yaml", FILE), ("text", "1")], "Begin");
    clone.push();
    let git = format!("{}/git/shop.git", host.address);
    let (status, body) = server.post("projects", json!({"name": "shop", "git": git, "token": "tl_wrong"}));
    assert!(status == 400, "{body}");
    let (status, body) = server.post("projects", json!({"name": "shop", "git": git, "token": host.token}));
    assert_eq!(status, 200, "{body}");
    assert!(!body.to_string().contains(&host.token));
    server.until("projects/shop/runs/1", |body| body["result"] == json!("passed"));
    let data = server.folder.path().join("data");
    let kept: Vec<_> = files(&data).into_iter().filter(|path| holds(path, &host.token)).collect();
    assert_eq!(kept, [data.join("credentials/shop")]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&kept[0]).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(ask(&server.address, None, "POST", "/api/v1/projects/shop/sync", Some(json!({}))).0, 401);
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.flat_map(|entry| if entry.file_type().unwrap().is_dir() { files(&entry.path()) } else { vec![entry.path()] }).collect()
}

fn holds(path: &Path, text: &str) -> bool {
    std::fs::read(path).unwrap_or_default().windows(text.len()).any(|bytes| bytes == text.as_bytes())
}

const PART: &str = "on: { push: { paths: [\"**\", \"/shared/**\"] }, manual: {} }\njobs:\n  a:\n    run: cp ../shared/words out.txt && cat name\n    artifacts: [{ name: out, path: out.txt }]\nrelease: { version: calver, files: [deploy/] }\n";

#[test]
fn projects_of_one_repository_are_started_by_what_is_theirs() {
    let server = Server::start(2);
    let clone = super::add_project(&server);
    for (name, folder) in [("api", "services/api"), ("web", "/web/")] {
        let (status, body) = server.post("projects", json!({"name": name, "beside": "shop", "folder": folder}));
        assert_eq!((status, body["folder"].as_str()), (200, Some(folder.trim_matches('/'))), "{body}");
    }
    for folder in ["../x", "a//b", ".git", ""] {
        assert_eq!(server.post("projects", json!({"name": "bad", "beside": "shop", "folder": folder})).0, 400, "{folder}");
    }
    let files = [
        ("trunkline.yaml", "on: push\njobs: { all: { run: 'true' } }\n"),
        ("shared/words", "hello"),
        ("web/trunkline.yaml", PART),
        ("web/name", "I am web"),
        ("web/deploy/run.sh", "true"),
        ("services/api/trunkline.yaml", PART),
        ("services/api/name", "I am api"),
        ("services/api/deploy/run.sh", "true"),
    ];
    clone.commit(&files, "Begin");
    let said = clone.push();
    assert!(said.contains("run shop/1 for") && said.contains("run web/1 for") && said.contains("run api/1 for"), "{said}");
    let run = server.until("projects/web/runs/1", |body| body["result"].is_string());
    assert_eq!(run["result"], json!("passed"), "{run}");
    let log = server.ask("GET", &format!("/api/v1/projects/web/log?work={}", run["jobs"][0]["work"].as_str().unwrap()), None).1;
    assert!(log.as_str().unwrap().contains("I am web"), "{log}");
    let api = server.until("projects/api/runs/1", |body| body["result"].is_string());
    assert_eq!(api["result"], json!("failed"), "its folder lies deeper: ../shared is services/shared");

    let own = clone.commit(&[("web/name", "I am the new web")], "Web alone");
    let said = clone.push();
    assert!(said.contains("run web/2 for") && said.contains("api: no run: its paths are untouched"), "{said}");
    assert!(server.ask("GET", &format!("/api/v1/projects/api/where/{own}"), None).1["message"].as_str().unwrap().contains("untouched"));
    clone.commit(&[("shared/words", "bye")], "What both use");
    let said = clone.push();
    assert!(said.contains("run web/3 for") && said.contains("run api/2 for"), "{said}");
    let (status, started) = server.post("projects/web/runs", json!({}));
    assert_eq!((status, started["number"].as_u64()), (200, Some(4)), "{started}");

    // A branch without the folder starts nothing there; a broken file is named by its path.
    clone.commit(&[("web/trunkline.yaml", "on: push\njobs: { a: { rum: x } }\n")], "Break web");
    let said = clone.push();
    assert!(said.contains("web/trunkline.yaml:2:") && said.contains("run web/5 refused"), "{said}");
    clone.git(&["rm", "-q", "-r", "web"]);
    clone.commit(&[], "Without web");
    assert!(clone.push().contains("web: there is no folder web at this commit"));
}
