//! A backup of a data folder in one file, and a data folder made of a backup.
//!
//! Format 1 is a tar archive in zstd frames of [`frames::FRAME_BYTES`], each with its checksum. `backup.json` comes first
//! and says what it is; then `trunkline.db`, a snapshot; then the repositories, blobs and logs, which are only added to, so
//! that whatever the snapshot names is there; then, if wanted, the secrets. `end.json` comes last and counts the files, so
//! that a backup which was cut off anywhere is known as such.

mod frames;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::restore;
pub use write::{Wanted, back_up};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use trunkline_domain::foundation::{Digest, Timestamp};

/// The form of a backup that this program writes, and the only one it reads.
pub const FORMAT: u32 = 1;
/// The first entry.
const MANIFEST: &str = "backup.json";
/// The last entry.
const END: &str = "end.json";
/// The snapshot.
const DATABASE: &str = "trunkline.db";
/// Folders that are only added to.
const FOLDERS: [&str; 3] = ["repositories", "blobs", "logs"];
/// What only a backup with secrets holds: a folder and a file.
const SECRETS: [&str; 2] = ["credentials", "operator.token"];

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The program that wrote it.
    pub version: String,
    /// When it was taken, by the clock of the machine.
    pub taken_at: Timestamp,
    /// How many entries the ledger has.
    pub entries: u64,
    /// Its root.
    pub root: Digest,
    /// Whether tokens are inside.
    pub secrets: bool,
    /// Bytes of the files when they were counted; logs may have grown since.
    pub bytes: u64,
}

/// What the end of a backup says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    files: u64,
    bytes: u64,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of files that were written or read.
    pub done: u64,
    /// Of how many, as counted at the beginning.
    pub of: u64,
}

/// What came of a backup or a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the backup itself.
    pub packed: u64,
}

/// Why a backup could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The record could not be read or is not what it was.
    #[error(transparent)]
    Store(#[from] trunkline_engine::StoreError),
    /// A file could not be read or written.
    #[error("{0}")]
    Io(PathBuf, #[source] std::io::Error),
    /// The backup itself could not be written.
    #[error("the backup cannot be written")]
    Write(#[source] std::io::Error),
    /// The folder holds something.
    #[error("{0} is not empty")]
    NotEmpty(PathBuf),
    /// There is less room than the backup needs.
    #[error("{needed} bytes are needed there, {free} are free")]
    NoRoom {
        /// What the backup says that it needs.
        needed: u64,
        /// What there is.
        free: u64,
    },
    /// It is of another form.
    #[error("the backup has format {0}, this program reads format {FORMAT}: use the program that wrote it, or a newer one")]
    Format(u32),
    /// It was never one.
    #[error("this is not a Trunkline backup: {0}")]
    NoBackup(&'static str),
    /// It is not what was written.
    #[error("{what}, {place}")]
    Damaged {
        /// What is wrong.
        what: String,
        /// Where, in words.
        place: String,
    },
}
