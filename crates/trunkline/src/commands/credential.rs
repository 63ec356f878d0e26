//! `trunkline credential`: git's credential helper protocol (git-credential(1)), only `get`. Git asks on standard
//! input which server it means, and reads name and token from standard output. Nothing is ever stored.

use crate::address::Address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::token;
use std::io::Read;

/// The name that goes with the token; the server looks at the token alone.
const USER: &str = "trunkline";
/// Bytes of a question.
const QUESTION_BYTES_MAX: u64 = 64 << 10;

/// What git wants.
#[derive(clap::Args)]
pub struct Arguments {
    /// get, store or erase
    operation: String,
}

/// Answers git.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    // Others are told, and may be ignored by a helper that keeps nothing.
    if arguments.operation != "get" {
        return Ok(Exit::Good);
    }
    let mut question = String::new();
    std::io::stdin().take(QUESTION_BYTES_MAX).read_to_string(&mut question)?;
    let screen = globals.screen();
    let folder = globals.data_folder();
    match answer(&question, |address| token::find(address, &folder)) {
        Ok(text) => screen.print(&text)?,
        Err(failure) => {
            screen.say(&crate::render::failure::failure(&failure, screen.err.paint));
            // Git would ask for a name and a password, which nobody has.
            screen.print("quit=1\n")?;
        }
    }
    Ok(Exit::Good)
}

/// The answer to a question; empty where it is not ours to answer.
fn answer(question: &str, token: impl Fn(&Address) -> Result<String, Failure>) -> Result<String, Failure> {
    let value = |key: &str| question.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let (Some("http"), Some(host)) = (value("protocol"), value("host")) else { return Ok(String::new()) };
    let address = Address::parse(&format!("http://{host}"))?;
    Ok(format!("username={USER}\npassword={}\n", token(&address)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(question: &str) -> String {
        answer(question, |address| Ok(format!("token-of-{address}"))).unwrap()
    }

    #[test]
    fn git_gets_name_and_token() {
        let question = "protocol=http\nhost=127.0.0.1:7420\nwwwauth[]=Basic realm=\"trunkline\"\n\n";
        assert_eq!(ask(question), "username=trunkline\npassword=token-of-http://127.0.0.1:7420\n");
    }

    #[test]
    fn other_questions_get_no_answer() {
        for question in ["protocol=https\nhost=github.com\n\n", "host=127.0.0.1\n", "protocol=http\n", ""] {
            assert_eq!(ask(question), "", "{question:?}");
        }
    }

    #[test]
    fn a_far_server_does_not_get_this_machines_token() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(token::FILE), "secret").unwrap();
        if token::from_environment().is_none() {
            let asked = answer("protocol=http\nhost=cd.example\n", |address| token::find(address, folder.path()));
            assert_eq!(asked.unwrap_err().code, "TL0204");
        }
    }
}
