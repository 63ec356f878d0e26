//! Every command that a page of the documentation shows: run as it stands, or tried elsewhere, by name.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, blocks, run, run_to, script, shell, ssh};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;

const FIRST_STEPS: &str = include_str!("../../../docs/first-steps.md");
const REPOSITORIES: &str = include_str!("../../../docs/repositories.md");
const INSTALL: &str = include_str!("../../../docs/install.md");

const API: &str = include_str!("../../../docs/api.md");

/// The pages that are tried by other tests: `restore.rs`, and each command alone by `reference.rs`.
const ELSEWHERE: [&str; 2] = ["running.md", "commands.md"];

/// A way through ssh to this machine.
const WAY: &str = r#"
case "$*" in *"-- root@host sh -s") exec sh -s ;; esac
exec python3 - "$@" <<'PYTHON'
import socket, sys, threading
near, near_port, far, far_port = sys.argv[sys.argv.index("-L") + 1].split(":")
def pump(source, sink):
    while piece := source.recv(65536):
        sink.sendall(piece)
    sink.shutdown(socket.SHUT_WR)
server = socket.create_server((near, int(near_port)))
while True:
    one, other = server.accept()[0], socket.create_connection((far, int(far_port)))
    for ends in ((one, other), (other, one)):
        threading.Thread(target=pump, args=ends, daemon=True).start()
PYTHON
"#;

/// Commands of docs/install.md that change a machine. `packaging/try/` does the same in a machine of its
/// own, which CI has not; `cargo xtask dist` is run there, too.
const CHANGES_A_MACHINE: [&str; 6] = [
    "cargo xtask dist",
    "sudo apt install ./trunkline_0.1.0_amd64.deb",
    "tar -xzf trunkline-0.1.0-x86_64-linux.tar.gz",
    "sudo install trunkline-0.1.0-x86_64-linux/bin/trunkline /usr/local/bin/",
    "cargo install --locked --path crates/trunkline",
    "sudo apt install ./trunkline_0.2.0_amd64.deb",
];

fn without_remark(line: &str) -> &str {
    line.split("  #").next().unwrap().trim_end()
}

/// A port that is free now.
fn port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

#[test]
fn the_first_steps_lead_where_the_page_says() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut blocks = blocks(FIRST_STEPS).into_iter();
    let server = Server::start(home.path(), folder.path(), blocks.next().unwrap()[0]);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut place = folder.path().to_owned();
    run(&mut shell(home.path(), &place, &format!("cp -r {} examples", example.display())), "the example");
    // The example's ports may be taken on this machine.
    let ports = ["8101", "8102", "8103"].map(|usual| format!("s/{usual}/{}/g", port())).join("; ");
    run(&mut shell(home.path(), &place, &format!("sed -i '{ports}' examples/shop/trunkline.yaml")), "ports");
    let mut said = Vec::new();
    for line in blocks.flatten() {
        let expected = if line.contains("ends with 1") { 1 } else { 0 };
        let mut command = shell(home.path(), &place, line);
        let (code, text) = run_to(command.env("TRUNKLINE_SERVER", &server.address));
        assert_eq!(code, Some(expected), "{line}: {text}");
        if line.ends_with("cd shop") {
            place = place.join("shop");
        }
        said.push((line, text));
    }
    let answers = |with: &str| said.iter().filter(|(line, _)| line.starts_with(with)).map(|(_, text)| text.as_str()).collect::<Vec<_>>();
    let traces = answers("trunkline trace production");
    assert!(traces[0].contains("Begin") && traces[1].contains("Greet in the morning"), "{traces:#?}");
    let bad = answers("trunkline where")[1];
    assert!(bad.contains("failed") && bad.contains("smoke") && bad.contains("vetoed from qa"), "{bad}");
    let watched = answers("trunkline watch")[2];
    assert!(watched.contains("qa rollback") && watched.contains("qa runs ") && !watched.contains("qa now:"), "{watched}");
    let ended = answers("for environment in")[0];
    assert!(ended.contains("in shop/qa: 1 instance") && ended.contains("the next deployment to qa does"), "{ended}");
    assert!(answers("trunkline tests")[0].contains("smoke"), "{:?}", answers("trunkline tests"));
    assert!(answers("trunkline log")[0].contains("smoke"), "{:?}", answers("trunkline log"));
    let mut view = shell(home.path(), &place, "trunkline runs view shop/3 --json --quiet 2> /dev/null");
    let view: serde_json::Value = serde_json::from_str(&run(view.env("TRUNKLINE_SERVER", &server.address), "runs view")).unwrap();
    let qa = view["stations"].as_array().unwrap().iter().find(|station| station["name"] == "qa").unwrap();
    assert_eq!((view["result"].as_str(), qa["state"].as_str()), (Some("passed"), Some("failed")), "{view}");
    let left = run_to(&mut shell(home.path(), &place, "pgrep -f runner/process/shop/[a-z]*/main || true")).1;
    assert!(!left.contains(&*home.path().to_string_lossy()), "{left}");
}

