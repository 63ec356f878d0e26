//! Snapshots of commits: trees held in memory and written from there.

use super::command::GitError;
use super::read::{EntryKind, Reader};
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
/// Files of one tree.
const FILES_MAX: usize = 200_000;
/// Nested folders.
const DEPTH_MAX: usize = 100;

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

#[derive(Debug)]
struct File {
    path: PathBuf,
    kind: EntryKind,
    content: Vec<u8>,
}

impl Trees {
    /// The snapshot of a tree, from memory or read now.
    pub fn get(&self, reader: &Mutex<Reader>, tree: &str) -> Result<Arc<Snapshot>, GitError> {
        if let Some(snapshot) = self.held.lock().unwrap_or_else(PoisonError::into_inner).1.get(tree) {
            return Ok(snapshot.clone());
        }
        let mut files = Vec::new();
        read_tree(&mut reader.lock().unwrap_or_else(PoisonError::into_inner), tree, Path::new(""), 0, &mut files)?;
        let bytes: usize = files.iter().map(|file| file.content.len() + 200).sum();
        let snapshot = Arc::new(Snapshot { files });
        if bytes <= HELD_BYTES_MAX {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if held.0 + bytes > HELD_BYTES_MAX {
                // Rarely reached, and whatever is used again is read again.
                *held = (0, HashMap::new());
            }
            held.0 += bytes;
            held.1.insert(tree.to_owned(), snapshot.clone());
        }
        Ok(snapshot)
    }
}

fn read_tree(reader: &mut Reader, tree: &str, under: &Path, depth: usize, files: &mut Vec<File>) -> Result<(), GitError> {
    let refused = |said: String| GitError::Refused { what: "checkout".to_owned(), said };
    if depth > DEPTH_MAX {
        return Err(refused(format!("folders are nested deeper than {DEPTH_MAX}")));
    }
    let mut names = HashSet::new();
    for entry in reader.tree(tree)? {
        // Two entries of one name, a link and a folder, would lead out of the workspace.
        if !names.insert(entry.name.clone()) {
            return Err(refused(format!("two files have the name '{}'", String::from_utf8_lossy(&entry.name))));
        }
        // Git refuses such names on the way in; a hostile object must still not leave the folder.
        if matches!(entry.name.as_slice(), b"" | b"." | b".." | b".git") || entry.name.contains(&b'/') {
            return Err(refused(format!("a file has the name '{}'", String::from_utf8_lossy(&entry.name))));
        }
        let path = under.join(OsStr::from_bytes(&entry.name));
        match entry.kind {
            EntryKind::Tree => read_tree(reader, &entry.id, &path, depth + 1, files)?,
            // As git does without `submodule update`: an empty folder.
            EntryKind::Submodule => files.push(File { path, kind: entry.kind, content: Vec::new() }),
            EntryKind::File | EntryKind::Executable | EntryKind::Link => {
                let (_, _, content) = reader.object(&entry.id)?;
                files.push(File { path, kind: entry.kind, content });
            }
        }
        if files.len() > FILES_MAX {
            return Err(refused(format!("the tree has more than {FILES_MAX} files")));
        }
    }
    Ok(())
}

/// Writes a snapshot into an empty folder.
pub fn checkout(snapshot: &Snapshot, into: &Path) -> std::io::Result<()> {
    let mut made = PathBuf::new();
    for file in &snapshot.files {
        let path = into.join(&file.path);
        let folder = path.parent().expect("a file lies in a folder");
        if folder != made {
            fs::create_dir_all(folder)?;
            made = folder.to_owned();
        }
        match file.kind {
            EntryKind::Submodule | EntryKind::Tree => fs::create_dir_all(&path)?,
            EntryKind::Link => symlink(OsStr::from_bytes(&file.content), &path)?,
            EntryKind::File | EntryKind::Executable => {
                let mode = if file.kind == EntryKind::Executable { 0o755 } else { 0o644 };
                // `create_new` never follows a link that the tree itself brought.
                OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?.write_all(&file.content)?;
            }
        }
    }
    Ok(())
}

impl Snapshot {
    /// Files under a path: the file itself, or everything below a folder (a path that ends in `/`).
    pub fn under<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, bool, &'a [u8])> {
        self.files.iter().filter_map(move |file| {
            let name = file.path.to_str()?;
            let wanted = match path.strip_suffix('/') {
                Some(folder) => name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')),
                None => name == path,
            };
            let executable = file.kind == EntryKind::Executable;
            (wanted && matches!(file.kind, EntryKind::File | EntryKind::Executable)).then_some((name, executable, file.content.as_slice()))
        })
    }
}
