//! Engine time: where the record left off, plus the time since the machine booted. The wall clock is read once, at the start.

use nix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};
use trunkline_domain::foundation::{Millis, Timestamp};

/// How far the wall clock may be ahead of the record before a start asks.
const AHEAD_MAX: Millis = Millis::days(7);

/// Engine time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Timestamp,
    boottime: Millis,
}

/// The wall clock is far ahead of the time until when the record was open.
#[derive(Debug, thiserror::Error)]
#[error(
    "the wall clock says {wall}, the record was last open at {open_until}, more than {AHEAD_MAX} before: if the clock is right, start with --accept-clock"
)]
pub struct ClockAhead {
    wall: String,
    open_until: String,
}

impl Clock {
    /// Starts at the wall clock, but never before `last`, the record's last entry. A server had the record open until
    /// `open_until`: a record that is merely quiet is asked about by nobody.
    pub fn start(last: Timestamp, open_until: Timestamp, accept: bool) -> Result<Self, ClockAhead> {
        let wall = wall();
        let fresh = last == Timestamp::default();
        if !fresh && !accept && wall.since(open_until) > AHEAD_MAX {
            return Err(ClockAhead { wall: wall.iso(), open_until: open_until.iso() });
        }
        Ok(Self { base: wall.max(last), boottime: boottime() })
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.base + Millis(boottime().0.saturating_sub(self.boottime.0))
    }
}

/// The wall clock, for people and for the first entry.
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Time since boot, suspended time included: no one sets this clock.
fn boottime() -> Millis {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has had this clock since 2.6.39");
    Millis(time.tv_sec() as u64 * 1_000 + time.tv_nsec() as u64 / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_now(millis: i64) -> Timestamp {
        Timestamp(wall().0 + millis)
    }

    const WEEK: i64 = AHEAD_MAX.0 as i64;
    const MINUTE: i64 = 60_000;

    #[test]
    fn a_record_that_ends_long_ago_is_asked_about() {
        let start = |last, accept| Clock::start(last, last, accept);
        assert!(start(from_now(MINUTE - WEEK), false).is_ok());
        let last = from_now(-MINUTE - WEEK);
        let why = start(last, false).unwrap_err().to_string();
        assert!(why.contains(&format!("the record was last open at {}, more than", last.iso())) && why.contains("--accept-clock"), "{why}");
        let clock = start(last, true).unwrap();
        assert!(clock.now().since(last) > AHEAD_MAX, "the wall clock is believed");
    }

    #[test]
    fn a_record_that_was_quiet_while_it_was_open_is_not_asked_about() {
        let clock = Clock::start(from_now(-50 * WEEK), from_now(-MINUTE), false).unwrap();
        assert!(wall().since(clock.now()).0 < MINUTE as u64);
    }

    #[test]
    fn a_new_record_ends_nowhere() {
        let clock = Clock::start(Timestamp::default(), Timestamp::default(), false).unwrap();
        assert!(wall().since(clock.now()).0 < MINUTE as u64);
    }

    #[test]
    fn time_goes_on_from_a_record_that_is_ahead_of_the_clock() {
        for ahead in [MINUTE, 500 * WEEK] {
            let last = from_now(ahead);
            let clock = Clock::start(last, last, false).unwrap();
            assert!(clock.now() >= last && clock.now().since(last).0 < MINUTE as u64);
        }
    }
}
