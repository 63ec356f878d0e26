//! The embedded store: SQLite in WAL mode with `synchronous=FULL`, one writer, readers beside it.

mod read;

pub use read::{SqliteReader, SqliteSnapshot};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};
use std::path::Path;
use trunkline_domain::foundation::{Digest, ProjectKey, Timestamp};
use trunkline_domain::piece::Piece;
use trunkline_domain::reading::{Row, Table};
use trunkline_domain::record::Key;
use trunkline_engine::{Head, KeyScope, Store, StoreError, StoredEntry, Text};

/// The schema's version, in SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 1;
/// Statements kept prepared for each connection.
const STATEMENTS_MAX: usize = 64;

/// The one writer.
pub struct SqliteStore {
    connection: Connection,
    /// Whether the transaction has a mark.
    marked: bool,
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
        read::reading::keys(&self.connection, "select kind, id from open")
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
