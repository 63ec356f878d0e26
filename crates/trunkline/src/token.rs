//! The token that opens the server: `TRUNKLINE_TOKEN`, or the file that the server keeps in its data folder.

use crate::choice::{Choice, Owner};
use crate::code::Code;
use crate::failure::Failure;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The token's file in the data folder.
pub const FILE: &str = "operator.token";
/// Bytes of a token at most.
const BYTES_MAX: u64 = 4096;

/// The data folder where none is given: `$XDG_STATE_HOME/trunkline`.
pub fn data_folder(given: Option<&Path>) -> PathBuf {
    data_folder_of(given, std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))
}

fn data_folder_of(given: Option<&Path>, state: Option<OsString>, home: Option<OsString>) -> PathBuf {
    if let Some(given) = given {
        return given.to_owned();
    }
    // The XDG specification says that relative paths there are to be ignored.
    let state = state.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || PathBuf::from(home.unwrap_or_else(|| ".".into())).join(".local/state");
    state.unwrap_or_else(home).join("trunkline")
}

/// The token for a server: the environment's, or that of the folder which the server serves.
pub fn find(choice: &Choice) -> Result<String, Failure> {
    if let Some(token) = from_environment() {
        return Ok(token);
    }
    let none = || Failure::new(Code::NoToken, "there is no token for this server");
    match &choice.owner {
        Owner::Folder(folder) => read(&folder.join(FILE)).map_err(|error| {
            let help = "work as the user that runs the server, or set TRUNKLINE_TOKEN";
            none().place(folder.join(FILE).display()).why(error).help(help)
        }),
        Owner::Unknown(folder) if choice.address.is_loopback() => Err(none()
            .place(&choice.address)
            .why(format!("no server of {} listens there", folder.display()))
            .help("name its folder with --data, or set TRUNKLINE_TOKEN")),
        Owner::Unknown(_) => Err(none()
            .place(&choice.address)
            .help("set TRUNKLINE_TOKEN, or reach the server through ssh: TRUNKLINE_SERVER=ssh://user@host")),
    }
}

/// The token in the environment.
pub fn from_environment() -> Option<String> {
    std::env::var("TRUNKLINE_TOKEN").ok().map(|token| token.trim().to_owned()).filter(|token| !token.is_empty())
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(BYTES_MAX).read_to_string(&mut text)?;
    checked(&text).ok_or_else(|| std::io::Error::other("the file does not hold a token"))
}

/// A token is one line of printable ASCII: it becomes part of a header.
pub fn checked(text: &str) -> Option<String> {
    let token = text.trim();
    (!token.is_empty() && token.chars().all(|c| c.is_ascii_graphic())).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    #[test]
    fn the_data_folder_follows_the_specification() {
        let folder = |given: Option<&str>, state: Option<&str>| {
            data_folder_of(given.map(Path::new), state.map(OsString::from), Some("/home/ana".into())).display().to_string()
        };
        assert_eq!(folder(None, None), "/home/ana/.local/state/trunkline");
        assert_eq!(folder(None, Some("/state")), "/state/trunkline");
        assert_eq!(folder(None, Some("relative")), "/home/ana/.local/state/trunkline");
        assert_eq!(folder(Some("here"), Some("/state")), "here");
    }

    #[test]
    fn a_token_is_one_printable_line() {
        assert_eq!(checked("tlo_abc\n").as_deref(), Some("tlo_abc"));
        for text in ["", "\n", "two words", "a\nb", "ü"] {
            assert_eq!(checked(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_files_token_is_for_the_folders_own_server() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "secret\n").unwrap();
        let find = |address: &str, owner| find(&Choice { address: Address::Http(address.to_owned()), owner });
        let (own, unknown) = (|| Owner::Folder(folder.path().to_owned()), || Owner::Unknown(folder.path().to_owned()));
        if from_environment().is_none() {
            assert_eq!(find("http://127.0.0.1:7420", own()).unwrap(), "secret");
            for address in ["http://127.0.0.1:7420", "http://cd.example"] {
                assert_eq!(find(address, unknown()).unwrap_err().exit.number(), 4);
            }
        }
    }
}
