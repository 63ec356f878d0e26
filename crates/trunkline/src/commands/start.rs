//! `trunkline start`: begin a run by hand.

use super::watch::tell;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{Manner, Place, Subject, follow};
use crate::globals::{Globals, Remote};
use crate::reference;
use std::collections::BTreeMap;
use std::time::Duration;
use trunkline_api::request::{KEY_BYTES_MAX, StartRun};
use trunkline_api::view::RunView;
use trunkline_domain::foundation::ProjectKey;

/// The server's refusal of a key that began something else.
const KEY_USED: &str = "TL0511";
/// What the full name of a branch begins with.
const BRANCHES: &str = "refs/heads/";

/// What to start.
#[derive(clap::Args)]
pub struct Arguments {
    /// The branch or tag [default: main; where there is none, the branch of the first run]
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// A commit of it, all 40 digits [default: its newest]
    #[arg(long, value_name = "SHA")]
    commit: Option<String>,
    /// An input of on.manual; may be given more than once
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// Your own key: the same start asked again with it is the same run
    #[arg(long)]
    key: Option<String>,
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
    /// Give up waiting after this time, with exit code 124
    #[arg(long, value_parser = reference::duration)]
    timeout: Option<Duration>,
}

/// Starts it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let project = remote.project_to_act()?;
    let revision = arguments.commit.as_deref().map(str::parse).transpose();
    let revision = revision.map_err(|error| Failure::new(Code::StartInput, format!("--commit: {error}")))?;
    let asked = StartRun { reference: arguments.reference.clone(), revision, inputs: inputs(&arguments.inputs)? };
    let key = arguments.key.as_deref().map(key).transpose()?;
    let begun = begin(&remote, &project, asked, key)?;
    let (screen, number) = (remote.screen, begun.number);
    if arguments.no_wait {
        if screen.json() {
            screen.print_json(&begun)?;
        } else {
            screen.print(&format!("{project}/{number}"))?;
            screen.note(&format!("next: trunkline watch {number}"));
        }
        return Ok(Exit::Good);
    }
    let subject = Subject::Run(project.clone(), number);
    let (_, ending) = follow(&remote, subject, Manner { timeout: arguments.timeout, place: Place::Err })?;
    if screen.json() {
        let ended: RunView = remote.client.get(&format!("projects/{project}/runs/{number}"))?;
        screen.print_json(&ended)?;
    }
    tell(&screen, &ending);
    Ok(ending.exit)
}

/// Without a ref the server takes `main`. Where there is none the branch of the first run is meant: in a followed repository its
/// default branch began that run, since no other starts anything at the first look; elsewhere it was pushed first. That of the
/// newest run may be anybody's.
fn begin(remote: &Remote, project: &ProjectKey, asked: StartRun, key: Option<&str>) -> Result<RunView, Failure> {
    let path = format!("projects/{project}/runs");
    let failure = match remote.client.post_once(&path, &asked, key) {
        Err(failure) if asked.reference.is_none() && may_be_elsewhere(&failure) => failure,
        answered => return answered,
    };
    if !remote.status()?.projects.iter().any(|known| known.name == *project) {
        return Err(failure);
    }
    let first: Vec<RunView> = remote.client.get(&format!("{path}?limit=1&before=2"))?;
    let help = "name the branch or the tag: trunkline start --ref BRANCH";
    match first.first().and_then(|run| run.reference.strip_prefix(BRANCHES)) {
        Some("main") => Err(failure),
        Some(branch) => {
            let begun = remote.client.post_once(&path, &StartRun { reference: Some(branch.to_owned()), ..asked }, key);
            let begun: RunView = begun.map_err(|failure| if failure.exit == Exit::NotFound { failure.help(help) } else { failure })?;
            if !remote.screen.json() {
                remote.screen.note(&format!("branch {branch}, of the project's first run: there is no main"));
            }
            Ok(begun)
        }
        None if failure.exit != Exit::NotFound => Err(failure),
        None => Err(failure.why("no ref was named, and no run tells which branch is the usual one").help(help)),
    }
}

/// Whether the start may be good on another branch: there is no `main`, or the key began a run of that other branch before.
fn may_be_elsewhere(failure: &Failure) -> bool {
    failure.exit == Exit::NotFound || failure.code == KEY_USED
}

/// A key travels in a header, which takes less than a text does.
fn key(text: &str) -> Result<&str, Failure> {
    let fits = (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
    fits.then_some(text).ok_or_else(|| {
        Failure::new(Code::StartInput, format!("--key has 1 to {KEY_BYTES_MAX} printable ASCII characters without spaces"))
            .help("name what the run is for: --key nightly-2026-11-29")
    })
}

/// Inputs by name.
pub fn inputs(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut inputs = BTreeMap::new();
    for text in given {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Failure::new(Code::StartInput, format!("'{text}' is no input")).help("write --input NAME=VALUE"));
        };
        if inputs.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(Failure::new(Code::StartInput, format!("input '{name}' is given twice")));
        }
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_names_and_values() {
        let given = |texts: &[&str]| inputs(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            given(&["a=1=2", "b="]).unwrap().into_iter().collect::<Vec<_>>(),
            [("a".into(), "1=2".into()), ("b".into(), String::new())]
        );
        assert!(given(&["a"]).unwrap_err().to_string().contains("'a' is no input"));
        assert!(given(&["a=1", "a=2"]).unwrap_err().to_string().contains("twice"));
        assert_eq!(key("nightly-7").unwrap(), "nightly-7");
        for wrong in ["", "a b", "ä", &"k".repeat(101)] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }
}