#[test]
fn the_ways_to_a_repository_are_ways() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = "on: push\ndefaults: { sandbox: host }\njobs: { a: { run: 'true' } }\n";
    for place in ["shop", "shop/services/web", "shop/services/api"] {
        std::fs::create_dir_all(folder.path().join(place)).unwrap();
        std::fs::write(folder.path().join(place).join("trunkline.yaml"), file).unwrap();
    }
    std::fs::write(home.path().join("shop.token"), "secret\n").unwrap();
    let shop = folder.path().join("shop");
    let begin = "git init -q -b main && git add -A && git commit -qm Begin && git clone -q --bare . ../shop.git";
    run(&mut shell(home.path(), &shop, begin), "a repository");
    let source = format!("file://{}/shop.git", folder.path().display());
    for (number, block) in blocks(REPOSITORIES).into_iter().enumerate() {
        let followed = block[0].contains("--git");
        let mut server = None;
        for (place, line) in block.into_iter().enumerate() {
            // Each followed one is a way of its own, with a server of its own.
            if server.is_none() || followed {
                let data = format!("trunkline serve --data data-{number}-{place}");
                server = Some(Server::start(home.path(), folder.path(), &data));
            }
            let address = &server.as_ref().unwrap().address;
            let foreign = ["https://github.com/acme/shop.git", "git@example.com:acme/shop.git", "file:///srv/git/shop.git"];
            let foreign = foreign.into_iter().chain(["https://github.com/acme/store.git"]);
            let text = foreign.fold(without_remark(line).to_owned(), |text, one| text.replace(one, &source));
            let text =
                text.replace("trunkline project follow", &format!("trunkline project add shop --git {source} && trunkline project follow"));
            let data = folder.path().join(format!("data-{number}-{}", if followed { place } else { 0 }));
            if text.starts_with("cat hooks/") {
                let hook = REPOSITORIES.split(line).nth(1).unwrap().split("```").next().unwrap().trim_start();
                let before = format!("trunkline project add shop --git {source} && {hook}");
                run(shell(home.path(), &shop, &before).env("TRUNKLINE_SERVER", address).env("TRUNKLINE_DATA", data), line);
                continue;
            }
            let said = run(shell(home.path(), &shop, &text).env("TRUNKLINE_SERVER", address).env("TRUNKLINE_DATA", data), line);
            assert!(!said.is_empty(), "{line}");
        }
        let _ = run_to(&mut shell(home.path(), &shop, "git remote remove trunkline"));
    }
}

#[test]
fn the_api_answers_as_its_page_asks() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), folder.path(), "trunkline serve");
    let page: &'static str = API.replace("\\\n    ", "").leak();
    let commands = blocks(page).concat();
    let token = commands[0];
    let mut as_of = "19".to_owned();
    for command in &commands[1..] {
        let text = command.replace("http://127.0.0.1:7420", &server.address).replace("wait-for=19", &format!("wait-for={as_of}"));
        // A stream has no end.
        let (stream, text) = (text.contains("-sN"), text.replace("curl -sN", "timeout 2 curl -sN"));
        let (code, said) = run_to(&mut shell(home.path(), folder.path(), &format!("{token}; {text}")));
        assert_eq!(code, Some(if stream { 124 } else { 0 }), "{command}: {said}");
        assert!(!said.is_empty() && !said.starts_with("{\"code\""), "{command}: {said}");
        if let Some(number) = said.strip_prefix("trunkline-as-of: ") {
            as_of = number.trim().to_owned();
        }
        if command.contains("\"name\"") {
            push(home.path(), folder.path(), &server.address);
        }
    }
}

