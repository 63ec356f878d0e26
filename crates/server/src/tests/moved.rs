//! Followed repositories that were renamed: said, and followed to their new place.

use super::Server;
use super::follow::{FILE, Forge, sync};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_repository_that_was_renamed_is_followed_to_its_new_address() {
    let (server, forge) = (Server::start(1), Forge::new());
    forge.clone.commit(&[("trunkline.yaml", FILE), ("text", "1")], "Begin");
    forge.clone.push();
    assert_eq!(server.post("projects", json!({"name": "shop", "git": forge.url()})).0, 200);
    server.until("projects/shop/runs/1", |body| body["result"] == json!("passed"));
    let store = forge.path().with_file_name("store.git");
    std::fs::rename(forge.path(), &store).unwrap();
    assert_eq!(server.post("projects/shop/sync", json!({})).0, 409);

    let follow = |body| server.post("projects/shop/follow", body);
    for (git, status, said) in [
        ("file:///nowhere/store.git", 400, "cannot be read"),
        ("https://user:secret@example.com/x", 400, "--token-file"),
        ("--upload-pack=x:y", 400, "begins with '-'"),
    ] {
        let (code, body) = follow(json!({ "git": git }));
        assert!(code == status && body["message"].as_str().unwrap().contains(said), "{git}: {body}");
    }
    assert_eq!(server.get("projects/shop")["source"]["address"], json!(forge.url()), "what was refused changes nothing");

    let url = format!("file://{}", store.display());
    let (status, project) = follow(json!({ "git": url }));
    assert!(status == 200 && project["source"]["address"] == json!(url) && project["source"]["failed"].is_null(), "{project}");
    assert_eq!(project["last_run"]["number"], json!(1), "nothing new is there");
    forge.clone.git(&["remote", "set-url", "trunkline", &store.to_string_lossy()]);
    forge.clone.commit(&[("text", "2")], "Go on");
    forge.clone.push();
    assert!(sync(&server).contains("run shop/2 for"));

    // The server goes on with it, and the record with what its facts make.
    let mut server = server.restart(1);
    assert_eq!(server.get("projects/shop")["source"]["address"], json!(url));
    server.end();
    let store = trunkline_store::SqliteReader::open(&server.folder.path().join("data/trunkline.db")).unwrap();
    trunkline_engine::verify(&store, None).unwrap();
}

#[test]
fn a_project_that_is_pushed_to_has_no_other_address() {
    let (server, forge) = (Server::start(0), Forge::new());
    super::add_project(&server);
    let (status, body) = server.post("projects/shop/follow", json!({ "git": forge.url() }));
    assert!(status == 409 && body["message"].as_str().unwrap().contains("people push to this repository"), "{body}");
}

#[test]
fn a_token_stays_with_its_host() {
    // A Trunkline server is a git host that wants a token.
    let (host, server, forge) = (Server::start(0), Server::start(0), Forge::new());
    let clone = super::add_project(&host);
    clone.commit(&[("trunkline.yaml", FILE), ("text", "1")], "Begin");
    clone.push();
    assert_eq!(host.post("projects", json!({ "name": "store", "beside": "shop", "folder": "store" })).0, 200);
    let git = |name: &str| format!("{}/git/{name}.git", host.address);
    assert_eq!(server.post("projects", json!({ "name": "shop", "git": git("shop"), "token": host.token })).0, 200);
    let kept = server.folder.path().join("data/credentials/shop");
    let (status, body) = server.post("projects/shop/follow", json!({ "git": git("store") }));
    assert!(status == 200 && kept.exists(), "the same host: {body}");
    let (status, body) = server.post("projects/shop/follow", json!({ "git": git("store"), "token": "tl_wrong" }));
    assert!(status == 400 && std::fs::read_to_string(&kept).unwrap() == format!("{}\n{}", host.address, host.token), "{body}");
    forge.clone.commit(&[("text", "1")], "Begin");
    forge.clone.push();
    assert_eq!(server.post("projects/shop/follow", json!({ "git": forge.url() })).0, 200);
    assert!(!kept.exists(), "another host has nothing to do with it");
}

