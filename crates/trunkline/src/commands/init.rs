//! `trunkline init`: a first delivery file, guessed from what lies in the folder, or lifted from another system's. Never
//! overwrites, guesses nothing beyond the obvious, and writes nothing that `trunkline check` would refuse.

use super::check::{FILE, painted};
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::git::Repository;
use crate::globals::Globals;
use crate::render::Screen;
use crate::render::paint::Mark;
use crate::render::text::clean;
use std::io::Write;
use std::path::{Path, PathBuf};
use trunkline_delivery_file::{read, render};
use trunkline_init::Unreadable;

/// Where.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder; the root of the repository if left out
    folder: Option<PathBuf>,
    /// Take over the commands of this system's files, and list what is left out
    #[arg(long, value_name = "SYSTEM")]
    from: Option<From>,
}

/// Another system.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum From {
    /// .github/workflows/*.yml
    Github,
    /// .gitlab-ci.yml
    Gitlab,
}

/// Writes it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let screen = globals.screen();
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => Repository::here()?.map_or_else(|| PathBuf::from("."), |repository| repository.root().to_owned()),
    };
    let draft = match arguments.from {
        None => Ok(trunkline_init::guess(&folder)),
        Some(From::Github) => trunkline_init::lift_github(&folder),
        Some(From::Gitlab) => trunkline_init::lift_gitlab(&folder),
    };
    let draft = draft.map_err(|error| unreadable(&error))?;
    let path = folder.join(FILE);
    write(&path, &draft.text(&project_name(&folder)), &screen)?;
    if screen.json() {
        screen.print_json(&serde_json::json!({ "file": path, "found": draft.found, "left_out": draft.left_out }))?;
    } else {
        screen.print(&screen.out.paint.mark(Mark::Passed, &format!("wrote {} ({})", path.display(), draft.found)))?;
        for left in &draft.left_out {
            screen.print(&screen.out.paint.mark(Mark::Waiting, &format!("left out: {}", clean(left))))?;
        }
    }
    screen.note("next: trunkline check");
    Ok(Exit::Good)
}

fn unreadable(error: &Unreadable) -> Failure {
    let failure = Failure::new(Code::FileUnreadable, error.to_string());
    error.why.iter().fold(failure, |failure, why| failure.why(why))
}

/// The folder's name where it can name a project.
fn project_name(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = folder.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let name: String = name.chars().map(fits).take(63).collect();
    let name = name.trim_matches(['-', '_']).to_owned();
    // A name of digits alone would be a number in YAML.
    if name.is_empty() || name.chars().all(|c| c.is_ascii_digit()) { "project".to_owned() } else { name }
}

fn write(path: &Path, text: &str, screen: &Screen) -> Result<(), Failure> {
    // Before the check, so that a file that is there is called so whatever was made of the others.
    if path.symlink_metadata().is_ok() {
        return Err(taken(path));
    }
    checked(text, screen)?;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => taken(path),
        _ => Failure::new(Code::FileUnreadable, "the delivery file cannot be written").place(path.display()).why(error),
    })
}

fn taken(path: &Path) -> Failure {
    Failure::new(Code::FileExists, format!("{FILE} is there already and was left as it is"))
        .place(path.display())
        .help("check it: trunkline check")
}

/// Whoever gets a file from us did not write its errors: what the check would refuse is our defect, and is not written.
fn checked(text: &str, screen: &Screen) -> Result<(), Failure> {
    let (definition, diagnostics) = read(text.as_bytes());
    if definition.is_some() {
        return Ok(());
    }
    screen.say(&painted(&render(FILE, text.as_bytes(), &diagnostics), screen.err.paint));
    let failure = Failure::new(Code::Unexpected, "init made a delivery file that trunkline check refuses, and wrote nothing");
    let failure = diagnostics.iter().fold(failure, |failure, one| failure.why(format!("{}: {}", one.code, one.message)));
    Err(failure.help(
        "this is a defect of trunkline init: report it with the lines above; a first file by hand: trunkline init in an empty folder",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name: shop\non: push\njobs: { test: { run: make } }\n";

    #[test]
    fn an_existing_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, screen) = (folder.path().join(FILE), Globals::default().screen());
        write(&path, GOOD, &screen).unwrap();
        assert_eq!(write(&path, &GOOD.replace("shop", "own"), &screen).unwrap_err().exit.number(), 2);
        assert_eq!(std::fs::read_to_string(path).unwrap(), GOOD);
    }

    #[test]
    fn what_the_check_refuses_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let failure = write(&path, &GOOD.replace("run: make", "needs: [build], run: make"), &Globals::default().screen()).unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit.number()), ("TL0200", 1));
        assert!(failure.why[0].starts_with("TL0160: "), "{:?}", failure.why);
        assert!(failure.help.unwrap().contains("a defect of trunkline init"));
        assert!(!path.exists());
    }

    #[test]
    fn names_fit_a_project() {
        let named = |name: &str| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            project_name(&path)
        };
        assert_eq!(named("My Shop!"), "my-shop");
        assert_eq!(named("2026"), "project");
        assert_eq!(named("検査"), "project");
    }
}
