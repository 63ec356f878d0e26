//! Runners that die, sleep, repeat themselves and come too late.

use trunkline_api::runner::{Assignment, Lease};
use trunkline_domain::foundation::{RunnerKey, Timestamp};

/// A simulated runner with one slot.
#[derive(Clone, Debug)]
pub struct SimRunner {
    /// Its name.
    pub key: RunnerKey,
    /// What it works on, since when.
    pub work: Option<(Assignment, Timestamp)>,
    /// Whether it has done its work on the target already, and only has to tell.
    pub acted: bool,
    /// Until when it neither works nor renews.
    pub asleep_until: Timestamp,
}

impl SimRunner {
    /// The n-th runner.
    pub fn new(index: usize) -> Self {
        let key = format!("r{index}").parse().expect("a runner's name");
        Self { key, work: None, acted: false, asleep_until: Timestamp(0) }
    }

    /// The lease that it believes to hold.
    pub fn lease(&self) -> Option<Lease> {
        self.work.as_ref().map(|(assignment, _)| assignment.lease.clone())
    }

    /// Forgets its work, as a killed one does.
    pub fn die(&mut self) {
        self.work = None;
        self.acted = false;
    }
}
