//! The file in the data folder that says where the server listens, so that commands on this machine find it on any port.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use trunkline_store::DataFolder;

/// Its name in the data folder.
const FILE: &str = "address";

/// The file, as long as it is true: it goes with this value, and so do the cookies that git would send there. A process that
/// is killed leaves them; that none runs is seen from the lock of the folder.
#[derive(Debug)]
pub struct Announced {
    address: PathBuf,
    cookies: PathBuf,
}

impl Announced {
    /// Takes away what a server that was killed left: until this one listens, it would lead to whoever does there now.
    pub fn clear(folder: &DataFolder) -> io::Result<()> {
        for file in [folder.root().join(FILE), folder.git_cookies()] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
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
        Ok(Self { address: path, cookies: folder.git_cookies() })
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Left behind they mislead nobody here: the lock of the folder is gone too.
        let _ = fs::remove_file(&self.address);
        let _ = fs::remove_file(&self.cookies);
    }
}
