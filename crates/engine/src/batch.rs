//! Many calls in one transaction: the unit of what is kept or lost together.

use crate::dispatch::Engine;
use crate::request::{Answer, Call};
use crate::store::{Store, StoreError};
use trunkline_domain::foundation::Timestamp;

impl<S: Store> Engine<S> {
    /// Does the calls in one transaction and answers each. An error means that nothing of
    /// the batch is kept; [`StoreError::Full`] can be taken back, after any other the process must end.
    pub fn execute(&mut self, calls: Vec<Call>, now: Timestamp) -> Result<Vec<Answer>, StoreError> {
        self.begin()?;
        let answers = calls.into_iter().map(|call| self.answer(call, now)).collect::<Result<_, _>>()?;
        self.commit()?;
        Ok(answers)
    }

    /// Begins a batch, for a caller who does not know all of its calls yet.
    pub fn begin(&mut self) -> Result<(), StoreError> {
        self.size_before = self.head.frontier.size();
        self.dirty = false;
        self.store.begin()
    }

    /// Does one call of the batch. Nothing of it is durable yet.
    pub fn answer(&mut self, call: Call, now: Timestamp) -> Result<Answer, StoreError> {
        // Engine time never goes back, whatever the caller's clock does.
        self.now = self.now.max(now).max(self.head.at);
        match call {
            Call::Command(request) => self.request(*request),
            Call::TryOut(request) => self.try_out(*request),
            Call::Claim(claim) => self.claim(&claim),
            Call::Report(report) => self.report(*report),
            Call::Renew(renew) => self.renew(&renew),
            Call::Resume(actor) => self.resume(&actor),
        }
    }

    /// Whether anything of the batch has to be kept.
    pub fn has_news(&self) -> bool {
        self.head.frontier.size() != self.size_before || self.dirty
    }

    /// Ends the batch: all of it is durable now.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        if !self.has_news() {
            // Nothing has to be flushed.
            return self.store.abort();
        }
        self.store.head_put(&self.head)?;
        self.store.commit()
    }

    /// A batch did not fit on the disk: forgets it, and goes on from what is stored. Numbers of leases and ids that it
    /// used are not used again.
    pub fn take_back(&mut self) -> Result<(), StoreError> {
        self.store.abort()?;
        self.head = self.store.head()?;
        self.load()
    }
}
