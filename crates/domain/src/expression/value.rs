//! Values of expressions, and the names that an evaluation knows.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an expression computes. Written to JSON as the plain JSON value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// What kind of value it is, with its article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// A map of these members.
    pub fn map<const N: usize>(members: [(&str, Value); N]) -> Value {
        Value::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Its size in memory, roughly, in units of 64 bytes and at least 1: what copying or comparing it costs in steps.
    pub(super) fn weight(&self) -> usize {
        match self {
            Value::Null | Value::Bool(_) | Value::Int(_) => 1,
            Value::Text(text) => 1 + text.len() / 64,
            Value::List(items) => items.iter().fold(1, |sum, item| sum.saturating_add(item.weight())),
            Value::Map(members) => members.values().fold(1, |sum, member| sum.saturating_add(member.weight())),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

/// What each root name stands for: `change`, `event`, `needs`, `release`, `environment`, `target`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(pub BTreeMap<String, Value>);

impl Scope {
    /// The scope with one more root, or another value for it.
    pub fn with(mut self, root: &str, value: impl Into<Value>) -> Self {
        self.0.insert(root.to_owned(), value.into());
        self
    }
}
