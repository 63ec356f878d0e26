//! A definition frozen for one commit.

use super::Definition;
use crate::foundation::{Digest, EnvironmentName, ProjectKey, Revision};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that a run, its release and their deployments do, decided when the run starts and named by [`Plan::digest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this form: 1.
    pub schema: u32,
    /// The project.
    pub project: ProjectKey,
    /// The commit.
    pub revision: Revision,
    /// The folder of the repository that the project is; all its paths are relative to it. Empty: the root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub folder: String,
    /// Digest of the delivery file's bytes at that commit.
    pub delivery_file: Digest,
    /// What it says.
    pub definition: Definition,
    /// Repository files frozen for a release, sorted by path; empty where no release can follow.
    pub files: Vec<FrozenFile>,
    /// Digest of each environment's configuration file.
    pub configuration: BTreeMap<EnvironmentName, Digest>,
}

/// A repository file as it was at the plan's commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FrozenFile {
    /// Path from the project's folder.
    pub path: String,
    /// Digest of its bytes.
    pub digest: Digest,
    /// Whether it may be executed.
    pub executable: bool,
}

impl Plan {
    /// The bytes that are stored and hashed: compact JSON in the order of the fields.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a plan has only string keys")
    }

    /// Its identity.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }
}
