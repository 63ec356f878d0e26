//! Names of things. Roots have generated ids with a printable prefix; children have natural keys.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not {expected}{}", self.rule.map(|rule| format!(": it {rule}")).unwrap_or_default())]
pub struct IdParseError {
    text: String,
    expected: &'static str,
    rule: Option<&'static str>,
}

impl IdParseError {
    fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(TEXT_CHARS_MAX).collect(), expected, rule: None }
    }

    /// What a name has, where a name was expected: goes on from "it" or "a name".
    pub fn rule(&self) -> Option<&'static str> {
        self.rule
    }
}

/// Characters of a text that is told back.
const TEXT_CHARS_MAX: usize = 80;

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
                    .ok_or_else(|| IdParseError::new(text, concat!("an id of ", $what)))
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

/// What a name has, in words: for people, for the document of the API and for refusals.
macro_rules! rule {
    ($max:literal, $ends:literal) => {
        concat!(
            "has letters, digits, '-', '_' and '.', begins with a letter or digit, has no '..'",
            $ends,
            ", and has at most ",
            $max,
            " bytes"
        )
    };
}

macro_rules! natural_key {
    ($name:ident, $what:literal, $max:literal, $form:ident, $ends:literal) => {
        #[doc = concat!("The name of ", $what, ": it ", rule!($max, $ends), ".")]
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(length(min = 1, max = $max), regex(pattern = $form.pattern))] String);

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
                if is_name(text, $max, &$form) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(IdParseError { rule: Some(rule!($max, $ends)), ..IdParseError::new(text, concat!("a name of ", $what)) })
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

natural_key!(ProjectKey, "a project", 63, OF_GIT, ", does not end in '.', '.git' or '.lock'");
natural_key!(RepositoryKey, "a repository", 63, OF_GIT, ", does not end in '.', '.git' or '.lock'");
natural_key!(EnvironmentName, "an environment", 63, OF_GIT, ", does not end in '.', '.git' or '.lock'");
natural_key!(JobKey, "a job", 100, PLAIN, "");
natural_key!(RunnerKey, "a runner", 100, PLAIN, "");

/// How a name may end, and the same with all the rest as a pattern.
struct Form {
    ends_never: &'static [&'static str],
    pattern: &'static str,
}

/// A name of its own.
const PLAIN: Form = Form { ends_never: &[], pattern: r"^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.))*$" };

/// A name that becomes a piece of a repository's path or of a ref. Git takes none that ends in `.` or `.lock` for a ref
/// (git-check-ref-format), and leaves out `.git` at the end of a repository's address, so that `shop.git` would be `shop`.
const OF_GIT: Form =
    Form { ends_never: &[".", ".git", ".lock"], pattern: r"^(?!.*(?:\.|\.git|\.lock)$)[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.))*$" };

fn is_name(text: &str, bytes_max: usize, form: &Form) -> bool {
    text.len() <= bytes_max
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        // `..` would make a name dangerous as a folder.
        && !text.contains("..")
        && !form.ends_never.iter().any(|end| text.ends_with(end))
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
        let number = text.parse().map_err(|_| IdParseError::new(text, "the number of a restoration"))?;
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
        let (project, name) = text.split_once('/').ok_or_else(|| IdParseError::new(text, "an environment (project/name)"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_git_would_read_otherwise_is_none() {
        for good in ["a", "7", "a.b", "shop.github", "shop-lock", "a.locks", "A_b-c.d", "git", "lock", &"x".repeat(63)] {
            assert!(good.parse::<ProjectKey>().is_ok() && good.parse::<EnvironmentName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a.", "shop.git", "a.lock", ".git", "-x", "_x", ".x", "a..b", "a/b", "a b", "\u{e9}", &"x".repeat(64)] {
            let error = bad.parse::<ProjectKey>().unwrap_err().to_string();
            assert!(error.contains("does not end in '.', '.git' or '.lock'") && error.contains("at most 63 bytes"), "{bad}: {error}");
            assert!(bad.parse::<RepositoryKey>().is_err() && bad.parse::<EnvironmentName>().is_err(), "{bad}");
        }
        // An artifact may well be called so, and has a job's rule.
        assert!("Cargo.lock".parse::<JobKey>().is_ok());
    }
}
