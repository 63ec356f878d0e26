//! What the documentation shows of the command line, tried on the command line itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGE: &str = include_str!("../../../../../docs/commands.md");

/// Options of other programs that pages name: browsers', and tar's.
const FOREIGN: [&str; 2] = ["--no-sandbox", "--no-same-owner"];

/// The words of each `trunkline` that a line of shell starts. A shell takes it apart, in which every other program does nothing.
fn told(line: &str) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "trunkline() {{ {{ printf '%s\\n' \"$@\"; printf '\\0'; }} >> \"$SAID\"; }}; sudo() {{ if [[ $1 == -u ]]; then shift 2; fi; \"$@\"; }}\n\
         systemd-run() {{ while [[ $1 == -* ]]; do shift; done; \"$@\"; }}\n\
         git() {{ :; }}; ssh() {{ :; }}; man() {{ :; }}; source() {{ cat \"$1\"; }}\n{}",
        line.replace('~', ".").replace("> ./", "> ").replace("> .config/fish/completions/", "> ")
    );
    let said = folder.path().join("said");
    let status = Command::new("bash").args(["-ec", &script]).env("SAID", &said).current_dir(folder.path()).status().unwrap();
    assert!(status.success(), "{line}");
    let said = std::fs::read_to_string(&said).unwrap_or_default();
    said.split_terminator('\0').map(|line| line.lines().map(str::to_owned).collect()).collect()
}

/// Why it is no command line. To ask for help is one.
fn fault(words: &[String]) -> Option<clap::Error> {
    let line = std::iter::once("trunkline").chain(words.iter().map(String::as_str));
    crate::commands::parse(line).err().filter(clap::Error::use_stderr)
}

/// README.md and every page below docs/.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut pages, mut folders) = (vec![root.join("README.md")], vec![root.join("docs")]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.extension() {
                None => folders.push(path),
                Some(extension) if extension == "md" => pages.push(path),
                Some(_) => {}
            }
        }
    }
    pages.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// What stands between backticks outside of blocks, each on one line.
fn spans(page: &str) -> Vec<String> {
    let prose: String = page.replace("`` ` ``", "").split("```").step_by(2).collect();
    assert!(prose.matches('`').count().is_multiple_of(2), "a backtick is left over: {prose}");
    prose.split('`').skip(1).step_by(2).map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The command line with something in the place of what is left to the reader.
fn filled(span: &str) -> String {
    let fill = |word: &str| match word {
        "N" => "1".to_owned(),
        "…" | "sha256:…" => format!("sha256:{}", "0".repeat(64)),
        word => word.to_owned(),
    };
    span.split(' ').map(fill).collect::<Vec<_>>().join(" ")
}

/// Whether it only says a verb's name, such as `trunkline promote`, and leaves out all that stands behind it.
fn only_names_a_verb(words: &[String]) -> bool {
    let found = words.iter().try_fold(crate::commands::command(), |above, word| above.find_subcommand(word).cloned());
    found.is_some()
}

/// Every option of every command.
fn options(command: &clap::Command, found: &mut BTreeSet<String>) {
    found.extend(command.get_arguments().filter_map(|option| Some(format!("--{}", option.get_long()?))));
    found.extend(command.get_arguments().filter_map(|option| Some(format!("-{}", option.get_short()?))));
    command.get_subcommands().for_each(|below| options(below, found));
}

#[test]
fn the_page_is_what_the_program_knows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
    let page = super::page();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "docs/commands.md is outdated: UPDATE_EXPECTED=1 cargo test -p trunkline commands::reference");
}

#[test]
fn an_option_is_told_once_where_it_is_declared() {
    let page = super::page();
    let count = |row: &str| page.lines().filter(|line| line.starts_with(row)).count();
    assert_eq!(count("| `--user` |"), 1, "service declares it for its verbs");
    assert_eq!((count("| `--server ADDRESS` |"), count("| `-p, --project NAME` |"), count("| `-q, --quiet` |")), (1, 1, 1));
}

#[test]
fn every_example_is_a_command_line() {
    let mut tried = 0;
    for example in PAGE.lines().filter_map(|line| line.strip_prefix("$ ")) {
        // A digest is shown with its middle left out.
        let example = example.split("  ").next().unwrap().replace("sha256:...", &format!("sha256:{}", "0".repeat(64)));
        for words in told(&example) {
            assert!(fault(&words).is_none(), "{example}: {}", fault(&words).unwrap());
            tried += 1;
        }
    }
    assert!(tried > 50, "{tried} examples");
    // One under another heading than `Example:` would be shown as it stands in the help, and not be tried above.
    let untried = PAGE.lines().find(|line| line.starts_with(' ') && line.trim_start().starts_with("trunkline "));
    assert_eq!(untried, None, "an example outside of a console block");
}

/// What is shown within a sentence or a table, on any page: a whole command, one without `trunkline` before it, an option.
#[test]
fn every_command_within_a_sentence_is_a_command_line() {
    let (verbs, mut known) = (crate::commands::command(), BTreeSet::new());
    let mut built = verbs.clone();
    built.build();
    options(&built, &mut known);
    let (mut commands, mut faults) = (0, Vec::new());
    for (path, page) in pages() {
        for span in spans(&page) {
            let first = span.split(' ').next().unwrap_or_default();
            let wrong = if first.starts_with('-') && first.contains(char::is_alphabetic) {
                let unknown = |word: &&str| word.starts_with('-') && !known.contains(*word) && !FOREIGN.contains(word);
                span.split([' ', ',']).find(unknown).map(|word| format!("{word}: no command has it"))
            } else {
                let short = verbs.find_subcommand(first).is_some() && span.contains(" -");
                let line = filled(&if short { format!("trunkline {span}") } else { span.clone() });
                if !line.split(' ').any(|word| word == "trunkline") || line == "trunkline" {
                    continue;
                }
                let told = told(&line);
                commands += told.len();
                let wrong = |words: &Vec<String>| if only_names_a_verb(words) { None } else { fault(words) };
                told.iter().find_map(wrong).map(|error| error.to_string())
            };
            faults.extend(wrong.map(|wrong| format!("{}: `{span}`: {wrong}", path.display())));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(commands > 80, "{commands} commands");
}
