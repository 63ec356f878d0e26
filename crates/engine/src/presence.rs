//! Until when a server had the record open. A quiet record does not tell by its last entry, and a start that asks whether
//! the clock can be believed has to know. It is a plain row beside the record, not an entry: nothing happened.

use crate::dispatch::Engine;
use crate::restore;
use crate::store::{Read, Store, StoreError};
use trunkline_domain::foundation::Timestamp;

/// The plain row that holds it, in milliseconds.
const ROW: &str = "open-until";

/// Until when the record was open, as far as was noted: never before its last entry, nor, after a restore, before the backup
/// was taken.
pub fn open_until<R: Read>(store: &R) -> Result<Timestamp, StoreError> {
    let noted = match store.plain(ROW, "")? {
        None => Timestamp::default(),
        Some(bytes) => parse(&bytes).ok_or_else(|| StoreError::Damaged("the time until when the record was open".to_owned()))?,
    };
    let taken_at = restore::mark(store)?.map(|backup| backup.taken_at).unwrap_or_default();
    Ok(noted.max(store.head()?.at).max(taken_at))
}

/// Notes in the transaction that is under way that the record is open.
pub fn note_open<S: Store>(store: &mut S, now: Timestamp) -> Result<(), StoreError> {
    store.plain_put(ROW, "", now.0.to_string().as_bytes())
}

impl<S: Store> Engine<S> {
    /// Notes that the record is open, in a transaction of its own. [`StoreError::Full`] can be taken back.
    pub fn note_open(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.store.begin()?;
        note_open(&mut self.store, now)?;
        self.store.commit()
    }
}

fn parse(bytes: &[u8]) -> Option<Timestamp> {
    std::str::from_utf8(bytes).ok()?.parse().ok().map(Timestamp)
}
