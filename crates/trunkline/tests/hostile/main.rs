//! Texts that strangers choose stay texts, wherever they come to: five hundred of them in every place, and no file that one
//! of them would make. Each place says how many it took, so that none is tried with nothing.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod api;
#[path = "../common/mod.rs"]
mod common;
mod delivery;
mod files;
mod follow;
mod history;
mod place;
mod text;
mod work;

use std::process::{Command, Stdio};
use text::{canary, texts};

/// Otherwise the other tests would find nothing because there is nothing to be found.
#[test]
fn a_shell_that_is_given_the_texts_obeys_them() {
    let texts = texts();
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join(canary());
    let mut obeyed = 0;
    for text in texts.iter().filter(|text| !text.contains('\0')) {
        // Spliced into a line as it is, and between both kinds of quotes.
        let mut shell = Command::new("bash");
        shell.args(["-c", r#"(eval "$1"); (eval "$2"); (eval "$3"); true"#, "bash"]);
        shell.args([format!("echo {text}"), format!("echo \"{text}\""), format!("echo '{text}'")]);
        shell.current_dir(folder.path()).env_clear().env("PATH", "/usr/bin:/bin");
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        obeyed += usize::from(std::fs::remove_file(&made).is_ok());
    }
    assert!(obeyed >= 200, "only {obeyed} of {} do anything", texts.len());
}
