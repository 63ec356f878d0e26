//! The leases that this runner holds, and what the server last said of them.

use crate::failure::Failure;
use crate::port::CallError;
use nix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use trunkline_api::runner::{Lease, QUIET_AFTER, RenewReply};

/// What the server last said of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Go on.
    Held,
    /// End the work, then report it as cancelled.
    Cancelled,
    /// The runner stops: end the work, then report it as lost.
    Abandoned,
    /// End the work and report nothing.
    Lost,
}

/// One held lease, shared by the slot that works under it and the thread that renews it.
pub struct Hold {
    /// The right.
    pub lease: Lease,
    standing: AtomicU8,
    /// Boottime in milliseconds at which the last acknowledged renewal was sent.
    renewed_ms: AtomicU64,
}

impl Hold {
    /// A lease granted by an answer that has just come.
    pub fn new(lease: Lease) -> Arc<Self> {
        Arc::new(Self { lease, standing: AtomicU8::new(Standing::Held as u8), renewed_ms: AtomicU64::new(boottime_ms()) })
    }

    /// What the server last said.
    pub fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Acquire) {
            0 => Standing::Held,
            1 => Standing::Cancelled,
            2 => Standing::Abandoned,
            _ => Standing::Lost,
        }
    }

    /// Notes a worse standing; a better one is ignored.
    pub fn worsen(&self, standing: Standing) {
        self.standing.fetch_max(standing as u8, Ordering::AcqRel);
    }

    /// Notes an acknowledged renewal by the boottime at which it was *sent*: the server's own clock started no earlier.
    pub fn renewed(&self, sent_ms: u64) {
        self.renewed_ms.fetch_max(sent_ms, Ordering::AcqRel);
    }

    /// Whether the last acknowledged renewal is so old that no new part of a deployment may start (promise S6).
    pub fn is_quiet(&self) -> bool {
        boottime_ms().saturating_sub(self.renewed_ms.load(Ordering::Acquire)) >= QUIET_AFTER.0
    }
}

/// Every lease held.
#[derive(Default)]
pub struct Leases(Mutex<BTreeMap<Lease, Arc<Hold>>>);

impl Leases {
    fn held(&self) -> MutexGuard<'_, BTreeMap<Lease, Arc<Hold>>> {
        // A panic elsewhere cannot leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a lease.
    pub fn add(&self, hold: &Arc<Hold>) {
        self.held().insert(hold.lease.clone(), hold.clone());
    }

    /// Removes a lease whose work is reported.
    pub fn remove(&self, hold: &Hold) {
        self.held().remove(&hold.lease);
    }

    /// Every lease held.
    pub fn list(&self) -> Vec<Lease> {
        self.held().keys().cloned().collect()
    }

    /// Gives every lease a worse standing.
    pub fn worsen_all(&self, standing: Standing) {
        self.held().values().for_each(|hold| hold.worsen(standing));
    }

    /// Applies the answer to a renewal of `asked` that was sent at `sent_ms`.
    pub fn answered(&self, asked: &[Lease], reply: &RenewReply, sent_ms: u64) {
        let held = self.held();
        for hold in asked.iter().filter_map(|lease| held.get(lease)) {
            if reply.lost.contains(&hold.lease) {
                hold.worsen(Standing::Lost);
            } else {
                hold.renewed(sent_ms);
            }
            if reply.cancel.contains(&hold.lease) {
                hold.worsen(Standing::Cancelled);
            }
        }
    }
}

/// Time since boot, sleep included: a suspended runner must notice that its lease is old.
pub fn boottime_ms() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(|time| Duration::from(time).as_millis() as u64).unwrap_or(u64::MAX)
}

/// Calls until the server answers, with growing pauses, while the lease is held and for about five minutes at most.
/// The inner failure is the runner's own (no disk, say): asking the server again would not mend it.
pub fn patiently<T>(hold: &Hold, mut call: impl FnMut() -> Result<Result<T, Failure>, CallError>) -> Result<T, Failure> {
    const ATTEMPTS_MAX: u32 = 65;
    let mut pause = Pause::default();
    let mut attempts = 0;
    loop {
        attempts += 1;
        match call() {
            Ok(done) => return done,
            Err(CallError::Unreachable(_)) if hold.standing() == Standing::Held && attempts < ATTEMPTS_MAX => {
                pause.wait(|| hold.standing() != Standing::Held);
            }
            Err(error) => return Err(Failure(error.to_string())),
        }
    }
}

/// Growing, jittered pauses between attempts to reach the server: 100 ms to 5 s.
#[derive(Default)]
pub struct Pause(u32);

impl Pause {
    /// Waits, unless `enough` becomes true meanwhile.
    pub fn wait(&mut self, enough: impl Fn() -> bool) {
        let longest_ms = (100_u64 << self.0.min(6)).min(5_000);
        self.0 += 1;
        // Half fixed, half random: many runners must not come back in step.
        let mut left_ms = longest_ms / 2 + u64::from(random_bytes::<2>()[0]) * longest_ms / 512;
        while left_ms > 0 && !enough() {
            let slice_ms = left_ms.min(50);
            std::thread::sleep(Duration::from_millis(slice_ms));
            left_ms -= slice_ms;
        }
    }
}

/// Random bytes from the system.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes
}
