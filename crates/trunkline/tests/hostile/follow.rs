//! What a followed repository says: the names of its refs, and what its server answers.

use crate::place::Place;
use crate::text::{canary, obeyed, texts};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;

const FILE: &str =
    "on: push\ndefaults: { sandbox: host }\njobs: { tell: { run: 'env -0 > \"PROBES/$TRUNKLINE_RUN_ID\"; test ! -e CANARY' } }\n";

#[test]
fn names_of_a_followed_repository() {
    let place = Place::new();
    let source = place.path("source").display().to_string();
    let file = FILE.replace("PROBES", &place.path("probes").display().to_string()).replace("CANARY", &canary());
    std::fs::write(place.path("shop/trunkline.yaml"), file).unwrap();
    place.git(&format!("git add -A && git commit -qm Add && git clone -q --bare . {source}"));
    place.cli(&["project", "add", "followed", "--git", &format!("file://{source}")], 0);
    // Names of git's own rules: whatever it takes is there for the server to fetch.
    let head = place.git("git rev-parse HEAD").trim().to_owned();
    let mut made = BTreeSet::new();
    for text in texts().iter().filter(|text| !text.contains(['\0', '\n'])) {
        let path = place.path("source").join("refs/heads").join(text);
        // As a program would write it that knows no rules: git passes over what it does not allow.
        if text.len() < 200 && !text.contains('/') && std::fs::write(&path, format!("{head}\n")).is_ok() {
            made.insert(format!("refs/heads/{text}"));
        }
    }
    assert!(made.len() >= 350, "{} names", made.len());
    let (status, said) = place.ask("projects/followed/sync", &json!({}), &[]);
    assert_eq!(status, 200, "{said}");
    let runs = place.runs_of("followed", 100);
    let seen: BTreeSet<String> = runs.iter().map(|run| run["reference"].as_str().unwrap().to_owned()).collect();
    assert!(seen.len() > 100 && seen.iter().all(|name| made.contains(name) || name == "refs/heads/main"), "{seen:?}");
    for run in &runs {
        assert_eq!(run["result"], "passed", "{run}");
        let told = place.probes(run["id"].as_str().unwrap());
        assert!(told.contains(&format!("TRUNKLINE_REFERENCE={}", run["reference"].as_str().unwrap())), "{run}");
    }
    for name in seen.iter().step_by(20) {
        place.cli(&["start", "--project", "followed", "--ref", name, "--no-wait"], 6);
    }
    place.cli(&["sync", "followed"], 0);
    place.cli(&["projects", "view", "followed"], 0);
    place.end();
}

/// A server of git's protocol that tells an empty repository first, and then whatever it likes.
fn strange_server(said: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/shop.git", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let head = "001e# service=git-upload-pack\n0000";
        let empty = format!("{head}{}", line(&format!("{} capabilities^{{}}\0agent=x\n", "0".repeat(40))) + "0000");
        let refusals = said.iter().map(|text| format!("{head}{}", line(&format!("ERR {text}"))));
        let mut answers = [empty.clone(), empty].into_iter().chain(refusals);
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 8_192]);
            let Some(body) = answers.next() else { return };
            let kind = "application/x-git-upload-pack-advertisement";
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    address
}

fn line(payload: &str) -> String {
    format!("{:04x}{payload}", payload.len() + 4)
}

#[test]
fn words_of_a_followed_server() {
    let place = Place::new();
    let said: Vec<String> = texts().into_iter().filter(|text| text.contains(obeyed) && text.len() < 1_000).collect();
    assert!(said.len() >= 20, "{} texts", said.len());
    let address = strange_server(said.clone());
    place.cli(&["project", "add", "strange", "--git", &address], 0);
    let mut told = 0;
    for _ in &said {
        let (status, answer) = place.ask("projects/strange/sync", &json!({}), &[]);
        assert!(status < 500, "{status} {answer}");
        told += usize::from(answer.contains("remote error"));
        place.cli(&["projects", "view", "strange"], 0);
    }
    assert!(told * 2 > said.len(), "{told} of {} were told", said.len());
    place.page("/");
    place.cli_to(&["sync", "strange"]);
    place.end();
}
