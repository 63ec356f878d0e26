//! Names in paths that are no names of the domain: what each is, is said here once, and the document tells it.

use schemars::JsonSchema;
use serde::Deserialize;

/// The number of a run in its project.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RunNumber(pub u32);

/// The number of a deployment in its project.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct DeploymentNumber(pub u32);

/// A release: its number, its version or its alias.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ReleaseName(pub String);

/// A commit (at least 4 digits), or `pr-` and a number.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Question(#[schemars(regex(pattern = r"^(?:pr-[0-9]{1,9}|[0-9A-Fa-f]{4,})$"))] pub String);
