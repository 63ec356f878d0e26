//! From a definition to a run: which jobs, and what it begins with.

use super::super::check;
use crate::code::Code;
use crate::failure::Failure;
use crate::git::Repository;
use std::collections::BTreeMap;
use trunkline_domain::change::ChangeNote;
use trunkline_domain::foundation::{Actor, Digest, RunId};
use trunkline_domain::ledger::Via;
use trunkline_domain::pipeline::{Definition, JobRule, Plan};
use trunkline_domain::record::Command;
use trunkline_domain::run::{self, PlanNote, StartRun, Trigger};
use trunkline_engine::{Beside, Request};

/// The commit that stands for files of which none is committed.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// These jobs and what they need; all where none is named. Nothing is released from here.
pub fn selected(mut definition: Definition, wanted: &[String]) -> Result<Definition, Failure> {
    definition.release = None;
    definition.environments.clear();
    if wanted.is_empty() {
        return Ok(definition);
    }
    let mut taken: Vec<String> = Vec::new();
    let mut open: Vec<String> = wanted.to_vec();
    while let Some(name) = open.pop() {
        let Some(job) = definition.jobs.iter().find(|job| job.key.as_str() == name) else {
            let known: Vec<&str> = definition.jobs.iter().map(|job| job.key.as_str()).collect();
            return Err(Failure::new(Code::NoSuchJob, format!("there is no job '{name}'")).help(format!("known are {}", known.join(", "))));
        };
        if !taken.contains(&name) {
            taken.push(name);
            open.extend(job.needs.iter().map(ToString::to_string));
        }
    }
    definition.jobs.retain(|job| taken.iter().any(|name| name == job.key.as_str()));
    Ok(definition)
}

/// The jobs, each after what it needs.
pub fn in_order(jobs: &[JobRule]) -> Vec<&JobRule> {
    let mut ordered: Vec<&JobRule> = Vec::new();
    // The graph was checked for cycles: each pass takes one at least.
    while ordered.len() < jobs.len() {
        let before = ordered.len();
        for job in jobs {
            let is_in = |key: &trunkline_domain::foundation::JobKey| ordered.iter().any(|taken| taken.key == *key);
            if !is_in(&job.key) && job.needs.iter().all(is_in) {
                ordered.push(job);
            }
        }
        if ordered.len() == before {
            break;
        }
    }
    ordered
}

/// The request that starts the run.
pub fn request(repository: &Repository, definition: Definition, inputs: &BTreeMap<String, String>) -> anyhow::Result<(RunId, Request)> {
    let manual = definition.on.manual.clone().unwrap_or_default();
    let given = inputs.clone();
    let inputs =
        if given.is_empty() { manual.defaults() } else { manual.take(&given).map_err(|why| Failure::new(Code::StartInput, why))? };
    let revision = repository.revision("HEAD").map_or_else(|| NO_COMMIT.parse(), Ok)?;
    let branch = repository.branch().unwrap_or_else(|| "main".to_owned());
    let plan = Plan {
        schema: 1,
        project: project(&definition).parse()?,
        revision: revision.clone(),
        folder: check::project_folder(repository).display().to_string(),
        delivery_file: Digest::of(b""),
        definition,
        files: Vec::new(),
        configuration: BTreeMap::new(),
    };
    let bytes = plan.to_bytes();
    let digest = Digest::of(&bytes);
    let note = PlanNote { digest, jobs: plan.job_skeletons(), release: None, described: None };
    let trigger = if given.is_empty() { Trigger::Push } else { Trigger::Manual };
    let start = StartRun {
        project: plan.project.clone(),
        revision,
        reference: format!("refs/heads/{branch}"),
        trigger,
        inputs,
        change: ChangeNote { committed_at: super::now(), pull_request: None, text: Digest::of(b"") },
        plan: Ok(note),
    };
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    let id: RunId = RunId::new(uuid::Builder::from_random_bytes(random).into_uuid());
    let command = Command::Run(id, run::Command::Start(Box::new(start)));
    let beside = Beside { values: vec![(digest, bytes)], ..Beside::default() };
    Ok((id, Request { beside, ..Request::new(Actor::person("you"), Via::Api, command) }))
}

/// A name that scripts find in TRUNKLINE_PROJECT.
fn project(definition: &Definition) -> String {
    let name: String = definition.name.as_deref().unwrap_or("local").to_lowercase();
    let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) && name.len() <= 60 && !name.is_empty();
    if fits { name } else { "local".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Definition {
        let text = "on: push\njobs:\n  ship: { needs: [unit, lint], run: s }\n  unit: { needs: build, run: u }\n  lint: { run: l }\n  build: { run: b }\n  docs: { run: d }\n";
        trunkline_delivery_file::read(text.as_bytes()).0.unwrap()
    }

    #[test]
    fn a_job_comes_with_what_it_needs_in_order() {
        let names = |jobs: &[JobRule]| in_order(jobs).iter().map(|job| job.key.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&definition().jobs), ["lint", "build", "docs", "unit", "ship"]);
        let unit = selected(definition(), &["unit".to_owned()]).unwrap();
        assert_eq!(names(&unit.jobs), ["build", "unit"]);
        assert!(selected(definition(), &["unti".to_owned()]).unwrap_err().to_string().contains("'unti'"));
    }
}
