//! The operator's token as a cookie file, which git sends along by itself (`http.cookieFile`): a push then needs neither a
//! question nor two calls of a credential helper, and git's configuration holds a path, not the token.
//!
//! Git knows no more of a server than its address, so the file must not outlive the server there by much: it is one
//! port's own, goes with the server, and what it holds expires soon after a server that was killed.

use crate::access::GIT_COOKIE;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use trunkline_store::DataFolder;

/// How long the cookie is good for git.
const LASTS: Duration = Duration::from_secs(60);
/// How often it is written anew.
const ANEW_EVERY: Duration = Duration::from_secs(20);

/// The file of this server, kept fresh as long as this value lives.
#[derive(Debug)]
pub struct Cookies {
    path: PathBuf,
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Cookies {
    /// Takes away what servers of this folder left: whoever listens at their ports now is a stranger.
    pub fn clear(folder: &DataFolder) -> io::Result<()> {
        for entry in fs::read_dir(folder.root())?.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(trunkline_store::GIT_COOKIES.as_bytes()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes the file and keeps it fresh.
    pub fn keep(folder: &DataFolder, address: SocketAddr, token: &str) -> io::Result<Self> {
        Self::keep_anew_every(ANEW_EVERY, folder, address, token)
    }

    fn keep_anew_every(pause: Duration, folder: &DataFolder, address: SocketAddr, token: &str) -> io::Result<Self> {
        let path = folder.git_cookies(address.port());
        let line = format!("{}\tFALSE\t/git/\tFALSE\t", address.ip());
        let value = format!("\t{GIT_COOKIE}\t{token}\n");
        write(&path, &line, &value)?;
        let (stop, stopped) = mpsc::channel();
        let kept = path.clone();
        let keeper = std::thread::Builder::new().name("cookies".to_owned()).spawn(move || {
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                // Where it cannot be written it expires, and git asks its credential helper.
                let _ = write(&kept, &line, &value);
            }
        })?;
        Ok(Self { path, stop: Some(stop), keeper: Some(keeper) })
    }
}

impl Drop for Cookies {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// Netscape's format: host, subdomains too, path, https only, expiry in seconds of wall time, name, value.
fn write(path: &Path, before: &str, after: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    let expiry = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + LASTS).as_secs();
    write!(file, "# Netscape HTTP Cookie File\n{before}{expiry}{after}")?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_one_ports_own_expire_and_go_with_the_server() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(root.path()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 41001));
        let cookies = Cookies::keep(&folder, address, "tl_secret").unwrap();
        let text = fs::read_to_string(folder.git_cookies(41001)).unwrap();
        let fields: Vec<&str> = text.lines().last().unwrap().split('\t').collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let expiry: u64 = fields[4].parse().unwrap();
        assert!(expiry > now && expiry <= now + LASTS.as_secs(), "{text}");
        assert_eq!((fields[0], fields[2], &fields[5..]), ("127.0.0.1", "/git/", &[GIT_COOKIE, "tl_secret"][..]));
        assert_eq!(fs::metadata(folder.git_cookies(41001)).unwrap().permissions().mode() & 0o777, 0o600);
        drop(cookies);
        assert!(!folder.git_cookies(41001).exists());
        let cookies = Cookies::keep_anew_every(Duration::from_millis(10), &folder, address, "tl_secret").unwrap();
        fs::remove_file(folder.git_cookies(41001)).unwrap();
        let patience = SystemTime::now() + Duration::from_secs(10);
        while !folder.git_cookies(41001).exists() {
            assert!(SystemTime::now() < patience, "it is written anew before it expires");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(cookies);
        // As a server that is killed, and another one's start at another port.
        std::mem::forget(Cookies::keep(&folder, address, "tl_secret").unwrap());
        Cookies::clear(&folder).unwrap();
        assert!(!folder.git_cookies(41001).exists());
    }
}
