//! Names of things. Roots have generated ids with a printable prefix; children have natural keys.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not {expected}")]
pub struct IdParseError {
    text: String,
    expected: &'static str,
}

macro_rules! root_id {
    ($name:ident, $prefix:literal, $what:literal) => {
        #[doc = concat!("The id of ", $what, ": `", $prefix, "_` and the 32 hex digits of a version 7 UUID.")]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, schemars::JsonSchema)]
        pub struct $name(#[schemars(with = "String", regex(pattern = concat!("^", $prefix, "_[0-9a-f]{32}$")))] uuid::Uuid);

        impl $name {
            /// An id from a UUID made by the shell.
            pub const fn new(uuid: uuid::Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|hex| hex.len() == 32)
                    .and_then(|hex| uuid::Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or_else(|| IdParseError { text: text.to_owned(), expected: concat!("an id of ", $what) })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

root_id!(RunId, "run", "a run");
root_id!(ReleaseId, "rel", "a release");
root_id!(DeploymentId, "dep", "a deployment");

macro_rules! natural_key {
    ($name:ident, $what:literal, $max:literal) => {
        #[doc = concat!("The name of ", $what, ": letters, digits, `-`, `_` and `.`, starting with a letter or digit, at most ", $max, " bytes.")]
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
        #[serde(transparent)]
        // A dot is never followed by another: see `is_name`.
        pub struct $name(#[schemars(length(min = 1, max = $max), regex(pattern = r"^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.))*$"))] String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if is_name(text, $max) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(IdParseError { text: text.chars().take(80).collect(), expected: concat!("a name of ", $what, " (letters, digits, - _ . after a letter or digit, at most ", $max, " bytes)") })
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

natural_key!(ProjectKey, "a project", 63);
natural_key!(RepositoryKey, "a repository", 63);
natural_key!(JobKey, "a job", 100);
natural_key!(RunnerKey, "a runner", 100);
natural_key!(EnvironmentName, "an environment", 63);

fn is_name(text: &str, bytes_max: usize) -> bool {
    text.len() <= bytes_max
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        // `..` would make a name dangerous as a folder.
        && !text.contains("..")
}

/// The number of a restoration of the record, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RestorationNumber(pub u32);

impl fmt::Display for RestorationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for RestorationNumber {
    type Err = IdParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse().map_err(|_| IdParseError { text: text.to_owned(), expected: "the number of a restoration" })?;
        Ok(Self(number))
    }
}

/// An environment of a project, written `shop/production`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentKey {
    /// The project.
    pub project: ProjectKey,
    /// The environment's name within it.
    pub name: EnvironmentName,
}

impl fmt::Display for EnvironmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project, self.name)
    }
}

impl fmt::Debug for EnvironmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EnvironmentKey {
    type Err = IdParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (project, name) =
            text.split_once('/').ok_or_else(|| IdParseError { text: text.to_owned(), expected: "an environment (project/name)" })?;
        Ok(Self { project: project.parse()?, name: name.parse()? })
    }
}

impl Serialize for EnvironmentKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EnvironmentKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
