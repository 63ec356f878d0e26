//! What the engine needs of a store. Methods block; a failed write or sync ends the process, it is never retried.

use std::io::{Read as IoRead, Write};
use trunkline_domain::foundation::{Digest, ProjectKey, Timestamp};
use trunkline_domain::ledger::Frontier;
use trunkline_domain::piece::Piece;
use trunkline_domain::reading::{Row, Table};
use trunkline_domain::record::Key;

/// Why a store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, the database or the file system said no.
    #[error("the store failed: {what}")]
    Failed {
        /// What was tried.
        what: String,
        /// What was answered.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The disk is full: nothing of the transaction is kept, and it can be tried again once there is room.
    #[error("the disk is full")]
    Full,
    /// What is stored makes no sense.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// Where the ledger ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The tree's size and peaks.
    pub frontier: Frontier,
    /// Engine time of the last entry.
    pub at: Timestamp,
    /// How often the engine was started: the high half of lease numbers.
    pub starts: u32,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its position, from 1.
    pub seq: u64,
    /// The bytes that are hashed.
    pub bytes: Vec<u8>,
    /// Their hash.
    pub leaf: Digest,
}

/// People's words, kept beside the record by their salted digest so that they can be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Random bytes, so that short words cannot be guessed from the digest.
    pub salt: [u8; 16],
    /// The words.
    pub text: String,
}

impl Text {
    /// `sha256(salt ‖ text)`.
    pub fn digest(&self) -> Digest {
        let mut bytes = self.salt.to_vec();
        bytes.extend_from_slice(self.text.as_bytes());
        Digest::of(&bytes)
    }
}

/// Among which requests a command key counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyScope {
    /// Those of the whole server.
    Server,
    /// Those of one project.
    Project(ProjectKey),
}

impl KeyScope {
    /// As it is stored: the project's name; for the server no text, which is no project's name.
    pub fn as_str(&self) -> &str {
        match self {
            KeyScope::Server => "",
            KeyScope::Project(project) => project.as_str(),
        }
    }
}

/// Reading. Every call sees one committed state (or, through a [`Store`], also its own transaction).
pub trait Read {
    /// Where the ledger ends.
    fn head(&self) -> Result<Head, StoreError>;
    /// A state's pieces.
    fn aggregate(&self, key: &Key) -> Result<Option<Vec<Piece>>, StoreError>;
    /// Every key of the aggregate table.
    fn keys(&self) -> Result<Vec<Key>, StoreError>;
    /// Entries after this position, in order.
    fn entries(&self, after: u64, limit: u32) -> Result<Vec<StoredEntry>, StoreError>;
    /// An immutable value by its digest.
    fn value(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError>;
    /// A current reading row.
    fn row(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Current reading rows whose key starts with `prefix` and is below `before`, highest key first.
    fn rows(&self, table: Table, prefix: &str, before: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
    /// Every version of a reading row with the entry that wrote it, newest first.
    fn row_history(&self, table: Table, key: &str, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;
    /// People's words.
    fn text(&self, digest: &Digest) -> Result<Option<Text>, StoreError>;
    /// A plain row: what nobody audits.
    fn plain(&self, kind: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Plain rows of a kind.
    fn plain_list(&self, kind: &str, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
    /// The entry that a command key was recorded with, and the digest of what was asked.
    fn command_key(&self, scope: &KeyScope, key: &str) -> Result<Option<(u64, Digest)>, StoreError>;
    /// The last number given under this name; 0 before the first.
    fn counter(&self, name: &str) -> Result<u64, StoreError>;
}

/// Writing, inside one transaction at a time. Nothing is visible to readers before `commit` has returned.
pub trait Store: Read + Send {
    /// Begins a transaction.
    fn begin(&mut self) -> Result<(), StoreError>;
    /// Marks a point to go back to; a later mark replaces it.
    fn mark(&mut self) -> Result<(), StoreError>;
    /// Undoes what was written since the mark.
    fn undo(&mut self) -> Result<(), StoreError>;
    /// Makes everything durable. A crash before it returns keeps all or nothing.
    fn commit(&mut self) -> Result<(), StoreError>;
    /// Forgets the transaction.
    fn abort(&mut self) -> Result<(), StoreError>;
    /// Writes pieces of a state and its next deadline (absent: nothing is open).
    fn aggregate_put(&mut self, key: &Key, pieces: &[Piece], due: Option<Timestamp>) -> Result<(), StoreError>;
    /// Keys with a deadline, in no order.
    fn open_keys(&self) -> Result<Vec<Key>, StoreError>;
    /// Appends an entry.
    fn entry_append(&mut self, entry: &StoredEntry, project: Option<(&ProjectKey, u64)>) -> Result<(), StoreError>;
    /// Moves the head.
    fn head_put(&mut self, head: &Head) -> Result<(), StoreError>;
    /// Remembers a command key.
    fn command_key_put(&mut self, scope: &KeyScope, key: &str, seq: u64, body: &Digest) -> Result<(), StoreError>;
    /// Keeps an immutable value; one that is there already stays.
    fn value_put(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError>;
    /// Writes a reading row that holds from this entry on.
    fn row_put(&mut self, seq: u64, row: &Row) -> Result<(), StoreError>;
    /// Forgets all reading rows that facts make, before they are rebuilt. Those of [`Table::Commit`] stay: pushes brought some of them along.
    fn rows_clear(&mut self) -> Result<(), StoreError>;
    /// Keeps people's words.
    fn text_put(&mut self, text: &Text) -> Result<(), StoreError>;
    /// Writes a plain row.
    fn plain_put(&mut self, kind: &str, key: &str, bytes: &[u8]) -> Result<(), StoreError>;
    /// Removes a plain row.
    fn plain_remove(&mut self, kind: &str, key: &str) -> Result<(), StoreError>;
    /// Sets the last number given under this name.
    fn counter_put(&mut self, name: &str, value: u64) -> Result<(), StoreError>;
}

/// Why a blob could not be kept or given.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob.
    #[error("there is no blob {0}")]
    Missing(Digest),
    /// What was given, or what is kept, has another digest.
    #[error("the bytes have digest {found}, not {expected}")]
    Mismatch {
        /// What was asked for.
        expected: Digest,
        /// What the bytes have.
        found: Digest,
    },
    /// The file system said no.
    #[error("blob {0}")]
    Io(Digest, #[source] std::io::Error),
}

/// Immutable bytes by digest. Put before the command that names them.
pub trait Blobs: Send + Sync {
    /// Keeps what `from` gives, if its digest is this one. Durable when it returns.
    fn put(&self, digest: &Digest, from: &mut dyn IoRead) -> Result<u64, BlobError>;
    /// Copies a blob and checks it on the way. Returns its size.
    fn get(&self, digest: &Digest, into: &mut dyn Write) -> Result<u64, BlobError>;
    /// Whether it is kept, be it whole or damaged.
    fn has(&self, digest: &Digest) -> bool;
    /// Whether it is kept and its bytes are what they were: they are read. One that a disk has damaged is to be put again.
    fn is_sound(&self, digest: &Digest) -> bool {
        self.get(digest, &mut std::io::sink()).is_ok()
    }
}
