//! An immutable bundle: artifacts, files, revision, configuration. Its manifest's digest is its identity;
//! version and alias are for people. A release also remembers where it was verified and from where on it is forbidden.

mod decide;
mod manifest;

#[cfg(test)]
pub(crate) mod tests;

pub use decide::{Command, CutRelease, Fact, Refusal, Wish, decide, evolve, follow};
pub use manifest::{BuildStatement, Manifest, ManifestArtifact, ManifestFile, StatedJob};

use crate::change::ChangeNote;
use crate::foundation::{DeploymentId, Digest, EnvironmentName, ProjectKey, Revision, RunId, Timestamp};
use crate::pipeline::{EnvironmentSkeleton, FrozenFile};
use crate::run::Artifact;
use serde::{Deserialize, Serialize};

/// A release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// What it was cut from.
    pub cut: CutNote,
    /// When.
    pub at: Timestamp,
    /// Where it was verified, oldest first.
    pub verified: Vec<EnvironmentName>,
    /// From which environments on it is forbidden, oldest first. Each stands, whatever others say.
    pub vetoes: Vec<Veto>,
}

/// What a release consists of, as its first fact says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CutNote {
    /// The project.
    pub project: ProjectKey,
    /// Its number in the project.
    pub number: u32,
    /// For people; unique in the project only if the delivery file's rule makes it so.
    pub version: String,
    /// For people to say.
    pub alias: String,
    /// The digest of its manifest: its identity.
    pub manifest: Digest,
    /// The digest of the statement of how it was built.
    pub statement: Digest,
    /// The run that it was cut from.
    pub run: RunId,
    /// That run's number.
    pub run_number: u32,
    /// The commit.
    pub revision: Revision,
    /// The ref that was pushed.
    pub reference: String,
    /// What facts say of the commit.
    pub change: ChangeNote,
    /// The plan.
    pub plan: Digest,
    /// The delivery file.
    pub delivery_file: Digest,
    /// What the jobs kept.
    pub artifacts: Vec<Artifact>,
    /// Repository files.
    pub files: Vec<FrozenFile>,
    /// Where it may go.
    pub environments: Vec<EnvironmentSkeleton>,
}

/// What environments and deployments know of a release besides its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// Its version.
    pub version: String,
    /// Its manifest's digest: targets know it by this.
    pub manifest: Digest,
    /// The ref that was pushed.
    pub reference: String,
    /// The number of the run that it was cut from.
    pub run: u32,
}

impl Brief {
    /// Whether it comes from an earlier run of the same ref. Releases of different refs have no order.
    pub fn is_older_than(&self, other: &Brief) -> bool {
        self.reference == other.reference && self.run < other.run
    }
}

/// A release is forbidden from an environment onwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Veto {
    /// From here on, in the order of `after`.
    pub from: EnvironmentName,
    /// The deployment whose failure set it.
    pub deployment: DeploymentId,
}

impl Release {
    /// What environments and deployments know of it.
    pub fn brief(&self) -> Brief {
        let CutNote { version, manifest, reference, run_number, .. } = &self.cut;
        Brief { version: version.clone(), manifest: *manifest, reference: reference.clone(), run: *run_number }
    }

    /// What its delivery file says of an environment.
    pub fn environment(&self, name: &EnvironmentName) -> Option<&EnvironmentSkeleton> {
        self.cut.environments.iter().find(|environment| &environment.name == name)
    }

    /// The environments of its delivery file that this one is or comes before: what a veto from it covers.
    pub fn onwards<'a>(&'a self, from: &'a EnvironmentName) -> impl Iterator<Item = &'a EnvironmentName> {
        self.cut.environments.iter().map(|environment| &environment.name).filter(move |name| self.comes_after(name, from))
    }

    /// The veto that keeps it out of this environment.
    pub fn veto_for(&self, name: &EnvironmentName) -> Option<&Veto> {
        self.vetoes.iter().find(|veto| self.comes_after(name, &veto.from))
    }

    /// Whether `name` is `from` or comes after it, directly or by others.
    fn comes_after(&self, name: &EnvironmentName, from: &EnvironmentName) -> bool {
        let mut reached = vec![from.clone()];
        // Each pass reaches one level more; there are at most as many levels as environments.
        for _ in 0..self.cut.environments.len() {
            for environment in &self.cut.environments {
                if !reached.contains(&environment.name) && environment.after.names().iter().any(|before| reached.contains(before)) {
                    reached.push(environment.name.clone());
                }
            }
        }
        reached.contains(name)
    }
}
