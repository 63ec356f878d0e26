//! Long logs: zstd frames of at most 256 KiB raw bytes, each after its two lengths, so that any place is found
//! by skipping frames. The open frame is kept in memory and served to readers.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use trunkline_domain::foundation::{Digest, Sha256};

/// Raw bytes of a frame.
const FRAME_BYTES_MAX: usize = 256 << 10;
/// Logs being written at once.
const OPEN_MAX: usize = 1_000;

/// Why a log could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The bytes do not start where the log ends.
    #[error("the log has {have} bytes")]
    Offset {
        /// Bytes that the log has.
        have: u64,
    },
    /// Too many logs are being written.
    #[error("{OPEN_MAX} logs are being written, the limit")]
    TooMany,
    /// The file system said no.
    #[error("log {0}")]
    Io(String, #[source] std::io::Error),
}

/// Logs in a folder.
#[derive(Debug)]
pub struct LogStore {
    root: PathBuf,
    open: Mutex<HashMap<String, Arc<Mutex<OpenLog>>>>,
}

#[derive(Debug)]
struct OpenLog {
    file: File,
    frame: Vec<u8>,
    bytes: u64,
    hash: Sha256,
}

impl LogStore {
    /// Logs in this folder, which is made where it is missing.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self { root: root.to_owned(), open: Mutex::new(HashMap::new()) })
    }

    fn path(&self, key: &str) -> PathBuf {
        let hex = Digest::of(key.as_bytes()).hex();
        self.root.join(&hex[..2]).join(&hex[2..])
    }

    fn fail(key: &str) -> impl Fn(std::io::Error) -> LogError {
        move |error| LogError::Io(key.to_owned(), error)
    }

    /// Appends bytes that start at `offset`.
    pub fn append(&self, key: &str, offset: u64, bytes: &[u8]) -> Result<(), LogError> {
        let log = self.writer(key)?;
        let mut log = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if offset != log.bytes {
            return Err(LogError::Offset { have: log.bytes });
        }
        log.take(bytes).map_err(Self::fail(key))
    }

    fn writer(&self, key: &str) -> Result<Arc<Mutex<OpenLog>>, LogError> {
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(log) = open.get(key) {
            return Ok(log.clone());
        }
        if open.len() >= OPEN_MAX {
            return Err(LogError::TooMany);
        }
        let path = self.path(key);
        fs::create_dir_all(path.parent().expect("a log lies in a folder")).map_err(Self::fail(key))?;
        // A log is written by one lease of one start of the server: what an earlier start left is replaced.
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path).map_err(Self::fail(key))?;
        let log = Arc::new(Mutex::new(OpenLog { file, frame: Vec::new(), bytes: 0, hash: Sha256::default() }));
        open.insert(key.to_owned(), log.clone());
        Ok(log)
    }

    /// Ends a log: durable when it returns. Its size and digest; none where nothing was written.
    pub fn finish(&self, key: &str) -> Result<Option<(u64, Digest)>, LogError> {
        let log = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(key);
        let Some(log) = log else { return Ok(None) };
        let mut log = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        log.end_frame().and_then(|()| log.file.sync_data()).map_err(Self::fail(key))?;
        Ok(Some((log.bytes, log.hash.clone().finish())))
    }

    /// At most `max` bytes from `from` on; empty at the end. None where there is no such log.
    pub fn read(&self, key: &str, from: u64, max: usize) -> Result<Option<Vec<u8>>, LogError> {
        let open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(key).cloned();
        // Held while the file is read, so that no frame moves from memory to the file in between.
        let guard = open.as_ref().map(|log| log.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let mut found = match File::open(self.path(key)) {
            Ok(file) => read_frames(file, from, max).map_err(Self::fail(key))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Self::fail(key)(error)),
        };
        if let Some(log) = guard {
            let start = log.bytes - log.frame.len() as u64;
            let at = from + found.len() as u64;
            if at >= start && found.len() < max {
                let rest = &log.frame[((at - start) as usize).min(log.frame.len())..];
                found.extend_from_slice(&rest[..rest.len().min(max - found.len())]);
            }
        }
        Ok(Some(found))
    }
}

impl OpenLog {
    fn take(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(FRAME_BYTES_MAX - self.frame.len()));
            self.frame.extend_from_slice(now);
            bytes = later;
            if self.frame.len() == FRAME_BYTES_MAX {
                self.end_frame()?;
            }
        }
        Ok(())
    }

    fn end_frame(&mut self) -> std::io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let packed = zstd::bulk::compress(&self.frame, 1)?;
        let mut head = [0; 8];
        head[..4].copy_from_slice(&(self.frame.len() as u32).to_le_bytes());
        head[4..].copy_from_slice(&(packed.len() as u32).to_le_bytes());
        self.file.write_all(&head)?;
        self.file.write_all(&packed)?;
        self.frame.clear();
        Ok(())
    }
}

/// Bytes of the ended frames. A frame that a crash cut short ends the log.
fn read_frames(mut file: File, from: u64, max: usize) -> std::io::Result<Vec<u8>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut head = [0; 8];
    while found.len() < max && file.read_exact(&mut head).is_ok() {
        let raw = u64::from(u32::from_le_bytes([head[0], head[1], head[2], head[3]]));
        let packed = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if raw as usize > FRAME_BYTES_MAX {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a frame is too long"));
        }
        if start + raw <= from {
            file.seek(SeekFrom::Current(i64::from(packed)))?;
        } else {
            let mut bytes = vec![0; packed as usize];
            if file.read_exact(&mut bytes).is_err() {
                break;
            }
            let bytes = zstd::bulk::decompress(&bytes, FRAME_BYTES_MAX)?;
            let skip = from.saturating_sub(start) as usize;
            let part = &bytes[skip.min(bytes.len())..];
            found.extend_from_slice(&part[..part.len().min(max - found.len())]);
        }
        start += raw;
    }
    Ok(found)
}
