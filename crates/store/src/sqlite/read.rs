//! Reading the database: beside the writer, in its own transaction, or one committed state that stays.

use super::{SqliteStore, failed, settle};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use trunkline_domain::foundation::{Digest, Timestamp};
use trunkline_domain::piece::Piece;
use trunkline_domain::reading::Table;
use trunkline_domain::record::Key;
use trunkline_engine::{Head, KeyScope, Read, StoreError, StoredEntry, Text};

/// Read connections kept open.
const READERS_MAX: usize = 4;

/// Any number of readers. Each call sees one committed state.
pub struct SqliteReader {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// One committed state, however the writer goes on meanwhile.
pub struct SqliteSnapshot {
    connection: Connection,
}

impl SqliteReader {
    /// Opens an existing database for reading.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let reader = Self { path: path.to_owned(), idle: Mutex::new(Vec::new()) };
        let connection = reader.connect()?;
        reader.give_back(connection);
        Ok(reader)
    }

    /// What is committed now, for questions that must agree with each other.
    pub fn snapshot(&self) -> Result<SqliteSnapshot, StoreError> {
        let connection = self.connect()?;
        // The first read of the transaction fixes what all later ones see.
        connection.execute_batch("begin; select count(*) from head;").map_err(failed("beginning to read"))?;
        Ok(SqliteSnapshot { connection })
    }

    /// Writes what is committed now into a new database, while the writer goes on. Needs no more memory for more entries.
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let path = path.to_str().ok_or_else(|| StoreError::Damaged(format!("{} is not UTF-8", path.display())))?;
        self.with(|connection| connection.execute("vacuum into $1", [path]).map(drop).map_err(failed("copying the database")))
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(failed("opening the database for reading"))?;
        settle(&connection).map_err(failed("opening the database for reading")).map(|()| connection)
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if idle.len() < READERS_MAX {
            idle.push(connection);
        }
    }

    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let result = read(&connection);
        self.give_back(connection);
        result
    }
}

/// The reading half, for a connection of either kind.
pub(super) mod reading {
    use super::*;

    pub fn head(connection: &Connection) -> Result<Head, StoreError> {
        let row = one(connection, "select frontier, at, starts from head", [], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get::<_, u32>(2)?))
        })?;
        let Some((frontier, at, starts)) = row else { return Ok(Head::default()) };
        let frontier = serde_json::from_slice(&frontier).map_err(|error| StoreError::Damaged(format!("the head: {error}")))?;
        Ok(Head { frontier, at: Timestamp(at), starts })
    }

    pub fn one<T>(
        connection: &Connection,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        connection.prepare_cached(sql).and_then(|mut statement| statement.query_row(params, read).optional()).map_err(failed("reading"))
    }

    pub fn all<T>(
        connection: &Connection,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let read_all = |mut statement: rusqlite::CachedStatement<'_>| statement.query_map(params, read)?.collect();
        connection.prepare_cached(sql).and_then(read_all).map_err(failed("reading"))
    }

    pub fn digest(bytes: Vec<u8>) -> Result<Digest, StoreError> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| StoreError::Damaged("a digest is not 32 bytes long".to_owned()))?;
        Ok(Digest::from_bytes(bytes))
    }

    pub fn entries(connection: &Connection, after: u64, limit: u32) -> Result<Vec<StoredEntry>, StoreError> {
        let sql = "select seq, bytes, leaf from entry where seq > $1 order by seq limit $2";
        let rows = all(connection, sql, params![after as i64, limit], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?))
        })?;
        let leaf = |seq: i64, leaf| digest(leaf).map_err(|_| StoreError::Damaged(format!("the hash of entry {seq} is not 32 bytes long")));
        rows.into_iter().map(|(seq, bytes, hash)| Ok(StoredEntry { seq: seq as u64, bytes, leaf: leaf(seq, hash)? })).collect()
    }

    pub fn keys(connection: &Connection, sql: &str) -> Result<Vec<Key>, StoreError> {
        let rows = all(connection, sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let key =
            |(kind, id): (String, String)| Key::parse(&kind, &id).ok_or_else(|| StoreError::Damaged(format!("{kind} {id} is no key")));
        rows.into_iter().map(key).collect()
    }

    pub fn rows(
        connection: &Connection,
        table: Table,
        prefix: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let end = before.map_or_else(|| format!("{prefix}\u{10ffff}"), str::to_owned);
        let sql = "select key, body from reading where name = $1 and key >= $2 and key < $3 and to_seq is null order by key desc limit $4";
        all(connection, sql, params![table.name(), prefix, end, limit], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    pub fn text(connection: &Connection, digest: &Digest) -> Result<Option<Text>, StoreError> {
        let sql = "select salt, text from text where digest = $1";
        let row = one(connection, sql, [digest.as_bytes().as_slice()], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?)))?;
        let Some((salt, text)) = row else { return Ok(None) };
        let salt: [u8; 16] = salt.try_into().map_err(|_| StoreError::Damaged("a salt is not 16 bytes long".to_owned()))?;
        Ok(Some(Text { salt, text }))
    }
}

