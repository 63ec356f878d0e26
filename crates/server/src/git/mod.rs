//! Git repositories that the server keeps: objects in bare repositories, refs as the record says, smart HTTP.

mod command;
mod describe;
mod head;
mod pack;
mod pkt;
mod read;
mod receive;
mod refs;
mod tree;

pub use command::{GitError, converse, git, outward, upload_pack};
pub use describe::{Departure, changed_paths, commits_between, departure, describe};
pub use head::{set_first_branch, set_usual_branch, usual_branch};
pub use read::{Commit, EntryKind, Reader};
pub use receive::{Push, RefUpdate, USUAL_BRANCH, advertise, advertise_failure, in_order, parse_push, report};
pub use refs::{is_valid_name as is_valid_ref_name, list as refs_on_disk, write as write_ref};
use tree::Trees;
pub use tree::{Content, File, Snapshot};

pub use pack::take_in;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use trunkline_domain::foundation::{RepositoryKey, Revision};

/// The extension of a repository that is being made.
const UNFINISHED: &str = "new";

/// All repositories of the server.
#[derive(Debug)]
pub struct Repositories {
    root: PathBuf,
    readers: Mutex<HashMap<RepositoryKey, Arc<Mutex<Reader>>>>,
    trees: Trees,
    /// Held while a repository is made.
    making: Mutex<()>,
}

impl Repositories {
    /// Repositories in this folder.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        fs::create_dir_all(root)?;
        for repository in fs::read_dir(root)? {
            let path = repository?.path();
            match path.extension().is_some_and(|extension| extension == UNFINISHED) {
                true => fs::remove_dir_all(&path)?,
                false => pack::sweep(&path),
            }
        }
        Ok(Self { root: root.to_owned(), readers: Mutex::new(HashMap::new()), trees: Trees::default(), making: Mutex::default() })
    }

    /// Where a repository lies.
    pub fn path(&self, key: &RepositoryKey) -> PathBuf {
        self.root.join(format!("{key}.git"))
    }

    /// Makes an empty repository; one that is there stays. It is made beside and flushed before it gets its name: git itself
    /// flushes nothing of a new repository, and after a power loss a recorded project would have half of one.
    pub fn create(&self, key: &RepositoryKey) -> Result<(), GitError> {
        let path = self.path(key);
        // Of two who begin it at once one makes it, and the other finds it.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if path.join("HEAD").exists() {
            return Ok(());
        }
        let made = self.root.join(format!("{key}.{UNFINISHED}"));
        let place = |source| GitError::Failed { what: "init".to_owned(), source };
        match fs::remove_dir_all(&made) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(place(error)),
            _ => {}
        }
        git(&self.root, &["init", "--quiet", "--bare", "--initial-branch=main", "--template=", &made.to_string_lossy()])?;
        flush_all(&made).and_then(|()| fs::rename(&made, &path)).map_err(place)?;
        fs::File::open(&self.root).and_then(|root| root.sync_all()).map_err(place)
    }

    /// Where a repository lies, if it is still there.
    pub fn present(&self, key: &RepositoryKey) -> Result<PathBuf, GitError> {
        let path = self.path(key);
        if path.join("HEAD").exists() { Ok(path) } else { Err(GitError::Gone(key.clone())) }
    }

    fn reader(&self, key: &RepositoryKey) -> Result<Arc<Mutex<Reader>>, GitError> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        // One that was started before the folder went would look into nothing, even when the folder is back.
        let path = self.present(key).inspect_err(|_| drop(readers.remove(key)))?;
        if let Some(reader) = readers.get(key) {
            return Ok(reader.clone());
        }
        let reader = Arc::new(Mutex::new(Reader::start(&path)?));
        readers.insert(key.clone(), reader.clone());
        Ok(reader)
    }

    /// Reads with the repository's reader; one that has failed is replaced the next time.
    pub fn read<T>(&self, key: &RepositoryKey, read: impl FnOnce(&mut Reader) -> Result<T, GitError>) -> Result<T, GitError> {
        let reader = self.reader(key)?;
        let mut held = reader.lock().unwrap_or_else(PoisonError::into_inner);
        let result = read(&mut held);
        if held.is_broken() {
            drop(held);
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            // Somebody else may have replaced it already.
            if readers.get(key).is_some_and(|known| Arc::ptr_eq(known, &reader)) {
                readers.remove(key);
            }
        }
        result
    }

    /// The files of a commit's tree, from memory or read now.
    pub fn snapshot(&self, key: &RepositoryKey, tree: &str) -> Result<Arc<Snapshot>, GitError> {
        match self.trees.held(tree) {
            Some(snapshot) => Ok(snapshot),
            None => self.read(key, |reader| self.trees.read(reader, tree)),
        }
    }

    /// Writes a commit's files into an empty folder.
    pub fn checkout(&self, key: &RepositoryKey, revision: &Revision, into: &Path) -> Result<(), GitError> {
        let (_, commit) = self.read(key, |reader| reader.commit(revision))?;
        let snapshot = self.snapshot(key, &commit.tree)?;
        tree::checkout(&snapshot, into, |id, to| self.read(key, |reader| reader.blob_into(id, to)))
    }

    /// The bytes of a file of this repository.
    pub fn content<'a>(&self, key: &RepositoryKey, file: &'a File) -> Result<Cow<'a, [u8]>, GitError> {
        match file.content() {
            Content::Held(bytes) => Ok(Cow::Borrowed(bytes)),
            Content::Blob(id) => self.read(key, |reader| reader.object(id)).map(|(_, _, bytes)| Cow::Owned(bytes)),
        }
    }

    /// Whether one commit is the other, or came before it.
    pub fn is_ancestor(&self, key: &RepositoryKey, before: &Revision, after: &Revision) -> Result<bool, GitError> {
        match git(&self.path(key), &["merge-base", "--is-ancestor", before.as_str(), after.as_str()]) {
            Ok(_) => Ok(true),
            // Exit 1 says no and nothing else; an id that is not here is refused with words.
            Err(GitError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Flushes every file and folder of a folder.
fn flush_all(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => flush_all(&entry.path())?,
            false => fs::File::open(entry.path())?.sync_all()?,
        }
    }
    fs::File::open(folder)?.sync_all()
}
