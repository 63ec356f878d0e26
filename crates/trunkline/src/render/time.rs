//! Moments and spans for people: how long ago, or the UTC time.

use trunkline_domain::foundation::{Millis, Timestamp};

/// What time it is, and how times are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Now.
    pub now: Timestamp,
    /// Whether to tell the UTC time rather than how long ago.
    pub utc: bool,
}

impl Clock {
    /// This machine's clock.
    pub fn of_machine(utc: bool) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { now: Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)), utc }
    }

    /// `3 d ago`, or the UTC time.
    pub fn ago(&self, at: Timestamp) -> String {
        if self.utc {
            return at.iso();
        }
        match rough(self.now.since(at)) {
            None => "now".to_owned(),
            Some(span) => format!("{span} ago"),
        }
    }

    /// `for 3 d`, or `since` and the UTC time.
    pub fn since(&self, at: Timestamp) -> String {
        if self.utc {
            return format!("since {}", at.iso());
        }
        match rough(self.now.since(at)) {
            None => "since just now".to_owned(),
            Some(span) => format!("for {span}"),
        }
    }

    /// How long something has taken until now.
    pub fn elapsed(&self, since: Timestamp) -> Millis {
        self.now.since(since)
    }
}

/// A span in one unit. None where it is too short to tell.
fn rough(span: Millis) -> Option<String> {
    let seconds = span.0 / 1_000;
    match seconds {
        0..2 => None,
        2..60 => Some(format!("{seconds} s")),
        60..3_600 => Some(format!("{} min", seconds / 60)),
        3_600..172_800 => Some(format!("{} h", seconds / 3_600)),
        _ => Some(format!("{} d", seconds / 86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_one_unit() {
        let clock = Clock { now: Timestamp(1_000_000_000), utc: false };
        let before = |seconds: i64| Timestamp(clock.now.0 - seconds * 1_000);
        assert_eq!(clock.ago(before(0)), "now");
        assert_eq!(clock.ago(before(59)), "59 s ago");
        assert_eq!(clock.ago(before(3_599)), "59 min ago");
        assert_eq!(clock.ago(before(100_000)), "27 h ago");
        assert_eq!(clock.since(before(300_000)), "for 3 d");
        // A server whose clock is ahead is no reason to print nonsense.
        assert_eq!(clock.ago(before(-60)), "now");
    }
}
