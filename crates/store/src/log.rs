//! Long logs: zstd frames of at most 256 KiB raw bytes, each after its two lengths, so that any place is found
//! by skipping frames. The open frame is kept in memory and served to readers.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use trunkline_domain::foundation::{Digest, Sha256};

/// Raw bytes of a frame.
const FRAME_BYTES_MAX: usize = 256 << 10;
/// Logs being written at once.
const OPEN_MAX: usize = 1_000;
/// How long bytes stay in memory alone.
const FRAME_TIME: Duration = Duration::from_secs(1);

/// Why a log could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The bytes do not start where the log ends.
    #[error("the log has {have} bytes")]
    Offset {
        /// Bytes that the log has.
        have: u64,
    },
    /// It has ended: nothing is added any more.
    #[error("the log has ended")]
    Ended,
    /// An earlier write failed: what follows it would leave a hole.
    #[error("an earlier write of the log failed, so it ends there")]
    Broken,
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
    /// When the open frame's first byte came.
    since: Option<Instant>,
    /// When it was last written or begun.
    touched: Instant,
    /// A write failed: what lies on disk is not what was counted, so it is never sealed.
    broken: bool,
    ended: Option<(u64, Digest)>,
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
        if log.ended.is_some() {
            return Err(LogError::Ended);
        }
        if log.broken {
            return Err(LogError::Broken);
        }
        if offset != log.bytes {
            return Err(LogError::Offset { have: log.bytes });
        }
        let taken = log.take(bytes);
        log.broken = taken.is_err();
        taken.map_err(Self::fail(key))
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
        let log = OpenLog::begin_or_go_on(&path).map_err(Self::fail(key))?;
        let log = Arc::new(Mutex::new(log));
        open.insert(key.to_owned(), log.clone());
        Ok(log)
    }

    /// Ends a log: durable when it returns. Its size and digest; none where nothing was written, or not all of it could
    /// be. The same again when asked again, also of another process.
    pub fn finish(&self, key: &str) -> Result<Option<(u64, Digest)>, LogError> {
        let log = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(key).cloned();
        let log = match log {
            Some(log) => log,
            None if self.path(key).exists() => self.writer(key)?,
            None => return Ok(None),
        };
        let mut log = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if log.broken {
            return Ok(None);
        }
        if log.ended.is_none() {
            let written = log.end_frame().and_then(|()| log.file.sync_data());
            log.broken = written.is_err();
            written.map_err(Self::fail(key))?;
            log.ended = Some((log.bytes, log.hash.clone().finish()));
        }
        Ok(log.ended)
    }

    /// Whether an earlier write failed, so that it stays as it is.
    pub fn is_broken(&self, key: &str) -> bool {
        let log = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(key).cloned();
        log.is_some_and(|log| log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).broken)
    }

    /// A log that was ended while bytes are missing takes them.
    pub fn reopen(&self, key: &str) {
        let log = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(key).cloned();
        if let Some(log) = log {
            log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).ended = None;
        }
    }

    /// Forgets that a log was written; what was kept of it can be read.
    pub fn forget(&self, key: &str) {
        let log = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(key);
        if let Some(log) = log {
            let mut log = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if !log.broken && log.ended.is_none() {
                // Nobody waits for it: its lease was lost.
                let _ = log.end_frame();
            }
        }
    }

    /// Writes what has waited for a second in memory, so that a killed server loses no more. Gives the logs that were
    /// not written for this long.
    pub fn tend(&self, quiet: Duration) -> Vec<String> {
        let open: Vec<(String, Arc<Mutex<OpenLog>>)> = {
            let open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            open.iter().map(|(key, log)| (key.clone(), log.clone())).collect()
        };
        let mut quiet_ones = Vec::new();
        for (key, log) in open {
            let mut log = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if !log.broken && log.ended.is_none() && log.since.is_some_and(|since| since.elapsed() >= FRAME_TIME) {
                log.broken = log.end_frame().is_err();
            }
            if log.touched.elapsed() >= quiet {
                quiet_ones.push(key);
            }
        }
        quiet_ones
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
    /// A log that another process began goes on after its last whole frame: what that one had in memory is lost, and its
    /// runner is told how much there is. Who may write it is decided by its lease.
    fn begin_or_go_on(path: &Path) -> std::io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let (mut bytes, mut hash, mut end) = (0, Sha256::default(), 0);
        while let Some((frame, length)) = next_frame(&mut file)? {
            hash.update(&frame);
            bytes += frame.len() as u64;
            end += length;
        }
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        Ok(Self { file, frame: Vec::new(), bytes, hash, since: None, touched: Instant::now(), broken: false, ended: None })
    }

    fn take(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.touched = Instant::now();
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(FRAME_BYTES_MAX - self.frame.len()));
            self.since.get_or_insert_with(Instant::now);
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
        self.since = None;
        Ok(())
    }
}

