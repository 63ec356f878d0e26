//! The token that opens the server: `TRUNKLINE_TOKEN`, or the file that the server keeps in its data folder.

use crate::address::Address;
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

/// The token for a server. The file's token is only ever given to a server on this machine, whose file it is.
pub fn find(address: &Address, folder: &Path) -> Result<String, Failure> {
    if let Some(token) = from_environment() {
        return Ok(token);
    }
    let path = folder.join(FILE);
    if !address.is_loopback() {
        return Err(Failure::new(Code::NoToken, "there is no token for this server")
            .place(address)
            .help("set TRUNKLINE_TOKEN, or reach the server through ssh: TRUNKLINE_SERVER=ssh://user@host"));
    }
    match read(&path) {
        Ok(token) => Ok(token),
        Err(error) => Err(Failure::new(Code::NoToken, "there is no token for this server")
            .place(path.display())
            .why(error)
            .help("start the server as the same user (trunkline serve), name its folder with --data, or set TRUNKLINE_TOKEN")),
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
    fn the_files_token_stays_on_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "secret\n").unwrap();
        if from_environment().is_none() {
            assert_eq!(find(&Address::local(), folder.path()).unwrap(), "secret");
            let far = Address::Http("http://cd.example".to_owned());
            assert_eq!(find(&far, folder.path()).unwrap_err().exit.number(), 4);
        }
    }
}
