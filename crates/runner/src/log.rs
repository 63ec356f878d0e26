//! The log of one piece of work: mask, hash, keep, send.
//!
//! Bytes go one way: read → mask → hash → memory, or once they are more than 16 KiB or older than a second → a spool
//! file, which a sender thread copies to the server in chunks (at most 256 KiB or 250 ms each). The spool is the queue:
//! a server that is away for a while costs disk, not bytes. The runner writes nothing of its own into a log but one
//! line `▸ name` before each step, started on a fresh line, and one where it is full; everything else is byte for byte what the step printed.

use crate::last_line::LastLine;
use crate::lease::{Hold, Pause, Standing};
use crate::mask::Masker;
use crate::port::{CallError, Port};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use trunkline_api::runner::{CallRefusal, INLINE_LOG_BYTES_MAX, LOG_BYTES_MAX, LogEnd};
use trunkline_domain::foundation::Sha256;

/// The last line of a log that was cut.
const FULL_MARK: &[u8] = "\n▸ the log is full: what was printed after this is not kept\n".as_bytes();
const CHUNK_BYTES: u64 = 256 << 10;
const CHUNK_EVERY: Duration = Duration::from_millis(250);
/// A quiet log is sent when its first byte is this old, so that people can watch it.
const LIVE_AFTER: Duration = Duration::from_secs(1);

/// The log in the making.
pub struct Log {
    port: Arc<dyn Port>,
    hold: Arc<Hold>,
    spool: PathBuf,
    masker: Masker,
    hash: Sha256,
    bytes: u64,
    dropped: u64,
    /// The spool's disk was full: nothing is kept from there on, since a log must have no hole.
    cut: bool,
    memory: Vec<u8>,
    /// When the first byte came.
    since: Option<Instant>,
    ends_with_newline: bool,
    /// Of what the command printed, whether it is kept or not.
    said: LastLine,
    stream: Option<Stream>,
    scratch: Vec<u8>,
}

impl Log {
    /// An empty log whose long form is spooled to the given file.
    pub fn new(port: Arc<dyn Port>, hold: Arc<Hold>, spool: PathBuf, masked: &[String]) -> Self {
        Self {
            port,
            hold,
            spool,
            masker: Masker::new(masked),
            hash: Sha256::default(),
            bytes: 0,
            dropped: 0,
            cut: false,
            memory: Vec::new(),
            since: None,
            ends_with_newline: true,
            said: LastLine::default(),
            stream: None,
            scratch: Vec::new(),
        }
    }

