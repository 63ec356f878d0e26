//! The data folder: what lies where, and that one process at a time owns it.

use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the names of git's cookie files begin with; the server's port follows.
pub const GIT_COOKIES: &str = "git.cookies";
/// The file that the process which owns a folder has locked.
const LOCK: &str = "lock";
/// How often the lock is asked for: whoever only looks whether it is taken holds it for a moment.
const TRIES: u32 = 20;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// A data folder that this process owns until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    _lock: Flock<File>,
}

/// Why a data folder could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it.
    #[error("the data folder {folder} is in use by process {pid}: stop that one, or give another folder with --data")]
    InUse {
        /// Which folder.
        folder: PathBuf,
        /// By whom, as its lock file says.
        pid: String,
    },
    /// Others could read it, and it is not certain that it is ours to close.
    #[error("{0} holds other things and is open to other users: give a folder of its own with --data, or chmod 0700 it")]
    Open(PathBuf),
    /// The file system said no.
    #[error("the data folder {0} cannot be used")]
    Io(PathBuf, #[source] std::io::Error),
}

/// Tokens, logs and repositories are for this user alone. An empty folder, or one that is a data folder already, is closed.
fn close_to_others(root: &Path) -> Result<(), FolderError> {
    let fail = |error| FolderError::Io(root.to_owned(), error);
    if fs::metadata(root).map_err(fail)?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    let is_empty = fs::read_dir(root).map_err(fail)?.next().is_none();
    if !is_empty && !root.join("trunkline.db").exists() {
        return Err(FolderError::Open(root.to_owned()));
    }
    fs::set_permissions(root, fs::Permissions::from_mode(0o700)).map_err(fail)
}

fn lock(mut file: File) -> Result<Flock<File>, (File, nix::errno::Errno)> {
    for _ in 1..TRIES {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((back, nix::errno::Errno::EWOULDBLOCK)) => file = back,
            other => return other,
        }
        std::thread::sleep(TRY_AGAIN_AFTER);
    }
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
}

impl DataFolder {
    /// Makes the folder where it is missing (mode 0700) and takes its lock.
    pub fn open(root: &Path) -> Result<Self, FolderError> {
        let fail = |error| FolderError::Io(root.to_owned(), error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(fail)?;
        let root = root.canonicalize().map_err(fail)?;
        close_to_others(&root)?;
        let path = root.join(LOCK);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(fail)?;
        match lock(file) {
            Ok(mut lock) => {
                lock.set_len(0).map_err(fail)?;
                write!(lock, "{}", std::process::id()).map_err(fail)?;
                Ok(Self { root, _lock: lock })
            }
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(fail)?;
                Err(FolderError::InUse { folder: root, pid })
            }
            Err((_, errno)) => Err(fail(errno.into())),
        }
    }

    /// Whether a process owns the folder now. What a server that was killed left in it does not look like one that runs:
    /// the kernel gives a lock back with the process.
    pub fn is_owned(root: &Path) -> std::io::Result<bool> {
        let file = match File::open(root.join(LOCK)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => Ok(false),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(true),
            Err((_, errno)) => Err(errno.into()),
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.root.join("trunkline.db")
    }

    /// Immutable bytes by digest.
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Long logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Git repositories.
    pub fn repositories(&self) -> PathBuf {
        self.root.join("repositories")
    }

    /// What the built-in runner works in.
    pub fn runner(&self) -> PathBuf {
        self.root.join("runner")
    }

    /// Tokens for followed repositories.
    pub fn credentials(&self) -> PathBuf {
        self.root.join("credentials")
    }

    /// The operator's token as git reads it for the server at this port.
    pub fn git_cookies(&self, port: u16) -> PathBuf {
        self.root.join(format!("{GIT_COOKIES}.{port}"))
    }

    /// The operator's token.
    pub fn token(&self) -> PathBuf {
        self.root.join("operator.token")
    }
}
