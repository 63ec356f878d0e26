//! The file in the data folder that says where the server listens, so that commands on this machine find it on any port.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Its name in the data folder.
const FILE: &str = "address";

/// The file, as long as it is true: it goes with this value. A process that is killed leaves it, and the next start
/// writes it anew.
#[derive(Debug)]
pub struct Announced(PathBuf);

impl Announced {
    /// Writes it, whole or not at all.
    pub fn write(folder: &Path, address: SocketAddr) -> io::Result<Self> {
        let path = folder.join(FILE);
        let half = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        writeln!(file, "http://{address}")?;
        fs::rename(&half, &path)?;
        Ok(Self(path))
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Left behind it misleads nobody for long: what it names does not answer.
        let _ = fs::remove_file(&self.0);
    }
}
