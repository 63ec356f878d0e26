//! Where releases run: the unit of concurrency. An environment holds its queue, the one deployment that may
//! act on it, the fence that rises with every grant, and what was verified here.

mod command;
mod decide;

#[cfg(test)]
mod tests;

pub use command::{Command, Declined, Fact, Offer, Refusal};
pub use decide::{decide, evolve, follow};

use crate::deployment::DeploymentResult;
use crate::foundation::{DeploymentId, EnvironmentName, ProjectKey, ReleaseId, Timestamp};
use crate::pipeline::{After, EnvironmentSkeleton};
use crate::release::Brief;
use serde::{Deserialize, Serialize};

/// Deployments that may wait at once.
pub const QUEUE_MAX: usize = 100;
/// Verified releases that are remembered for a rollback.
pub const VERIFIED_MAX: usize = 10;

/// An environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The project.
    pub project: ProjectKey,
    /// Its name.
    pub name: EnvironmentName,
    /// Whether releases may come; a later new environment waits for a person.
    pub accepted: bool,
    /// The offer that waits for acceptance; a newer one replaces it.
    pub pending: Option<Box<Offer>>,
    /// The number of the last grant.
    pub fence: u64,
    /// The deployment that may act, if any.
    pub holder: Option<Slot>,
    /// Deployments that wait, next first.
    pub queue: Vec<Slot>,
    /// What was deployed last, and whether it is verified here.
    pub current: Option<Current>,
    /// The deployment that its target's machine hindered last, if nothing has come since. What ran before runs on, unless
    /// a person stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hindered: Option<DeploymentId>,
    /// Releases verified here, newest first, each once.
    pub verified: Vec<VerifiedRelease>,
}

/// A deployment in the queue or at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The deployment.
    pub deployment: DeploymentId,
    /// What it deploys.
    pub release: ReleaseId,
    /// What must be known of that release.
    pub brief: Brief,
    /// Why.
    pub cause: Cause,
    /// What the release's delivery file says of this environment.
    pub skeleton: Box<EnvironmentSkeleton>,
    /// Since when.
    pub since: Timestamp,
}

/// Why a deployment happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The release satisfied `after`.
    Promotion,
    /// A person asked for this release here.
    Person(String),
    /// A person asked for the release that is here already, once more: its target lost it.
    Again(String),
    /// An earlier release comes back.
    Rollback {
        /// The deployment that it undoes.
        undoes: Option<DeploymentId>,
        /// The person who asked; absent where a failure did.
        by: Option<String>,
    },
}

/// What was deployed last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// The deployment.
    pub deployment: DeploymentId,
    /// What it deployed.
    pub release: ReleaseId,
    /// What must be known of that release.
    pub brief: Brief,
    /// How it ended.
    pub result: DeploymentResult,
    /// When it ended.
    pub at: Timestamp,
}

/// A release verified here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedRelease {
    /// The release.
    pub release: ReleaseId,
    /// What must be known of it.
    pub brief: Brief,
    /// The deployment that was verified.
    pub deployment: DeploymentId,
    /// What its delivery file says of this environment.
    pub skeleton: Box<EnvironmentSkeleton>,
    /// Whether a later deployment of it found it bad here. The world around it may have been at fault: a person may
    /// still go back to it, nothing does so by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed_since: bool,
}

impl Cause {
    /// Whether an earlier release comes back.
    pub fn is_rollback(&self) -> bool {
        matches!(self, Cause::Rollback { .. })
    }

    /// Who asked for it; absent where nobody did.
    pub fn person(&self) -> Option<&str> {
        match self {
            Cause::Person(name) | Cause::Again(name) | Cause::Rollback { by: Some(name), .. } => Some(name),
            Cause::Promotion | Cause::Rollback { by: None, .. } => None,
        }
    }
}

impl Environment {
    /// Whether what runs or waits here comes from a later run of the same ref.
    pub fn is_ahead_of(&self, brief: &Brief) -> bool {
        let coming = self.holder.iter().chain(&self.queue).map(|slot| &slot.brief);
        // What is being undone does not count: the lock is granted only after another look.
        let undone = self.holder.as_ref().is_some_and(|holder| holder.cause.is_rollback());
        let current = self.current.iter().filter(|_| !undone).map(|current| &current.brief);
        coming.chain(current).any(|other| brief.is_older_than(other))
    }

    /// What can be gone back to, the nearest first, and last what has failed here since. Where what runs was verified here,
    /// never a later run's release of the same ref: whoever goes back twice must not get back what they left.
    pub fn way_back(&self) -> impl Iterator<Item = &VerifiedRelease> {
        let current = self.current.as_ref();
        let ends = |current: &&Current| current.result == DeploymentResult::Succeeded || current.result.blames_release();
        let out = current.filter(ends).map(|current| current.release);
        let stays = current.filter(|current| self.verified.iter().any(|verified| verified.release == current.release));
        let back = move |verified: &&VerifiedRelease| {
            Some(verified.release) != out && stays.is_none_or(|stays| !stays.brief.is_older_than(&verified.brief))
        };
        let of = move |failed_since| self.verified.iter().filter(move |verified| verified.failed_since == failed_since).filter(back);
        of(false).chain(of(true))
    }

    /// What comes back by itself where a deployment failed: the release verified here last, if it has not failed since;
    /// else an earlier one, but none of a later run of the same ref, which was left on purpose.
    pub fn last_good(&self) -> Option<&VerifiedRelease> {
        let last = self.verified.first()?;
        self.verified.iter().find(|verified| !verified.failed_since && !last.brief.is_older_than(&verified.brief))
    }

    /// The `after` of the newest release verified here: in force until a newer one is verified.
    pub fn after_in_force(&self) -> Option<&After> {
        self.verified.first().map(|verified| &verified.skeleton.after)
    }
}