macro_rules! read_methods {
    ($($with:tt)*) => {
        fn head(&self) -> Result<Head, StoreError> {
            $($with)*!(self, |connection| reading::head(connection))
        }

        fn aggregate(&self, key: &Key) -> Result<Option<Vec<Piece>>, StoreError> {
            let sql = "select piece, state from aggregate where kind = $1 and id = $2 order by piece";
            let pieces: Vec<Piece> = $($with)*!(self, |connection| reading::all(connection, sql, params![key.kind(), key.id()], |row| Ok((row.get(0)?, row.get(1)?))))?;
            Ok(if pieces.is_empty() { None } else { Some(pieces) })
        }

        fn keys(&self) -> Result<Vec<Key>, StoreError> {
            $($with)*!(self, |connection| reading::keys(connection, "select kind, id from aggregate where piece = ''"))
        }

        fn entries(&self, after: u64, limit: u32) -> Result<Vec<StoredEntry>, StoreError> {
            $($with)*!(self, |connection| reading::entries(connection, after, limit))
        }

        fn value(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
            $($with)*!(self, |connection| reading::one(connection, "select bytes from value where digest = $1", [digest.as_bytes().as_slice()], |row| row.get(0)))
        }

        fn row(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
            let sql = "select body from reading where name = $1 and key = $2 and to_seq is null";
            $($with)*!(self, |connection| reading::one(connection, sql, params![table.name(), key], |row| row.get(0)))
        }

        fn rows(&self, table: Table, prefix: &str, before: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
            $($with)*!(self, |connection| reading::rows(connection, table, prefix, before, limit))
        }

        fn row_history(&self, table: Table, key: &str, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
            let sql = "select from_seq, body from reading where name = $1 and key = $2 order by from_seq desc limit $3";
            let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?));
            $($with)*!(self, |connection| reading::all(connection, sql, params![table.name(), key, limit], read))
        }

        fn text(&self, digest: &Digest) -> Result<Option<Text>, StoreError> {
            $($with)*!(self, |connection| reading::text(connection, digest))
        }

        fn plain(&self, kind: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
            $($with)*!(self, |connection| reading::one(connection, "select bytes from plain where kind = $1 and key = $2", params![kind, key], |row| row.get(0)))
        }

        fn plain_list(&self, kind: &str, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
            let sql = "select key, bytes from plain where kind = $1 order by key limit $2";
            $($with)*!(self, |connection| reading::all(connection, sql, params![kind, limit], |row| Ok((row.get(0)?, row.get(1)?))))
        }

        fn command_key(&self, scope: &KeyScope, key: &str) -> Result<Option<(u64, Digest)>, StoreError> {
            let sql = "select seq, body from command_key where project = $1 and key = $2";
            let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
            let row = $($with)*!(self, |connection| reading::one(connection, sql, params![scope.as_str(), key], read))?;
            row.map(|(seq, body)| Ok((seq as u64, reading::digest(body)?))).transpose()
        }

        fn counter(&self, name: &str) -> Result<u64, StoreError> {
            let value: Option<i64> = $($with)*!(self, |connection| reading::one(connection, "select value from counter where name = $1", [name], |row| row.get(0)))?;
            Ok(value.unwrap_or(0) as u64)
        }
    };
}

macro_rules! direct {
    ($self:ident, |$connection:ident| $read:expr) => {{
        let $connection = &$self.connection;
        $read
    }};
}

macro_rules! pooled {
    ($self:ident, |$connection:ident| $read:expr) => {
        $self.with(|$connection| $read)
    };
}

impl Read for SqliteStore {
    read_methods!(direct);
}

impl Read for SqliteSnapshot {
    read_methods!(direct);
}

impl Read for SqliteReader {
    read_methods!(pooled);
}
