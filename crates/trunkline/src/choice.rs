//! Which server a command means, and whose token it may show there.
//!
//! The nearer word decides: the option `--server`, the data folder that was named, the git remote of this repository, the
//! usual data folder. A folder's token goes to the address that the running server of that very folder says, and nowhere
//! else: on a machine's loopback anybody may listen.

use crate::address::{Address, Remote};
use crate::code::Code;
use crate::failure::Failure;
use crate::git::REMOTE;
use crate::render::text::quoted;
use crate::whereabouts::{self, Whereabouts};
use std::path::{Path, PathBuf};

/// Where a token would come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// The user names it: it goes where the user says.
    Named,
    /// The folder's of the server.
    Folder,
}

/// Everything that may say which server is meant.
#[derive(Clone, Debug)]
pub struct Words {
    /// `--server`, `TRUNKLINE_SERVER`.
    pub server: Option<String>,
    /// `--data`, `TRUNKLINE_DATA`.
    pub data: Option<PathBuf>,
    /// The git remote of this repository.
    pub remote: Option<Remote>,
    /// The data folder that `project add` kept in this repository.
    pub kept: Option<PathBuf>,
    /// The data folder where none is named.
    pub usual: PathBuf,
    /// Where a token would come from.
    pub token: Token,
}

/// A server, and the folder that it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Where it listens.
    pub address: Address,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The server of this folder: it says itself that it listens there.
    Folder(PathBuf),
    /// None that is known here; looked for in this folder.
    Unknown(PathBuf),
}

/// Where the data of the server that is meant is, whether that server runs or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// In this folder.
    Here {
        /// The folder.
        folder: PathBuf,
        /// Where its server listens, or did last, where that is known.
        address: Option<Address>,
    },
    /// In none that is known here to be of the server at this address.
    Elsewhere(Address),
}

/// Which server is meant.
pub fn choose(words: &Words) -> Result<Choice, Failure> {
    if let Some(server) = &words.server {
        return Ok(at(words, Address::parse(server)?));
    }
    match (&words.data, &words.remote) {
        (Some(folder), _) => of_folder(folder),
        (None, Some(remote)) => of_remote(words, remote),
        (None, None) => {
            let folder = words.kept.as_ref().unwrap_or(&words.usual);
            match of_folder(folder) {
                // Who names a token and no server means the usual one, which another user may run.
                Err(_) if words.token == Token::Named => Ok(Choice { address: Address::local(), owner: Owner::Unknown(folder.clone()) }),
                choice => choice,
            }
        }
    }
}

/// The server at an address, as the folder calls it whose server it is.
pub fn at(words: &Words, address: Address) -> Choice {
    let folders = folders(words);
    let listens = |folder: &Path| match whereabouts::of(folder) {
        Ok(Whereabouts::Listens(own)) if address.means(&own) => Some(own),
        _ => None,
    };
    for folder in &folders {
        if let Some(address) = listens(folder) {
            return Choice { address, owner: Owner::Folder((*folder).clone()) };
        }
    }
    Choice { address, owner: Owner::Unknown(folders[0].clone()) }
}

/// Where the data of the server is that [`choose`] would have asked. None is asked, and no way is opened.
pub fn site(words: &Words) -> Result<Site, Failure> {
    let folders = folders(words);
    let here = |folder: &Path| Site::Here { folder: folder.to_owned(), address: last(folder) };
    let meant = match (&words.server, &words.data, &words.remote) {
        (Some(server), _, _) => Address::parse(server)?,
        (None, None, Some(remote)) => Address::parse(&remote.server)?,
        (None, None, None) if words.token == Token::Named && whereabouts::required(folders[0]).is_err() => Address::local(),
        (None, _, _) => return Ok(here(folders[0])),
    };
    if let Owner::Folder(folder) = at(words, meant.clone()).owner {
        return Ok(here(&folder));
    }
    let was = folders.into_iter().find(|folder| last(folder).is_some_and(|last| meant.means(&last)));
    Ok(was.map_or(Site::Elsewhere(meant), |folder| here(folder)))
}

/// Where the server of a folder listens, or did last.
fn last(folder: &Path) -> Option<Address> {
    match whereabouts::of(folder) {
        Ok(Whereabouts::Listens(address)) => Some(address),
        Ok(Whereabouts::Stopped { last }) => last,
        Ok(Whereabouts::Unsaid) | Err(_) => None,
    }
}

/// The data folders that come into question, the nearest first; there is one at least.
fn folders(words: &Words) -> Vec<&PathBuf> {
    match &words.data {
        Some(data) => vec![data],
        None => words.kept.iter().chain([&words.usual]).collect(),
    }
}

fn of_folder(folder: &Path) -> Result<Choice, Failure> {
    Ok(Choice { address: whereabouts::required(folder)?, owner: Owner::Folder(folder.to_owned()) })
}

fn of_remote(words: &Words, remote: &Remote) -> Result<Choice, Failure> {
    let choice = at(words, Address::parse(&remote.server)?);
    match &choice.owner {
        Owner::Unknown(folder) if words.token == Token::Folder && choice.address.is_loopback() => Err(astray(remote, folder)),
        _ => Ok(choice),
    }
}

