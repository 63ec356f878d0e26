//! The part of a plan that decisions need: names, order, conditions, limits. Facts carry it, so that
//! the ledger alone folds to the state; the texts of steps and scripts stay in the plan.

use super::{After, EnvironmentRule, FailureMode, Plan, QueuePolicy, Retry, RollbackCause, Tier, VersionRule};
use crate::expression::Expression;
use crate::foundation::{Digest, EnvironmentName, JobKey, Millis};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What the run room must know of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSkeleton {
    /// Its key.
    pub key: JobKey,
    /// Jobs that must end first, by their places in the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<u32>,
    /// Runs only where this is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expression>,
    /// How long one attempt may take.
    pub timeout: Millis,
    /// When to try again.
    #[serde(default, skip_serializing_if = "Retry::is_none")]
    pub retry: Retry,
    /// What its failure means for the run.
    pub failure: FailureMode,
}

/// What the release room must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseSkeleton {
    /// Jobs that must have passed; absent: all that have to pass.
    pub needs: Option<Vec<JobKey>>,
    /// Cut only where this is true.
    pub condition: Option<Expression>,
    /// How its version is made.
    pub version: VersionRule,
    /// Artifacts by name; absent: all.
    pub artifacts: Option<Vec<String>>,
    /// Digest of the delivery file.
    pub delivery_file: Digest,
    /// Repository files frozen into it.
    pub files: Vec<super::FrozenFile>,
    /// Where it may go.
    pub environments: Vec<EnvironmentSkeleton>,
}

/// What the environment and deployment rooms must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentSkeleton {
    /// Its name.
    pub name: EnvironmentName,
    /// What it is for.
    pub tier: Tier,
    /// Where a release must be verified first.
    pub after: After,
    /// What happens to releases that arrive early.
    pub queue: QueuePolicy,
    /// Digest of its configuration.
    pub configuration: Option<Digest>,
    /// What is deployed, in order.
    pub parts: Vec<PartSkeleton>,
    /// The checks' names, in order.
    pub checks: Vec<String>,
    /// Which failures bring the last verified release back.
    pub rollback: Vec<RollbackCause>,
}

/// What the deployment room must know of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartSkeleton {
    /// Its name.
    pub name: String,
    /// Whether a second apply of the same release is harmless.
    pub idempotent: bool,
}

impl Retry {
    fn is_none(&self) -> bool {
        *self == Retry::default()
    }
}

impl Plan {
    /// The jobs' skeletons, in the order of the file.
    pub fn job_skeletons(&self) -> Vec<JobSkeleton> {
        let places: HashMap<&JobKey, u32> = self.definition.jobs.iter().zip(0..).map(|(job, place)| (&job.key, place)).collect();
        self.definition
            .jobs
            .iter()
            .map(|job| JobSkeleton {
                key: job.key.clone(),
                needs: job.needs.iter().filter_map(|need| places.get(need).copied()).collect(),
                condition: job.condition.clone(),
                timeout: job.timeout,
                retry: job.retry.clone(),
                failure: job.failure,
            })
            .collect()
    }

    /// The release's skeleton, if the pipeline makes releases.
    pub fn release_skeleton(&self) -> Option<ReleaseSkeleton> {
        let rule = self.definition.release.as_ref()?;
        Some(ReleaseSkeleton {
            needs: rule.needs.clone(),
            condition: rule.condition.clone(),
            version: rule.version.clone(),
            artifacts: rule.artifacts.clone(),
            delivery_file: self.delivery_file,
            files: self.files.clone(),
            environments: self.definition.environments.iter().map(|rule| self.environment_skeleton(rule)).collect(),
        })
    }

    fn environment_skeleton(&self, rule: &EnvironmentRule) -> EnvironmentSkeleton {
        EnvironmentSkeleton {
            name: rule.name.clone(),
            tier: rule.tier,
            after: rule.after.clone(),
            queue: rule.queue,
            configuration: self.configuration.get(&rule.name).copied(),
            parts: rule.parts.iter().map(|part| PartSkeleton { name: part.name.clone(), idempotent: part.kind.is_idempotent() }).collect(),
            checks: rule.verify.iter().map(|check| check.name.clone()).collect(),
            rollback: rule.rollback.clone(),
        }
    }
}
