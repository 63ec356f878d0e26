//! What may be asked of an environment, what happens to it, and why it refuses.

use super::Cause;
use crate::deployment::DeploymentResult;
use crate::foundation::{DeploymentId, EnvironmentName, ProjectKey, ReleaseId};
use crate::pipeline::EnvironmentSkeleton;
use crate::release::Brief;
use serde::{Deserialize, Serialize};

/// What may be asked of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin it, with releases allowed to come: the project's first release names it.
    Open {
        /// The project.
        project: ProjectKey,
        /// Its name.
        name: EnvironmentName,
    },
    /// Take a release that may come. An environment that was not begun before waits for a person.
    Offer(Box<Offer>),
    /// Let an environment that is new in the delivery file take releases.
    Accept,
    /// Bring an earlier verified release back.
    RollBack {
        /// Which; absent: the one before.
        to: Option<ReleaseId>,
    },
    /// The holder ended.
    Settle {
        /// Which deployment.
        deployment: DeploymentId,
        /// How.
        result: DeploymentResult,
        /// Whether something may have changed on a target.
        touched: bool,
    },
    /// Let a release that was vetoed not begin here, wherever it waits.
    Forbid {
        /// Which.
        release: ReleaseId,
    },
    /// Take a waiting deployment out of the queue.
    Withdraw {
        /// Which deployment.
        deployment: DeploymentId,
    },
    /// The record was restored: later grants must be above what the lost future gave.
    Restore,
    /// Safe mode has ended: what waits may begin.
    Resume,
}

/// A release that may come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The project.
    pub project: ProjectKey,
    /// Which release.
    pub release: ReleaseId,
    /// What must be known of it.
    pub brief: Brief,
    /// Why.
    pub cause: Cause,
    /// What its delivery file says of this environment.
    pub skeleton: Box<EnvironmentSkeleton>,
    /// Where it is verified.
    pub verified_in: Vec<EnvironmentName>,
}

/// What happened to an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// A release named it for the first time.
    Opened {
        /// The project.
        project: ProjectKey,
        /// Its name.
        name: EnvironmentName,
        /// Whether releases may come at once.
        accepted: bool,
    },
    /// A release waits until a person accepts the environment.
    Pending(Box<Offer>),
    /// A person accepted the environment.
    Accepted,
    /// A release that was offered does not come.
    Declined {
        /// Which release.
        release: ReleaseId,
        /// Why.
        reason: Declined,
    },
    /// A release shall be deployed; its deployment waits.
    Promoted {
        /// The deployment.
        deployment: DeploymentId,
        /// The release.
        release: ReleaseId,
        /// What must be known of it.
        brief: Brief,
        /// Why.
        cause: Cause,
        /// What its delivery file says of this environment.
        skeleton: Box<EnvironmentSkeleton>,
    },
    /// A waiting deployment gave way to a newer one.
    Superseded {
        /// Which.
        deployment: DeploymentId,
        /// To which.
        by: DeploymentId,
    },
    /// A waiting deployment was taken out by a person.
    Withdrawn {
        /// Which.
        deployment: DeploymentId,
    },
    /// A waiting deployment may not begin any more: its release was vetoed.
    Forbidden {
        /// Which.
        deployment: DeploymentId,
    },
    /// A deployment may act.
    LockGranted {
        /// Which.
        deployment: DeploymentId,
        /// Under which fence.
        fence: u64,
    },
    /// The holder ended.
    LockReleased {
        /// Which.
        deployment: DeploymentId,
        /// How.
        result: DeploymentResult,
        /// Whether something may have changed on a target. If not, what ran before runs on.
        touched: bool,
        /// Whether the release stays one to go back to though it was found bad. Absent in older records: it did not.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        kept: bool,
    },
    /// The record was restored from a backup.
    Restored {
        /// The fence from now on.
        fence: u64,
    },
}

/// Why an offered release does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Declined {
    /// `after` of the newest release verified here is in force and does not hold for it.
    EarlierAfterInForce,
    /// What runs or waits here comes from a later run of the same ref. A person may still ask for it.
    Older,
    /// The environment is busy, and its policy is `reject`.
    Busy,
    /// Too many wait.
    QueueFull,
    /// It is here already, or about to come.
    AlreadyHere,
    /// It was asked for once more, but is not what was deployed here last, or another one comes.
    NotHere,
    /// It was vetoed while it waited for acceptance.
    Vetoed,
}

impl Declined {
    /// In words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Declined::EarlierAfterInForce => {
                "it is not verified where the release that was verified here last demands it; a weakened 'after' counts from the next release on"
            }
            Declined::Older => {
                "what runs or waits there comes from a later run of the same ref; `trunkline promote` brings it all the same"
            }
            Declined::Busy => "another deployment has the environment, and its queue policy is 'reject'",
            Declined::QueueFull => "too many deployments wait there",
            Declined::Vetoed => "it was vetoed, since a deployment of it failed",
            Declined::AlreadyHere => "that release is there already, or is about to come",
            Declined::NotHere => "only the release that was deployed there last comes once more, and only while no other is about to come",
        }
    }
}

/// Why an environment refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No release named it yet.
    #[error("there is no such environment yet: it comes into being with the first release that names it")]
    Missing,
    /// Nothing was verified here before.
    #[error("no other release was verified here: there is nothing to go back to")]
    NothingToGoBackTo,
    /// That one was not verified here, or not lately.
    #[error("that release is not among the {} that were verified last in {environment}", super::VERIFIED_MAX)]
    NotVerifiedHere {
        /// Where.
        environment: EnvironmentName,
    },
    /// Too many wait.
    #[error("too many deployments wait in {environment}: {} at most", super::QUEUE_MAX)]
    QueueFull {
        /// Where.
        environment: EnvironmentName,
    },
    /// It runs here already.
    #[error("that release is the one that runs in {environment}")]
    AlreadyHere {
        /// Where.
        environment: EnvironmentName,
    },
    /// It is accepted already.
    #[error("the environment takes releases already")]
    AlreadyAccepted,
    /// The deployment is not in the queue.
    #[error("deployment {0} does not wait here")]
    NotWaiting(DeploymentId),
}
