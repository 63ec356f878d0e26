//! The bytes whose digest a release is, and the statement of how it was built. Both are made again from the
//! record at any time, byte for byte.

use super::CutNote;
use crate::foundation::{Digest, EnvironmentName, ProjectKey, Revision, RunId, Timestamp};
use crate::pipeline::SandboxLevel;
use crate::run::{JobResult, Run};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a release is. Field order is part of the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// Version of this form: 1.
    pub schema: u32,
    /// The project.
    pub project: ProjectKey,
    /// Artifacts, sorted by name.
    pub artifacts: Vec<ManifestArtifact>,
    /// Repository files, sorted by path.
    pub files: Vec<ManifestFile>,
    /// The commit.
    pub revision: Revision,
    /// The delivery file.
    pub delivery_file: Digest,
    /// Each environment's configuration.
    pub configuration: BTreeMap<EnvironmentName, Digest>,
    /// The unsigned build statement.
    pub statement: Digest,
}

/// An artifact in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestArtifact {
    /// Its name.
    pub name: String,
    /// Digest of its bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size: u64,
}

/// A repository file in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Path from the root of the repository.
    pub path: String,
    /// Digest of its bytes.
    pub digest: Digest,
}

/// How a release was built, unsigned. Field order is part of the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildStatement {
    /// Version of this form: 2.
    pub schema: u32,
    /// The run.
    pub run: RunId,
    /// The commit.
    pub revision: Revision,
    /// The ref that was pushed.
    pub reference: String,
    /// The plan that was executed.
    pub plan: Digest,
    /// When the run began.
    pub began: Timestamp,
    /// Each job that ended, in the plan's order.
    pub jobs: Vec<StatedJob>,
}

/// How one job of a build went. Field order is part of the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StatedJob {
    /// Its name.
    pub job: String,
    /// How it ended.
    pub result: JobResult,
    /// What kept its commands from the rest of the runner's machine; absent where none ran.
    pub sandbox: Option<SandboxLevel>,
    /// Digest of what it printed.
    pub log: Option<Digest>,
}

impl Manifest {
    /// The manifest of what was cut.
    pub fn of(cut: &CutNote) -> Self {
        let mut artifacts: Vec<_> = cut
            .artifacts
            .iter()
            .map(|artifact| ManifestArtifact { name: artifact.name.clone(), digest: artifact.digest, size: artifact.size })
            .collect();
        artifacts.sort_by(|a, b| a.name.cmp(&b.name));
        let mut files: Vec<_> = cut.files.iter().map(|file| ManifestFile { path: file.path.clone(), digest: file.digest }).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let configuration =
            cut.environments.iter().filter_map(|environment| Some((environment.name.clone(), environment.configuration?))).collect();
        Self {
            schema: 1,
            project: cut.project.clone(),
            artifacts,
            files,
            revision: cut.revision.clone(),
            delivery_file: cut.delivery_file,
            configuration,
            statement: cut.statement,
        }
    }

    /// The bytes that are hashed: compact JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a manifest has only string keys")
    }
}

impl BuildStatement {
    /// The statement of a run that has ended.
    pub fn of(id: RunId, run: &Run) -> Option<Self> {
        let plan = run.plan.as_ref()?;
        let jobs = run
            .jobs()
            .filter_map(|job| {
                let ended = job.state.ended()?;
                let log = ended.log.as_ref().map(|log| log.digest);
                Some(StatedJob { job: job.skeleton.key.to_string(), result: ended.result, sandbox: ended.sandbox, log })
            })
            .collect();
        Some(Self {
            schema: 2,
            run: id,
            revision: run.revision.clone(),
            reference: run.reference.clone(),
            plan: plan.digest,
            began: run.started_at,
            jobs,
        })
    }

    /// The bytes that are hashed: compact JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a statement has only string keys")
    }
}