/// The next whole frame, and its length in the file.
fn next_frame(file: &mut File) -> std::io::Result<Option<(Vec<u8>, u64)>> {
    let mut head = [0; 8];
    if file.read_exact(&mut head).is_err() {
        return Ok(None);
    }
    let raw = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let packed = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    // A disk that lost power may hold anything behind the last flush.
    let mut bytes = Vec::new();
    let whole = raw <= FRAME_BYTES_MAX && file.take(u64::from(packed)).read_to_end(&mut bytes)? == packed as usize;
    let frame = if whole { zstd::bulk::decompress(&bytes, FRAME_BYTES_MAX).ok() } else { None };
    Ok(frame.filter(|frame| frame.len() == raw).map(|frame| (frame, 8 + u64::from(packed))))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_could_not_be_written_is_never_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let logs = LogStore::open(folder.path()).unwrap();
        logs.append("a/1", 0, b"first\n").unwrap();
        // From now on the disk is full.
        let log = logs.open.lock().unwrap().get("a/1").cloned().unwrap();
        log.lock().unwrap().file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let much = vec![b'x'; FRAME_BYTES_MAX];
        assert!(matches!(logs.append("a/1", 6, &much), Err(LogError::Io(..))));
        assert!(matches!(logs.append("a/1", 6, &much), Err(LogError::Broken)), "skipping on would leave a hole");
        assert_eq!(logs.finish("a/1").unwrap(), None);
    }

    #[test]
    fn a_log_ends_once_and_is_not_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        let logs = LogStore::open(folder.path()).unwrap();
        logs.append("a/1", 0, b"all of it\n").unwrap();
        let ended = logs.finish("a/1").unwrap();
        assert_eq!(ended, Some((10, Digest::of(b"all of it\n"))));
        assert_eq!(logs.finish("a/1").unwrap(), ended, "a report that is asked again finds the same");
        assert!(matches!(logs.append("a/1", 10, b"late"), Err(LogError::Ended)));
        logs.forget("a/1");
        assert!(matches!(logs.append("a/1", 0, b"later"), Err(LogError::Offset { have: 10 })), "it is not wiped");
        assert_eq!(logs.read("a/1", 0, 100).unwrap().unwrap(), b"all of it\n");
    }

    #[test]
    fn a_log_goes_on_in_another_process_after_its_last_whole_frame() {
        let folder = tempfile::tempdir().unwrap();
        let logs = LogStore::open(folder.path()).unwrap();
        let frame = vec![b'a'; FRAME_BYTES_MAX];
        logs.append("a/1", 0, &frame).unwrap();
        logs.append("a/1", frame.len() as u64, b"in memory").unwrap();
        // A frame that was cut short by the end of the process.
        let mut file = OpenOptions::new().append(true).open(logs.path("a/1")).unwrap();
        file.write_all(&[9, 0, 0, 0, 200, 0, 0, 0, 1, 2, 3]).unwrap();
        let next = LogStore::open(folder.path()).unwrap();
        let have = frame.len() as u64;
        assert!(matches!(next.append("a/1", have + 9, b"!"), Err(LogError::Offset { have: told }) if told == have));
        next.append("a/1", have, b"in memory!").unwrap();
        let whole = [frame.as_slice(), b"in memory!"].concat();
        assert_eq!(next.finish("a/1").unwrap(), Some((have + 10, Digest::of(&whole))));
        // The report may be asked of yet another process.
        let last = LogStore::open(folder.path()).unwrap();
        assert_eq!(last.finish("a/1").unwrap(), Some((have + 10, Digest::of(&whole))));
        assert_eq!(last.read("a/1", have, 100).unwrap().unwrap(), b"in memory!");
        assert_eq!(last.finish("b/1").unwrap(), None, "nobody wrote it");
    }

    #[test]
    fn what_waits_in_memory_is_written_after_a_second_and_a_forgotten_log_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let logs = LogStore::open(folder.path()).unwrap();
        logs.append("a/1", 0, b"slow\n").unwrap();
        std::thread::sleep(FRAME_TIME + Duration::from_millis(50));
        assert_eq!(logs.tend(Duration::from_secs(60)), Vec::<String>::new());
        let killed = LogStore::open(folder.path()).unwrap();
        assert_eq!(killed.read("a/1", 0, 100).unwrap().unwrap(), b"slow\n");
        logs.append("a/1", 5, b"more\n").unwrap();
        assert_eq!(logs.tend(Duration::ZERO), ["a/1"]);
        logs.forget("a/1");
        assert_eq!(logs.read("a/1", 0, 100).unwrap().unwrap(), b"slow\nmore\n");
    }
}
