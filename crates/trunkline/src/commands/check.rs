//! `trunkline check`: the problems of a delivery file, or what a good one says.

mod warning;

use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::git::Repository;
use crate::globals::Globals;
use crate::render::paint::{Mark, Paint, Style};
use std::io::Read;
use std::path::{Path, PathBuf};
use trunkline_delivery_file::{Diagnostic, outline, read, render};
use trunkline_domain::pipeline::limit;

/// The file's name where none is given.
pub const FILE: &str = "trunkline.yaml";

/// Which file.
#[derive(clap::Args)]
pub struct Arguments {
    /// The file; if left out the nearest trunkline.yaml, from this folder up to the root of the repository
    file: Option<PathBuf>,
}

/// Checks it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let screen = globals.screen();
    let path = arguments.file.clone().map_or_else(default_path, Ok)?;
    let text = contents(&path)?;
    let (definition, diagnostics) = read(&text);
    let lines = definition.as_ref().map(outline);
    let name = shown(&path);
    let folder = path.parent().unwrap_or(Path::new(""));
    let warnings = definition.as_ref().map_or_else(Vec::new, |definition| warning::warnings(definition, folder));
    if screen.json() {
        let report = serde_json::json!({
            "file": name, "good": lines.is_some(), "diagnostics": diagnostics, "warnings": warnings, "outline": lines,
        });
        screen.print_json(&report)?;
    } else {
        if !diagnostics.is_empty() {
            screen.say(&painted(&render(&name, &text, &diagnostics), screen.err.paint));
        }
        if let Some(lines) = &lines {
            for words in &warnings {
                screen.say(&screen.err.paint.text(Style::Yellow, &crate::render::text::clean(words)));
            }
            screen.print(&format!("{}\n{}", screen.out.paint.mark(Mark::Passed, &format!("{name} is good")), lines.join("\n")))?;
        } else {
            screen.note(&total(&diagnostics));
        }
    }
    Ok(if lines.is_some() { Exit::Good } else { Exit::Usage })
}

/// The delivery file of the project that the current folder belongs to, or of this folder.
pub fn default_path() -> Result<PathBuf, Failure> {
    let path = |repository: Repository| repository.root().join(project_folder(&repository)).join(FILE);
    Ok(Repository::here()?.map_or_else(|| PathBuf::from(FILE), path))
}

/// The folder of the repository that is the project here, from its root: the nearest one with a delivery file, from the
/// current folder upwards. The root, which is empty, where there is none.
pub fn project_folder(repository: &Repository) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    let root = repository.root().canonicalize().unwrap_or_default();
    let below = here.strip_prefix(&root).unwrap_or(Path::new(""));
    below.ancestors().find(|folder| root.join(folder).join(FILE).is_file()).unwrap_or(Path::new("")).to_owned()
}

/// The file's name for people and its text.
pub fn read_file(path: &Path) -> Result<(String, Vec<u8>), Failure> {
    Ok((shown(path), contents(path)?))
}

fn contents(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(Code::FileUnreadable, "the delivery file cannot be read")
            .place(path.display())
            .why(error)
            .help("write one with trunkline init, or name the file: trunkline check FILE")
    };
    let mut text = Vec::new();
    // One byte more than may be, so that a file that is too large is called so.
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(limit::FILE_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// The path as seen from the current folder where it lies below it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.unwrap_or_else(|| path.to_owned()).display().to_string()
}

fn total(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|one| one.severity == trunkline_delivery_file::Severity::Error).count();
    format!("\n{}", crate::render::text::count(errors, "error"))
}

/// Colours for the plain form of diagnostics, line by line.
pub fn painted(plain: &str, paint: Paint) -> String {
    if !paint.colour {
        return plain.to_owned();
    }
    let line = |line: &str| {
        let head = |style: Style| match line.split_once(": ") {
            Some((head, rest)) => format!("{}: {rest}", paint.text(style, head)),
            None => line.to_owned(),
        };
        let carets = line.trim_start().strip_prefix('|').is_some_and(|rest| rest.contains('^') && rest.trim().chars().all(|c| c == '^'));
        match line {
            _ if line.starts_with("error[") => head(Style::Red),
            _ if line.starts_with("warning[") => head(Style::Yellow),
            _ if line.starts_with("help: ") => head(Style::Green),
            _ if line.starts_with("  --> ") || line.starts_with("see: ") => paint.text(Style::Muted, line),
            _ if carets => paint.text(Style::Red, line),
            _ => line.to_owned(),
        }
    };
    plain.lines().map(|one| line(one) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnostics_are_coloured_without_changing_their_words() {
        let text = b"name: shop\non: push\njobs:\n  build: { need: x, run: make }\n";
        let (definition, diagnostics) = read(text);
        assert!(definition.is_none());
        let plain = render("trunkline.yaml", text, &diagnostics);
        let coloured = painted(&plain, Paint { colour: true, ascii: false });
        assert!(coloured.contains("\x1b[31merror["), "{coloured}");
        assert!(coloured.contains("^\x1b[0m\n"), "{coloured}");
        let mut stripped = coloured;
        for code in ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[2m", "\x1b[0m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, plain);
        assert_eq!(painted(&plain, Paint::PLAIN), plain);
    }
}
