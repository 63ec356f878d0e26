//! Runners that die, sleep, repeat themselves and come too late.

use trunkline_api::runner::{Assignment, Lease, Outcome};
use trunkline_domain::foundation::{RunnerKey, Timestamp};

/// A simulated runner with one slot.
#[derive(Clone, Debug)]
pub struct SimRunner {
    /// Its name.
    pub key: RunnerKey,
    /// What it works on, since when.
    pub work: Option<(Assignment, Timestamp)>,
    /// What came of it: it acted, and only has to tell.
    pub outcome: Option<Outcome>,
    /// Until when it neither works nor renews.
    pub asleep_until: Timestamp,
    /// What does not get through, until when. It works on meanwhile.
    pub cut: Option<(Cut, Timestamp)>,
}

/// The direction in which a runner is cut off from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing reaches the server.
    Requests,
    /// The server hears it, and it does not hear the server.
    Answers,
}

impl SimRunner {
    /// The n-th runner.
    pub fn new(index: usize) -> Self {
        let key = format!("r{index}").parse().expect("a runner's name");
        Self { key, work: None, outcome: None, asleep_until: Timestamp(0), cut: None }
    }

    /// The lease that it believes to hold.
    pub fn lease(&self) -> Option<Lease> {
        self.work.as_ref().map(|(assignment, _)| assignment.lease.clone())
    }

    /// Forgets its work, as a killed one does.
    pub fn die(&mut self) {
        self.work = None;
        self.outcome = None;
    }

    /// What does not get through now.
    pub fn cut(&self, now: Timestamp) -> Option<Cut> {
        self.cut.filter(|(_, until)| *until > now).map(|(cut, _)| cut)
    }
}
