//! A store in memory that fails at the n-th write, as if the process had been killed there.

use trunkline_domain::foundation::{Digest, ProjectKey, Timestamp};
use trunkline_domain::piece::Piece;
use trunkline_domain::reading::{Row, Table};
use trunkline_domain::record::Key;
use trunkline_engine::{Head, KeyScope, Read, Store, StoreError, StoredEntry, Text};
use trunkline_store::MemoryStore;

/// What happens to a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before it.
    #[default]
    Crash,
    /// The process dies; if it is the commit, after everything became durable.
    CrashCommitted,
    /// The disk is full; somebody frees some of it soon after.
    Full,
}

/// A store that crashes.
#[derive(Clone, Debug, Default)]
pub struct CrashStore {
    inner: MemoryStore,
    /// Writes left until the crash.
    fuse: Option<u64>,
    /// What happens then.
    fault: Fault,
    /// A planted bug: `commit` says yes and keeps nothing.
    pub forgets: bool,
    before: Option<MemoryStore>,
}

impl CrashStore {
    /// The fault comes at the n-th write from now.
    pub fn arm(&mut self, writes: u64, fault: Fault) {
        self.fuse = Some(writes);
        self.fault = fault;
    }

    /// What the crash left, ready to be opened again.
    pub fn recovered(self) -> Self {
        let inner = match (self.forgets, self.before) {
            (true, Some(before)) => before,
            _ => self.inner.crashed(),
        };
        Self { inner, forgets: self.forgets, ..Self::default() }
    }

    fn burn(&mut self) -> Result<(), StoreError> {
        match &mut self.fuse {
            Some(0) if self.fault == Fault::Full => {
                self.fuse = None;
                Err(StoreError::Full)
            }
            Some(0) => Err(StoreError::Failed { what: "crash".to_owned(), source: "simulated".into() }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

macro_rules! forward_read {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl Read for CrashStore {
            $(fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> { self.inner.$name($($argument),*) })*
        }
    };
}

forward_read! {
    head() -> Head;
    aggregate(key: &Key) -> Option<Vec<Piece>>;
    keys() -> Vec<Key>;
    entries(after: u64, limit: u32) -> Vec<StoredEntry>;
    value(digest: &Digest) -> Option<Vec<u8>>;
    row(table: Table, key: &str) -> Option<Vec<u8>>;
    rows(table: Table, prefix: &str, before: Option<&str>, limit: u32) -> Vec<(String, Vec<u8>)>;
    row_history(table: Table, key: &str, limit: u32) -> Vec<(u64, Vec<u8>)>;
    text(digest: &Digest) -> Option<Text>;
    plain(kind: &str, key: &str) -> Option<Vec<u8>>;
    plain_list(kind: &str, limit: u32) -> Vec<(String, Vec<u8>)>;
    command_key(scope: &KeyScope, key: &str) -> Option<(u64, Digest)>;
    counter(name: &str) -> u64;
}

macro_rules! forward_write {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        impl Store for CrashStore {
            fn commit(&mut self) -> Result<(), StoreError> {
                if let Err(error) = self.burn() {
                    if self.fault == Fault::CrashCommitted {
                        self.inner.commit()?;
                    }
                    return Err(error);
                }
                self.inner.commit()
            }

            fn open_keys(&self) -> Result<Vec<Key>, StoreError> {
                self.inner.open_keys()
            }

            fn begin(&mut self) -> Result<(), StoreError> {
                self.burn()?;
                if self.forgets {
                    self.before = Some(self.inner.clone());
                }
                self.inner.begin()
            }

            $(fn $name(&mut self, $($argument: $type),*) -> Result<(), StoreError> {
                self.burn()?;
                self.inner.$name($($argument),*)
            })*
        }
    };
}

forward_write! {
    mark();
    undo();
    abort();
    aggregate_put(key: &Key, pieces: &[Piece], due: Option<Timestamp>);
    entry_append(entry: &StoredEntry, project: Option<(&ProjectKey, u64)>);
    head_put(head: &Head);
    command_key_put(scope: &KeyScope, key: &str, seq: u64, body: &Digest);
    value_put(digest: &Digest, bytes: &[u8]);
    row_put(seq: u64, row: &Row);
    rows_clear();
    text_put(text: &Text);
    plain_put(kind: &str, key: &str, bytes: &[u8]);
    plain_remove(kind: &str, key: &str);
    counter_put(name: &str, value: u64);
}
