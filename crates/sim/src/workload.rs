//! Pipelines and pushes, made from the seed.

use crate::random::Random;
use crate::target::{BY_DIGEST, BY_VERSION, BY_VERSION_ALONE};
use trunkline_domain::change::{ChangeNote, PullRequest, PullRequestEvidence};
use trunkline_domain::expression::Expression;
use trunkline_domain::foundation::{Actor, Digest, Millis, ProjectKey, Revision, RunId, Timestamp};
use trunkline_domain::ledger::Via;
use trunkline_domain::pipeline::{
    After, ArtifactRule, Check, CheckRule, Definition, EnvironmentRule, FailureMode, JobRule, Part, PartKind, Plan, QueuePolicy,
    ReleaseRule, Retry, RetryCause, RollbackCause, RunPart, Step, Tier, Triggers, VersionRule,
};
use trunkline_domain::record::Command;
use trunkline_domain::run::{self, PlanNote, StartRun, Unplanned};
use trunkline_engine::{Beside, CommandKey, KeyScope, Request, Text};

/// Every environment that a delivery file may have.
pub const ENVIRONMENTS: [&str; 5] = ["test", "qa", "production", "overseas", "canary"];

/// A pushed commit of a project, as the server would ask the engine to record it.
pub fn push(random: &mut Random, project: &ProjectKey, count: u64, now: Timestamp) -> Request {
    let revision: Revision = Digest::of(format!("{project} {count}").as_bytes()).hex()[..40].parse().expect("40 hex digits");
    // Now and then another branch, which has an order of its own.
    let reference = if random.chance(15) { "refs/heads/next" } else { "refs/heads/main" };
    let plan = plan(random, project, &revision, count);
    let bytes = plan.to_bytes();
    let digest = Digest::of(&bytes);
    let note = PlanNote { digest, jobs: plan.job_skeletons(), release: plan.release_skeleton().map(Box::new), described: None };
    let text = Text { salt: [count as u8; 16], text: format!("change {count}") };
    let pull_request = random.chance(50).then_some(PullRequest { number: count as u32, evidence: PullRequestEvidence::MergeMessage });
    let change = ChangeNote { committed_at: now, pull_request, text: text.digest() };
    let plan = if random.chance(4) { Err(Unplanned::File(vec!["TL0142 trunkline.yaml:3:1".to_owned()])) } else { Ok(note) };
    let start = StartRun {
        project: project.clone(),
        revision: revision.clone(),
        reference: reference.to_owned(),
        trigger: run::Trigger::Push,
        inputs: Default::default(),
        change,
        plan,
    };
    let mut id = [0; 16];
    id.copy_from_slice(&Digest::of(format!("run {project} {count}").as_bytes()).as_bytes()[..16]);
    let command = Command::Run(RunId::new(uuid::Uuid::from_bytes(id)), run::Command::Start(Box::new(start)));
    Request {
        actor: Actor::person("dev"),
        via: Via::Push,
        key: Some(CommandKey { scope: KeyScope::Project(project.clone()), key: format!("push {reference} {revision}"), body: digest }),
        commands: vec![command],
        keyed: Vec::new(),
        beside: Beside { values: vec![(digest, bytes)], texts: vec![text], commits: Vec::new() },
    }
}

fn plan(random: &mut Random, project: &ProjectKey, revision: &Revision, count: u64) -> Plan {
    let definition = Definition {
        name: None,
        on: Triggers::default(),
        jobs: jobs(random),
        release: random.chance(90).then(|| ReleaseRule {
            needs: None,
            condition: random.chance(10).then(|| Expression("change.branch == 'main'".to_owned())),
            version: VersionRule::Calver,
            artifacts: None,
            files: Vec::new(),
        }),
        environments: environments(random, count),
    };
    Plan {
        schema: 1,
        project: project.clone(),
        revision: revision.clone(),
        folder: String::new(),
        delivery_file: Digest::of(b"file"),
        definition,
        files: Vec::new(),
        configuration: Default::default(),
    }
}

fn jobs(random: &mut Random) -> Vec<JobRule> {
    let count = 1 + random.below(4) as usize;
    let key = |index: usize| format!("job{index}").parse().expect("a job's name");
    (0..count)
        .map(|index| {
            let needs: Vec<_> = (0..index).filter(|_| random.chance(40)).map(key).collect();
            let condition = match random.below(12) {
                0 => Some("change.branch == 'main'".to_owned()),
                1 => Some("change.branch == 'other'".to_owned()),
                2 if !needs.is_empty() => Some(format!("needs['{}'].result == 'failed'", needs[0])),
                _ => None,
            };
            JobRule {
                key: key(index),
                needs,
                condition: condition.map(Expression),
                steps: vec![Step { name: None, run: "true".to_owned() }],
                env: Default::default(),
                timeout: Millis::minutes(10),
                sandbox: Default::default(),
                artifacts: vec![ArtifactRule { name: format!("artifact{index}"), path: "out".to_owned() }],
                reports: Vec::new(),
                retry: if random.chance(30) { Retry { max: 1, on: vec![RetryCause::Failed] } } else { Retry::default() },
                failure: if random.chance(20) { FailureMode::Warn } else { FailureMode::Fail },
            }
        })
        .collect()
}

fn environments(random: &mut Random, count: u64) -> Vec<EnvironmentRule> {
    // Two come after the same one. The last one appears later, and so must be accepted by a person.
    let present = if count > 8 { ENVIRONMENTS.len() } else { ENVIRONMENTS.len() - 1 };
    (0..present)
        .map(|index| {
            let after = match ENVIRONMENTS[index] {
                "test" => After::Release,
                "canary" => After::Any(vec![name("test"), name("qa")]),
                // The gate is edited away in the commit that it guards.
                _ if random.chance(8) => After::Release,
                "qa" => After::All(vec![name("test")]),
                _ => After::All(vec![name("qa")]),
            };
            EnvironmentRule {
                name: name(ENVIRONMENTS[index]),
                tier: Tier::Testing,
                after,
                queue: *random.pick(&[QueuePolicy::Queue, QueuePolicy::Newest, QueuePolicy::Reject]).unwrap_or(&QueuePolicy::Queue),
                config: None,
                parts: parts(random),
                verify: (0..random.below(3)).map(check).collect(),
                rollback: if random.chance(80) { vec![RollbackCause::Health, RollbackCause::Verify] } else { Vec::new() },
            }
        })
        .collect()
}

fn name(text: &str) -> trunkline_domain::foundation::EnvironmentName {
    text.parse().expect("an environment's name")
}

fn parts(random: &mut Random) -> Vec<Part> {
    (0..1 + random.below(2))
        .map(|index| {
            let run = RunPart {
                apply: "true".to_owned(),
                observe: random.pick(&[BY_DIGEST, BY_DIGEST, BY_VERSION, BY_VERSION_ALONE]).map(|script| (*script).to_owned()),
                health: None,
                rollback: None,
                idempotent: random.chance(60),
                env: Default::default(),
                timeout: Millis::minutes(5),
            };
            Part { name: format!("part{index}"), kind: PartKind::Run(run) }
        })
        .collect()
}

fn check(index: u64) -> CheckRule {
    let check = Check::Run { run: "true".to_owned(), reports: Vec::new(), timeout: Millis::minutes(5), sandbox: Default::default() };
    CheckRule { name: format!("check{index}"), check }
}
