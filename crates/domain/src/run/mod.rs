//! One execution of a pipeline for one change: its jobs, their attempts, their end.
//!
//! A run is started with the skeleton of its plan. A job is queued when what it needs has ended, leased to one
//! runner under a fresh epoch, and ended by that runner's report, by a lost lease, by cancelling or by its deadline.

mod command;
mod decide;
mod evolve;
mod outcome;
mod scope;
mod state;

#[cfg(test)]
mod tests;

pub use command::{Command, Fact, JobEnded, LogNote, PlanNote, Refusal, StartRun, Started, Trigger};
pub use decide::decide;
pub use evolve::evolve;
pub use outcome::{Artifact, ArtifactForm, AttemptResult, JobOutcome, StepOutcome, Usage, UsageSource};
pub use scope::change_scope;
pub use state::{
    EndedJob, Job, JobResult, JobState, LeasedJob, ReleaseVerdict, Run, RunResult, RunStatus, SkipCause, Unplanned, Want, wants,
};

use crate::foundation::Millis;

/// How long a job may wait for a runner.
pub const QUEUE_MAX: Millis = Millis::hours(24);
/// What a runner gets beyond a job's timeout to end it, read reports and tell: grace and lease time.
pub const REPORT_GRACE: Millis = Millis::seconds(70);
/// Attempts of a job that the loss of runners alone may cause.
pub const LOST_ATTEMPTS_MAX: u32 = 2;
/// Bytes of a reason.
pub const REASON_BYTES_MAX: usize = 300;
