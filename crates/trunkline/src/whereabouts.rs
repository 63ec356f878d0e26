//! Where the server of a data folder is, as the folder itself tells: its lock says whether one runs, its file `address`
//! where that one listens.

use crate::address::Address;
use crate::code::Code;
use crate::failure::Failure;
use crate::render::text::quoted;
use crate::token;
use std::io::Read;
use std::path::{Path, PathBuf};
use trunkline_store::{DataFolder, GIT_COOKIES};

/// The file in which a server says where it listens.
const FILE: &str = "address";
/// Where one that ended in order put it.
const LAST: &str = "address.last";
/// Bytes of that file that are read.
const FILE_BYTES_MAX: u64 = 200;

/// Where the server of a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// It runs and listens there.
    Listens(Address),
    /// It runs but takes no calls: it starts, or it ends.
    Unsaid,
    /// It does not run.
    Stopped {
        /// Where it listened last; by now it may be another's address.
        last: Option<Address>,
    },
}

/// Where the server of this folder is.
pub fn of(folder: &Path) -> std::io::Result<Whereabouts> {
    if !DataFolder::is_owned(folder)? {
        // One that was killed left the first of them, which is newer.
        return Ok(Whereabouts::Stopped { last: said(&folder.join(FILE)).or_else(|| said(&folder.join(LAST))) });
    }
    Ok(said(&folder.join(FILE)).map_or(Whereabouts::Unsaid, Whereabouts::Listens))
}

/// The address in a file: one of this machine, whatever else it says, for the folder's token goes there.
fn said(file: &Path) -> Option<Address> {
    let mut text = String::new();
    std::fs::File::open(file).ok()?.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    Address::parse(text.trim()).ok().filter(Address::is_loopback)
}

/// Where the server of this folder listens, or why it cannot be asked.
pub fn required(folder: &Path) -> Result<Address, Failure> {
    let whose = format!("the server of {}", folder.display());
    match of(folder) {
        Ok(Whereabouts::Listens(address)) => Ok(address),
        Ok(Whereabouts::Unsaid) => Err(Failure::new(Code::Unreachable, format!("{whose} is starting or ending")).help("try it again")),
        Ok(Whereabouts::Stopped { last }) => {
            let failure = Failure::new(Code::Unreachable, format!("{whose} is not running"));
            let failure = failure.help(format!("start it: {}", start(folder, last.as_ref(), &token::data_folder(None))));
            Err(last.iter().fold(failure, |failure, last| failure.why(format!("it listened on {last} last"))))
        }
        Err(error) => Err(Failure::new(Code::DataFolder, format!("the data folder {} cannot be read", folder.display()))
            .why(error)
            .help("work as the user that runs the server, or name the server with --server and set TRUNKLINE_TOKEN")),
    }
}

/// Where the server of this folder keeps the token for git, as long as it listens at this port.
pub fn git_cookies(folder: &Path, port: &str) -> PathBuf {
    folder.join(format!("{GIT_COOKIES}.{port}"))
}

/// The command that starts the server of a folder where it was: git remotes lead there.
fn start(folder: &Path, last: Option<&Address>, usual: &Path) -> String {
    let data = if folder == usual { String::new() } else { format!(" --data {}", quoted(&folder.display().to_string())) };
    let listen = match last.filter(|last| **last != Address::local()) {
        Some(Address::Http(base)) => format!(" --listen {}", base.trim_start_matches("http://")),
        _ => String::new(),
    };
    format!("trunkline serve{data}{listen}")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A folder whose server says this, as long as the second value is kept.
    pub fn serving(text: &str) -> (tempfile::TempDir, DataFolder) {
        let folder = tempfile::tempdir().unwrap();
        let owned = own(folder.path());
        std::fs::write(folder.path().join(FILE), text).unwrap();
        (folder, owned)
    }

    /// As a server that runs, as long as the value is kept.
    pub fn own(folder: &Path) -> DataFolder {
        DataFolder::open(folder).unwrap()
    }

    #[test]
    fn an_address_is_believed_while_its_server_runs() {
        let (folder, owned) = serving("http://127.0.0.1:43210\n");
        assert_eq!(of(folder.path()).unwrap(), Whereabouts::Listens(Address::Http("http://127.0.0.1:43210".to_owned())));
        // As after kill -9: the file stays, the lock does not.
        drop(owned);
        let http = |address: &str| Some(Address::Http(address.to_owned()));
        assert_eq!(of(folder.path()).unwrap(), Whereabouts::Stopped { last: http("http://127.0.0.1:43210") });
        std::fs::rename(folder.path().join(FILE), folder.path().join(LAST)).unwrap();
        assert_eq!(of(folder.path()).unwrap(), Whereabouts::Stopped { last: http("http://127.0.0.1:43210") });
        assert_eq!(of(&folder.path().join("nothing")).unwrap(), Whereabouts::Stopped { last: None });
    }

    #[test]
    fn a_server_is_started_where_it_was() {
        let (usual, other) = (Path::new("/state/trunkline"), Path::new("/srv/ana's"));
        let far = Address::Http("http://127.0.0.1:43210".to_owned());
        assert_eq!(start(usual, None, usual), "trunkline serve");
        assert_eq!(start(usual, Some(&Address::local()), usual), "trunkline serve");
        assert_eq!(start(other, Some(&far), usual), r"trunkline serve --data '/srv/ana'\''s' --listen 127.0.0.1:43210");
    }

    #[test]
    fn an_address_of_another_machine_is_none() {
        for text in ["http://cd.example\n", "ssh://build.example", "", "nonsense"] {
            let (folder, _owned) = serving(text);
            assert_eq!(of(folder.path()).unwrap(), Whereabouts::Unsaid, "{text}");
        }
    }
}
