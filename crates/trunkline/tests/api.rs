//! The command line asks the server through the documented API, and in no other way: every address in its source is one of
//! `docs/openapi.json`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What reads a data folder on this machine, without a server: it says so in its help. And what looks whether a server runs there.
const LOCAL: [&str; 5] = ["commands/backup.rs", "commands/ledger.rs", "commands/local", "commands/meter.rs", "whereabouts.rs"];

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let product = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let place = path.strip_prefix(&root).unwrap().display().to_string();
        (place, text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned())
    };
    files.iter().filter(|path| path.extension().is_some_and(|end| end == "rs")).map(product).collect()
}

/// Method and path of every documented operation.
fn documented() -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut all = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        all.extend(methods.as_object().unwrap().keys().map(|method| (method.clone(), path.trim_start_matches("/api/v1/").to_owned())));
    }
    all
}

/// A path with each name in braces made `{}`, and without its question.
fn shape(path: &str) -> String {
    let path = path.split('?').next().unwrap();
    path.split('/').map(|part| if part.contains('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

/// What is called with `get` or `post`: the literal in the call, or the last one that the variable was made of.
fn calls(place: &str, text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (method, word) in [
        ("get", "client.get"),
        ("post", "client.post"),
        ("get", "self.get"),
        ("get", "self.agent.get(self.url"),
        ("get", "client\n            .get"),
    ] {
        for (start, _) in text.match_indices(word) {
            let rest = &text[start + word.len()..];
            let Some(open) = rest.find('(').filter(|open| *open == 0 || rest.starts_with("::<")) else { continue };
            let argument = rest[open + 1..].trim_start().trim_start_matches('&').trim_start_matches("format!(").trim_start();
            let literal = match argument.strip_prefix('"') {
                Some(literal) => literal.split('"').next().unwrap().to_owned(),
                None => made(text, start, argument).unwrap_or_else(|| panic!("{place}: which address is {method}({argument:.40}…)?")),
            };
            if literal != PASSED_ON {
                found.push((method.to_owned(), literal));
            }
        }
    }
    found
}

/// A call that only passes on what it is given: its callers are looked at.
const PASSED_ON: &str = "";

/// What the variable in a call holds.
fn made(text: &str, call: usize, argument: &str) -> Option<String> {
    let (name, rest) = argument.split_at(argument.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(argument.len()));
    // `fn get(path: &str) { … client.get(path) }`.
    let function = text[..call].rfind("fn ").map(|start| &text[start..call])?;
    if function.contains(&format!("{name}: &str")) || rest.starts_with("self") {
        return Some(PASSED_ON.to_owned());
    }
    let made = &text[text[..call].rfind(&format!("let {name} = format!(\""))?..];
    made.split('"').nth(1).map(str::to_owned)
}

/// Whether a documented path is the one that is asked; a name may be written out.
fn fits(documented: &str, asked: &str) -> bool {
    let (documented, asked): (Vec<&str>, Vec<&str>) = (documented.split('/').collect(), asked.split('/').collect());
    documented.len() == asked.len() && documented.iter().zip(&asked).all(|(documented, asked)| documented == asked || *documented == "{}")
}

#[test]
fn every_address_that_is_asked_is_documented() {
    let documented: BTreeSet<(String, String)> = documented().into_iter().map(|(method, path)| (method, shape(&path))).collect();
    let mut used = BTreeSet::new();
    for (place, text) in sources() {
        for (method, literal) in calls(&place, &text) {
            // A variable at the path's start holds `projects/P/deployments/N`, which is looked at where it is read.
            let path = literal.replace("{path}", "projects/{}/deployments/{}");
            let call = (method, shape(&path));
            let found = documented.iter().find(|(method, path)| *method == call.0 && fits(path, &call.1));
            used.insert(found.unwrap_or_else(|| panic!("{place} asks {call:?}, which docs/openapi.json does not have")));
        }
    }
    assert!(used.len() > 20, "only these were found: {used:?}");
}

#[test]
fn nothing_else_reaches_the_server() {
    for (place, text) in sources() {
        assert!(place == "client.rs" || !text.contains("ureq::"), "{place} calls by HTTP, which client.rs alone does");
        let local = LOCAL.iter().any(|local| place.starts_with(local));
        assert!(local || !text.contains("trunkline_store"), "{place} opens a data folder: a command asks the server");
    }
}
