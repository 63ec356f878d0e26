//! Throwing away what work left behind, whatever it made of it.
//!
//! A tree may be deeper than a stack or any path is long, wider than memory, closed to its owner, and a process that
//! outlived its job may move things about meanwhile. So it is walked without recursion, by handles and never by paths,
//! with a fixed number of them: what lies deeper is moved up into the root of the tree first, and removed from there.

use crate::lease::{boottime_ms, random_bytes};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fchmod, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use std::ffi::{CStr, CString};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Folders of a tree that are open at the same time while it is removed.
const LEVELS_OPEN_MAX: usize = 16;
/// How long one tree of a folder that is emptied is worked at before the next has its turn: a process that never stops
/// making files must not keep everything else.
const TURN: Duration = Duration::from_secs(10);
/// What makes a folder one that its owner can empty.
const OPEN_MODE: u32 = 0o700;

/// Moves a folder out of the way; a thread of the runner removes it later.
pub fn discard(path: &Path, trash: &Path) -> io::Result<()> {
    fs::create_dir_all(trash)?;
    let away = trash.join(format!("{}-{}", boottime_ms(), random_hex::<4>()));
    match fs::rename(path, &away) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // A folder without write permission cannot be moved to another parent.
            allow(CWD, path)?;
            fs::rename(path, &away)
        }
        other => other,
    }
}

/// Removes what is in a folder. What cannot be removed stays: whoever needs the room says so, and several may be at it.
pub fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let _ = if is_folder { remove(&path, Some(Instant::now() + TURN)) } else { fs::remove_file(&path) };
    }
}

/// Removes a tree even where a job took the permissions from its folders.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    remove(path, None)
}

fn remove(path: &Path, until: Option<Instant>) -> io::Result<()> {
    match open_folder(CWD, path) {
        Ok(root) => Removal::of(root, until)?.run(path),
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => fs::remove_file(path),
        Err(error) => Err(error.into()),
    }
}

/// A tree on its way out.
struct Removal {
    /// From the root down to the folder that is being emptied; never empty, never more than [`LEVELS_OPEN_MAX`].
    levels: Vec<Level>,
    until: Option<Instant>,
    /// Whether this pass removed or moved anything: without that another one would end as it did.
    is_changed: bool,
    failed: Option<Errno>,
}

struct Level {
    /// In its parent; the root's is not used.
    name: CString,
    listing: Dir,
}

impl Level {
    fn folder(&self) -> BorrowedFd<'_> {
        self.listing.fd().expect("a listing has a handle")
    }
}

impl Removal {
    fn of(root: OwnedFd, until: Option<Instant>) -> io::Result<Self> {
        let root = Level { name: CString::default(), listing: Dir::new(root)? };
        Ok(Self { levels: vec![root], until, is_changed: false, failed: None })
    }

    /// Passes over the tree until nothing is left of it, or a pass changed nothing.
    fn run(mut self, path: &Path) -> io::Result<()> {
        loop {
            self.is_changed = false;
            self.pass();
            let error = match unlinkat(CWD, path, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(error) => error,
            };
            if self.is_over() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if !(self.is_changed && matches!(error, Errno::NOTEMPTY | Errno::EXIST)) {
                return Err(self.failed.unwrap_or(error).into());
            }
            self.levels[0].listing.rewind();
        }
    }

    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Lists the root to its end, and empties every folder that it meets on the way.
    fn pass(&mut self) {
        while !self.is_over() {
            let level = self.levels.last_mut().expect("the root stays");
            match level.listing.read() {
                Some(Ok(entry)) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Some(Ok(entry)) => self.entry(entry.file_name(), entry.file_type()),
                // The listing is over then.
                Some(Err(error)) => self.failed = Some(error),
                None if self.levels.len() == 1 => return,
                None => self.climb(),
            }
        }
    }

