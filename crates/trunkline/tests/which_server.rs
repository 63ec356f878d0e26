//! Which server a command asks, with the real program: the nearer word decides, and a folder's token is for its own server.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, run, run_to, shell, ssh};
use std::net::TcpListener;
use std::path::PathBuf;
use tempfile::TempDir;

struct World {
    home: TempDir,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { home: tempfile::tempdir().unwrap(), folder: tempfile::tempdir().unwrap() };
        run(&mut shell(world.home.path(), world.folder.path(), "git init -q -b main shop"), "a repository");
        world
    }

    fn shop(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    fn serve(&self, data: &str) -> Server {
        Server::start(self.home.path(), self.folder.path(), &format!("trunkline serve --slots 0 --data {data}"))
    }

    /// In the repository.
    fn try_in_shop(&self, text: &str) -> (Option<i32>, String) {
        run_to(&mut shell(self.home.path(), &self.shop(), text))
    }

    fn in_shop(&self, text: &str) -> String {
        run(&mut shell(self.home.path(), &self.shop(), text), text)
    }
}

#[test]
fn a_folder_that_is_named_goes_before_the_git_remote() {
    let world = World::new();
    let (one, two) = (world.serve("one"), world.serve("two"));
    world.in_shop("trunkline project add shop --data ../one");
    world.in_shop("cd .. && trunkline project add other --data two");
    assert!(world.in_shop("git remote get-url trunkline").starts_with(&one.address));
    assert!(world.in_shop("trunkline projects list").contains("shop"));
    for text in ["trunkline projects list --data ../two", "TRUNKLINE_DATA=../two trunkline projects list"] {
        let said = world.in_shop(text);
        assert!(said.contains("other") && !said.contains("shop"), "{text}: {said}");
    }
    // The address goes before the folder, whose token is not for it.
    let (code, said) = world.try_in_shop(&format!("trunkline status --data ../one --server {}", two.address));
    assert!(code == Some(4) && said.contains("TL0204"), "{code:?} {said}");
    let (code, said) = world.try_in_shop(&format!(
        "TRUNKLINE_TOKEN=$(cat ../two/operator.token) trunkline projects list --data ../one --server {}",
        two.address
    ));
    assert!(code == Some(0) && said.contains("other"), "{said}");
}

#[test]
fn what_comes_next_means_the_same_server_and_the_same_project() {
    let world = World::new();
    let (one, _two) = (world.serve("one"), world.serve("two"));
    world.in_shop("trunkline project add shop --data ../one");
    world.in_shop("cd .. && trunkline project add other --data one");
    for (text, help) in [
        ("trunkline promote 1", "trunkline promote 1 ENVIRONMENT; trunkline environments list shows"),
        ("trunkline promote 1 -p other --data ../one", "trunkline promote 1 ENVIRONMENT -p other --data ../one; "),
        ("TRUNKLINE_DATA=../one trunkline promote 1 -p other", "trunkline promote 1 ENVIRONMENT -p other; "),
    ] {
        let (code, said) = world.try_in_shop(text);
        assert!(code == Some(2) && said.contains(help), "{text}: {said}");
    }
    let file = "printf 'on: push\\njobs: { a: { run: \"true\" } }\\n' > trunkline.yaml";
    world.in_shop(&format!("{file}; git add -A; git commit -qm Begin; git push -q trunkline main"));
    // The reference names the project: only where nothing else does, it is said again.
    let (_, said) = world.try_in_shop("trunkline watch shop/1 --timeout 1s");
    assert!(said.contains("trunkline watch 1\n"), "{said}");
    let (_, said) = world.try_in_shop("cd .. && trunkline watch shop/1 --timeout 1s --data one");
    assert!(said.contains("trunkline watch 1 -p shop --data one\n"), "{said}");
    drop(one);
}

#[test]
fn the_record_of_another_server_is_not_taken_for_the_one_that_is_meant() {
    let world = World::new();
    let (one, two) = (world.serve("one"), world.serve("two"));
    world.in_shop("trunkline project add shop --data ../one");
    for text in ["backup ../file", "ledger verify"] {
        let (code, said) = world.try_in_shop(&format!("trunkline {text} --server {}", two.address));
        assert!(code == Some(5) && said.contains("in no folder known here") && said.contains(&two.address), "{text}: {said}");
        let (code, said) = world.try_in_shop(&format!("TRUNKLINE_SERVER=ssh://nobody.invalid trunkline {text}"));
        assert!(code == Some(5) && said.contains("ssh://nobody.invalid"), "{text}: {said}");
    }
    assert!(!world.folder.path().join("file").exists());
    world.in_shop(&format!("trunkline ledger verify --server {}", one.address));
    world.in_shop("trunkline backup ../file");
}

