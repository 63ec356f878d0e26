//! The pieces of a delivery file that pages show within sentences and tables: each is read where it belongs. What stands in
//! blocks is read elsewhere, and the pages of errors have a test of their own.

use std::path::{Path, PathBuf};
use trunkline_delivery_file::{read, render};

/// What looks like a piece and is none: the kind of a check, the shape of a value.
const NO_PIECES: [&str; 2] = ["verify: run", "after: {all, any}"];

fn pages() -> Vec<PathBuf> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut pages = vec![docs.join("../README.md"), docs.join("decisions/README.md")];
    pages.extend(std::fs::read_dir(docs).expect("docs/ is here").map(|entry| entry.expect("docs/ can be listed").path()));
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages
}

/// What stands between backticks outside of blocks, and is a mapping or a key with its value.
fn pieces(page: &str) -> Vec<String> {
    let prose: String = page.split("```").step_by(2).collect();
    let is_key = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let is_piece = |span: &&str| span.starts_with("{ ") || span.split_once(": ").is_some_and(|(key, _)| is_key(key));
    prose.split('`').skip(1).step_by(2).filter(is_piece).map(str::to_owned).collect()
}

/// The least file that has the piece where it belongs; none where no place is known.
fn file(piece: &str) -> Option<String> {
    let piece = piece.replace('…', "{}");
    let key = piece.trim_start_matches("{ ").split_once(':')?.0;
    let (mut on, mut job, mut release) =
        ("on: push", "artifacts: [{ name: app, path: out/app }]".to_owned(), "release: { version: calver, files: [deploy/, smoke.sh] }");
    let (mut deploy, mut rest) = ("{ kind: run, apply: 'true' }".to_owned(), "verify: [{ run: 'true' }]".to_owned());
    let whole;
    match key {
        "on" => on = &piece,
        "manual" | "push" => {
            whole = format!("on: {{ {piece} }}");
            on = &whole;
        }
        "paths" | "branches" | "tags" => {
            whole = format!("on: {{ push: {{ {piece} }} }}");
            on = &whole;
        }
        "release" => {
            whole = piece.replace("{ ", "{ version: calver, ");
            release = &whole;
        }
        "artifacts" => job = piece,
        "sandbox" | "failure" => job += &format!(", {piece}"),
        "if" => job += &format!(", needs: [x], {}", quoted(&piece)),
        "after" | "config" => rest += &format!(", {piece}"),
        "kind" => deploy = piece,
        "run" if piece.starts_with('{') => rest = format!("verify: [{piece}]"),
        "run" => deploy = format!("{{ kind: process, artifact: app, {piece} }}"),
        "idempotent" => deploy = format!("{{ kind: run, apply: 'true', {piece} }}"),
        _ => return None,
    }
    Some(format!(
        "{on}\njobs:\n  x: {{ run: make }}\n  build: {{ run: make, {job} }}\n{release}\nenvironments:\n  \
         test: {{ deploy: {{ kind: run, apply: 'true' }}, verify: [{{ run: 'true' }}] }}\n  qa: {{ deploy: {deploy}, {rest} }}\n"
    ))
}

/// A condition has marks of its own, which a mapping on one line would take for its own.
fn quoted(piece: &str) -> String {
    piece.split_once(": ").map(|(key, value)| format!("{key}: \"{value}\"")).unwrap_or_default()
}

#[test]
fn every_piece_of_a_delivery_file_within_a_sentence_is_one() {
    let (mut read_pieces, mut faults) = (0, Vec::new());
    for path in pages() {
        let page = std::fs::read_to_string(&path).expect("the page can be read");
        for piece in pieces(&page).into_iter().filter(|piece| !NO_PIECES.contains(&piece.as_str())) {
            let place = format!("{}: `{piece}`", path.display());
            let Some(file) = file(&piece) else {
                faults.push(format!("{place}: say in this test where it belongs"));
                continue;
            };
            let (_, diagnostics) = read(file.as_bytes());
            read_pieces += 1;
            if !diagnostics.is_empty() {
                faults.push(format!("{place}:\n{}", render("trunkline.yaml", file.as_bytes(), &diagnostics)));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(read_pieces > 15, "{read_pieces} pieces");
}