    /// Removes a file, or goes into a folder.
    fn entry(&mut self, name: &CStr, kind: FileType) {
        if kind != FileType::Directory {
            let removed = in_folder(self.here(), |folder| unlinkat(folder, name, AtFlags::empty()));
            // Not every file system tells kinds in a listing.
            if removed != Err(Errno::ISDIR) {
                return self.note(removed);
            }
        }
        if self.levels.len() == LEVELS_OPEN_MAX {
            return self.lift(name);
        }
        match in_folder(self.here(), |folder| open_folder(folder, name)).and_then(Dir::new) {
            Ok(listing) => self.levels.push(Level { name: name.to_owned(), listing }),
            // It is something else by now, which the next pass finds.
            Err(Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => self.note(Err(error)),
        }
    }

    /// Removes the folder that was emptied. Where more came in meanwhile the next pass finds it.
    fn climb(&mut self) {
        let done = self.levels.pop().expect("the root stays");
        let removed = in_folder(self.here(), |folder| unlinkat(folder, &done.name, AtFlags::REMOVEDIR));
        if !matches!(removed, Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR)) {
            self.note(removed);
        }
    }

    /// Moves a folder that lies too deep into the root, where the next pass finds it.
    fn lift(&mut self, name: &CStr) {
        let (root, from) = (self.levels[0].folder(), self.here());
        let up = format!("lifted-{}", random_hex::<8>());
        let lifted = match renameat(from, name, root, &up) {
            // Both folders lose or gain a name, and a folder that changes its parent is written to itself.
            Err(Errno::ACCESS) => open_mode(root)
                .and_then(|()| open_mode(from))
                .and_then(|()| allow(from, name))
                .and_then(|()| renameat(from, name, root, &up)),
            other => other,
        };
        self.note(lifted);
    }

    /// The folder that is being emptied.
    fn here(&self) -> BorrowedFd<'_> {
        self.levels.last().expect("the root stays").folder()
    }

    fn note(&mut self, changed: rustix::io::Result<()>) {
        match changed {
            Ok(()) => self.is_changed = true,
            // Somebody else was quicker.
            Err(Errno::NOENT) => {}
            Err(error) => self.failed = Some(error),
        }
    }
}

/// Does something in a folder; once more, with its permissions mended, where they forbid it.
fn in_folder<T>(folder: BorrowedFd<'_>, act: impl Fn(BorrowedFd<'_>) -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    match act(folder) {
        Err(Errno::ACCESS) => open_mode(folder).and_then(|()| act(folder)),
        other => other,
    }
}

fn open_mode(folder: BorrowedFd<'_>) -> rustix::io::Result<()> {
    fchmod(folder, Mode::from_raw_mode(OPEN_MODE))
}

/// Opens a folder, never a link to one, and mends its permissions where they forbid it.
fn open_folder(parent: impl AsFd, name: impl Arg + Copy) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(&parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => allow(&parent, name).and_then(|()| openat(&parent, name, flags, Mode::empty())),
        other => other,
    }
}

/// Mends a folder's permissions without opening it for reading, and never those of what a link leads to.
fn allow(parent: impl AsFd, name: impl Arg) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = openat(parent, name, flags, Mode::empty())?;
    // Such a handle takes no change of mode; its name in /proc does.
    let own = format!("/proc/thread-self/fd/{}", handle.as_raw_fd());
    fs::set_permissions(own, Permissions::from_mode(OPEN_MODE)).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::ACCESS))
}

