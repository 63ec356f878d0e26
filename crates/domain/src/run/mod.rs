//! One execution of a pipeline for one change: its jobs, their attempts, their end.

mod outcome;

pub use outcome::{Artifact, ArtifactForm, AttemptResult, JobOutcome, StepOutcome};
