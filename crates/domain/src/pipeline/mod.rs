//! What a delivery file says, as plain values: triggers, jobs, the release rule, environments.
//!
//! The text form, its spans and its diagnostics live in the `delivery-file` crate; this room knows
//! neither YAML nor files. A [`Plan`] freezes one definition for one commit and is named by its digest.

mod definition;
mod environment;
mod input;
mod pattern;
mod plan;
mod sandbox;
mod skeleton;

pub use definition::{
    ArtifactRule, Definition, FailureMode, JobRule, PushTrigger, ReleaseRule, ReportFormat, ReportRule, Retry, RetryCause, Step, Triggers,
    VersionRule,
};
pub use environment::{
    After, Check, CheckRule, EnvironmentRule, HttpCheck, Part, PartKind, ProcessPart, QueuePolicy, RollbackCause, RunPart, Tier,
};
pub use input::{InputKind, InputRule, ManualTrigger};
pub use pattern::{PathMatcher, PathRules, Pattern};
pub use plan::{FrozenFile, Plan};
pub use sandbox::{SandboxChoice, SandboxLevel};
pub use skeleton::{EnvironmentSkeleton, JobSkeleton, PartSkeleton, ReleaseSkeleton};

/// Limits of a definition. Each refusal names the one that bit.
pub mod limit {
    /// Bytes of a delivery file.
    pub const FILE_BYTES_MAX: usize = 1 << 20;
    /// Jobs of a pipeline.
    pub const JOBS_MAX: usize = 5_000;
    /// Steps of a job.
    pub const STEPS_MAX: usize = 100;
    /// Environments of a project.
    pub const ENVIRONMENTS_MAX: usize = 50;
    /// How long an instance may be waited for until it says that it is ready.
    pub const READY_WITHIN_MAX: crate::foundation::Millis = crate::foundation::Millis::minutes(10);
    /// Patterns for branches, for tags, for paths.
    pub const PATTERNS_MAX: usize = 50;
    /// Bytes of a pattern.
    pub const PATTERN_BYTES_MAX: usize = 255;
    /// Inputs of a manual start.
    pub const INPUTS_MAX: usize = 25;
    /// Bytes of one input's value.
    pub const INPUT_BYTES_MAX: usize = 4 * 1024;
    /// Nested mappings and sequences.
    pub const DEPTH_MAX: usize = 32;
    /// Files frozen into a release.
    pub const RELEASE_FILES_MAX: usize = 1_000;
}