#[test]
fn a_redirect_is_followed_and_said() {
    let (server, forge) = (Server::start(1), Forge::new());
    forge.clone.commit(&[("trunkline.yaml", FILE), ("text", "1")], "Begin");
    forge.clone.push();
    let informed = std::process::Command::new("git").arg("update-server-info").current_dir(forge.path()).status();
    assert!(informed.unwrap().success());
    let host = Host::of(forge.path(), None, false).base;
    let (old, new) = (format!("{host}/old.git"), format!("{host}/shop.git"));
    let (status, project) = server.post("projects", json!({ "name": "shop", "git": old }));
    assert_eq!((status, project["source"]["redirected"].as_str()), (200, Some(new.as_str())), "{project}");
    server.until("projects/shop/runs/1", |body| body["result"] == json!("passed"));
    assert_eq!(sync(&server), format!("{old} leads to {new} now"));
    let (status, project) = server.post("projects/shop/follow", json!({ "git": new }));
    assert!(status == 200 && project["source"]["redirected"].is_null(), "{project}");
    assert_eq!(sync(&server), "");
}

#[test]
fn a_token_is_not_sent_where_a_redirect_leads() {
    let (server, forge) = (Server::start(1), Forge::new());
    forge.clone.commit(&[("trunkline.yaml", FILE), ("text", "1")], "Begin");
    forge.clone.push();
    let informed = std::process::Command::new("git").arg("update-server-info").current_dir(forge.path()).status();
    assert!(informed.unwrap().success());
    // Renamed on the same host: the token goes along.
    let one = Host::of(forge.path(), None, true);
    let (old, new) = (format!("{}/old.git", one.base), format!("{}/shop.git", one.base));
    let (status, project) = server.post("projects", json!({ "name": "shop", "git": old, "token": "s3cret" }));
    assert_eq!((status, project["source"]["redirected"].as_str()), (200, Some(new.as_str())), "{project}");
    server.until("projects/shop/runs/1", |body| body["result"] == json!("passed"));
    assert!(one.tokens() > 0);
    // To another host it does not, and that host is not followed in silence either.
    let two = Host::of(forge.path(), None, false);
    let leading = Host::of(forge.path(), Some(two.base.clone()), true);
    let git = format!("{}/old.git", leading.base);
    let (status, body) = server.post("projects", json!({ "name": "astray", "git": git, "token": "s3cret" }));
    let said = body["message"].as_str().unwrap();
    assert!(status == 400 && said.contains(&format!("leads to {}/shop.git now, which is another host", two.base)), "{status} {body}");
    assert_eq!((leading.tokens() > 0, two.tokens()), (true, 0));
    // Without a token there is nothing to lose.
    let open = Host::of(forge.path(), Some(two.base.clone()), false);
    assert_eq!(server.post("projects", json!({ "name": "astray", "git": format!("{}/old.git", open.base) })).0, 200);
}

/// Serves a repository's files as `/shop.git`, the way git's own simplest protocol wants them; `/old.git` leads there, or
/// to another host.
struct Host {
    base: String,
    tokens: Arc<AtomicUsize>,
}

impl Host {
    /// A private one answers only who brings a token.
    fn of(repository: PathBuf, leads_to: Option<String>, private: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let host = Self { base: base.clone(), tokens: Arc::default() };
        let tokens = host.tokens.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let lines: Vec<String> =
                    BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let with_token = lines.iter().any(|line| line.to_lowercase().starts_with("authorization:"));
                tokens.fetch_add(usize::from(with_token), Ordering::SeqCst);
                let target = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
                let target = if private && !with_token { "/nothing" } else { target };
                let _ = stream.write_all(&reply(&repository, leads_to.as_ref().unwrap_or(&base), target));
            }
        });
        host
    }

    /// Requests that held one.
    fn tokens(&self) -> usize {
        self.tokens.load(Ordering::SeqCst)
    }
}

fn reply(repository: &Path, base: &str, target: &str) -> Vec<u8> {
    let head = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\n{more}connection: close\r\n\r\n").into_bytes();
    if let Some(rest) = target.strip_prefix("/old.git") {
        return head("301 Moved Permanently", &format!("location: {base}/shop.git{rest}\r\ncontent-length: 0\r\n"));
    }
    let path = target.split('?').next().unwrap_or_default().trim_start_matches("/shop.git/");
    match std::fs::read(repository.join(path)) {
        Ok(bytes) => [head("200 OK", &format!("content-type: text/plain\r\ncontent-length: {}\r\n", bytes.len())), bytes].concat(),
        Err(_) => head("404 Not Found", "content-length: 0\r\n"),
    }
}
