//! When a new instance is ready: it says so, or, where it need not, it has lived for a moment.

use super::instance::Instance;
use super::notify::Notify;
use super::setback::Setback;
use std::time::{Duration, Instant};
use trunkline_domain::foundation::Millis;

/// An instance that does not notify is ready when it has lived this long.
pub const READY_AFTER: Duration = Duration::from_millis(500);

/// Waits until every instance is ready: until it has said so where it must within a time, else until it has lived for
/// [`READY_AFTER`] or has said so earlier. `meanwhile` is done again and again, and may end the waiting.
pub fn wait(
    fresh: &[Instance],
    notifies: &[Option<Notify>],
    within: Option<Millis>,
    mut meanwhile: impl FnMut() -> Result<(), Setback>,
) -> Result<(), Setback> {
    let deadline = within.map(|within| (within, Instant::now() + within.duration()));
    let mut ready = vec![false; fresh.len()];
    while let Some(waits) = ready.iter().position(|ready| !ready) {
        for (number, instance) in fresh.iter().enumerate() {
            if let Some(how) = instance.ended() {
                return Err(Setback::of_release(format!("instance {} {how} before it was ready", number + 1)));
            }
            let lived = within.is_none() && instance.since.elapsed() >= READY_AFTER;
            ready[number] |= lived || notifies[number].as_ref().is_some_and(Notify::is_ready);
        }
        if let Some((within, _)) = deadline.filter(|(_, deadline)| !ready[waits] && Instant::now() >= *deadline) {
            let late = format!("instance {} did not say READY=1 to NOTIFY_SOCKET within {within} (ready-within)", waits + 1);
            return Err(Setback::of_release(late));
        }
        meanwhile()?;
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
