//! Where the server of a data folder is, as the folder itself tells: its lock says whether one runs, its file `address`
//! where that one listens.

use crate::address::Address;
use crate::code::Code;
use crate::failure::Failure;
use std::io::Read;
use std::path::Path;
use trunkline_store::DataFolder;

/// The file in which a server says where it listens.
const FILE: &str = "address";
/// Bytes of that file that are read.
const FILE_BYTES_MAX: u64 = 200;

/// Where the server of a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// It runs and listens there.
    Listens(Address),
    /// It runs but takes no calls: it starts, or it ends.
    Unsaid,
    /// It does not run. What its file says may be another's address by now.
    Stopped,
}

/// Where the server of this folder is.
pub fn of(folder: &Path) -> std::io::Result<Whereabouts> {
    if !DataFolder::is_owned(folder)? {
        return Ok(Whereabouts::Stopped);
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
        Ok(Whereabouts::Stopped) => {
            Err(Failure::new(Code::Unreachable, format!("{whose} is not running")).help("start it: trunkline serve"))
        }
        Err(error) => Err(Failure::new(Code::DataFolder, format!("the data folder {} cannot be read", folder.display()))
            .why(error)
            .help("work as the user that runs the server, or name the server with --server and set TRUNKLINE_TOKEN")),
    }
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
        assert_eq!(of(folder.path()).unwrap(), Whereabouts::Stopped);
        assert_eq!(of(&folder.path().join("nothing")).unwrap(), Whereabouts::Stopped);
    }

    #[test]
    fn an_address_of_another_machine_is_none() {
        for text in ["http://cd.example\n", "ssh://build.example", "", "nonsense"] {
            let (folder, _owned) = serving(text);
            assert_eq!(of(folder.path()).unwrap(), Whereabouts::Unsaid, "{text}");
        }
    }
}
