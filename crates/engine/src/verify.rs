//! Whether a ledger is what it says: hashes, order, completeness, and that folding it gives the stored states.

use crate::kept::Kept;
use crate::state::load;
use crate::store::{Read, Store, StoreError, StoredEntry};
use std::collections::{BTreeMap, HashMap};
use trunkline_domain::foundation::{Digest, ProjectKey, Timestamp};
use trunkline_domain::ledger::{Entry, Frontier, leaf_hash};
use trunkline_domain::reading::{Row, rows};
use trunkline_domain::record::{Fact, Key, State, evolve};

/// Entries read at once.
const PAGE: u32 = 500;

/// What was found to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Entries checked.
    pub entries: u64,
    /// The tree's root.
    pub root: Digest,
    /// States that fold to what is stored.
    pub states: usize,
    /// Words of people that are kept beside the record and are what was recorded.
    pub texts: usize,
    /// Words that were erased since.
    pub erased: usize,
}

/// What is wrong with a ledger.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry's bytes are not those that were recorded.
    #[error("entry {seq} was changed: its bytes hash to {found}, but {recorded} was recorded for it")]
    Changed {
        /// Which entry.
        seq: u64,
        /// What its bytes hash to.
        found: Digest,
        /// What was recorded.
        recorded: Digest,
    },
    /// An entry is missing or in the wrong place.
    #[error("entry {expected} is missing: entry {found} stands in its place")]
    Gap {
        /// Which entry should come.
        expected: u64,
        /// Which entry came.
        found: u64,
    },
    /// An entry does not say what an entry must.
    #[error("entry {seq} makes no sense: {reason}")]
    Nonsense {
        /// Which entry.
        seq: u64,
        /// Why.
        reason: String,
    },
    /// The entries are not those that the head was made from.
    #[error("the ledger's head says {head} entries with root {head_root}, but its entries make {entries} with root {root}")]
    Head {
        /// What the head says.
        head: u64,
        /// What the head says.
        head_root: Digest,
        /// What the entries make.
        entries: u64,
        /// What the entries make.
        root: Digest,
    },
    /// The root is not the one that was kept elsewhere.
    #[error("the ledger has another history: its root at {size} entries is {found}, but the one that was kept is {kept}")]
    Root {
        /// At which size.
        size: u64,
        /// What the entries make.
        found: Digest,
        /// What was kept.
        kept: Digest,
    },
    /// A state is not what its facts make.
    #[error("{key} is stored otherwise than its facts make it")]
    State {
        /// Which.
        key: String,
    },
    /// Words that are kept beside the record are not those that were recorded.
    #[error("the words of {of} were changed: they hash to {found}, but {recorded} was recorded")]
    Text {
        /// Whose.
        of: String,
        /// What they hash to.
        found: Digest,
        /// What was recorded.
        recorded: Digest,
    },
    /// A plan that a fact names is missing or changed.
    #[error("the plan of {of}, {digest}, is {state}")]
    Plan {
        /// Whose.
        of: String,
        /// Its digest.
        digest: Digest,
        /// `missing` or `changed`.
        state: &'static str,
    },
    /// A counter stands lower than what was counted: the next number would be given twice.
    #[error("the counter {name} says {found}, but {counted} were counted")]
    Counter {
        /// Which.
        name: String,
        /// What is stored.
        found: u64,
        /// What the entries make.
        counted: u64,
    },
    /// A reading row is not what the facts make.
    #[error("reading row {table} {key} is stored otherwise than the facts make it")]
    Row {
        /// Which table.
        table: &'static str,
        /// Which key.
        key: String,
    },
}

