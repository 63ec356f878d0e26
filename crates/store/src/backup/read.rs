//! Making a data folder of a backup. A backup is believed as little as any archive: paths stay beneath the folder, there
//! are no links and no devices, of a repository come objects and refs and nothing that tells git what to do, sizes are limited by what it says of itself and by the room there is, blobs have the
//! digest that names them, and the ledger is checked entry by entry before the folder is put in its place.

use super::frames::Counted;
use super::{BackupError, DATABASE, END, End, FOLDERS, FORMAT, MANIFEST, Manifest, Progress, SECRETS, Told};
use crate::sqlite::{SqliteReader, SqliteStore};
use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use tar::{Entry, EntryType};
use trunkline_domain::foundation::{Digest, Sha256};
use trunkline_domain::restoration::Backup;
use trunkline_engine::mark_restored;

/// Bytes of `backup.json` and `end.json`.
const TEXT_BYTES_MAX: u64 = 64 << 10;
/// Components of a path.
const DEPTH_MAX: usize = 64;
/// Entries of a backup.
const ENTRIES_MAX: u64 = 50_000_000;
/// Bytes by which files may exceed what the manifest counted: logs grow while a backup is written.
const GROWN_BYTES_MAX: u64 = 16 << 30;

/// Makes `folder`, which is missing or empty, of a backup, and marks it so that its server begins in safe mode.
pub fn restore(from: impl Read, folder: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Told, BackupError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| BackupError::Io(path, error)
    };
    let is_empty = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        other => other.map_err(io(folder))?.next().is_none(),
    };
    if !is_empty {
        return Err(BackupError::NotEmpty(folder.to_owned()));
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io(parent))?;
    // Made beside the folder, so that it is put in place whole or not at all.
    let mut made = tempfile::Builder::new();
    let made = made.prefix(".restoring-").permissions(fs::Permissions::from_mode(0o700)).tempdir_in(parent).map_err(io(parent))?;
    let packed = Rc::new(Cell::new(0));
    let told = unpack(Packed { inner: from, bytes: packed.clone() }, &packed, made.path(), progress)?;
    check_and_mark(made.path(), &told.manifest)?;
    let root = File::open(made.path()).map_err(io(made.path()))?;
    nix::unistd::syncfs(&root).map_err(|errno| BackupError::Io(made.path().to_owned(), errno.into()))?;
    fs::rename(made.path(), folder).map_err(io(folder))?;
    let _ = made.keep();
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(io(parent))?;
    Ok(told)
}

/// Counts packed bytes where the place of a failure can see them.
struct Packed<R> {
    inner: R,
    bytes: Rc<Cell<u64>>,
}

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes.set(self.bytes.get() + read as u64);
        Ok(read)
    }
}

