//! The embedded store: SQLite in WAL mode with `synchronous=FULL`, one writer, readers beside it.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use trunkline_domain::foundation::{Digest, ProjectKey, Timestamp};
use trunkline_domain::piece::Piece;
use trunkline_domain::reading::{Row, Table};
use trunkline_domain::record::Key;
use trunkline_engine::{Head, KeyScope, Read, Store, StoreError, StoredEntry, Text};

/// The schema's version, in SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 1;
/// Read connections kept open.
const READERS_MAX: usize = 4;
/// Statements kept prepared for each connection.
const STATEMENTS_MAX: usize = 64;

/// The one writer.
pub struct SqliteStore {
    connection: Connection,
    /// Whether the transaction has a mark.
    marked: bool,
}

/// Any number of readers. Each call sees one committed state.
pub struct SqliteReader {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// One committed state, however the writer goes on meanwhile.
pub struct SqliteSnapshot {
    connection: Connection,
}

fn failed(what: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
        _ => StoreError::Failed { what: what.to_owned(), source: Box::new(source) },
    }
}

/// What holds for every connection.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Otherwise a statement with `limit $n` is prepared anew whenever it is used: the planner wants to see the number.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "busy_timeout", 5_000)
}

impl SqliteStore {
    /// Opens or creates the database. Refuses one of a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path).map_err(failed("opening the database"))?;
        let fail = failed("setting up the database");
        settle(&connection).map_err(&fail)?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(&fail)?;
        connection.pragma_update(None, "synchronous", "full").map_err(&fail)?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&fail)?;
        match version {
            0 => connection
                .execute_batch(&format!("begin immediate; {} pragma user_version = {SCHEMA_VERSION}; commit;", include_str!("schema.sql")))
                .map_err(&fail)?,
            SCHEMA_VERSION => {}
            newer => {
                // Not damaged: its owner would look for a backup.
                let why = format!("it has version {newer}, this program knows {SCHEMA_VERSION}: use the one that wrote it, or a newer one");
                return Err(StoreError::Failed { what: format!("opening {}", path.display()), source: why.into() });
            }
        }
        let store = Self { connection, marked: false };
        store.settle_log()?;
        Ok(store)
    }

    /// Puts into the database what an earlier process left in its log. Where that one ended because the log could not be
    /// flushed, the kernel shows pages that no disk has, and would not write them again: whatever came after them would be
    /// lost with them. Nobody is waited for, so that a backup does not hold up a start.
    fn settle_log(&self) -> Result<(), StoreError> {
        let fail = failed("settling the database's log");
        self.connection.pragma_update(None, "busy_timeout", 0).map_err(&fail)?;
        self.connection.query_row("pragma wal_checkpoint(passive)", [], |_| Ok(())).map_err(&fail)?;
        settle(&self.connection).map_err(&fail)
    }

    /// Checks every page of the database: that none is torn, and that each index says what its table says.
    pub fn check_pages(&self) -> Result<(), StoreError> {
        let found: String =
            self.connection.query_row("pragma integrity_check(1)", [], |row| row.get(0)).map_err(failed("checking the database"))?;
        if found == "ok" { Ok(()) } else { Err(StoreError::Damaged(found)) }
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(failed("writing"))
    }
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
mod reading {
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

impl Store for SqliteStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.marked = false;
        self.run("begin immediate", []).map(drop)
    }

    fn mark(&mut self) -> Result<(), StoreError> {
        if self.marked {
            self.run("release call", [])?;
        }
        self.marked = true;
        self.run("savepoint call", []).map(drop)
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        self.run("rollback to call", []).map(drop)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.run("commit", []).map(drop)
    }

    fn abort(&mut self) -> Result<(), StoreError> {
        // Some failures end the transaction themselves: a full disk may.
        if self.connection.is_autocommit() { Ok(()) } else { self.run("rollback", []).map(drop) }
    }

    fn aggregate_put(&mut self, key: &Key, pieces: &[Piece], due: Option<Timestamp>) -> Result<(), StoreError> {
        let (kind, id) = (key.kind(), key.id());
        for (name, bytes) in pieces {
            let sql = "insert into aggregate (kind, id, piece, state) values ($1, $2, $3, $4) on conflict (kind, id, piece) do update set state = excluded.state";
            self.run(sql, params![kind, id, name, bytes])?;
        }
        match due {
            Some(due) => {
                let sql =
                    "insert into open (kind, id, due_at) values ($1, $2, $3) on conflict (kind, id) do update set due_at = excluded.due_at";
                self.run(sql, params![kind, id, due.0])?
            }
            None => self.run("delete from open where kind = $1 and id = $2", params![kind, id])?,
        };
        Ok(())
    }

    fn open_keys(&self) -> Result<Vec<Key>, StoreError> {
        reading::keys(&self.connection, "select kind, id from open")
    }

    fn entry_append(&mut self, entry: &StoredEntry, project: Option<(&ProjectKey, u64)>) -> Result<(), StoreError> {
        let (project, project_seq) = project.map_or((None, None), |(project, seq)| (Some(project.as_str()), Some(seq as i64)));
        let sql = "insert into entry (seq, bytes, leaf, project, project_seq) values ($1, $2, $3, $4, $5)";
        self.run(sql, params![entry.seq as i64, entry.bytes, entry.leaf.as_bytes().as_slice(), project, project_seq]).map(drop)
    }

    fn head_put(&mut self, head: &Head) -> Result<(), StoreError> {
        let frontier = serde_json::to_vec(&head.frontier).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let sql = "insert into head (one, frontier, at, starts) values (1, $1, $2, $3) on conflict (one) do update set frontier = excluded.frontier, at = excluded.at, starts = excluded.starts";
        self.run(sql, params![frontier, head.at.0, head.starts]).map(drop)
    }

    fn command_key_put(&mut self, scope: &KeyScope, key: &str, seq: u64, body: &Digest) -> Result<(), StoreError> {
        let sql = "insert into command_key (project, key, seq, body) values ($1, $2, $3, $4)";
        self.run(sql, params![scope.as_str(), key, seq as i64, body.as_bytes().as_slice()]).map(drop)
    }

    fn value_put(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let sql = "insert into value (digest, bytes) values ($1, $2) on conflict (digest) do nothing";
        self.run(sql, params![digest.as_bytes().as_slice(), bytes]).map(drop)
    }

    fn row_put(&mut self, seq: u64, row: &Row) -> Result<(), StoreError> {
        let (name, seq) = (row.table.name(), seq as i64);
        self.run("update reading set to_seq = $1 where name = $2 and key = $3 and to_seq is null", params![seq, name, row.key])?;
        let sql = "insert into reading (name, key, from_seq, body) values ($1, $2, $3, $4) on conflict (name, key, from_seq) do update set body = excluded.body, to_seq = null";
        self.run(sql, params![name, row.key, seq, row.body]).map(drop)
    }

    fn rows_clear(&mut self) -> Result<(), StoreError> {
        self.run("delete from reading where name <> $1", [Table::Commit.name()]).map(drop)
    }

    fn text_put(&mut self, text: &Text) -> Result<(), StoreError> {
        let sql = "insert into text (digest, salt, text) values ($1, $2, $3) on conflict (digest) do nothing";
        self.run(sql, params![text.digest().as_bytes().as_slice(), text.salt.as_slice(), text.text]).map(drop)
    }

    fn plain_put(&mut self, kind: &str, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let sql = "insert into plain (kind, key, bytes) values ($1, $2, $3) on conflict (kind, key) do update set bytes = excluded.bytes";
        self.run(sql, params![kind, key, bytes]).map(drop)
    }

    fn plain_remove(&mut self, kind: &str, key: &str) -> Result<(), StoreError> {
        self.run("delete from plain where kind = $1 and key = $2", params![kind, key]).map(drop)
    }

    fn counter_put(&mut self, name: &str, value: u64) -> Result<(), StoreError> {
        let sql = "insert into counter (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value";
        self.run(sql, params![name, value as i64]).map(drop)
    }
}
