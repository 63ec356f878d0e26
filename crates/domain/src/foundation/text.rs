//! Who acts, and which commit is meant.

use super::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A git commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Revision(#[schemars(regex(pattern = "^(?:[0-9a-f]{40}|[0-9a-f]{64})$"))] String);

/// Why a text is not a commit id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a commit id: expected 40 or 64 hex digits")]
pub struct RevisionParseError(String);

impl Revision {
    /// The hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven hex digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Revision {
    type Err = RevisionParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex { Ok(Self(text.to_owned())) } else { Err(RevisionParseError(text.chars().take(80).collect())) }
    }
}

impl<'de> Deserialize<'de> for Revision {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The text, cut between two characters where it has more bytes.
pub fn shortened(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Actor {
    /// What kind of actor it is.
    pub kind: ActorKind,
    /// The name within its kind, such as `operator` or a runner's name.
    pub name: String,
}

/// The kinds of actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActorKind {
    /// A person or the token that a person made.
    Person,
    /// A runner.
    Runner,
    /// Trunkline itself: a timer, a follow-up.
    System,
}

impl Actor {
    /// A person.
    pub fn person(name: impl Into<String>) -> Self {
        Self { kind: ActorKind::Person, name: name.into() }
    }

    /// A runner.
    pub fn runner(name: impl Into<String>) -> Self {
        Self { kind: ActorKind::Runner, name: name.into() }
    }

    /// Trunkline itself.
    pub fn system() -> Self {
        Self { kind: ActorKind::System, name: "trunkline".to_owned() }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

const ADJECTIVES: [&str; 32] = [
    "amber", "brisk", "calm", "clear", "cosy", "deft", "eager", "early", "fair", "fleet", "fresh", "gentle", "glad", "golden", "green",
    "keen", "kind", "lively", "lucid", "mellow", "merry", "neat", "noble", "quick", "quiet", "ready", "silver", "steady", "still", "swift",
    "warm", "wise",
];
const ANIMALS: [&str; 32] = [
    "badger", "bear", "beaver", "crane", "deer", "dolphin", "eagle", "falcon", "finch", "fox", "gull", "hare", "hawk", "hedgehog", "heron",
    "ibis", "jay", "kestrel", "lark", "lynx", "marten", "mole", "moose", "otter", "owl", "raven", "robin", "seal", "stork", "swan", "tern",
    "wren",
];

/// A name that people can say for the thing with this digest, such as `amber-heron`. One of 1,024, so not unique.
pub fn alias_of(digest: &Digest) -> String {
    let bytes = digest.as_bytes();
    format!("{}-{}", ADJECTIVES[usize::from(bytes[0]) % 32], ANIMALS[usize::from(bytes[1]) % 32])
}
