//! Whether a server that was started again goes on with its work.

use anyhow::{Result, ensure};
use std::path::Path;
use std::time::{Duration, Instant};
use trunkline_domain::ledger::{Entry, Via};
use trunkline_domain::record::Fact;
use trunkline_engine::Read;
use trunkline_store::SqliteReader;

/// Entries read at once.
const PAGE: u32 = 500;
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What was recorded up to some moment.
pub struct Progress {
    reader: SqliteReader,
    seen: u64,
}

impl Progress {
    /// Everything that is recorded now.
    pub fn after_all_of(data: &Path) -> Result<Self> {
        let mut progress = Self { reader: SqliteReader::open(&data.join("trunkline.db"))?, seen: 0 };
        progress.seen = progress.reader.head()?.frontier.size();
        Ok(progress)
    }

    /// Waits until a runner was given something, or had something to say; how long after the start.
    pub fn wait(&mut self, started: Instant, within: Duration) -> Result<Duration> {
        while !self.runner_spoke()? {
            ensure!(started.elapsed() < within, "no runner did anything within {} s of the start", within.as_secs());
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(started.elapsed())
    }

    fn runner_spoke(&mut self) -> Result<bool> {
        let mut spoke = false;
        for stored in self.reader.entries(self.seen, PAGE)? {
            let entry: Entry<Fact> = serde_json::from_slice(&stored.bytes)?;
            spoke |= entry.via == Via::Runner;
            self.seen = stored.seq;
        }
        Ok(spoke)
    }
}
