//! The file in the data folder that says where the server listens, so that commands on this machine find it on any port.

use crate::folder::DataFolder;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Its name in the data folder.
const FILE: &str = "address";
/// What it becomes once it is not true any more: commands name the address that was used last.
const LAST: &str = "address.last";

/// The file, as long as it is true: it is put aside with this value. A process that is killed leaves it; that none runs is
/// seen from the lock of the folder.
#[derive(Debug)]
pub struct Announced {
    address: PathBuf,
}

impl Announced {
    /// Takes away what a server that was killed left: until this one listens, it would lead to whoever does there now.
    pub fn clear(folder: &DataFolder) -> io::Result<()> {
        match put_aside(&folder.root().join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes it, whole or not at all, so that a power cut does not leave an older one.
    pub fn write(folder: &DataFolder, address: SocketAddr) -> io::Result<Self> {
        let path = folder.root().join(FILE);
        let half = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        writeln!(file, "http://{address}")?;
        file.sync_all()?;
        fs::rename(&half, &path)?;
        Ok(Self { address: path })
    }
}

fn put_aside(address: &Path) -> io::Result<()> {
    fs::rename(address, address.with_file_name(LAST))
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Left behind it misleads nobody here: the lock of the folder is gone too.
        let _ = put_aside(&self.address);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_said_while_it_is_true_and_named_as_the_last_one_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(root.path()).unwrap();
        let read = |name: &str| fs::read_to_string(root.path().join(name)).ok();
        Announced::clear(&folder).unwrap();
        for (port, address) in [(41001, "http://127.0.0.1:41001\n"), (41002, "http://127.0.0.1:41002\n")] {
            let announced = Announced::write(&folder, SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
            assert_eq!(read(FILE).as_deref(), Some(address));
            match port {
                41001 => drop(announced),
                // As a server that is killed, and the next one's start.
                _ => {
                    std::mem::forget(announced);
                    Announced::clear(&folder).unwrap();
                }
            }
            assert_eq!((read(FILE), read(LAST).as_deref()), (None, Some(address)));
        }
    }
}
