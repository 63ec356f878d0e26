//! Free space on the disk of the data folder. A reserve file is kept there; when the disk is full it is given up, so that
//! what runs can still be recorded, and nothing new is begun until there is room for it again.

use std::fs::{File, OpenOptions, remove_file};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Free bytes below which nothing new is begun.
pub const LOW_BYTES: u64 = 64 << 20;
/// Bytes kept for the record of what runs when the disk is full.
pub const RESERVE_BYTES: u64 = 16 << 20;
/// The reserve's file in the data folder.
const RESERVE: &str = "reserve";

/// What the last look found, if it was not what the look before found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is not enough room any more.
    Low,
    /// There is room again.
    Ample,
}

/// The disk's free space, as it was last looked at. Shared by the writer, which looks, and everyone who wants to begin something.
#[derive(Debug)]
pub struct Space {
    folder: PathBuf,
    low: AtomicBool,
    free: AtomicU64,
    /// Held while the reserve is made or given up.
    reserve: Mutex<()>,
}

impl Space {
    /// Looks at the disk of this folder, and sets the reserve aside where there is room for it.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let space = Self { folder: folder.to_owned(), low: AtomicBool::new(false), free: AtomicU64::new(0), reserve: Mutex::new(()) };
        space.look()?;
        Ok(space)
    }

    /// Whether nothing new may begin.
    pub fn is_low(&self) -> bool {
        self.low.load(Ordering::Relaxed)
    }

    /// Free bytes at the last look.
    pub fn free_bytes(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Looks again. Leaving the low state takes as much room more as the reserve needs, and the reserve is made first, so
    /// that the state does not flutter and is never left without one.
    pub fn look(&self) -> io::Result<Option<Change>> {
        let free = free_bytes(&self.folder)?;
        self.free.store(free, Ordering::Relaxed);
        let was = self.is_low();
        let kept = self.folder.join(RESERVE).exists();
        let needs = LOW_BYTES + if was { RESERVE_BYTES } else { 0 } + if kept { 0 } else { RESERVE_BYTES };
        let low = free < needs || !kept && self.set_aside().is_err();
        self.low.store(low, Ordering::Relaxed);
        Ok(match (was, low) {
            (false, true) => Some(Change::Low),
            (true, false) => Some(Change::Ample),
            _ => None,
        })
    }

    fn set_aside(&self) -> io::Result<()> {
        let _held = self.reserve.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let path = self.folder.join(RESERVE);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        let made = allocate(&file);
        if made.is_err() {
            // Half a reserve would be taken for a whole one.
            remove_file(&path)?;
        }
        made
    }

    /// The disk is full: gives the reserve up, so that a record fits that did not. Whether there was one.
    pub fn give_up_reserve(&self) -> bool {
        let _held = self.reserve.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.low.store(true, Ordering::Relaxed);
        remove_file(self.folder.join(RESERVE)).is_ok()
    }
}

fn allocate(file: &File) -> io::Result<()> {
    nix::fcntl::posix_fallocate(file, 0, RESERVE_BYTES as i64)?;
    Ok(())
}

fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = nix::sys::statvfs::statvfs(folder)?;
    Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_kept_and_given_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::open(folder.path()).unwrap();
        assert!(!space.is_low(), "these tests need {} MiB of free disk", (LOW_BYTES + RESERVE_BYTES) >> 20);
        assert_eq!(std::fs::metadata(folder.path().join(RESERVE)).unwrap().len(), RESERVE_BYTES);
        assert!(space.give_up_reserve());
        assert!(space.is_low());
        assert!(!space.give_up_reserve(), "there is one reserve");
        assert_eq!(space.look().unwrap(), Some(Change::Ample), "with room it is made again");
        assert_eq!(std::fs::metadata(folder.path().join(RESERVE)).unwrap().len(), RESERVE_BYTES);
        assert_eq!(space.look().unwrap(), None);
    }
}
