//! `trunkline init`: a first delivery file, guessed from what lies in the folder. Never overwrites, and guesses
//! nothing beyond the obvious.

use super::check::FILE;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::git::Repository;
use crate::globals::Globals;
use crate::render::paint::Mark;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder; the root of the repository if left out
    folder: Option<PathBuf>,
}

/// Writes it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let screen = globals.screen();
    let here = || Repository::here().map_or_else(|| PathBuf::from("."), |repository| repository.root().to_owned());
    let folder = arguments.folder.clone().unwrap_or_else(here);
    let guess = guess(&folder);
    let path = folder.join(FILE);
    write(&path, &text(&project_name(&folder), &guess))?;
    if screen.json() {
        screen.print_json(&serde_json::json!({ "file": path, "found": guess.found }))?;
    } else {
        screen.print(&screen.out.paint.mark(Mark::Passed, &format!("wrote {} ({})", path.display(), guess.found)))?;
    }
    screen.note("next: trunkline check");
    Ok(Exit::Good)
}

/// What the folder shows.
struct Guess {
    found: &'static str,
    steps: &'static [&'static str],
}

fn guess(folder: &Path) -> Guess {
    let has = |name: &str| folder.join(name).exists();
    if has("Cargo.toml") {
        return Guess { found: "Cargo.toml: cargo test", steps: &["cargo test"] };
    }
    if has("package.json") || has("package-lock.json") {
        // A job starts in a fresh workspace, where packages are not installed yet.
        let steps: &[&str] = match (installs(&folder.join("package.json")), has("package-lock.json")) {
            (false, _) => &["npm test"],
            (true, true) => &["npm ci", "npm test"],
            (true, false) => &["npm install", "npm test"],
        };
        return Guess { found: "package.json: npm test", steps };
    }
    if has("pyproject.toml") || has("setup.py") || has("tests") {
        return Guess { found: "python tests", steps: &["python3 -m unittest discover -v"] };
    }
    Guess { found: "nothing that tells how to test: fill in the job", steps: &[] }
}

/// Whether npm has something to install or to prepare; where the file cannot be read, it may have.
fn installs(package: &Path) -> bool {
    const PACKAGES: [&str; 5] = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "workspaces"];
    const SCRIPTS: [&str; 4] = ["preinstall", "install", "postinstall", "prepare"];
    let read = std::fs::read(package).ok().and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let Some(read) = read else { return true };
    let holds = |key: &str| match &read[key] {
        serde_json::Value::Object(members) => !members.is_empty(),
        serde_json::Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    PACKAGES.into_iter().any(holds) || SCRIPTS.iter().any(|name| read["scripts"][name].is_string())
}

fn text(name: &str, guess: &Guess) -> String {
    let job = match guess.steps {
        [] => "    # Replace this by the command that tests your code.\n    run: echo \"no tests yet\"\n".to_owned(),
        [only] => format!("    run: {only}\n"),
        many => format!("    steps:\n{}", many.iter().map(|step| format!("      - run: {step}\n")).collect::<String>()),
    };
    format!(
        r#"# How changes of this repository are tested, released and delivered. Check it with: trunkline check
# For completion in your editor: trunkline schema > trunkline.schema.json, then take one # from this line:
## yaml-language-server: $schema=trunkline.schema.json
name: {name}
on: push

jobs:
  test:
{job}
# A job keeps what it built; a release holds it; environments run it:
#
#   build:
#     run: ./build.sh
#     artifacts: [{{ name: app, path: out/app }}]
#
# release:
#   version: calver
#   artifacts: [app]
#
# environments:
#   test:
#     tier: testing
#     deploy: {{ kind: process, artifact: app, run: ./app, listen: "127.0.0.1:8101" }}
#     verify: [{{ http: "http://127.0.0.1:8101/", status: 200, within: 30s }}]
"#
    )
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
    use trunkline_delivery_file::{outline, read};

    #[test]
    fn every_guess_passes_the_check() {
        for marker in ["Cargo.toml", "package.json", "package-lock.json", "pyproject.toml", "tests", "nothing"] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(marker), "").unwrap();
            let text = text("shop", &guess(folder.path()));
            let (definition, diagnostics) = read(text.as_bytes());
            assert!(diagnostics.is_empty(), "{marker}: {diagnostics:?}");
            assert!(outline(&definition.unwrap()).iter().any(|line| line.contains("test")));
        }
    }

    #[test]
    fn npm_installs_only_where_there_is_something_to_install() {
        let steps = |package: &str, locked: bool| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("package.json"), package).unwrap();
            if locked {
                std::fs::write(folder.path().join("package-lock.json"), "{}").unwrap();
            }
            guess(folder.path()).steps.join(", ")
        };
        for package in [r#"{"scripts": {"test": "node --test"}}"#, r#"{"dependencies": {}, "workspaces": []}"#] {
            assert_eq!((steps(package, false), steps(package, true)), ("npm test".to_owned(), "npm test".to_owned()), "{package}");
        }
        for package in [r#"{"devDependencies": {"jest": "29"}}"#, r#"{"scripts": {"prepare": "tsc"}}"#, "not JSON"] {
            assert_eq!((steps(package, false), steps(package, true)), ("npm install, npm test".to_owned(), "npm ci, npm test".to_owned()));
        }
    }

    #[test]
    fn the_example_in_the_comments_passes_the_check_too() {
        let text = text("shop", &guess(Path::new("/nonexistent")));
        let uncommented: String = text
            .lines()
            .skip_while(|line| !line.starts_with("# A job keeps"))
            .skip(2)
            .map(|line| line.strip_prefix("# ").or(line.strip_prefix('#')).unwrap_or(line).to_owned() + "\n")
            .collect();
        let uncommented = format!("name: shop\non: push\njobs:\n{uncommented}");
        let (_, diagnostics) = read(uncommented.as_bytes());
        assert!(diagnostics.is_empty(), "{diagnostics:?}\n{uncommented}");
    }

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