/// Folds a ledger.
#[derive(Default)]
struct Fold {
    states: HashMap<Key, State>,
    frontier: Frontier,
    at: Timestamp,
    project_seqs: HashMap<ProjectKey, u64>,
    rows: BTreeMap<(&'static str, String), Vec<u8>>,
    kept: Kept,
}

/// Checks the whole ledger, every state and every reading row. `kept` is a root that was kept elsewhere, with the ledger's size then (absent: its size now).
pub fn verify<R: Read + ?Sized>(store: &R, kept: Option<(Option<u64>, Digest)>) -> Result<Verification, VerifyError> {
    let (size, root) = verify_hashes(store, kept)?;
    let mut fold = Fold::default();
    each_entry(store, |stored| fold.take(stored))?;
    fold.compare(store)?;
    let (texts, erased) = fold.kept.compare(store)?;
    fold.counters(store)?;
    Ok(Verification { entries: size, root, states: fold.states.len(), texts, erased })
}

/// Hashes alone, before anything is believed that the entries say.
fn verify_hashes<R: Read + ?Sized>(store: &R, kept: Option<(Option<u64>, Digest)>) -> Result<(u64, Digest), VerifyError> {
    let head = store.head()?.frontier;
    let mut frontier = Frontier::default();
    let mut root_then = None;
    each_entry(store, |stored| {
        check_leaf(stored, frontier.size() + 1)?;
        frontier.append(stored.leaf);
        if let Some((Some(size), _)) = kept
            && frontier.size() == size
        {
            root_then = Some(frontier.root());
        }
        Ok(())
    })?;
    let (size, root) = (frontier.size(), frontier.root());
    if let Some((at, kept)) = kept {
        let found = if at.is_none() { root } else { root_then.unwrap_or(root) };
        if found != kept {
            return Err(VerifyError::Root { size: at.unwrap_or(size), found, kept });
        }
    }
    if head != frontier {
        return Err(VerifyError::Head { head: head.size(), head_root: head.root(), entries: size, root });
    }
    Ok((size, root))
}

fn check_leaf(stored: &StoredEntry, expected: u64) -> Result<(), VerifyError> {
    let seq = stored.seq;
    if seq != expected {
        return Err(VerifyError::Gap { expected, found: seq });
    }
    let found = leaf_hash(&stored.bytes);
    if found != stored.leaf {
        return Err(VerifyError::Changed { seq, found, recorded: stored.leaf });
    }
    Ok(())
}

fn each_entry<R: Read + ?Sized>(store: &R, mut take: impl FnMut(&StoredEntry) -> Result<(), VerifyError>) -> Result<(), VerifyError> {
    let mut after = 0;
    loop {
        let page = store.entries(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.seq;
        for stored in &page {
            take(stored)?;
        }
    }
}

impl Fold {
    fn take(&mut self, stored: &StoredEntry) -> Result<(), VerifyError> {
        let seq = stored.seq;
        check_leaf(stored, self.frontier.size() + 1)?;
        let nonsense = |reason: String| VerifyError::Nonsense { seq, reason };
        let entry: Entry<Fact> = serde_json::from_slice(&stored.bytes).map_err(|error| nonsense(error.to_string()))?;
        if entry.seq != seq || entry.at < self.at || entry.facts.is_empty() {
            return Err(nonsense("its place, its time or its facts do not fit".to_owned()));
        }
        if let Some(project) = &entry.project {
            let next = self.project_seqs.entry(project.clone()).or_default();
            *next += 1;
            if entry.project_seq != Some(*next) {
                return Err(nonsense(format!("it is number {:?} of project {project}, expected {next}", entry.project_seq)));
            }
        }
        self.frontier.append(stored.leaf);
        self.at = entry.at;
        // A forged entry may break what rooms rely on. That is an answer here, not a crash.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.evolve(&entry)))
            .map_err(|_| VerifyError::Nonsense { seq, reason: "its facts cannot follow those before it".to_owned() })
    }

    fn evolve(&mut self, entry: &Entry<Fact>) {
        for fact in &entry.facts {
            self.kept.note(fact);
            let Some(key) = fact.key() else { continue };
            let state = self.states.remove(&key);
            if let Some(state) = evolve(state, fact, entry.at) {
                self.states.insert(key, state);
            }
        }
        // Rows are written from the states at the end of an entry, as the dispatcher does.
        for fact in &entry.facts {
            let Some(state) = fact.key().and_then(|key| self.states.get(&key)) else { continue };
            for row in rows(fact, state, entry.at) {
                self.rows.insert((row.table.name(), row.key), row.body);
            }
        }
    }

    /// The next number of each kind must be a new one.
    fn counters<R: Read + ?Sized>(&self, store: &R) -> Result<(), VerifyError> {
        let entries = self.project_seqs.iter().map(|(project, count)| (format!("entry/{project}"), *count));
        for (name, counted) in entries.chain(self.kept.numbers.iter().map(|(name, number)| (name.clone(), *number))) {
            let found = store.counter(&name)?;
            if found < counted {
                return Err(VerifyError::Counter { name, found, counted });
            }
        }
        Ok(())
    }

    fn compare<R: Read + ?Sized>(&self, store: &R) -> Result<(), VerifyError> {
        for key in store.keys()? {
            let stored = load(store, &key)?;
            if stored.as_ref() != self.states.get(&key) {
                return Err(VerifyError::State { key: key.to_string() });
            }
        }
        for (key, state) in &self.states {
            let mut expected = state.pieces();
            let mut stored = store.aggregate(key)?.unwrap_or_default();
            expected.sort();
            stored.sort();
            if expected != stored {
                return Err(VerifyError::State { key: key.to_string() });
            }
        }
        for table in trunkline_domain::reading::Table::ALL {
            for ((name, key), body) in self.rows.range((table.name(), String::new())..).take_while(|((name, _), _)| *name == table.name()) {
                if store.row(table, key)?.as_ref() != Some(body) {
                    return Err(VerifyError::Row { table: name, key: key.clone() });
                }
            }
        }
        Ok(())
    }
}

/// Makes the reading rows again from the ledger. Commits that pushes brought along are kept as they are.
pub fn rebuild_rows<S: Store>(store: &mut S) -> Result<u64, VerifyError> {
    let mut fold = Fold::default();
    let mut written: Vec<(u64, Row)> = Vec::new();
    each_entry(store, |stored| {
        fold.rows.clear();
        fold.take(stored)?;
        for table in trunkline_domain::reading::Table::ALL {
            let rows = fold.rows.iter().filter(|((name, _), _)| *name == table.name());
            written.extend(rows.map(|((_, key), body)| (stored.seq, Row { table, key: key.clone(), body: body.clone() })));
        }
        Ok(())
    })?;
    store.begin()?;
    store.rows_clear()?;
    for (seq, row) in &written {
        store.row_put(*seq, row)?;
    }
    store.commit()?;
    Ok(written.len() as u64)
}
