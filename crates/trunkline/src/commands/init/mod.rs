//! `trunkline init`: a first delivery file, guessed from what lies in the folder, or lifted from another system's. Never
//! overwrites, and guesses nothing beyond the obvious.

mod draft;
mod github;
mod gitlab;
mod guess;

use super::check::FILE;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::git::Repository;
use crate::globals::Globals;
use crate::render::paint::Mark;
use crate::render::text::clean;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

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
    let here = || Repository::here().map_or_else(|| PathBuf::from("."), |repository| repository.root().to_owned());
    let folder = arguments.folder.clone().unwrap_or_else(here);
    let draft = match arguments.from {
        None => guess::guess(&folder),
        Some(From::Github) => github::lift(&folder)?,
        Some(From::Gitlab) => gitlab::lift(&folder)?,
    };
    let path = folder.join(FILE);
    write(&path, &draft.text(&project_name(&folder)))?;
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

/// A file of another system; one that is larger is none.
fn read_bounded(path: &Path, bytes_max: u64) -> Result<String, Failure> {
    let failed = |why: std::io::Error| Failure::new(Code::FileUnreadable, format!("{} cannot be read", path.display())).why(why);
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_string(&mut text)).map_err(failed)?;
    if read as u64 > bytes_max {
        return Err(failed(std::io::Error::other(format!("it is larger than {} KiB", bytes_max >> 10))));
    }
    Ok(text)
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

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::new(Code::FileExists, format!("{FILE} is there already and was left as it is"))
            .place(path.display())
            .help("check it: trunkline check"),
        _ => Failure::new(Code::FileUnreadable, "the delivery file cannot be written").place(path.display()).why(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        write(&path, "mine").unwrap();
        assert_eq!(write(&path, "theirs").unwrap_err().exit.number(), 2);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "mine");
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
