//! What reads strangers' bytes at the server's port: questions of the API, and pushes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use trunkline_api::request::{AddProject, Promote, Rollback, Settle, StartRun};
use trunkline_api::runner::ClaimRequest;
use trunkline_server::reader;

/// Characters of a refusal: it quotes what was asked, and must not give all of it back.
const WORDS_MAX: usize = 1_000;
/// Refs that one push may change.
const UPDATES_MAX: usize = 1_000;
/// Bytes of a line of git's protocol.
const LINE_BYTES_MAX: usize = 65_520;

/// A body of the API.
pub fn body(input: &[u8]) -> Result<bool, String> {
    let taken = [
        body_of::<AddProject>(input)?,
        body_of::<StartRun>(input)?,
        body_of::<Promote>(input)?,
        body_of::<Rollback>(input)?,
        body_of::<Settle>(input)?,
    ];
    Ok(taken.contains(&true))
}

/// Our reader is stricter than serde's own: what it takes, that one takes as the same.
fn body_of<T: DeserializeOwned + Serialize>(input: &[u8]) -> Result<bool, String> {
    let read = match reader::body::<T>(input) {
        Ok(read) => read,
        Err((_, words)) => return said(&words),
    };
    let plain: T = serde_json::from_slice(input).map_err(|error| format!("taken, though serde says {error}"))?;
    let written = |value: &T| serde_json::to_string(value).map_err(|error| error.to_string());
    if written(&read)? == written(&plain)? { Ok(true) } else { Err("read otherwise than serde reads it".to_owned()) }
}

/// What stands behind the question mark.
pub fn question(input: &[u8]) -> Result<bool, String> {
    let text = String::from_utf8_lossy(input);
    let pairs: Vec<(String, String)> = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(owned).collect();
    let taken = [
        question_of::<Rollback>(&pairs)?,
        question_of::<Settle>(&pairs)?,
        question_of::<ClaimRequest>(&pairs)?,
        question_of::<StartRun>(&pairs)?,
    ];
    Ok(taken.contains(&true))
}

fn owned((name, word): (&str, &str)) -> (String, String) {
    (name.to_owned(), word.to_owned())
}

fn question_of<T: DeserializeOwned>(pairs: &[(String, String)]) -> Result<bool, String> {
    match reader::question::<T>(pairs.to_vec()) {
        Ok(_) => Ok(true),
        Err(words) => said(&words),
    }
}

/// Not taken, in words that are fit to be told.
fn said(words: &str) -> Result<bool, String> {
    match words.chars().count() {
        0 => Err("refused without a word".to_owned()),
        1..=WORDS_MAX => Ok(false),
        more => Err(format!("refused in {more} characters")),
    }
}

/// The commands of a push, and the report of it.
pub fn push(input: &[u8]) -> Result<bool, String> {
    let mut rest = input;
    let push = match reader::parse_push(&mut rest) {
        Ok(push) => push,
        Err(words) => return said(&words),
    };
    if push.updates.len() + push.refused.len() > UPDATES_MAX {
        return Err("more refs than one push may change".to_owned());
    }
    if let Some(update) = push.updates.iter().find(|update| !update.name.starts_with("refs/") || update.name.contains("..")) {
        return Err(format!("'{}' was taken as a ref", update.name));
    }
    let refs: Vec<_> = push.refused.iter().map(|(name, why)| (name.clone(), Some(why.clone()))).collect();
    let taken: Vec<_> = push.updates.iter().map(|update| (update.name.clone().into_bytes(), None)).collect();
    lines(&reader::report(false, Ok(()), &[refs, taken].concat(), "")).map(|()| true)
}

/// A report is lines of four hex digits and so many bytes, up to its end.
fn lines(report: &[u8]) -> Result<(), String> {
    let mut rest = report;
    loop {
        let length = rest.get(..4).and_then(|head| std::str::from_utf8(head).ok()).and_then(|head| usize::from_str_radix(head, 16).ok());
        match length {
            Some(0) if rest.len() == 4 => return Ok(()),
            Some(length @ 4..=LINE_BYTES_MAX) if length <= rest.len() => rest = &rest[length..],
            _ => return Err("the report is no lines of git's protocol".to_owned()),
        }
    }
}

/// A pack, which git itself reads: nothing of a refused one may stay.
pub fn pack(input: &[u8]) -> Result<bool, String> {
    thread_local! {
        static REPOSITORY: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
    }
    REPOSITORY.with_borrow_mut(|kept| {
        if kept.is_none() {
            let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
            let made = Command::new("git").args(["init", "-q", "--bare"]).arg(folder.path()).status();
            made.map_err(|error| error.to_string())?.success().then_some(()).ok_or("git made no repository")?;
            *kept = Some(folder);
        }
        let Some(repository) = kept else { return Ok(false) };
        let taken = reader::take_in(repository.path(), &mut &*input);
        match left(&repository.path().join("objects")) {
            Some(name) => Err(format!("{name} was left")),
            None => Ok(taken.is_ok()),
        }
    })
}

fn left(objects: &Path) -> Option<String> {
    let names = std::fs::read_dir(objects).ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.into_iter().find(|name| name.starts_with("incoming"))
}
