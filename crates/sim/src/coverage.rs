//! Which kinds of fact and of fault a set of seeds has seen.

use std::collections::BTreeMap;

/// Every kind of fact that the workload can bring about, as `room.fact`.
pub const FACTS: [&str; 50] = [
    "restoration.restored",
    "restoration.confirmed",
    "project.added",
    "repository.created",
    "repository.ref-moved",
    "run.started",
    "run.job-queued",
    "run.job-leased",
    "run.attempt-ended",
    "run.job-ended",
    "run.cancel-requested",
    "run.ended",
    "release.cut",
    "release.promotion-requested",
    "release.verified",
    "release.vetoed",
    "environment.opened",
    "environment.pending",
    "environment.accepted",
    "environment.declined",
    "environment.promoted",
    "environment.superseded",
    "environment.withdrawn",
    "environment.forbidden",
    "environment.lock-granted",
    "environment.lock-released",
    "environment.restored",
    "deployment.requested",
    "deployment.begun",
    "deployment.leased",
    "deployment.observed",
    "deployment.applied",
    "deployment.found",
    "deployment.became-unknown",
    "deployment.asked-again",
    "deployment.applies-again",
    "deployment.asking",
    "deployment.settled",
    "deployment.tried-again",
    "deployment.checked",
    "deployment.cancel-requested",
    "deployment.restored",
    "deployment.ended",
    "ended.succeeded",
    "ended.failed",
    "ended.cancelled",
    "ended.superseded",
    "ended.refused",
    "run.passed",
    "run.refused",
];

/// Counts by name.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Facts by kind.
    pub facts: BTreeMap<String, u64>,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Commands given.
    pub commands: u64,
}

impl Coverage {
    /// Counts a fault.
    pub fn fault(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    /// Counts a fact, from its form in the ledger.
    pub fn fact(&mut self, fact: &serde_json::Value) {
        let Some((room, inner)) = fact.as_object().and_then(|object| object.iter().next()) else { return };
        let kind = match &inner["fact"] {
            serde_json::Value::String(name) => name.clone(),
            serde_json::Value::Object(object) => object.keys().next().cloned().unwrap_or_default(),
            _ => String::new(),
        };
        *self.facts.entry(format!("{room}.{kind}")).or_default() += 1;
        if kind == "ended" {
            let result = &inner["fact"]["ended"]["result"];
            let word = result.as_str().map(str::to_owned).or_else(|| result.as_object().and_then(|object| object.keys().next().cloned()));
            let room = if room == "run" { "run" } else { "ended" };
            *self.facts.entry(format!("{room}.{}", word.unwrap_or_default())).or_default() += 1;
        }
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Coverage) {
        for (name, count) in &other.facts {
            *self.facts.entry(name.clone()).or_default() += count;
        }
        for (name, count) in &other.faults {
            *self.faults.entry(name).or_default() += count;
        }
        self.commands += other.commands;
    }

    /// Kinds of fact never seen.
    pub fn unseen(&self) -> Vec<&'static str> {
        FACTS.into_iter().filter(|name| !self.facts.contains_key(*name)).collect()
    }

    /// Seen kinds of fact, in percent.
    pub fn percent(&self) -> usize {
        (FACTS.len() - self.unseen().len()) * 100 / FACTS.len()
    }
}
