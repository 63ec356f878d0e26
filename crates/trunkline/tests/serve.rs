//! Starts that cannot be as asked: what the program says, how it ends, and that the data folder is as good as before.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, run_to, shell};
use std::path::PathBuf;
use trunkline_domain::foundation::{Millis, Timestamp};
use trunkline_engine::{Read as _, Store as _};
use trunkline_store::SqliteStore;

const SERVE: &str = "trunkline serve --slots 1 --data data";

const DELIVERY: &str = "on: { push: {}, manual: {} }\njobs: { a: { sandbox: host, run: 'true' } }\n";

/// A user's home, and a folder in which `data` is the server's.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["home", "work"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        Self { root }
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    fn data(&self) -> PathBuf {
        self.work().join("data")
    }

    fn serve(&self) -> Server {
        self.serve_by(SERVE)
    }

    fn serve_by(&self, command: &str) -> Server {
        Server::start(&self.home(), &self.work(), command)
    }

    /// A start that must not come to serve: one that does is ended, and shows by its exit code.
    fn refused(&self, command: &str) -> String {
        let (code, said) = self.tried(None, &format!("timeout 20 {command}"));
        assert!(!said.contains("listens on"), "{said}");
        format!("exit {}\n{said}", code.unwrap())
    }

    fn tried(&self, server: Option<&Server>, text: &str) -> (Option<i32>, String) {
        let mut command = shell(&self.home(), &self.work(), text);
        command.env("TRUNKLINE_DATA", self.data());
        run_to(command.env("TRUNKLINE_SERVER", server.map_or("", |server| &server.address)))
    }

    fn run(&self, server: &Server, text: &str) -> String {
        let (code, said) = self.tried(Some(server), text);
        assert_eq!(code, Some(0), "{text}: {said}");
        said
    }

    /// A project with a repository of its own, whose first commit has passed.
    fn deliver(&self, server: &Server, name: &str) {
        std::fs::create_dir(self.work().join(name)).unwrap();
        std::fs::write(self.work().join(name).join("trunkline.yaml"), DELIVERY).unwrap();
        self.run(
            server,
            &format!("cd {name} && git init -q -b main && git add -A && git commit -qm Begin && trunkline project add {name}"),
        );
        self.run(server, &format!("cd {name} && git push -q trunkline main && trunkline watch --timeout 60s"));
    }

    /// A new commit, pushed.
    fn push(&self, server: &Server, name: &str) -> (Option<i32>, String) {
        self.git(server, name, "commit -q --allow-empty -m More");
        self.git(server, name, "push trunkline main")
    }

    /// Git, by the way to this server: ports change.
    fn git(&self, server: &Server, name: &str, words: &str) -> (Option<i32>, String) {
        let (_, port) = server.address.rsplit_once(':').unwrap();
        let cookies = self.data().join(format!("git.cookies.{port}"));
        let repoint = format!("cd {name} && git remote set-url trunkline {}/git/{name}.git", server.address);
        self.tried(Some(server), &format!("{repoint} && git -c http.cookieFile={} {words}", cookies.display()))
    }

    /// As if the record had ended then, and no server had had it open since.
    fn ended_at(&self, at: Timestamp) {
        let mut store = SqliteStore::open(&self.data().join("trunkline.db")).unwrap();
        let head = trunkline_engine::Head { at, ..store.head().unwrap() };
        store.begin().unwrap();
        store.head_put(&head).unwrap();
        trunkline_engine::note_open(&mut store, at).unwrap();
        store.commit().unwrap();
    }
}

