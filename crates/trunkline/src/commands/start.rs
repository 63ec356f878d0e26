//! `trunkline start`: begin a run by hand.

use super::watch::tell;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{Manner, Place, Subject, follow};
use crate::globals::Globals;
use crate::invocation::in_project;
use crate::reference;
use std::collections::BTreeMap;
use std::time::Duration;
use trunkline_api::request::{KEY_BYTES_MAX, StartRun};
use trunkline_api::view::RunView;

/// What to start.
#[derive(clap::Args)]
pub struct Arguments {
    /// The branch or tag [default: what HEAD of the repository names]
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
    let begun: RunView = remote.client.post_once(&format!("projects/{project}/runs"), &asked, key)?;
    let (screen, number) = (remote.screen, begun.number);
    if arguments.no_wait {
        if screen.json() {
            screen.print_json(&begun)?;
        } else {
            screen.print(&format!("{project}/{number}"))?;
            screen.note(&format!("next: {}", in_project!("watch {number}")));
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
