//! Conditions and values that the delivery file computes. The texts are CEL; see `check` for the names that they may use.

use serde::{Deserialize, Serialize};

/// The source text of a CEL expression. It was checked when the delivery file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expression(pub String);

/// A plain value that may hold `${{ cel }}` pieces. They were checked when the delivery file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(pub String);
