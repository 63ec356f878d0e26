//! A store in memory: one ordered map and an undo log. What a crash leaves is what was committed.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use trunkline_domain::foundation::{Digest, ProjectKey, Timestamp};
use trunkline_domain::piece::Piece;
use trunkline_domain::reading::{Row, Table};
use trunkline_domain::record::Key;
use trunkline_engine::{Head, KeyScope, Read, Store, StoreError, StoredEntry, Text};

/// A store in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    map: BTreeMap<String, Vec<u8>>,
    /// What each written key held before, since `begin`.
    undo: Vec<(String, Option<Vec<u8>>)>,
    mark: usize,
    full: Arc<AtomicU32>,
}

/// Separates the words of a key; no word holds it.
const SEP: char = '\u{1f}';

fn path(words: &[&str]) -> String {
    words.join("\u{1f}")
}

impl MemoryStore {
    /// What a crash now would leave.
    pub fn crashed(mut self) -> Self {
        self.roll_back(0);
        self
    }

    /// Overwrites what is kept under a key, as somebody who has the database could. For tests of verification.
    pub fn forge(&mut self, words: &[&str], value: Vec<u8>) {
        self.put(path(words), value);
    }

    /// How many commits to come will find the disk full. For tests of what happens then.
    pub fn full(&self) -> Arc<AtomicU32> {
        self.full.clone()
    }

    fn put(&mut self, key: String, value: Vec<u8>) {
        let before = self.map.insert(key.clone(), value);
        self.undo.push((key, before));
    }

    fn remove(&mut self, key: &str) {
        if let Some(before) = self.map.remove(key) {
            self.undo.push((key.to_owned(), Some(before)));
        }
    }

    fn roll_back(&mut self, to: usize) {
        while self.undo.len() > to {
            let Some((key, before)) = self.undo.pop() else { return };
            match before {
                Some(value) => self.map.insert(key, value),
                None => self.map.remove(&key),
            };
        }
    }

    fn under<'a>(&'a self, prefix: &str) -> impl DoubleEndedIterator<Item = (&'a str, &'a Vec<u8>)> + use<'a> {
        let start = prefix.to_owned();
        let end = format!("{prefix}\u{10ffff}");
        self.map.range(start..end).map(|(key, value)| (key.as_str(), value))
    }
}

fn last_word(key: &str) -> &str {
    key.rsplit(SEP).next().unwrap_or(key)
}

impl Read for MemoryStore {
    fn head(&self) -> Result<Head, StoreError> {
        let Some(bytes) = self.map.get("head") else { return Ok(Head::default()) };
        let (frontier, at, starts) = serde_json::from_slice(bytes).map_err(|error| StoreError::Damaged(error.to_string()))?;
        Ok(Head { frontier, at, starts })
    }

    fn aggregate(&self, key: &Key) -> Result<Option<Vec<Piece>>, StoreError> {
        let prefix = path(&["aggregate", key.kind(), &key.id(), ""]);
        let pieces: Vec<Piece> = self.under(&prefix).map(|(key, value)| (last_word(key).to_owned(), value.clone())).collect();
        Ok(if pieces.is_empty() { None } else { Some(pieces) })
    }

    fn keys(&self) -> Result<Vec<Key>, StoreError> {
        let mut keys: Vec<Key> = Vec::new();
        for (path, _) in self.under(&path(&["aggregate", ""])) {
            let mut words = path.split(SEP).skip(1);
            if let (Some(kind), Some(id)) = (words.next(), words.next())
                && let Some(key) = Key::parse(kind, id)
                && keys.last() != Some(&key)
            {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    fn entries(&self, after: u64, limit: u32) -> Result<Vec<StoredEntry>, StoreError> {
        let from = path(&["entry", &format!("{:020}", after + 1)]);
        let until = path(&["entry", "\u{10ffff}"]);
        let page = self.map.range(from..until).take(limit as usize);
        page.map(|(key, value)| {
            let seq = last_word(key).parse().map_err(|_| StoreError::Damaged(key.clone()))?;
            let mut leaf = [0; 32];
            leaf.copy_from_slice(&value[..32]);
            Ok(StoredEntry { seq, bytes: value[32..].to_vec(), leaf: Digest::from_bytes(leaf) })
        })
        .collect()
    }

    fn value(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.map.get(&path(&["value", &digest.hex()])).cloned())
    }

    fn row(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.under(&path(&["row", table.name(), key, ""])).next_back().map(|(_, value)| value.clone()))
    }

    fn rows(&self, table: Table, prefix: &str, before: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let start = path(&["row", table.name(), prefix]);
        let end = match before {
            Some(before) => Bound::Excluded(path(&["row", table.name(), before])),
            None => Bound::Excluded(format!("{start}\u{10ffff}")),
        };
        let mut found: Vec<(String, Vec<u8>)> = Vec::new();
        for (key, value) in self.map.range((Bound::Included(start), end)).rev() {
            let name = key.split(SEP).nth(2).unwrap_or_default();
            // Newest version first, so the first of each key is the current one.
            if found.last().is_none_or(|(last, _)| last != name) {
                if found.len() == limit as usize {
                    break;
                }
                found.push((name.to_owned(), value.clone()));
            }
        }
        Ok(found)
    }

    fn row_history(&self, table: Table, key: &str, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let versions = self.under(&path(&["row", table.name(), key, ""])).rev().take(limit as usize);
        Ok(versions.map(|(key, value)| (last_word(key).parse().unwrap_or(0), value.clone())).collect())
    }

    fn text(&self, digest: &Digest) -> Result<Option<Text>, StoreError> {
        let Some(bytes) = self.map.get(&path(&["text", &digest.hex()])) else { return Ok(None) };
        let mut salt = [0; 16];
        salt.copy_from_slice(&bytes[..16]);
        Ok(Some(Text { salt, text: String::from_utf8_lossy(&bytes[16..]).into_owned() }))
    }

    fn plain(&self, kind: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.map.get(&path(&["plain", kind, key])).cloned())
    }