#[test]
fn a_taken_port_is_named_and_harms_nothing() {
    let place = Place::new();
    let server = place.serve();
    place.deliver(&server, "shop");
    // Its time moves on with every start, tried or not.
    let head = |server: &Server| {
        let said: serde_json::Value = serde_json::from_str(&place.run(server, "trunkline ledger head --json")).unwrap();
        (said["seq"].clone(), said["root"].clone())
    };
    let before = head(&server);
    server.end();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let said = place.refused(&format!("{SERVE} --listen {address}"));
    let wanted = format!("exit 1\nerror[TL0231]: cannot listen on {address}\n  caused by: Address already in use");
    assert!(said.starts_with(&wanted), "{said}");
    assert!(said.contains("help: ") && said.contains("trunkline doctor") && said.contains("--listen 127.0.0.1:0"), "{said}");
    assert!(!place.data().join("address").exists(), "nobody may be led to the other program");
    let said = place.refused(&format!("trunkline serve --data new/data --listen {address}"));
    assert!(said.starts_with(&wanted) && !place.work().join("new").exists(), "a data folder was made: {said}");
    let server = place.serve();
    assert_eq!(head(&server), before);
    assert_eq!(place.push(&server, "shop").0, Some(0));
    place.run(&server, "trunkline ledger verify");
}

#[test]
fn a_data_folder_in_use_is_named_with_who_uses_it() {
    let place = Place::new();
    let server = place.serve();
    let said = place.refused(&format!("{SERVE} --listen 127.0.0.1:0"));
    let pid = std::fs::read_to_string(place.data().join("lock")).unwrap();
    let folder = place.data().canonicalize().unwrap();
    let wanted = format!("exit 1\nerror[TL0230]: the data folder {} is in use by process {pid}: ", folder.display());
    assert!(said.starts_with(&wanted) && said.contains("stop that one, or give another folder with --data"), "{said}");
    assert!(said.contains(&format!("its server is at {}\n", server.address)), "{said}");
    // The one that runs goes on, and is still found.
    let there = std::fs::read_to_string(place.data().join("address")).unwrap();
    assert_eq!(there.trim(), server.address);
    place.deliver(&server, "shop");
    server.end();
    place.serve();
}

#[test]
fn a_data_folder_of_a_newer_program_is_left_as_it_is() {
    let place = Place::new();
    place.serve().end();
    let path = place.data().join("trunkline.db");
    let version = |number: i64| rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", number).unwrap();
    version(99);
    let before = std::fs::read(&path).unwrap();
    let said = place.refused(&format!("{SERVE} --listen 127.0.0.1:0"));
    assert!(said.starts_with("exit 1\nerror[TL0230]: ") && said.contains(&path.display().to_string()), "{said}");
    assert!(said.contains("version 99") && said.contains("use the one that wrote it, or a newer one"), "{said}");
    assert!(!said.contains("damaged"), "it is not: {said}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    version(1);
    place.serve();
}

/// The wall clock, for the test alone.
fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap())
}

/// Before it said a word it could not have been told to end in order.
#[test]
fn a_server_that_is_ended_with_its_first_word_ends_in_order() {
    let place = Place::new();
    for _ in 0..10 {
        place.serve().end();
    }
}

#[test]
fn a_clock_far_ahead_of_the_record_is_asked_about_and_believed_on_request() {
    let place = Place::new();
    let server = place.serve();
    place.deliver(&server, "shop");
    server.end();
    let days = |days: i64| Timestamp(wall().0 - days * Millis::days(1).0 as i64);
    // Six days are a holiday.
    place.ended_at(days(6));
    place.serve().end();
    let last = days(8);
    place.ended_at(last);
    for _ in 0..2 {
        let said = place.refused(&format!("{SERVE} --listen 127.0.0.1:0"));
        assert!(said.starts_with("exit 3\nerror[TL0232]: the wall clock says 2") && said.contains(&last.iso()), "{said}");
        assert!(said.contains("start with --accept-clock") && said.contains("help: date shows the clock"), "{said}");
    }
    let server = place.serve_by(&format!("{SERVE} --accept-clock"));
    server.end();
    // Asked once, although nothing was recorded meanwhile.
    place.serve().end();
}

#[test]
fn a_clock_behind_the_record_needs_no_question_and_no_time_goes_back() {
    let place = Place::new();
    let server = place.serve();
    place.deliver(&server, "shop");
    server.end();
    let last = Timestamp(wall().0 + Millis::days(400).0 as i64);
    place.ended_at(last);
    let server = place.serve();
    assert_eq!(place.push(&server, "shop").0, Some(0));
    place.run(&server, "cd shop && trunkline watch --timeout 60s");
    server.end();
    let now = SqliteStore::open(&place.data().join("trunkline.db")).unwrap().head().unwrap().at;
    assert!(last < now && now.since(last) < Millis::days(1), "{} after {}", now.iso(), last.iso());
}