fn unpack(from: impl Read, packed: &Cell<u64>, root: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Told, BackupError> {
    let shown = Cell::new("the beginning".to_owned());
    let damaged = |what: String| {
        let name = shown.take();
        let place = format!("at {name}, within the first {} bytes of the backup", packed.get());
        shown.set(name);
        BackupError::Damaged { what, place }
    };
    let broken = |error: io::Error| damaged(format!("it is damaged or cut off ({error})"));
    let decoder = zstd::stream::read::Decoder::new(begun(from)?).map_err(broken)?;
    let mut archive = tar::Archive::new(decoder);
    let mut entries = archive.entries().map_err(broken)?;
    let mut first = entries.next().ok_or_else(|| damaged("it is empty".to_owned()))?.map_err(broken)?;
    if name_of(&first) != MANIFEST {
        return Err(BackupError::NoBackup("it does not begin with backup.json"));
    }
    let manifest = manifest(&mut first).map_err(broken)?;
    if manifest.format != FORMAT {
        return Err(BackupError::Format(manifest.format));
    }
    room_for(root, manifest.bytes)?;
    let mut seen = End::default();
    let mut count = 0;
    let mut ended = None;
    for entry in entries {
        let mut entry = entry.map_err(broken)?;
        shown.set(name_of(&entry));
        count += 1;
        if ended.is_some() || count > ENTRIES_MAX || seen.bytes > manifest.bytes.saturating_add(GROWN_BYTES_MAX) {
            return Err(damaged("it holds more than it says".to_owned()));
        }
        if name_of(&entry) == END {
            ended = Some(text::<End>(&mut entry).map_err(broken)?);
            continue;
        }
        let taken = take(&mut entry, root, &manifest).map_err(|stop| match stop {
            Stop::Broken(error) => broken(error),
            Stop::Hostile(what) => damaged(what),
            Stop::Here(path, error) => BackupError::Io(path, error),
        })?;
        if let Some(bytes) = taken {
            seen.files += 1;
            seen.bytes += bytes;
            progress(Progress { done: seen.bytes, of: manifest.bytes });
        }
    }
    // An archive ends with zeros, and the last frame's checksum comes after them.
    let mut rest = archive.into_inner();
    if !only_zeros(&mut rest).map_err(broken)? {
        return Err(damaged("it holds more than it says".to_owned()));
    }
    match ended {
        Some(end) if end == seen => Ok(Told { manifest, files: seen.files, bytes: seen.bytes, packed: packed.get() }),
        Some(end) => Err(damaged(format!("it says that it has {} files, but {} are there", end.files, seen.files))),
        None => Err(damaged("it ends early".to_owned())),
    }
}

/// The same bytes, if they begin as zstd does (RFC 8878, 3.1.1): any other file is not a damaged backup, but none.
fn begun(mut from: impl Read) -> Result<impl Read, BackupError> {
    const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
    let mut head = Vec::new();
    let read = from.by_ref().take(MAGIC.len() as u64).read_to_end(&mut head);
    match read {
        Ok(0) => Err(BackupError::NoBackup("it is empty")),
        Ok(_) if head == MAGIC => Ok(io::Cursor::new(head).chain(from)),
        Ok(_) => Err(BackupError::NoBackup("it begins in another way")),
        Err(error) => Err(BackupError::Damaged { what: format!("it cannot be read ({error})"), place: "at the beginning".to_owned() }),
    }
}

fn only_zeros(from: &mut impl Read) -> io::Result<bool> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer)?;
        if buffer[..read].iter().any(|byte| *byte != 0) || read == 0 {
            return Ok(read == 0);
        }
    }
}

fn name_of(entry: &Entry<'_, impl Read>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).into_owned()
}

fn text<T: serde::de::DeserializeOwned>(entry: &mut impl Read) -> io::Result<T> {
    let mut bytes = Vec::new();
    entry.take(TEXT_BYTES_MAX).read_to_end(&mut bytes)?;
    serde_json::from_slice(&bytes).map_err(io::Error::other)
}

/// A later format need not have the fields of this one.
fn manifest(entry: &mut impl Read) -> io::Result<Manifest> {
    let value: serde_json::Value = text(entry)?;
    let format = value["format"].as_u64().and_then(|format| u32::try_from(format).ok());
    match format {
        Some(format) if format != FORMAT => Ok(Manifest {
            format,
            version: String::new(),
            taken_at: trunkline_domain::foundation::Timestamp(0),
            entries: 0,
            root: Digest::of(b""),
            secrets: false,
            bytes: 0,
        }),
        _ => serde_json::from_value(value).map_err(io::Error::other),
    }
}

fn room_for(root: &Path, needed: u64) -> Result<(), BackupError> {
    let found = nix::sys::statvfs::statvfs(root).map_err(|errno| BackupError::Io(root.to_owned(), errno.into()))?;
    let free = found.blocks_available().saturating_mul(found.fragment_size());
    if needed > free { Err(BackupError::NoRoom { needed, free }) } else { Ok(()) }
}

/// Why an entry was not taken: the backup is broken, it holds what it must not, or this machine said no.
enum Stop {
    Broken(io::Error),
    Hostile(String),
    Here(PathBuf, io::Error),
}

/// Writes a file or makes a folder. Bytes of the file.
fn take(entry: &mut Entry<'_, impl Read>, root: &Path, manifest: &Manifest) -> Result<Option<u64>, Stop> {
    let relative = contained(&entry.path().map_err(Stop::Broken)?, manifest.secrets)?;
    let path = root.join(&relative);
    let here = |error| Stop::Here(path.clone(), error);
    match kept(&relative)? {
        Kept::AsItIs => {}
        Kept::Anew(text) => {
            fs::write(&path, text).map_err(here)?;
            return left(entry);
        }
        Kept::Not => return left(entry),
    }
    // Parents come before what is in them, as folders, so there is no link to follow.
    match entry.header().entry_type() {
        EntryType::Directory => {
            let made = fs::DirBuilder::new().mode(0o700).create(&path);
            made.map(|()| None).map_err(here)
        }
        EntryType::Regular => {
            let executable = entry.header().mode().map_err(Stop::Broken)? & 0o100;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600 | executable).open(&path).map_err(here)?;
            let (bytes, digest) = copy(entry, &mut file, &here)?;
            if relative.starts_with("blobs") && named(&relative) != digest.hex() {
                return Err(Stop::Hostile(format!("the blob's bytes have digest {digest}")));
            }
            Ok(Some(bytes))
        }
        _ => Err(Stop::Hostile("it holds something that is neither a file nor a folder".to_owned())),
    }
}

