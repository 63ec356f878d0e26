//! The folder in which a job runs: always the exact tree of its revision and nothing else.
//!
//! A workspace that the last job left untouched is used again for the same revision: every entry's kind, inode, size
//! and times are compared with what was noted after the checkout, which is far cheaper than removing and writing files
//! (and than the slow inode search that removing causes on ext4). Anything else is a fresh checkout. This is honest
//! because nothing of the former job lives by then; a job that runs as root could still forge times.

use crate::failure::{Failure, While};
use crate::lease::{Hold, patiently};
use crate::port::Port;
use crate::trash::discard;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use trunkline_domain::foundation::{ProjectKey, Revision};

/// Larger trees are not worth comparing.
const ENTRIES_MAX: usize = 20_000;

/// A slot's workspace.
pub struct Workspace {
    path: PathBuf,
    trash: PathBuf,
    known: Option<Known>,
}

struct Known {
    project: ProjectKey,
    revision: Revision,
    entries: BTreeMap<PathBuf, Stamp>,
}

/// What an entry looks like, as far as a change of it shows.
#[derive(PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    mode: u32,
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Workspace {
    /// A workspace at `path`; what is thrown away goes to `trash` first.
    pub fn new(path: PathBuf, trash: PathBuf) -> Self {
        Self { path, trash, known: None }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it equal to the revision's tree.
    pub fn prepare(&mut self, port: &dyn Port, hold: &Hold, project: &ProjectKey, revision: &Revision) -> Result<(), Failure> {
        if let Some(known) = self.known.take()
            && known.project == *project
            && known.revision == *revision
            && stamps(&self.path).is_ok_and(|found| found.as_ref() == Some(&known.entries))
        {
            self.known = Some(known);
            return Ok(());
        }
        patiently(hold, || {
            if let Err(error) = discard(&self.path, &self.trash).and_then(|()| fs::create_dir_all(&self.path)) {
                return Ok(Err(Failure(format!("the workspace cannot be made: {error}"))));
            }
            port.checkout(project, revision, &self.path).map(Ok)
        })
        .doing(format!("check out {}", revision.short()))?;
        self.known = self.note(project, revision);
        Ok(())
    }

    /// Notes the state after a checkout. None where it is too large, or where times cannot be trusted.
    fn note(&self, project: &ProjectKey, revision: &Revision) -> Option<Known> {
        if !has_fine_times(&self.path) {
            return None;
        }
        let entries = stamps(&self.path).ok()??;
        Some(Known { project: project.clone(), revision: revision.clone(), entries })
    }
}

/// Whether a change right after a look always shows in the change time: since Linux 6.13 these file systems give a
/// changed entry a finer time once somebody has looked at it. Before, a write within the same tick (4 ms) is invisible.
pub fn has_fine_times(path: &Path) -> bool {
    use nix::sys::statfs;
    let release = nix::sys::utsname::uname().ok().and_then(|name| name.release().to_str().map(str::to_owned)).unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    // The C library of a static program has no name for the second.
    let kinds = [statfs::EXT4_SUPER_MAGIC, statfs::FsType(0x5846_5342), statfs::BTRFS_SUPER_MAGIC, statfs::TMPFS_MAGIC];
    version >= (6, 13) && statfs::statfs(path).is_ok_and(|found| kinds.contains(&found.filesystem_type()))
}

/// What every entry looks like. None: too many.
fn stamps(root: &Path) -> io::Result<Option<BTreeMap<PathBuf, Stamp>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        found.insert(folder.clone(), Stamp::of(&fs::symlink_metadata(&folder)?));
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path(), Stamp::of(&metadata));
            }
            if found.len() + folders.len() > ENTRIES_MAX {
                return Ok(None);
            }
        }
    }
    Ok(Some(found))
}

impl Stamp {
    /// Of this entry.
    pub fn of(metadata: &fs::Metadata) -> Self {
        let nanoseconds = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Self {
            inode: metadata.ino(),
            mode: metadata.mode(),
            size: metadata.size(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
