//! States in memory: loaded on demand, evolved in place, forgotten when a command is undone.

use crate::store::{Read, Store, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use trunkline_domain::foundation::{Digest, Timestamp};
use trunkline_domain::pipeline::Plan;
use trunkline_domain::record::{Fact, Key, State, evolve};

/// States kept in memory besides the open ones.
const CLOSED_MAX: usize = 2_000;
/// Plans kept in memory.
const PLANS_MAX: usize = 256;

#[derive(Default)]
pub(crate) struct States {
    loaded: HashMap<Key, State>,
    /// How many of them were open when room was last made.
    open: usize,
    plans: HashMap<Digest, Arc<Plan>>,
}

impl States {
    /// The state, from memory or from the store.
    pub fn get<S: Store>(&mut self, store: &S, key: &Key) -> Result<Option<&State>, StoreError> {
        if !self.loaded.contains_key(key) {
            let Some(state) = load(store, key)? else { return Ok(None) };
            self.make_room();
            self.loaded.insert(key.clone(), state);
        }
        Ok(self.loaded.get(key))
    }

    fn make_room(&mut self) {
        // Only after as many misses as there may be closed states, so that many open ones are not looked through each time.
        if self.loaded.len() > self.open + CLOSED_MAX {
            self.loaded.retain(|_, state| state.due().is_some());
            self.open = self.loaded.len();
        }
    }

    /// A state that is known to be loaded.
    pub fn loaded(&self, key: &Key) -> Option<&State> {
        self.loaded.get(key)
    }

    /// Evolves the fact's state, which must be loaded if it exists.
    pub fn evolve(&mut self, key: &Key, fact: &Fact, at: Timestamp) {
        let state = self.loaded.remove(key);
        if let Some(state) = evolve(state, fact, at) {
            self.loaded.insert(key.clone(), state);
        }
    }

    /// Forgets a state, so that it is read again.
    pub fn forget(&mut self, key: &Key) {
        self.loaded.remove(key);
    }

    /// A plan by its digest.
    pub fn plan<S: Store>(&mut self, store: &S, digest: &Digest) -> Result<Arc<Plan>, StoreError> {
        if let Some(plan) = self.plans.get(digest) {
            return Ok(plan.clone());
        }
        let bytes = store.value(digest)?.ok_or_else(|| StoreError::Damaged(format!("plan {digest} is missing")))?;
        let plan: Plan = serde_json::from_slice(&bytes).map_err(|error| StoreError::Damaged(format!("plan {digest}: {error}")))?;
        if self.plans.len() >= PLANS_MAX {
            self.plans.clear();
        }
        let plan = Arc::new(plan);
        self.plans.insert(*digest, plan.clone());
        Ok(plan)
    }
}

/// The state as it is stored.
pub(crate) fn load<S: Read + ?Sized>(store: &S, key: &Key) -> Result<Option<State>, StoreError> {
    let Some(pieces) = store.aggregate(key)? else { return Ok(None) };
    let state = State::from_pieces(key, &pieces).map_err(|error| StoreError::Damaged(format!("{key}: {error}")))?;
    Ok(Some(state))
}