/// The remote leads to where the folder's server is not, so there is no token for whoever listens there.
fn astray(remote: &Remote, folder: &Path) -> Failure {
    let address = match whereabouts::required(folder) {
        Ok(address) => address,
        Err(failure) => return failure.why(format!("git remote '{REMOTE}' leads to {}", remote.server)),
    };
    let data = quoted(&folder.display().to_string());
    Failure::new(Code::NoToken, format!("git remote '{REMOTE}' leads to {}, and no token is known for that server", remote.server))
        .why(format!("the server of {} listens on {address}", folder.display()))
        .help(format!("if that one is meant: --data {data}, or for good trunkline project add {} --repoint --data {data}", remote.project))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whereabouts::tests::serving;

    fn words(usual: &Path) -> Words {
        Words { server: None, data: None, remote: None, kept: None, usual: usual.to_owned(), token: Token::Folder }
    }

    fn remote(server: &str) -> Option<Remote> {
        Some(Remote { server: server.to_owned(), project: "shop".parse().unwrap() })
    }

    fn chosen(words: &Words) -> (String, bool) {
        let choice = choose(words).unwrap();
        (choice.address.to_string(), matches!(choice.owner, Owner::Folder(_)))
    }

    #[test]
    fn the_nearer_word_decides_which_server() {
        let (usual, _one) = serving("http://127.0.0.1:41001\n");
        let (named, _two) = serving("http://127.0.0.1:41002\n");
        let (kept, _three) = serving("http://127.0.0.1:41003\n");
        let mut words = words(usual.path());
        assert_eq!(chosen(&words), ("http://127.0.0.1:41001".to_owned(), true));
        words.remote = remote("http://127.0.0.1:41003");
        words.kept = Some(kept.path().to_owned());
        assert_eq!(chosen(&words), ("http://127.0.0.1:41003".to_owned(), true));
        words.data = Some(named.path().to_owned());
        assert_eq!(chosen(&words), ("http://127.0.0.1:41002".to_owned(), true));
        words.server = Some("http://x.example".to_owned());
        assert_eq!(chosen(&words), ("http://x.example".to_owned(), false));
    }

    // INVARIANT: a folder's token goes to the address that its own running server says.
    #[test]
    fn a_folders_token_is_for_its_own_server_alone() {
        let (usual, owned) = serving("http://127.0.0.1:41001\n");
        let mut words = words(usual.path());
        for (server, own) in [
            ("http://127.0.0.1:41001", true),
            ("http://localhost:41001", true),
            ("http://127.0.0.1:41002", false),
            ("http://localhost:41002", false),
            ("http://[::1]:41001", false),
            ("http://127.0.0.2:41001", false),
            ("http://cd.example:41001", false),
        ] {
            words.server = Some(server.to_owned());
            let address = if own { "http://127.0.0.1:41001" } else { server };
            assert_eq!(chosen(&words), (address.to_owned(), own));
        }
        words.server = None;
        words.remote = remote("http://127.0.0.1:41002");
        let failure = choose(&words).unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit.number()), ("TL0204", 4));
        assert!(failure.why[0].ends_with("listens on http://127.0.0.1:41001"), "{:?}", failure.why);
        // Killed: whoever listens there now is a stranger.
        drop(owned);
        words.remote = None;
        assert_eq!(choose(&words).unwrap_err().code, "TL0201");
        words.remote = remote("http://127.0.0.1:41001");
        assert_eq!(choose(&words).unwrap_err().code, "TL0201");
    }

    #[test]
    fn a_token_that_was_named_goes_where_the_words_say() {
        let nothing = tempfile::tempdir().unwrap();
        let mut words = Words { token: Token::Named, ..words(nothing.path()) };
        assert_eq!(chosen(&words), ("http://127.0.0.1:7420".to_owned(), false));
        words.remote = remote("http://127.0.0.1:41002");
        assert_eq!(chosen(&words), ("http://127.0.0.1:41002".to_owned(), false));
        words.data = Some(nothing.path().to_owned());
        assert_eq!(choose(&words).unwrap_err().code, "TL0201", "a folder that was named");
    }

    #[test]
    fn a_site_is_known_of_a_server_that_is_stopped() {
        let (usual, one) = serving("http://127.0.0.1:41001\n");
        let (kept, two) = serving("http://127.0.0.1:41003\n");
        let (of, mut words) = (|words: &Words| site(words).unwrap(), words(usual.path()));
        let here = |folder: &Path, address: &str| Site::Here { folder: folder.to_owned(), address: Some(Address::parse(address).unwrap()) };
        let (first, third) = (here(usual.path(), "http://127.0.0.1:41001"), here(kept.path(), "http://127.0.0.1:41003"));
        for owned in [Some((one, two)), None] {
            (words.kept, words.remote, words.server, words.data) = (None, None, None, None);
            assert_eq!(of(&words), first);
            words.kept = Some(kept.path().to_owned());
            assert_eq!(of(&words), third, "the repository keeps it");
            words.remote = remote("http://localhost:41001");
            assert_eq!(of(&words), first, "the remote leads there");
            words.data = Some(kept.path().to_owned());
            assert_eq!(of(&words), third, "it is named");
            for server in ["http://127.0.0.1:41001", "ssh://build.example", "http://cd.example:41003"] {
                words.server = Some(server.to_owned());
                assert_eq!(of(&words), Site::Elsewhere(Address::parse(server).unwrap()));
            }
            drop(owned);
        }
        // Whose token is named and no server: the usual one may be another user's.
        let named = Words { token: Token::Named, ..self::words(usual.path()) };
        assert_eq!(of(&named), Site::Elsewhere(Address::local()));
    }
}