/// What is asked of a failure once the push that told of it is forgotten.
#[test]
fn a_refused_run_and_a_release_that_never_started_are_told_later_too() {
    let place = Place::new();
    let server = place.serve();
    place.deliver(&server, "shop");
    let push = |file: &str| {
        std::fs::write(place.work().join("shop/trunkline.yaml"), file).unwrap();
        place.tried(Some(&server), "cd shop && git commit -qam File && git push -q trunkline main && trunkline watch --timeout 60s").1
    };
    push("on: push\njobs: { a: { rum: 'true' } }\n");
    for command in ["watch", "log --failed", "where", "runs view 2", "status"] {
        let (_, said) = place.tried(Some(&server), &format!("cd shop && trunkline {command}"));
        assert!(said.contains("refused") && said.contains(":2:14: An unknown key"), "{command}: {said}");
        assert!(!said.contains("makes no release") && !said.contains("no job of run"), "{command}: {said}");
    }
    let ends = "environments: { qa: { deploy: { kind: process, run: 'exit 3' }, verify: [{ run: 'true' }] } }";
    let said = push(&format!("on: push\njobs: {{ a: {{ run: 'true' }} }}\nrelease: {{ version: calver }}\n{ends}\n"));
    assert!(said.contains("exited with 3 before it was ready") && said.contains("was not put in place"), "{said}");
}

/// One repository is gone: who needs it learns that, with what helps; others and the record are as ever.
#[test]
fn a_repository_whose_folder_is_gone_is_said_and_holds_nobody_else_up() {
    let place = Place::new();
    let server = place.serve();
    place.deliver(&server, "shop");
    place.deliver(&server, "own");
    server.end();
    let (folder, away) = (place.data().join("repositories/shop.git"), place.root.path().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    let log = place.root.path().join("log");
    let server = place.serve_by(&format!("sh -c 'exec {SERVE} \"$@\" 2>{}' -", log.display()));
    let said = std::fs::read_to_string(&log).unwrap();
    let wanted = format!("error[TL0524]: repository shop cannot be read at {}: No such file", folder.display());
    assert!(said.contains(&wanted) && said.contains("put the folder back from a backup"), "{said}");
    needs_its_folder(&place, &server);
    assert!(!folder.exists(), "an empty one would look like lost commits");
    assert!(place.run(&server, "trunkline runs list -p shop").contains("Begin"), "the record is there");
    assert_eq!(place.push(&server, "own").0, Some(0));
    place.run(&server, "cd own && trunkline watch --timeout 60s");

    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(place.push(&server, "shop").0, Some(0), "it is back");
    place.run(&server, "cd shop && trunkline watch --timeout 60s");
    // The same while the server runs, and has read in it.
    std::fs::rename(&folder, &away).unwrap();
    needs_its_folder(&place, &server);
    std::fs::rename(&away, &folder).unwrap();
    place.run(&server, "trunkline start -p shop");
    place.run(&server, "trunkline ledger verify");
}

fn needs_its_folder(place: &Place, server: &Server) {
    let words = "the server cannot read the folder of repository shop: put it back from a backup, and the next try finds it";
    for command in ["push trunkline main", "fetch trunkline", "-c protocol.version=0 fetch trunkline"] {
        let (code, said) = place.git(server, "shop", command);
        assert!(code == Some(128) && said.contains(&format!("remote error: {words}")), "{command}, {code:?}: {said}");
    }
    let (code, said) = place.tried(Some(server), "trunkline start -p shop");
    assert!(code == Some(7) && said.contains(&format!("error[TL0524]: {words}")), "{code:?}: {said}");
    for command in ["trunkline status", "trunkline projects view shop", "trunkline doctor"] {
        let (_, said) = place.tried(Some(server), command);
        assert!(said.contains("shop: the folder of its repository is gone from the server"), "{command}: {said}");
    }
}