/// A commit that can be started by hand.
fn push(home: &Path, folder: &Path, address: &str) {
    let shop = folder.join("shop");
    std::fs::create_dir(&shop).unwrap();
    std::fs::write(shop.join("trunkline.yaml"), "on: { manual: {} }\njobs: { a: { run: 'true', sandbox: host } }\n").unwrap();
    let text = format!(
        "git init -q -b main && git add -A && git commit -qm Begin && TOKEN=$(cat ~/.local/state/trunkline/operator.token) &&\
         git -c http.extraHeader=\"Authorization: Bearer $TOKEN\" push -q {address}/git/shop.git main"
    );
    run(&mut shell(home, &shop, &text), "git push");
}

#[test]
fn what_the_page_on_installing_shows_is_tried() {
    let home = tempfile::tempdir().unwrap();
    let lines: Vec<&str> = blocks(INSTALL).concat().into_iter().map(without_remark).collect();
    let mut tried: Vec<&str> = CHANGES_A_MACHINE.to_vec();
    for line in lines.iter().filter(|line| line.contains("completion") || line.contains(" man ")) {
        run(&mut shell(home.path(), home.path(), line), line);
        tried.push(line);
    }
    // By the tests of the service.
    tried.extend(lines.iter().filter(|line| line.starts_with("sudo trunkline service ")));
    tried.extend(["trunkline serve"]);
    tried.extend(a_server_that_root_reads(home.path(), &lines));
    let left: Vec<&&str> = lines.iter().filter(|line| !tried.contains(line)).collect();
    assert!(left.is_empty(), "docs/install.md shows what nothing tries: {left:?}");
    let gone: Vec<&&str> = CHANGES_A_MACHINE.iter().filter(|line| !lines.contains(line)).collect();
    assert!(gone.is_empty(), "docs/install.md shows no longer: {gone:?}");
    assert!(home.path().join(".local/share/man/man1/trunkline-promote.1").exists());
}

/// Where sudo changes nobody, the package's data are the user's own, and another machine is this one. What was tried.
fn a_server_that_root_reads<'a>(home: &Path, lines: &[&'a str]) -> Vec<&'a str> {
    let folder = tempfile::tempdir().unwrap();
    let _server = Server::start(home, folder.path(), "trunkline serve --slots 0");
    let made = "git init -q -b main shop && git -C shop commit -q --allow-empty -m Begin";
    run(&mut shell(home, folder.path(), made), made);
    script(&folder.path().join("ssh"), "sudo", "exec env \"$@\"");
    let (bin, called) = ssh(folder.path(), WAY);
    let (source, data) = (format!("file://{}/shop", folder.path().display()), home.join(".local/state/trunkline"));
    let tried: Vec<&str> = lines.iter().filter(|line| line.contains("TRUNKLINE_")).copied().collect();
    for line in &tried {
        let text = line.replace("https://github.com/acme/shop.git", &source).replace("/var/lib/trunkline", &data.display().to_string());
        let said = run(&mut shell(home, folder.path(), &format!("PATH={bin}:$PATH; {text}")), line);
        assert!(said.contains("shop"), "{line}: {said}");
    }
    assert!(std::fs::read_to_string(called).unwrap().contains(" -L "), "nothing went through ssh");
    tried
}

#[test]
fn no_page_with_commands_is_forgotten() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut pages = BTreeSet::new();
    for entry in std::fs::read_dir(docs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") && std::fs::read_to_string(&path).unwrap().contains("\n$ ") {
            pages.insert(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    let here = ["first-steps.md", "repositories.md", "install.md", "api.md"];
    let forgotten: Vec<&String> =
        pages.iter().filter(|page| !here.contains(&page.as_str()) && !ELSEWHERE.contains(&page.as_str())).collect();
    assert!(forgotten.is_empty(), "no test runs the commands of {forgotten:?}");
}
