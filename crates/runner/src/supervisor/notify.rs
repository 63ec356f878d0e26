//! `NOTIFY_SOCKET`, as systemd's services know it.

use crate::process_tree::Marker;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Where one instance says that it is ready.
pub struct Notify {
    socket: UnixDatagram,
    file: PathBuf,
    /// What the instance finds in `NOTIFY_SOCKET`.
    pub address: String,
    /// Keeps the address through `/proc` valid.
    _folder: File,
}

impl Notify {
    /// Binds a socket in the part's folder. None where that fails: an instance is then ready by time alone, or never where
    /// it must say so (`ready-within`).
    pub fn bind(folder: &Path, marker: &Marker) -> Option<Self> {
        let handle = File::open(folder).ok()?;
        let name = format!("n-{}.sock", &marker.value()[..8]);
        let file = folder.join(&name);
        let _ = fs::remove_file(&file);
        let socket = UnixDatagram::bind(format!("/proc/self/fd/{}/{name}", handle.as_raw_fd())).ok()?;
        socket.set_nonblocking(true).ok()?;
        let short = file.to_str().filter(|path| path.len() <= 100).map(str::to_owned);
        let address = short.unwrap_or_else(|| format!("/proc/{}/fd/{}/{name}", std::process::id(), handle.as_raw_fd()));
        Some(Self { socket, file, address, _folder: handle })
    }

    /// Whether `READY=1` has come.
    pub fn is_ready(&self) -> bool {
        let mut message = [0; 4096];
        while let Ok(size) = self.socket.recv(&mut message) {
            if message[..size].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                return true;
            }
        }
        false
    }
}

impl Drop for Notify {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}