    /// Appends what a step printed. Fails where the spool cannot be written; a full disk only cuts the log, since the
    /// step itself may end well.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(last) = bytes.last() {
            self.ends_with_newline = *last == b'\n';
        }
        let mut masked = std::mem::take(&mut self.scratch);
        masked.clear();
        self.masker.push(bytes, &mut masked);
        self.said.push(&masked);
        let kept = self.keep(&masked);
        self.scratch = masked;
        kept
    }

    /// Writes the line that opens a step.
    pub fn open_step(&mut self, name: &str) -> io::Result<()> {
        let fresh = if self.ends_with_newline { "" } else { "\n" };
        self.write(format!("{fresh}▸ {name}\n").as_bytes())
    }

    /// A command begins.
    pub fn begin_command(&mut self) {
        self.said.clear();
    }

    /// ": the database is missing": the last line that the command printed, masked, for the reason of its failure. Empty
    /// where it printed none.
    pub fn said(&self) -> String {
        self.said.told()
    }

    /// Called now and then: starts sending a log that is short but old enough to be looked at.
    pub fn tick(&mut self) -> io::Result<()> {
        let old = self.since.is_some_and(|since| since.elapsed() >= LIVE_AFTER);
        if !old || self.stream.is_some() || self.cut {
            return Ok(());
        }
        match self.start_stream() {
            Err(error) if is_full(&error) => {
                // Short as it is, it can travel with the report; until then there may be room again.
                self.since = Some(Instant::now());
                Ok(())
            }
            started => started,
        }
    }

    fn keep(&mut self, masked: &[u8]) -> io::Result<()> {
        let (bytes, dropped) = (self.bytes, self.dropped);
        match if self.cut { Err(io::ErrorKind::StorageFull.into()) } else { self.keep_whole(masked) } {
            Err(error) if is_full(&error) => {
                self.cut = true;
                self.dropped = dropped + (masked.len() as u64).saturating_sub(self.bytes - bytes);
                Ok(())
            }
            kept => kept,
        }
    }

    fn keep_whole(&mut self, masked: &[u8]) -> io::Result<()> {
        let room = usize::try_from((LOG_BYTES_MAX - FULL_MARK.len() as u64).saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        let (kept, dropped) = masked.split_at(masked.len().min(room));
        let first = self.dropped == 0 && !dropped.is_empty();
        self.dropped += dropped.len() as u64;
        self.append(kept)?;
        if first { self.append(FULL_MARK) } else { Ok(()) }
    }

    fn append(&mut self, kept: &[u8]) -> io::Result<()> {
        if kept.is_empty() {
            return Ok(());
        }
        self.since.get_or_insert_with(Instant::now);
        if self.stream.is_none() && self.memory.len() + kept.len() > INLINE_LOG_BYTES_MAX {
            self.start_stream()?;
        }
        match &mut self.stream {
            Some(stream) => stream.write(kept)?,
            None => self.memory.extend_from_slice(kept),
        }
        // After the write: a full disk ends the log where it ends, and the digest says the same.
        self.hash.update(kept);
        self.bytes += kept.len() as u64;
        Ok(())
    }

    fn start_stream(&mut self) -> io::Result<()> {
        let mut stream = Stream::start(self.port.clone(), self.hold.clone(), &self.spool)?;
        stream.write(&self.memory)?;
        self.memory = Vec::new();
        self.stream = Some(stream);
        Ok(())
    }

    /// The first bytes of the log as kept so far, at most `bytes_max`.
    pub fn head(&self, bytes_max: u64) -> io::Result<Vec<u8>> {
        match &self.stream {
            None => Ok(self.memory.clone()),
            Some(_) => {
                let mut bytes = Vec::new();
                File::open(&self.spool)?.take(bytes_max).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }

    /// Ends the log: all of it is with the server, or inside the answer, or the lease is gone.
    pub fn finish(mut self) -> LogEnd {
        let mut rest = std::mem::take(&mut self.scratch);
        rest.clear();
        self.masker.finish(&mut rest);
        // A spool that fails here truncates the log; bytes and digest stay true to what is kept.
        let _ = self.keep(&rest);
        let mut inline = None;
        if self.stream.is_none() {
            match String::from_utf8(std::mem::take(&mut self.memory)) {
                Ok(text) => inline = Some(text),
                Err(error) => {
                    // JSON holds only text; exact bytes matter more than one call.
                    self.memory = error.into_bytes();
                    let _ = self.start_stream();
                }
            }
        }
        if let Some(stream) = self.stream.take() {
            stream.finish();
        }
        // What a full disk cut off counts as missing: the server must not call this log whole.
        let missing = if self.cut { self.dropped } else { 0 };
        LogEnd { bytes: self.bytes + missing, digest: self.hash.finish(), inline, dropped: self.dropped, spent: self.cut }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The spool file and the thread that sends it.
struct Stream {
    file: File,
    shared: Arc<Shared>,
    sender: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    progress: Mutex<Progress>,
    bell: Condvar,
}

#[derive(Default)]
struct Progress {
    written: u64,
    closed: bool,
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a full chunk, or a while with something, or the end. None: all is sent.
    fn next_chunk(&self, sent: u64) -> Option<u64> {
        let mut progress = self.progress();
        let mut since = None;
        loop {
            let ready = progress.written - sent;
            if ready >= CHUNK_BYTES || progress.closed {
                return (ready > 0).then_some(ready.min(CHUNK_BYTES));
            }
            let left = match since {
                _ if ready == 0 => CHUNK_EVERY,
                None => *since.insert(Instant::now()) + CHUNK_EVERY - Instant::now(),
                Some(since) => CHUNK_EVERY.saturating_sub(since.elapsed()),
            };
            if ready > 0 && left.is_zero() {
                return Some(ready);
            }
            progress = self.bell.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Stream {
    fn start(port: Arc<dyn Port>, hold: Arc<Hold>, spool: &PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(spool)?;
        let source = file.try_clone()?;
        let shared = Arc::new(Shared::default());
        let sender = std::thread::Builder::new().name("log".to_owned()).spawn({
            let shared = shared.clone();
            move || {
                send(&*port, &hold, &source, &shared, 0);
            }
        })?;
        Ok(Self { file, shared, sender: Some(sender) })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // A write that failed half-way must not leave bytes behind that were never counted.
        let start = self.shared.progress().written;
        if let Err(error) = self.file.write_all(bytes) {
            let _ = self.file.set_len(start).and_then(|()| self.file.seek(SeekFrom::Start(start)));
            return Err(error);
        }
        let mut progress = self.shared.progress();
        progress.written += bytes.len() as u64;
        self.shared.bell.notify_one();
        Ok(())
    }

    fn finish(mut self) {
        self.close();
    }

    fn close(&mut self) {
        self.shared.progress().closed = true;
        self.shared.bell.notify_one();
        if let Some(sender) = self.sender.take() {
            // A sender that panicked has sent less; the server sees the gap.
            let _ = sender.join();
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}

/// Sends a spool again from here on: the server lost some of it. Whether all of it is there now.
pub fn send_again(port: &dyn Port, hold: &Hold, spool: &Path, from: u64) -> bool {
    let Ok(source) = File::open(spool) else { return false };
    let Ok(written) = source.metadata().map(|metadata| metadata.len()) else { return false };
    if from >= written {
        return false;
    }
    let shared = Shared { progress: Mutex::new(Progress { written, closed: true }), ..Shared::default() };
    send(port, hold, &source, &shared, from) == written
}

/// Sends the spool until its end, or until nobody wants it any more. Returns how much was sent.
fn send(port: &dyn Port, hold: &Hold, source: &File, shared: &Shared, from: u64) -> u64 {
    let mut sent = from;
    let mut pause = Pause::default();
    let mut chunk = vec![0; CHUNK_BYTES as usize];
    while let Some(size) = shared.next_chunk(sent) {
        let chunk = &mut chunk[..size as usize];
        if source.read_exact_at(chunk, sent).is_err() {
            return sent;
        }
        match port.log_append(&hold.lease, sent, chunk) {
            Ok(()) => {
                sent += size;
                pause = Pause::default();
            }
            // The server has more than we thought (a lost answer) or less (it lost unsynced bytes): go by its word.
            Err(CallError::Refused(CallRefusal::Offset { have })) if have != sent && have <= shared.progress().written => sent = have,
            Err(CallError::Refused(CallRefusal::Stale)) => {
                hold.worsen(Standing::Lost);
                return sent;
            }
            Err(CallError::Refused(_)) => return sent,
            Err(CallError::Unreachable(_)) => {
                let gone = || matches!(hold.standing(), Standing::Lost | Standing::Abandoned);
                if gone() {
                    return sent;
                }
                pause.wait(gone);
            }
        }
    }
    sent
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use trunkline_api::runner::Lease;

    #[test]
    fn a_full_disk_cuts_the_log_and_not_the_step() {
        let port = Arc::new(crate::http::HttpPort::new("http://127.0.0.1:1", "none"));
        let hold = Hold::new(Lease { work: "run/a".to_owned(), epoch: 1 });
        let mut log = Log::new(port, hold, PathBuf::from("/dev/full"), &[]);
        log.write(b"begun\n").unwrap();
        log.since = Instant::now().checked_sub(LIVE_AFTER);
        log.tick().unwrap();
        log.write(&vec![b'a'; INLINE_LOG_BYTES_MAX]).unwrap();
        log.write(b"after the hole\n").unwrap();
        let end = log.finish();
        assert_eq!(end.inline.unwrap(), "begun\n");
        assert_eq!(end.dropped, INLINE_LOG_BYTES_MAX as u64 + 15);
        assert_eq!(end.bytes, 6 + end.dropped, "the server has fewer, so it is not whole");
    }

    #[test]
    fn a_full_log_says_so() {
        // Nobody is called: the log is short enough to travel with the report.
        let port = Arc::new(crate::http::HttpPort::new("http://127.0.0.1:1", "none"));
        let hold = Hold::new(Lease { work: "run/a".to_owned(), epoch: 1 });
        let mut log = Log::new(port, hold, PathBuf::from("/nonexistent"), &[]);
        log.bytes = LOG_BYTES_MAX - FULL_MARK.len() as u64 - 3;
        log.write(b"abcdef").unwrap();
        log.write(b"more").unwrap();
        let end = log.finish();
        assert_eq!(end.inline.unwrap(), format!("abc{}", std::str::from_utf8(FULL_MARK).unwrap()));
        assert_eq!((end.bytes, end.dropped), (LOG_BYTES_MAX, 7));
    }
}