fn random_hex<const N: usize>() -> String {
    random_bytes::<N>().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nix::sched::{CloneFlags, unshare};
    use rustix::fs::mkdirat;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Nested folders as a hostile job makes them.
    const LEVELS: usize = 20_000;
    /// Bytes; a thread of the standard library has 2 MiB.
    const SMALL_STACK: usize = 64 << 10;

    fn nest(root: &Path, levels: usize, mode: u32) {
        let mut at = open_folder(CWD, root).unwrap();
        for _ in 0..levels {
            mkdirat(&at, "d", Mode::from_raw_mode(0o700)).unwrap();
            let inner = open_folder(&at, "d").unwrap();
            fchmod(&at, Mode::from_raw_mode(mode)).unwrap();
            at = inner;
        }
    }

    fn handles(task: i32) -> usize {
        fs::read_dir(format!("/proc/self/task/{task}/fd")).map(Iterator::count).unwrap_or(0)
    }

    #[test]
    fn a_deep_tree_needs_neither_stack_nor_handles() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        nest(&root, LEVELS, 0o700);
        let (tell, task) = std::sync::mpsc::channel();
        let path = root.clone();
        let removing = std::thread::Builder::new().stack_size(SMALL_STACK).spawn(move || {
            // Its own table of handles: other tests open some of theirs meanwhile.
            unshare(CloneFlags::CLONE_FILES).unwrap();
            tell.send(nix::unistd::gettid().as_raw()).unwrap();
            remove_tree(&path).unwrap();
        });
        let (removing, task) = (removing.unwrap(), task.recv().unwrap());
        let (mut most, mut least) = (0, usize::MAX);
        while !removing.is_finished() {
            let open = handles(task);
            std::thread::sleep(Duration::from_millis(1));
            (most, least) = if open > 0 { (most.max(open), least.min(open)) } else { (most, least) };
        }
        removing.join().unwrap();
        assert!(!root.exists());
        assert!(most - least <= LEVELS_OPEN_MAX + 2, "between {least} and {most} handles");
    }

    #[test]
    fn a_wide_tree_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        for number in 0..100_000 {
            fs::write(root.join(number.to_string()), b"").unwrap();
        }
        remove_tree(&root).unwrap();
        assert!(!root.exists());
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, root) = (folder.path().join("kept"), folder.path().join("root"));
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), b"here").unwrap();
        fs::set_permissions(&kept, Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(&root).unwrap();
        symlink(&kept, root.join("link")).unwrap();
        symlink(&kept, folder.path().join("straight")).unwrap();
        remove_tree(&root).unwrap();
        remove_tree(&folder.path().join("straight")).unwrap();
        assert!(!root.exists() && fs::symlink_metadata(folder.path().join("straight")).is_err());
        assert_eq!(fs::read(kept.join("file")).unwrap(), b"here");
        assert!(allow(CWD, folder.path().join("straight")).is_err());
    }

    /// A process that outlived its job swaps a folder for a link to one outside, again and again.
    #[test]
    fn nothing_outside_is_removed_where_a_folder_becomes_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, root) = (folder.path().join("kept"), folder.path().join("root"));
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), b"here").unwrap();
        let ends = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    let (inner, away) = (root.join("a/b"), root.join("a/away"));
                    let _ = fs::rename(&inner, &away).and_then(|()| symlink(&kept, &inner));
                    let _ = fs::remove_file(&inner).and_then(|()| fs::rename(&away, &inner));
                }
            });
            for _ in 0..1_000 {
                // Through the link where it is one, so never under the name of what must stay.
                let _ = fs::create_dir_all(root.join("a/b/c"));
                let _ = fs::write(root.join("a/b/other"), b"");
                let _ = remove(&root, Some(Instant::now() + Duration::from_millis(5)));
            }
            ends.store(true, Ordering::Relaxed);
        });
        assert_eq!(fs::read(kept.join("file")).unwrap(), b"here");
    }

    /// Root may do everything whatever the mode says.
    #[test]
    fn closed_folders_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let root = folder.path().join("root");
        let path = root.clone();
        let left = std::thread::spawn(move || {
            // Of this thread alone.
            let _ = rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65_534));
            fs::create_dir(&path).unwrap();
            for (name, mode) in [("unwritable", 0o500), ("unsearchable", 0o600), ("unreadable", 0o300), ("closed", 0)] {
                let inner = path.join(name);
                fs::create_dir(&inner).unwrap();
                fs::write(inner.join("file"), b"").unwrap();
                nest(&inner, LEVELS_OPEN_MAX * 3, mode);
            }
            fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
            remove_tree(&path)
        });
        left.join().unwrap().unwrap();
        assert!(!root.exists());
    }
}