    fn plain_list(&self, kind: &str, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let rows = self.under(&path(&["plain", kind, ""])).take(limit as usize);
        Ok(rows.map(|(key, value)| (last_word(key).to_owned(), value.clone())).collect())
    }

    fn command_key(&self, scope: &KeyScope, key: &str) -> Result<Option<(u64, Digest)>, StoreError> {
        let Some(bytes) = self.map.get(&path(&["command", scope.as_str(), key])) else { return Ok(None) };
        serde_json::from_slice(bytes).map(Some).map_err(|error| StoreError::Damaged(error.to_string()))
    }

    fn counter(&self, name: &str) -> Result<u64, StoreError> {
        let bytes = self.map.get(&path(&["counter", name]));
        Ok(bytes.and_then(|bytes| String::from_utf8_lossy(bytes).parse().ok()).unwrap_or(0))
    }
}

impl Store for MemoryStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.undo.clear();
        self.mark = 0;
        Ok(())
    }

    fn mark(&mut self) -> Result<(), StoreError> {
        self.mark = self.undo.len();
        Ok(())
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        self.roll_back(self.mark);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.full.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(StoreError::Full);
        }
        self.undo.clear();
        Ok(())
    }

    fn abort(&mut self) -> Result<(), StoreError> {
        self.roll_back(0);
        Ok(())
    }

    fn aggregate_put(&mut self, key: &Key, pieces: &[Piece], due: Option<Timestamp>) -> Result<(), StoreError> {
        for (name, bytes) in pieces {
            self.put(path(&["aggregate", key.kind(), &key.id(), name]), bytes.clone());
        }
        let open = path(&["open", key.kind(), &key.id()]);
        match due {
            Some(due) => self.put(open, due.0.to_string().into_bytes()),
            None => self.remove(&open),
        }
        Ok(())
    }

    fn open_keys(&self) -> Result<Vec<Key>, StoreError> {
        let keys = self.under(&path(&["open", ""])).filter_map(|(key, _)| {
            let mut words = key.split(SEP).skip(1);
            Key::parse(words.next()?, words.next()?)
        });
        Ok(keys.collect())
    }

    fn entry_append(&mut self, entry: &StoredEntry, _project: Option<(&ProjectKey, u64)>) -> Result<(), StoreError> {
        let mut bytes = entry.leaf.as_bytes().to_vec();
        bytes.extend_from_slice(&entry.bytes);
        self.put(path(&["entry", &format!("{:020}", entry.seq)]), bytes);
        Ok(())
    }

    fn head_put(&mut self, head: &Head) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(&(&head.frontier, head.at, head.starts)).map_err(|error| StoreError::Damaged(error.to_string()))?;
        self.put("head".to_owned(), bytes);
        Ok(())
    }

    fn command_key_put(&mut self, scope: &KeyScope, key: &str, seq: u64, body: &Digest) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(&(seq, body)).map_err(|error| StoreError::Damaged(error.to_string()))?;
        self.put(path(&["command", scope.as_str(), key]), bytes);
        Ok(())
    }

    fn value_put(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(path(&["value", &digest.hex()]), bytes.to_vec());
        Ok(())
    }

    fn row_put(&mut self, seq: u64, row: &Row) -> Result<(), StoreError> {
        self.put(path(&["row", row.table.name(), &row.key, &format!("{seq:020}")]), row.body.clone());
        Ok(())
    }

    fn rows_clear(&mut self) -> Result<(), StoreError> {
        let kept = path(&["row", Table::Commit.name(), ""]);
        let keys: Vec<String> =
            self.under(&path(&["row", ""])).map(|(key, _)| key.to_owned()).filter(|key| !key.starts_with(&kept)).collect();
        for key in keys {
            self.remove(&key);
        }
        Ok(())
    }

    fn text_put(&mut self, text: &Text) -> Result<(), StoreError> {
        let mut bytes = text.salt.to_vec();
        bytes.extend_from_slice(text.text.as_bytes());
        self.put(path(&["text", &text.digest().hex()]), bytes);
        Ok(())
    }

    fn plain_put(&mut self, kind: &str, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(path(&["plain", kind, key]), bytes.to_vec());
        Ok(())
    }

    fn plain_remove(&mut self, kind: &str, key: &str) -> Result<(), StoreError> {
        self.remove(&path(&["plain", kind, key]));
        Ok(())
    }

    fn counter_put(&mut self, name: &str, value: u64) -> Result<(), StoreError> {
        self.put(path(&["counter", name]), value.to_string().into_bytes());
        Ok(())
    }
}