#[test]
fn no_remote_leads_to_a_project_that_follows() {
    let world = World::new();
    let _one = world.serve("one");
    world.in_shop("git commit -q --allow-empty -m Begin; trunkline project add shop --data ../one");
    world.in_shop("trunkline project add mirror --git \"file://$PWD\"");
    let before = world.in_shop("git remote get-url trunkline");
    let (code, said) = world.try_in_shop("trunkline project add mirror --repoint");
    assert!(code == Some(6) && said.contains("it follows file://") && said.contains("git remote remove trunkline"), "{code:?} {said}");
    assert_eq!(world.in_shop("git remote get-url trunkline"), before);
}

#[test]
fn an_ssh_that_does_not_get_there_is_not_taken_for_a_server_without_a_token() {
    let world = World::new();
    let (code, said) = world.try_in_shop("trunkline --server ssh://nobody@127.0.0.1:1 status");
    assert!(code == Some(7) && said.contains("TL0207") && said.contains("ssh -oBatchMode=yes"), "{code:?} {said}");
}

#[test]
fn who_listens_where_a_server_was_is_not_talked_to() {
    let world = World::new();
    let server = world.serve("one");
    world.in_shop("trunkline project add shop --data ../one");
    let address = server.address.clone();
    // Killed: its file 'address' stays.
    drop(server);
    assert!(world.folder.path().join("one/address").exists());
    nobody_else_is_asked(&world, &address);
    // Ended in order: the file is put aside.
    let again = Server::start(world.home.path(), world.folder.path(), "trunkline serve --slots 0 --data one");
    let address = again.address.clone();
    again.end();
    assert!(!world.folder.path().join("one/address").exists());
    world.in_shop(&format!("git remote set-url trunkline {address}/git/shop.git"));
    nobody_else_is_asked(&world, &address);
}

/// What commands say of a server that listened here last, while a stranger does.
fn nobody_else_is_asked(world: &World, address: &str) {
    let stranger = TcpListener::bind(address.strip_prefix("http://").unwrap()).unwrap();
    stranger.set_nonblocking(true).unwrap();
    for text in ["trunkline status", "trunkline status --data ../one", "TRUNKLINE_DATA=../one trunkline open"] {
        let (code, said) = world.try_in_shop(text);
        assert!(code == Some(7) && said.contains("TL0201") && said.contains("one is not running"), "{text}: {code:?} {said}");
        assert!(said.contains(&format!("it listened on {address} last")), "{text}: {said}");
        let (data, listen) = (said.contains("help: start it: trunkline serve --data "), format!(" --listen {}\n", &address[7..]));
        assert!(data && said.contains(&listen), "{text}: {said}");
    }
    let (code, said) = world.try_in_shop(&format!("trunkline status --data ../one --server {address}"));
    assert!(code == Some(4) && said.contains("TL0204"), "{code:?} {said}");
    assert!(stranger.accept().is_err(), "the stranger was asked");
}

#[test]
fn a_supervisor_of_nothing_does_not_begin() {
    let world = World::new();
    let (code, said) = world.try_in_shop("timeout 5 trunkline supervise ../part");
    assert!(code == Some(5) && said.contains("--stop") && !world.folder.path().join("part").exists(), "{said}");
}

#[test]
fn what_is_written_wrongly_is_told_how_it_is_written() {
    let world = World::new();
    for (text, code, words) in [
        ("trunkline serve --listen localhost:17804", 2, "an address of numbers and a port, such as 127.0.0.1:7420"),
        ("trunkline serve --listen 0.0.0.0:7420", 1, "0.0.0.0:7420 is not loopback"),
        ("trunkline runs list --before x", 2, "write a number of the list"),
        ("TRUNKLINE_DATA= TRUNKLINE_SERVER= trunkline status", 7, "/.local/state/trunkline is not running"),
    ] {
        let (found, said) = world.try_in_shop(text);
        assert!(found == Some(code) && said.contains(words), "{text}: {found:?} {said}");
    }
}

#[test]
fn where_no_server_ever_was_the_usual_port_is_not_asked() {
    let world = World::new();
    let (code, said) = world.try_in_shop("cd .. && trunkline status");
    assert!(code == Some(7) && said.contains("/.local/state/trunkline is not running"), "{said}");
    assert!(said.ends_with("help: start it: trunkline serve\n"), "{said}");
}

#[test]
fn through_ssh_the_login_shell_need_not_be_of_the_posix_kind() {
    let world = World::new();
    let server = Server::start(world.home.path(), world.folder.path(), "trunkline serve --slots 0");
    // As fish would: a simple command is understood, and nothing else. The way itself is not opened.
    let login = r#"case "$*" in *"-- build.example sh -s") exec sh -s;; *" -L "*) echo "no way" >&2; exit 255;; *) exit 127;; esac"#;
    let (path, called) = ssh(world.folder.path(), login);
    let (code, said) = world.try_in_shop(&format!("PATH={path}:$PATH trunkline status --server ssh://build.example"));
    assert!(code == Some(7) && said.contains("TL0207") && said.contains("no way"), "{code:?} {said}");
    let called = std::fs::read_to_string(called).unwrap();
    assert!(called.contains(&format!(":{} -- build.example", &server.address[7..])) && !called.contains("operator.token"), "{called}");
}
