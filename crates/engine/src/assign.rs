//! Work as a runner gets it: the plan's texts, rendered with what is known now.

use crate::state::States;
use crate::store::{Store, StoreError};
use crate::work::WorkRef;
use std::collections::BTreeMap;
use trunkline_api::runner::{Assignment, Contents, JobWork, Lease, PartWork, Subject, VerifyWork, Work};
use trunkline_domain::deployment::{Deployment, WorkKey};
use trunkline_domain::expression::{Scope, Template, Value};
use trunkline_domain::foundation::{DeploymentId, EnvironmentKey, JobKey};
use trunkline_domain::pipeline::{Check, CheckRule, EnvironmentRule, HttpCheck, PartKind, Plan, SandboxLevel, Tier};
use trunkline_domain::record::{Key, State};
use trunkline_domain::release::Release;
use trunkline_domain::run::Run;

/// The assignment of a piece of work that was just leased.
pub(crate) fn assignment<S: Store>(states: &mut States, store: &S, work: &WorkRef, epoch: u64) -> Result<Assignment, StoreError> {
    let lease = Lease { work: work.to_string(), epoch };
    match work {
        WorkRef::Job(id, job) => {
            let run = run_of(states, store, &Key::Run(*id))?;
            let plan = states.plan(store, &plan_digest(&run)?)?;
            let work = job_work(&run, &plan, job)?;
            Ok(Assignment { lease, work: Work::Job(work), subject: run_subject(*id, &run), masked: Vec::new() })
        }
        WorkRef::Piece(id, piece) => {
            let Some(State::Deployment(deployment)) = states.get(store, &Key::Deployment(*id))?.cloned() else {
                return Err(StoreError::Damaged(format!("{id} is missing")));
            };
            let Some(State::Release(release)) = states.get(store, &Key::Release(deployment.release))?.cloned() else {
                return Err(StoreError::Damaged(format!("{} is missing", deployment.release)));
            };
            let plan = states.plan(store, &release.cut.plan)?;
            let mut work = piece_work(&deployment, &release, &plan, *piece)?;
            if let Work::Verify(verify) = &mut work {
                verify.least = least_sandbox(states, store, &deployment)?;
            }
            let subject = Subject {
                project: deployment.project.clone(),
                run: format!("{}/{}", release.cut.project, release.cut.run_number),
                run_id: release.cut.run,
                revision: release.cut.revision.clone(),
                reference: release.cut.reference.clone(),
                event: String::new(),
                inputs: BTreeMap::new(),
                version: Some(release.cut.version.clone()),
                release: Some((deployment.release, release.cut.manifest)),
                environment: Some(deployment.environment.clone()),
                deployment: Some(*id),
                fence: deployment.progress().map(|progress| progress.fence),
            };
            Ok(Assignment { lease, work, subject, masked: Vec::new() })
        }
    }
}

/// On production `sandbox: auto` never comes to less than what was verified there last had: nothing steps down silently.
fn least_sandbox<S: Store>(states: &mut States, store: &S, deployment: &Deployment) -> Result<Option<SandboxLevel>, StoreError> {
    // To come back goes first: a machine that has lost its sandbox must not keep production on what failed there.
    if deployment.skeleton.tier != Tier::Production || deployment.cause.is_rollback() {
        return Ok(None);
    }
    let key = EnvironmentKey { project: deployment.project.clone(), name: deployment.environment.clone() };
    let verified: Vec<DeploymentId> = match states.get(store, &Key::Environment(key))? {
        Some(State::Environment(environment)) => environment.verified.iter().map(|verified| verified.deployment).collect(),
        _ => Vec::new(),
    };
    for id in verified {
        let Some(State::Deployment(last)) = states.get(store, &Key::Deployment(id))? else { continue };
        // One whose checks ran nothing on a runner tells nothing.
        if let Some(level) = last.done().and_then(|done| done.checks.iter().filter_map(|check| check.sandbox).max()) {
            return Ok(Some(level));
        }
    }
    Ok(None)
}

fn run_of<S: Store>(states: &mut States, store: &S, key: &Key) -> Result<Run, StoreError> {
    match states.get(store, key)? {
        Some(State::Run(run)) => Ok(run.clone()),
        _ => Err(StoreError::Damaged(format!("{key} is missing"))),
    }
}

fn plan_digest(run: &Run) -> Result<trunkline_domain::foundation::Digest, StoreError> {
    run.plan.as_ref().map(|plan| plan.digest).ok_or_else(|| StoreError::Damaged("a run with work has no plan".to_owned()))
}

