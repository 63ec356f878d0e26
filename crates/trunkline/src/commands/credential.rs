//! `trunkline credential`: git's credential helper protocol (git-credential(1)), only `get`. Git asks on standard
//! input which server it means, and reads name and token from standard output. Nothing is ever stored.

use crate::address::Address;
use crate::code::Code;
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
    match answer(&question, |address| token_for(globals, address)) {
        Ok(text) => screen.print(&text)?,
        Err(failure) => {
            screen.say(&crate::render::failure::failure(&failure, screen.err.paint));
            // Git would ask for a name and a password, which nobody has.
            screen.print("quit=1\n")?;
        }
    }
    Ok(Exit::Good)
}

/// Git goes to the very address that it asks for, so that one must be the server's own, not another name of it.
fn token_for(globals: &Globals, address: &Address) -> Result<String, Failure> {
    let choice = globals.server_at(address.clone())?;
    if choice.address == *address {
        return token::find(&choice);
    }
    Err(Failure::new(Code::NoToken, "there is no token for this server")
        .place(address)
        .why(format!("it says that it listens on {}", choice.address))
        .help(format!("trunkline project add NAME --repoint --server {}", choice.address)))
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
    use crate::whereabouts::tests::serving;

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
    fn the_token_is_for_the_folders_own_server() {
        let (folder, _owned) = serving("http://127.0.0.1:41001\n");
        std::fs::write(folder.path().join(token::FILE), "secret").unwrap();
        let globals = Globals { data: Some(folder.path().to_owned()), ..Globals::default() };
        let ask = |host: &str| answer(&format!("protocol=http\nhost={host}\n"), |address| token_for(&globals, address));
        if token::from_environment().is_none() {
            assert!(ask("127.0.0.1:41001").unwrap().ends_with("password=secret\n"));
            for host in ["cd.example", "127.0.0.1:41002", "localhost:41001", "[::1]:41001"] {
                assert_eq!(ask(host).unwrap_err().code, "TL0204", "{host}");
            }
        }
    }
}