/// The path beneath the folder, if it is one that a backup has.
fn contained(path: &Path, secrets: bool) -> Result<PathBuf, Stop> {
    let hostile = || Stop::Hostile(format!("'{}' does not belong into a backup", path.display()));
    let names: Vec<_> = path.components().collect();
    if names.len() > DEPTH_MAX || names.iter().any(|name| !matches!(name, Component::Normal(_))) {
        return Err(hostile());
    }
    let first = names.first().and_then(|name| name.as_os_str().to_str()).unwrap_or_default();
    let known = FOLDERS.contains(&first) || (first == DATABASE && names.len() == 1) || secrets && SECRETS.contains(&first);
    if known { Ok(names.iter().collect()) } else { Err(hostile()) }
}

/// What becomes of an entry.
enum Kept {
    AsItIs,
    /// This is written in its place.
    Anew(&'static str),
    Not,
}

/// As git makes the settings of a repository that is pushed to.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";

/// Settings and hooks of a repository could start programs, and its alternates lead to other folders.
fn kept(relative: &Path) -> Result<Kept, Stop> {
    let names: Vec<_> = relative.iter().map(OsStr::to_string_lossy).collect();
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let ["repositories", _, inside @ ..] = &names[..] else { return Ok(Kept::AsItIs) };
    match inside {
        ["objects", "info", "alternates" | "http-alternates"] => {
            Err(Stop::Hostile("its repository leads to objects in another folder".to_owned()))
        }
        [] | ["HEAD" | "packed-refs"] | ["refs" | "objects", ..] => Ok(Kept::AsItIs),
        ["config"] => Ok(Kept::Anew(CONFIG)),
        _ => Ok(Kept::Not),
    }
}

/// Reads past an entry. Bytes, of a file.
fn left(entry: &mut Entry<'_, impl Read>) -> Result<Option<u64>, Stop> {
    match entry.header().entry_type() {
        EntryType::Directory => Ok(None),
        EntryType::Regular => io::copy(entry, &mut io::sink()).map(Some).map_err(Stop::Broken),
        _ => Err(Stop::Hostile("it holds something that is neither a file nor a folder".to_owned())),
    }
}

/// The digest in a blob's name: `blobs/ab/cdef…`.
fn named(relative: &Path) -> String {
    relative.components().skip(1).map(|part| part.as_os_str().to_string_lossy()).collect()
}

fn copy(from: &mut impl Read, into: &mut File, here: &impl Fn(io::Error) -> Stop) -> Result<(u64, Digest), Stop> {
    let mut from = Counted::new(from);
    let mut hash = Sha256::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).map_err(Stop::Broken)?;
        if read == 0 {
            return Ok((from.bytes, hash.finish()));
        }
        hash.update(&buffer[..read]);
        into.write_all(&buffer[..read]).map_err(here)?;
    }
}

/// Checks the ledger as `ledger verify` does, against the root that the backup names, and leaves the mark of a restore.
fn check_and_mark(root: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let path = root.join(DATABASE);
    let damaged = |what: String| BackupError::Damaged { what, place: format!("in the backup's {DATABASE}") };
    if !path.is_file() {
        return Err(damaged("there is no record".to_owned()));
    }
    let snapshot = SqliteReader::open(&path)?.snapshot()?;
    let found = trunkline_engine::verify(&snapshot, Some((None, manifest.root))).map_err(|error| damaged(error.to_string()))?;
    if found.entries != manifest.entries {
        return Err(damaged(format!("the ledger has {} entries, the backup says {}", found.entries, manifest.entries)));
    }
    drop(snapshot);
    let backup = Backup { taken_at: manifest.taken_at, entries: manifest.entries, root: manifest.root };
    let mut store = SqliteStore::open(&path)?;
    Ok(mark_restored(&mut store, &backup)?)
}