fn run_subject(id: trunkline_domain::foundation::RunId, run: &Run) -> Subject {
    Subject {
        project: run.project.clone(),
        run: format!("{}/{}", run.project, run.number),
        run_id: id,
        revision: run.revision.clone(),
        reference: run.reference.clone(),
        event: run.trigger.word().to_owned(),
        inputs: run.inputs.clone(),
        version: run.version.clone(),
        release: None,
        environment: None,
        deployment: None,
        fence: None,
    }
}

fn job_work(run: &Run, plan: &Plan, key: &JobKey) -> Result<JobWork, StoreError> {
    let missing = || StoreError::Damaged(format!("job {key} is not in its plan"));
    let rule = plan.definition.jobs.iter().find(|rule| &rule.key == key).ok_or_else(missing)?;
    let needs = &run.job(key).ok_or_else(missing)?.skeleton.needs;
    let scope = run.scope(needs);
    let inputs = needs.iter().filter_map(|need| run.jobs[*need as usize].ended()).flat_map(|ended| ended.artifacts.clone()).collect();
    Ok(JobWork {
        folder: plan.folder.clone(),
        steps: rule.steps.clone(),
        env: render_all(&rule.env, &scope),
        timeout: rule.timeout,
        sandbox: rule.sandbox,
        artifacts: rule.artifacts.clone(),
        reports: rule.reports.clone(),
        inputs,
    })
}

/// Templates were checked with the file; what still cannot be rendered (a missing output) is empty, as in a shell.
fn render_all(templates: &BTreeMap<String, Template>, scope: &Scope) -> BTreeMap<String, String> {
    templates.iter().map(|(name, template)| (name.clone(), template.render(scope).unwrap_or_default())).collect()
}

fn piece_work(deployment: &Deployment, release: &Release, plan: &Plan, piece: WorkKey) -> Result<Work, StoreError> {
    let missing = || StoreError::Damaged(format!("environment {} is not in its plan", deployment.environment));
    let rule = plan.definition.environments.iter().find(|rule| rule.name == deployment.environment).ok_or_else(missing)?;
    let skeleton = &deployment.skeleton;
    let contents =
        Contents { artifacts: release.cut.artifacts.clone(), files: release.cut.files.clone(), configuration: skeleton.configuration };
    let scope = deployment_scope(release, rule);
    match piece {
        WorkKey::Observe(part) | WorkKey::Apply(part) => {
            let part = rule.parts.get(part as usize).ok_or_else(missing)?.clone();
            let env = match &part.kind {
                PartKind::Process(process) => render_all(&process.env, &scope),
                PartKind::Run(run) => render_all(&run.env, &scope),
            };
            let work = PartWork { part, env, contents, rollback: deployment.cause.is_rollback() };
            Ok(if matches!(piece, WorkKey::Observe(_)) { Work::Observe(work) } else { Work::Apply(work) })
        }
        WorkKey::Verify(check) => {
            let check = rule.verify.get(check as usize).ok_or_else(missing)?;
            Ok(Work::Verify(VerifyWork { check: render_check(check, &scope), contents, least: None }))
        }
    }
}

fn render_check(rule: &CheckRule, scope: &Scope) -> CheckRule {
    let render = |template: &Template| Template(template.render(scope).unwrap_or_else(|error| format!("<{error}>")));
    let check = match &rule.check {
        Check::Http(http) => Check::Http(HttpCheck {
            url: render(&http.url),
            status: http.status,
            json: http.json.iter().map(|(name, template)| (name.clone(), render(template))).collect(),
            text: http.text.as_ref().map(render),
            within: http.within,
        }),
        Check::Run { .. } => rule.check.clone(),
    };
    CheckRule { name: rule.name.clone(), check }
}

fn deployment_scope(release: &Release, rule: &EnvironmentRule) -> Scope {
    let text = |text: &str| Value::Text(text.to_owned());
    let cut = &release.cut;
    let release = BTreeMap::from([
        ("version".to_owned(), text(&cut.version)),
        ("revision".to_owned(), text(cut.revision.as_str())),
        ("digest".to_owned(), text(&cut.manifest.to_string())),
    ]);
    let tier = serde_json::to_value(rule.tier).ok().and_then(|tier| tier.as_str().map(str::to_owned)).unwrap_or_default();
    let environment = BTreeMap::from([("name".to_owned(), text(rule.name.as_str())), ("tier".to_owned(), text(&tier))]);
    let target = BTreeMap::from([("name".to_owned(), text(rule.name.as_str()))]);
    let roots = [("release", release), ("environment", environment), ("target", target)];
    Scope(roots.into_iter().map(|(name, members)| (name.to_owned(), Value::Map(members))).collect())
}
