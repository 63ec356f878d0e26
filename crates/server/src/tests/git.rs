//! Hostile and unusual pushes.

use super::{Clone, Server, add_project};
use serde_json::json;
use std::io::Write;
use std::process::{Command, Stdio};

const FILE: &str = "on: push\njobs: { a: { run: cat text } }\n";

#[test]
fn names_that_were_folders_are_names_again_even_after_a_restart() {
    let server = Server::start(1);
    let clone = add_project(&server);
    clone.commit(&[("trunkline.yaml", FILE), ("text", "1")], "Begin");
    clone.git(&["push", "-q", "trunkline", "main:refs/heads/feature/x"]);
    let refused = clone.try_git(&["push", "trunkline", "main:refs/heads/feature"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("cannot be beside refs/heads/feature/x"));
    clone.git(&["push", "-q", "--delete", "trunkline", "feature/x"]);
    clone.git(&["push", "-q", "trunkline", "main:refs/heads/feature"]);
    // As a crash between record and file would leave it.
    let refs = server.folder.path().join("data/repositories/shop.git/refs/heads");
    std::fs::remove_file(refs.join("feature")).unwrap();
    std::fs::create_dir_all(refs.join("feature")).unwrap();
    std::fs::write(refs.join("feature/x"), format!("{}\n", "1".repeat(40))).unwrap();
    let server = server.restart(1);
    assert!(refs.join("feature").is_file());
    assert_eq!(server.get("projects/shop/runs").as_array().unwrap().len(), 2);
}

#[test]
fn refs_that_change_what_git_says_are_not_taken() {
    let server = Server::start(0);
    let clone = add_project(&server);
    let good = clone.commit(&[("trunkline.yaml", FILE), ("text", "good")], "Good");
    clone.push();
    clone.commit(&[("text", "evil")], "Evil");
    for name in [format!("refs/replace/{good}"), "refs/notes/commits".to_owned(), "refs/trunkline/x".to_owned()] {
        let refused = clone.try_git(&["push", "trunkline", &format!("HEAD:{name}")]);
        assert!(!refused.status.success(), "{name}");
    }
}

#[test]
fn a_delivery_file_that_is_no_file_is_called_so() {
    let server = Server::start(0);
    let clone = add_project(&server);
    std::os::unix::fs::symlink("/etc/passwd", clone.path().join("trunkline.yaml")).unwrap();
    clone.commit(&[], "Link");
    let said = clone.push();
    assert!(said.contains("trunkline.yaml is a symbolic link at this commit") && !said.contains("/etc/passwd"), "{said}");
    let run = server.get("projects/shop/runs/1");
    assert_eq!(run["refused"], json!(["trunkline.yaml is a symbolic link at this commit"]));
    assert_eq!(run["refused_beyond_file"], true);
    std::fs::remove_file(clone.path().join("trunkline.yaml")).unwrap();
    clone.commit(&[("trunkline.yaml/a", "1")], "Folder");
    assert!(clone.push().contains("trunkline.yaml is a folder"));
}

/// A tree in which every folder holds the one below it twice.
fn bomb(folder: &std::path::Path, levels: u32) -> String {
    let hash = |kind: &str, input: &[u8]| {
        let mut child = Command::new("git")
            .args(["hash-object", "-w", "--stdin", "-t", kind, "--literally"])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
    };
    let raw = |id: &str| (0..20).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()).collect::<Vec<u8>>();
    let blob = hash("blob", b"x");
    let mut tree = hash("tree", &[b"100644 f\0".to_vec(), raw(&blob)].concat());
    for _ in 0..levels {
        tree = hash("tree", &[b"40000 a\0".to_vec(), raw(&tree), b"40000 b\0".to_vec(), raw(&tree)].concat());
    }
    tree
}

/// A commit with the delivery file of the last one and a tree in `bomb/` that unfolds without end.
pub fn endless(clone: &Clone) -> String {
    let tree = bomb(clone.path(), 40);
    let file = clone.git(&["rev-parse", "HEAD:trunkline.yaml"]);
    let listing = format!("040000 tree {tree}\tbomb\n100644 blob {}\ttrunkline.yaml\n", file.trim());
    let root = clone.feed(&["mktree"], listing.as_bytes());
    clone.git(&["commit-tree", "-m", "Bomb", &root]).trim().to_owned()
}

