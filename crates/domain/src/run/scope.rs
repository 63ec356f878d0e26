//! What conditions of a run may look at.

use super::{Run, Trigger};
use crate::expression::{Scope, Value};
use crate::foundation::Revision;
use std::collections::BTreeMap;

/// `change`, `event` and `inputs`, known from the start.
pub fn change_scope(
    revision: &Revision,
    reference: &str,
    pull_request: Option<u32>,
    trigger: Trigger,
    inputs: &BTreeMap<String, String>,
) -> Scope {
    let branch = reference.strip_prefix("refs/heads/").unwrap_or("");
    let tag = reference.strip_prefix("refs/tags/").unwrap_or("");
    let text = |text: &str| Value::Text(text.to_owned());
    let change = BTreeMap::from([
        ("revision".to_owned(), text(revision.as_str())),
        ("branch".to_owned(), text(branch)),
        ("tag".to_owned(), text(tag)),
        ("target_branch".to_owned(), text("")),
        ("pull_request".to_owned(), Value::Int(pull_request.map_or(0, i64::from))),
    ]);
    let inputs = inputs.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    Scope(BTreeMap::from([
        ("change".to_owned(), Value::Map(change)),
        ("event".to_owned(), text(trigger.word())),
        ("inputs".to_owned(), Value::Map(inputs)),
    ]))
}

impl Run {
    /// `change`, `event`, `inputs` and `needs` with the jobs at these places of the plan.
    pub fn scope(&self, needs: &[u32]) -> Scope {
        let pull_request = self.change.pull_request.as_ref().map(|pull| pull.number);
        let mut scope = change_scope(&self.revision, &self.reference, pull_request, self.trigger, &self.inputs);
        let mut jobs = BTreeMap::new();
        let skeletons = self.plan.as_ref().map_or(&[][..], |plan| &plan.jobs);
        for index in needs.iter().map(|need| *need as usize) {
            let Some(ended) = self.jobs[index].ended() else { continue };
            let outputs = ended.outputs.iter().map(|(name, value)| (name.clone(), Value::Text(value.clone()))).collect();
            let members = BTreeMap::from([
                ("result".to_owned(), Value::Text(ended.result.word().to_owned())),
                ("outputs".to_owned(), Value::Map(outputs)),
            ]);
            jobs.insert(skeletons[index].key.to_string(), Value::Map(members));
        }
        scope.0.insert("needs".to_owned(), Value::Map(jobs));
        scope
    }
}
