//! What keeps steps from the rest of the runner's machine: what may be asked for, and what there is.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What is asked for to keep a step from the rest of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxChoice {
    /// The best level that the runner has.
    #[default]
    Auto,
    /// This level and no other; a runner without it fails the job.
    #[serde(untagged)]
    Exactly(SandboxLevel),
}

impl SandboxChoice {
    /// Whether nothing special was asked for.
    pub fn is_auto(&self) -> bool {
        *self == SandboxChoice::Auto
    }

    /// As a delivery file has it.
    pub fn word(self) -> &'static str {
        match self {
            SandboxChoice::Auto => "auto",
            SandboxChoice::Exactly(level) => level.word(),
        }
    }
}

/// What keeps a step from the rest of the machine, from nothing to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxLevel {
    /// Nothing: it runs as the runner's own user.
    Host,
    /// Landlock, no new privileges, no capabilities.
    Landlock,
    /// Namespaces of its own.
    Sandbox,
}

impl SandboxLevel {
    /// As delivery files and the record have it.
    pub fn word(self) -> &'static str {
        match self {
            SandboxLevel::Host => "host",
            SandboxLevel::Landlock => "landlock",
            SandboxLevel::Sandbox => "sandbox",
        }
    }
}

impl fmt::Display for SandboxLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