#[test]
fn a_tree_that_unfolds_without_end_is_refused_in_time() {
    let server = Server::start(1);
    let clone = add_project(&server);
    clone.commit(&[("trunkline.yaml", "on: push\njobs: { a: { run: 'true' } }\nrelease: { version: calver, files: [bomb/] }\n")], "Begin");
    let commit = endless(&clone);
    let began = std::time::Instant::now();
    let pushed = clone.try_git(&["push", "trunkline", &format!("{commit}:refs/heads/main")]);
    let said = String::from_utf8_lossy(&pushed.stderr).into_owned();
    assert!(said.contains("more than 200000 files and folders"), "{said}");
    assert!(began.elapsed().as_secs() < 60);
    // Others go on.
    clone.git(&["push", "-q", "trunkline", "main"]);
    server.until("projects/shop/runs", |body| body.as_array().is_some_and(|runs| !runs.is_empty()));
}

#[test]
fn large_files_are_written_whole_and_leave_the_reader_in_step() {
    let server = Server::start(1);
    let clone = add_project(&server);
    let large = "0123456789abcde\n".repeat(300_000);
    let file = "on: push\njobs: { a: { run: \"wc -c < large; sha256sum < large; tail -c 3 small\" } }\nrelease: { version: calver, files: [large] }\n";
    clone.commit(&[("trunkline.yaml", file), ("large", &large), ("small", "end")], "Begin");
    clone.push();
    for number in 1..3 {
        let run = server.until(&format!("projects/shop/runs/{number}"), |body| body["result"].is_string());
        assert_eq!(run["result"], json!("passed"), "{run}");
        let log = server.ask("GET", &format!("/api/v1/projects/shop/log?work={}", run["jobs"][0]["work"].as_str().unwrap()), None).1;
        assert!(log.as_str().unwrap().contains("4800000") && log.as_str().unwrap().ends_with("end"), "{log}");
        if number == 1 {
            clone.commit(&[("other", "1")], "Go on");
            clone.push();
        }
    }
}

#[test]
fn a_fetch_brings_back_what_was_pushed() {
    let server = Server::start(0);
    let clone = add_project(&server);
    // More objects than are unpacked one by one, and a request that git compresses.
    let files: Vec<(String, String)> = (0..150).map(|at| (format!("f/{at}"), format!("{at}\n").repeat(50))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    clone.commit(&files, "Many");
    let commit = clone.commit(&[("trunkline.yaml", FILE)], "Begin");
    clone.push();
    let other = super::Clone::new(&server);
    other.git(&["fetch", "-q", "trunkline"]);
    other.git(&["checkout", "-q", &commit]);
    assert_eq!(std::fs::read_to_string(other.path().join("f/149")).unwrap(), "149\n".repeat(50));
    other.git(&["fsck", "--strict"]);
    let objects = server.folder.path().join("data/repositories/shop.git/objects");
    let left =
        std::fs::read_dir(objects).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("incoming-"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_workspace_that_cannot_be_written_fails_its_job_at_once() {
    let server = Server::start(1);
    let clone = add_project(&server);
    clone.commit(&[("trunkline.yaml", FILE)], "Begin");
    let file = clone.git(&["rev-parse", "HEAD:trunkline.yaml"]);
    let mut child =
        Command::new("git").arg("mktree").current_dir(clone.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let listing = format!("100644 blob {0}\t{1}\n100644 blob {0}\ttrunkline.yaml\n", file.trim(), "n".repeat(300));
    child.stdin.take().unwrap().write_all(listing.as_bytes()).unwrap();
    let root = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let commit = clone.git(&["commit-tree", "-m", "Too long", root.trim()]);
    clone.git(&["push", "-q", "trunkline", &format!("{}:refs/heads/main", commit.trim())]);
    let began = std::time::Instant::now();
    let run = server.until("projects/shop/runs/1", |body| body["result"].is_string());
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    assert!(run["jobs"][0]["reason"].as_str().unwrap().contains("name too long"), "{run}");
}

#[test]
fn of_many_who_begin_a_project_at_once_one_does() {
    let server = Server::start(0);
    let begin = || server.post("projects", json!({"name": "shop"}));
    let answers = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..6).map(|_| scope.spawn(begin)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    let mut statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409], "{answers:?}");
}
