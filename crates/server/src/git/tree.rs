//! Snapshots of commits: trees held in memory and written from there.

use super::command::GitError;
use super::read::{Entry, EntryKind, Found, Reader};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of all trees held.
const HELD_BYTES_MAX: usize = 64 << 20;
/// Bytes of a file that is held; a larger one is read again wherever it is written.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files and folders of one tree. One object may stand for many: each place counts.
const ENTRIES_MAX: usize = 200_000;
/// Nested folders.
const DEPTH_MAX: usize = 100;
/// Bytes that are counted for a file beside its content.
const FILE_COST: usize = 200;

/// Trees held in memory, by root tree id.
#[derive(Debug, Default)]
pub struct Trees {
    held: Mutex<(usize, HashMap<String, Arc<Snapshot>>)>,
}

/// Every file of a tree.
#[derive(Debug)]
pub struct Snapshot {
    files: Vec<File>,
}

/// A file of a tree.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    kind: EntryKind,
    content: Content,
}

/// What is in a file.
#[derive(Debug)]
pub enum Content {
    /// These bytes.
    Held(Vec<u8>),
    /// Those of a blob.
    Blob(String),
}

impl Trees {
    /// The snapshot of a tree, if it is held.
    pub fn held(&self, tree: &str) -> Option<Arc<Snapshot>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).1.get(tree).cloned()
    }

    /// Reads a tree and holds it.
    pub fn read(&self, reader: &mut Reader, tree: &str) -> Result<Arc<Snapshot>, GitError> {
        let mut walk = Walk { reader, files: Vec::new(), entries: 0, bytes: 0 };
        walk.tree(tree, Path::new(""), 0)?;
        let bytes = walk.bytes;
        let snapshot = Arc::new(Snapshot { files: walk.files });
        if bytes <= HELD_BYTES_MAX {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if held.0 + bytes > HELD_BYTES_MAX {
                // Rarely reached, and whatever is used again is read again.
                *held = (0, HashMap::new());
            }
            if held.1.insert(tree.to_owned(), snapshot.clone()).is_none() {
                held.0 += bytes;
            }
        }
        Ok(snapshot)
    }
}

/// A walk through a tree, with its bounds.
struct Walk<'a> {
    reader: &'a mut Reader,
    files: Vec<File>,
    entries: usize,
    bytes: usize,
}

fn refused(said: String) -> GitError {
    GitError::Refused { what: "checkout".to_owned(), said }
}

impl Walk<'_> {
    fn tree(&mut self, tree: &str, under: &Path, depth: usize) -> Result<(), GitError> {
        if depth > DEPTH_MAX {
            return Err(refused(format!("folders are nested deeper than {DEPTH_MAX}")));
        }
        let mut names = HashSet::new();
        for entry in self.reader.tree(tree)? {
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return Err(refused(format!("the tree has more than {ENTRIES_MAX} files and folders")));
            }
            // Two entries of one name, a link and a folder, would lead out of the workspace.
            if !names.insert(entry.name.clone()) {
                return Err(refused(format!("two files have the name '{}'", String::from_utf8_lossy(&entry.name))));
            }
            // Git refuses such names on the way in; a hostile object must still not leave the folder.
            if matches!(entry.name.as_slice(), b"" | b"." | b".." | b".git") || entry.name.contains(&b'/') {
                return Err(refused(format!("a file has the name '{}'", String::from_utf8_lossy(&entry.name))));
            }
            let path = under.join(OsStr::from_bytes(&entry.name));
            if entry.kind == EntryKind::Tree {
                self.tree(&entry.id, &path, depth + 1)?;
                continue;
            }
            let content = self.content(&entry)?;
            self.bytes += FILE_COST + path.as_os_str().len();
            self.files.push(File { path, kind: entry.kind, content });
        }
        Ok(())
    }

    fn content(&mut self, entry: &Entry) -> Result<Content, GitError> {
        // As git does without `submodule update`: an empty folder.
        if entry.kind == EntryKind::Submodule {
            return Ok(Content::Held(Vec::new()));
        }
        let room = HELD_BYTES_MAX.saturating_sub(self.bytes) as u64;
        match self.reader.blob(&entry.id, FILE_BYTES_MAX.min(room))? {
            Found::Held(bytes) => {
                self.bytes += bytes.len();
                Ok(Content::Held(bytes))
            }
            Found::Large if entry.kind == EntryKind::Link => Err(refused("a link leads to an endless name".to_owned())),
            Found::Large => Ok(Content::Blob(entry.id.clone())),
        }
    }
}

/// Writes a snapshot into an empty folder. `copy` writes the blob of a file that is not held.
pub fn checkout(
    snapshot: &Snapshot,
    into: &Path,
    mut copy: impl FnMut(&str, &mut dyn Write) -> Result<(), GitError>,
) -> Result<(), GitError> {
    let failed = GitError::Workspace;
    let mut made = PathBuf::new();
    for file in &snapshot.files {
        let path = into.join(&file.path);
        let folder = path.parent().expect("a file lies in a folder");
        if folder != made {
            fs::create_dir_all(folder).map_err(failed)?;
            made = folder.to_owned();
        }
        match (&file.kind, &file.content) {
            (EntryKind::Submodule | EntryKind::Tree, _) => fs::create_dir_all(&path).map_err(failed)?,
            (EntryKind::Link, Content::Held(target)) => symlink(OsStr::from_bytes(target), &path).map_err(failed)?,
            (_, content) => {
                let mode = if file.kind == EntryKind::Executable { 0o755 } else { 0o644 };
                // `create_new` never follows a link that the tree itself brought.
                let mut to = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).map_err(failed)?;
                match content {
                    Content::Held(bytes) => to.write_all(bytes).map_err(failed)?,
                    Content::Blob(id) => copy(id, &mut to)?,
                }
            }
        }
    }
    Ok(())
}

impl Snapshot {
    /// Files under a path: the file itself, or everything below a folder (a path that ends in `/`). One whose name is not
    /// UTF-8 comes without a name: it must not be missed without a word, so whoever reads it is refused.
    pub fn under<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a File)> {
        self.files.iter().filter_map(move |file| {
            let name = file.path.as_os_str().as_bytes();
            let wanted = match path.strip_suffix('/') {
                Some(folder) => name.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.starts_with(b"/")),
                None => name == path.as_bytes(),
            };
            let kept = wanted && matches!(file.kind, EntryKind::File | EntryKind::Executable);
            kept.then(|| (file.path.to_str().unwrap_or_default(), file))
        })
    }
}

impl File {
    /// Whether it may be executed.
    pub fn is_executable(&self) -> bool {
        self.kind == EntryKind::Executable
    }

    /// Its name for people, where it is not UTF-8.
    pub fn odd_name(&self) -> Option<String> {
        self.path.to_str().is_none().then(|| self.path.as_os_str().as_bytes().escape_ascii().to_string())
    }

    /// What is in it.
    pub fn content(&self) -> &Content {
        &self.content
    }
}
