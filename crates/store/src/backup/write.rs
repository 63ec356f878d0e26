//! Writing a backup, beside a running server: first a snapshot of the database, then what it names.

use super::frames::{Counted, Frames};
use super::{BackupError, DATABASE, END, End, FOLDERS, FORMAT, MANIFEST, Manifest, Progress, SECRETS, Told};
use crate::sqlite::SqliteReader;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};
use trunkline_domain::foundation::Timestamp;
use trunkline_engine::Read as _;

/// What to write, and as whom.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The data folder.
    pub data: &'a Path,
    /// A folder with room for a copy of the database.
    pub scratch: &'a Path,
    /// The program's version.
    pub version: &'a str,
    /// The time by the clock of the machine.
    pub now: Timestamp,
    /// Whether to write tokens too.
    pub secrets: bool,
}

/// Writes a backup of a data folder, whether or not a server works with it.
pub fn back_up<W: Write>(wanted: Wanted<'_>, into: W, progress: &mut dyn FnMut(Progress)) -> Result<Told, BackupError> {
    let scratch = tempfile::tempdir_in(wanted.scratch).map_err(|error| BackupError::Io(wanted.scratch.to_owned(), error))?;
    let snapshot = scratch.path().join(DATABASE);
    SqliteReader::open(&wanted.data.join(DATABASE))?.copy_to(&snapshot)?;
    let head = SqliteReader::open(&snapshot)?.head()?;
    let mut sources = vec![(PathBuf::from(DATABASE), snapshot)];
    let secrets = if wanted.secrets { &SECRETS[..] } else { &[] };
    for name in FOLDERS.iter().chain(secrets) {
        sources.push((PathBuf::from(name), wanted.data.join(name)));
    }
    let mut bytes = 0;
    for (name, path) in &sources {
        walk(name, path, &mut |_, _, metadata| {
            bytes += if metadata.is_file() { metadata.len() } else { 0 };
            Ok(())
        })?;
    }
    let (entries, root) = (head.frontier.size(), head.frontier.root());
    let version = wanted.version.to_owned();
    let manifest = Manifest { format: FORMAT, version, taken_at: wanted.now, entries, root, secrets: wanted.secrets, bytes };
    let frames = Frames::new(Counted::new(into)).map_err(BackupError::Write)?;
    let mut archive = Archive { tar: Builder::new(frames), end: End::default(), of: bytes, progress };
    archive.text(MANIFEST, &manifest)?;
    for (name, path) in &sources {
        walk(name, path, &mut |name, path, metadata| archive.take(name, path, metadata))?;
    }
    let end = archive.end.clone();
    archive.text(END, &end)?;
    let mut counted = archive.tar.into_inner().and_then(Frames::finish).map_err(BackupError::Write)?;
    counted.flush().map_err(BackupError::Write)?;
    Ok(Told { manifest, files: end.files, bytes: end.bytes, packed: counted.bytes })
}

/// Calls `each` for a file or folder and everything in it, parents first. What a server is only receiving, and what is
/// gone by the time it is looked at, is left out.
fn walk(name: &Path, path: &Path, each: &mut dyn FnMut(&Path, &Path, &Metadata) -> Result<(), BackupError>) -> Result<(), BackupError> {
    let fail = |error| BackupError::Io(path.to_owned(), error);
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(fail)?,
    };
    each(name, path, &metadata)?;
    if !metadata.is_dir() {
        return Ok(());
    }
    let children = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(fail)?,
    };
    for child in children {
        let child = child.map_err(fail)?.file_name();
        let inside = name.join(&child);
        if !is_passing(&inside) {
            walk(&inside, &path.join(&child), each)?;
        }
    }
    Ok(())
}

/// What is only being received or made: blobs, repositories and tokens without their name yet, packs and temporary files of
/// git, and locks of refs, which would stay locked. The place decides: a repository may have any such name.
fn is_passing(name: &Path) -> bool {
    let names: Vec<_> = name.iter().map(OsStr::to_string_lossy).collect();
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names[..] {
        ["blobs", name] => name == "incoming",
        ["credentials", name] => name.starts_with('.'),
        ["repositories", name] => !name.ends_with(".git"),
        ["repositories", _, "objects", .., name] => name.starts_with("incoming-") || name.starts_with("tmp_") || name.ends_with(".lock"),
        ["repositories", _, .., name] => name.ends_with(".lock"),
        _ => false,
    }
}

struct Archive<'a, W: Write> {
    tar: Builder<Frames<Counted<W>>>,
    end: End,
    of: u64,
    progress: &'a mut dyn FnMut(Progress),
}

impl<W: Write> Archive<'_, W> {
    fn text(&mut self, name: &str, value: &impl serde::Serialize) -> Result<(), BackupError> {
        let bytes = serde_json::to_vec(value).expect("a manifest has only string keys");
        let mut header = header(EntryType::Regular, 0o600, bytes.len() as u64);
        self.tar.append_data(&mut header, name, &bytes[..]).map_err(BackupError::Write)
    }

    fn take(&mut self, name: &Path, path: &Path, metadata: &Metadata) -> Result<(), BackupError> {
        let mode = metadata.permissions().mode() & 0o700;
        if metadata.is_dir() {
            let mut header = header(EntryType::Directory, mode, 0);
            return self.tar.append_data(&mut header, name, std::io::empty()).map_err(BackupError::Write);
        }
        if !metadata.is_file() {
            let kind = std::io::Error::other("it is neither a file nor a folder");
            return Err(BackupError::Io(path.to_owned(), kind));
        }
        let fail = |error| BackupError::Io(path.to_owned(), error);
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other.map_err(fail)?,
        };
        // A log may grow while it is read: what it has now is taken.
        let size = file.metadata().map_err(fail)?.len();
        let mut header = header(EntryType::Regular, mode, size);
        let (before, of) = (self.end.bytes, self.of);
        let mut reading = Reading { file: Counted::new(file.take(size)), before, of, progress: self.progress };
        self.tar.append_data(&mut header, name, &mut reading).map_err(BackupError::Write)?;
        if reading.file.bytes != size {
            return Err(fail(std::io::Error::other("it became shorter while it was read")));
        }
        self.end.files += 1;
        self.end.bytes += size;
        Ok(())
    }
}

/// A file that is read, telling how far all has come.
struct Reading<'a> {
    file: Counted<std::io::Take<File>>,
    before: u64,
    of: u64,
    progress: &'a mut dyn FnMut(Progress),
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        (self.progress)(Progress { done: self.before + self.file.bytes, of: self.of });
        Ok(read)
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header
}
