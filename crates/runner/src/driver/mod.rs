//! One module for each kind of target. Every driver answers the same questions: what is there, make it so.
//!
//! `observe` changes nothing and says what it saw and how it knows. `apply` gives the same result for the same input
//! twice; where the target can compare fences it refuses an older one. A driver has no choices: what shall be where
//! was decided before it was called.

mod process;
mod run;

pub use run::trim_left;

use crate::failure::Failure;
use crate::lease::{Standing, boottime_ms, patiently};
use crate::log::Log;
use crate::slot::{Site, stop_reason, unknown};
use run::Past;
use std::path::PathBuf;
use trunkline_api::runner::{PartWork, RenewRequest};
use trunkline_domain::deployment::{ApplyOutcome, Observed};
use trunkline_domain::pipeline::PartKind;

/// Says what is on the part's target.
pub fn observe(site: &mut Site<'_>, work: &PartWork, log: &mut Log) -> Observed {
    let observed = match &work.part.kind {
        PartKind::Process(_) => process::observe(site, work),
        PartKind::Run(part) => run::observe(site, work, part, log),
    };
    observed.unwrap_or_else(|failure| unknown(&failure.0))
}

/// Makes the release the state of the part's target.
pub fn apply(site: &mut Site<'_>, work: &PartWork, log: &mut Log) -> ApplyOutcome {
    let applied = match &work.part.kind {
        PartKind::Process(part) => {
            let order = process::prepare(site, work, part, log);
            confirmed(site, order).map(|order| process::switch(site, order, log))
        }
        PartKind::Run(part) => {
            match run::await_earlier(site, work) {
                Ok(Past::Over) => {}
                Ok(Past::CutOff) => return ApplyOutcome::Unknown("an earlier apply was ended half-way".to_owned()),
                Err(failure) => return not_begun(site, &failure.0),
            }
            let script = run::prepare(site, work, part, log);
            confirmed(site, script).map(|script| run::apply(site, part, &script, log))
        }
    };
    match applied {
        Ok(begun) => begun.unwrap_or_else(|failure| ApplyOutcome::Unknown(failure.0)),
        Err(failure) => not_begun(site, &failure.0),
    }
}

/// What lies ready, once the right to begin is confirmed. Fetching it may have taken long: asked before, the answer would
/// be an old one by now.
fn confirmed<T>(site: &Site<'_>, ready: Result<T, Failure>) -> Result<T, Failure> {
    ready.and_then(|ready| confirm(site).map(|()| ready))
}

/// The outcome of an apply that had no effect yet. Where somebody wanted it to end, that is all there is to say; anything
/// else leaves the server to look and to decide.
fn not_begun(site: &Site<'_>, why: &str) -> ApplyOutcome {
    let reason = format!("nothing was started: {why}");
    match site.hold.standing() {
        Standing::Cancelled => ApplyOutcome::Hindered { reason, touched: false },
        Standing::Held | Standing::Abandoned | Standing::Lost => ApplyOutcome::Unknown(reason),
    }
}

/// Renews once more right before the first effect. The answer that brought the lease may have been under way for long, so
/// only a renewal that this runner itself has timed proves that nobody else holds the work (promise S6).
fn confirm(site: &Site<'_>) -> Result<(), Failure> {
    let request = RenewRequest { runner: site.runner.clone(), leases: vec![site.hold.lease.clone()] };
    let mut sent_ms = 0;
    let reply = patiently(site.hold, || {
        sent_ms = boottime_ms();
        site.port.renew(&request).map(Ok)
    })?;
    if reply.lost.contains(&site.hold.lease) {
        site.hold.worsen(Standing::Lost);
    } else {
        site.hold.renewed(sent_ms);
    }
    if reply.cancel.contains(&site.hold.lease) {
        site.hold.worsen(Standing::Cancelled);
    }
    match site.hold.standing() {
        Standing::Held if site.hold.is_quiet() => Err(Failure("the lease could not be renewed in time".to_owned())),
        Standing::Held => Ok(()),
        standing => Err(Failure(stop_reason(standing).to_owned())),
    }
}

/// `<runner's folder>/<kind>/<project>/<environment>/<part>`.
fn part_path(site: &Site<'_>, work: &PartWork, kind: &str) -> Result<PathBuf, Failure> {
    let Some(environment) = &site.subject.environment else { return Err(Failure("a part without an environment".to_owned())) };
    let part = &work.part.name;
    // The delivery file checks names; a path made of one is worth a second look.
    if part.is_empty() || part == "." || part == ".." || part.contains(['/', '\0']) {
        return Err(Failure(format!("'{part}' cannot be the name of a folder")));
    }
    Ok(site.folder.join(kind).join(site.subject.project.as_str()).join(environment.as_str()).join(part))
}
