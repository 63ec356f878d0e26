//! Ids that nobody used before, without asking the machine for chance in the middle of a command.

use trunkline_domain::foundation::{Sha256, Timestamp};
use uuid::{Builder, Uuid};

/// Makes ids of form UUIDv7: the time, and 10 bytes drawn from entropy of the engine's start and a counter.
pub struct Ids {
    seed: [u8; 32],
    made: u64,
}

impl Ids {
    /// From 32 bytes of fresh entropy.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, made: 0 }
    }

    /// The next id.
    pub fn fresh(&mut self, now: Timestamp) -> Uuid {
        self.made += 1;
        let mut hash = Sha256::default();
        hash.update(&self.seed);
        hash.update(&self.made.to_be_bytes());
        let digest = hash.finish();
        let mut random = [0; 10];
        random.copy_from_slice(&digest.as_bytes()[..10]);
        Builder::from_unix_timestamp_millis(u64::try_from(now.0).unwrap_or(0), &random).into_uuid()
    }
}
