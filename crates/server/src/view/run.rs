//! Runs and their jobs.

use super::release::release_ref;
use super::{missing, row, rows};
use crate::about::About;
use crate::shared::{Failure, Shared};
use trunkline_api::view::{CommitView, JobStatus, JobView, PullRequestView, RunView};
use trunkline_domain::change::ChangeNote;
use trunkline_domain::foundation::{ProjectKey, Revision, RunId};
use trunkline_domain::reading::{ReleaseRow, RunRow, Table, numbered};
use trunkline_domain::record::{Key, State};
use trunkline_domain::report::TestSummary;
use trunkline_domain::run::Unplanned;
use trunkline_domain::run::{Job, JobResult, JobState, ReleaseVerdict, Run, RunStatus};
use trunkline_engine::Read;

/// One run by its number.
pub fn run(shared: &Shared, project: &ProjectKey, number: u32) -> Result<RunView, Failure> {
    let row: Option<RunRow> = row(shared, Table::Run, &numbered(project, number))?;
    let Some(row) = row else {
        let newest: Option<RunRow> = rows(shared, Table::Run, project, None, 1)?.pop();
        return Err(missing(shared, project, (About::Run, format!("run {project}/{number}")), newest.map(|newest| newest.number)));
    };
    by_id(shared, row.id)
}

/// The newest runs, before a number.
pub fn runs(shared: &Shared, project: &ProjectKey, before: Option<u32>, limit: u32) -> Result<Vec<RunView>, Failure> {
    let found: Vec<RunRow> = rows(shared, Table::Run, project, before, limit)?;
    found.into_iter().map(|row| by_id(shared, row.id)).collect()
}

/// One run by its id.
pub fn by_id(shared: &Shared, id: RunId) -> Result<RunView, Failure> {
    match shared.state(&Key::Run(id))? {
        Some(State::Run(run)) => view(shared, id, &run),
        _ => Err(Failure::NotFound(About::Run, format!("run {id}"))),
    }
}

fn view(shared: &Shared, id: RunId, run: &Run) -> Result<RunView, Failure> {
    let (result, ended_at, verdict) = match &run.status {
        RunStatus::Running | RunStatus::Cancelling => (None, None, None),
        RunStatus::Ended { result, at, release } => (Some(*result), Some(*at), Some(release.clone())),
    };
    Ok(RunView {
        id,
        project: run.project.clone(),
        number: run.number,
        commit: commit(shared, &run.revision, &run.change)?,
        reference: run.reference.clone(),
        trigger: run.trigger,
        inputs: run.inputs.clone(),
        version: run.version.clone(),
        plan: run.plan.as_ref().map(|plan| plan.digest),
        result,
        cancelling: run.status == RunStatus::Cancelling,
        started_at: run.started_at,
        ended_at,
        jobs: run.jobs().map(|job| job_view(shared, id, run, job)).collect::<Result<_, _>>()?,
        tests: run.tests(),
        refused: run.refused.as_ref().map(refused).unwrap_or_default(),
        refused_beyond_file: matches!(run.refused, Some(Unplanned::Beyond(_))),
        verdict,
        release: release_of(shared, run)?,
    })
}

/// Why there is no plan. The record holds codes and places alone: what a code means stands on its page.
fn refused(unplanned: &Unplanned) -> Vec<String> {
    let told = |line: &String| match titled(line) {
        Some(title) => format!("{line}: {title}"),
        None => line.clone(),
    };
    match unplanned {
        Unplanned::File(places) => places.iter().map(told).collect(),
        Unplanned::Beyond(why) => vec![why.clone()],
    }
}

/// The title of the page of the code that a line begins with.
fn titled(line: &str) -> Option<&'static str> {
    let code = line.split(' ').next()?;
    trunkline_delivery_file::explain(code)?.lines().next()?.strip_prefix("# ")?.strip_prefix(code)?.strip_prefix(": ")
}

/// Shown in place of words that were changed in the database.
const FORGED: &str = "(these words were changed: trunkline ledger verify)";

/// A commit with the words that are kept beside the record.
pub fn commit(shared: &Shared, revision: &Revision, change: &ChangeNote) -> Result<CommitView, Failure> {
    // Words that are not those of the record are nobody's words.
    let words = shared.reader.text(&change.text)?.map(|text| if text.digest() == change.text { text.text } else { FORGED.to_owned() });
    let mut lines = words.as_deref().unwrap_or_default().lines().map(str::to_owned);
    Ok(CommitView {
        revision: revision.clone(),
        subject: lines.next(),
        author: lines.next(),
        committed_at: change.committed_at,
        pull_request: change
            .pull_request
            .as_ref()
            .map(|pull| PullRequestView { number: pull.number, evidence: pull.evidence.words().to_owned() }),
    })
}

fn release_of(shared: &Shared, run: &Run) -> Result<Option<trunkline_api::view::ReleaseRef>, Failure> {
    let RunStatus::Ended { at, release: ReleaseVerdict::Cut, .. } = &run.status else { return Ok(None) };
    // It was cut in the entry that ended the run: only releases as young as that are searched.
    let mut before = None;
    loop {
        let page: Vec<ReleaseRow> = rows(shared, Table::Release, &run.project, before, super::PAGE_MAX)?;
        if let Some(found) = page.iter().find(|release| release.run == run.number) {
            return Ok(Some(release_ref(found)));
        }
        match page.last() {
            Some(last) if last.at >= *at => before = Some(last.number),
            _ => return Ok(None),
        }
    }
}

fn job_view(shared: &Shared, id: RunId, run: &Run, job: Job<'_>) -> Result<JobView, Failure> {
    let skeletons = run.plan.as_ref().map_or(&[][..], |plan| &plan.jobs);
    let work = format!("{id}/{}", job.skeleton.key);
    let mut view = JobView {
        key: job.skeleton.key.clone(),
        needs: job.skeleton.needs.iter().map(|need| skeletons[*need as usize].key.clone()).collect(),
        status: JobStatus::Blocked,
        reason: None,
        attempt: 0,
        since: None,
        began: None,
        ended_at: None,
        runner: None,
        sandbox: None,
        steps: Vec::new(),
        tests: None,
        artifacts: Vec::new(),
        log_bytes: None,
        log_sealed: None,
        work,
    };
    match job.state {
        JobState::Blocked => {}
        JobState::Queued { attempt, since, .. } => {
            view.status = JobStatus::Queued;
            (view.attempt, view.since) = (*attempt, Some(*since));
        }
        JobState::Leased(leased) => {
            view.status = JobStatus::Running;
            (view.attempt, view.since, view.began) = (leased.attempt, Some(leased.since), Some(leased.since));
            view.runner = Some(leased.runner.to_string());
        }
        JobState::Ended(ended) => {
            view.status = JobStatus::Ended(ended.result);
            view.reason = ended.reason.clone();
            (view.attempt, view.began, view.ended_at) = (ended.attempt, ended.began, Some(ended.at));
            view.tests = tests_with_messages(shared, &view.work, ended.tests.clone())?;
            view.sandbox = ended.sandbox;
            view.steps = ended.steps.clone();
            view.artifacts = ended.artifacts.clone();
            view.log_bytes = ended.log.as_ref().map(|log| log.bytes);
            let lost = (ended.result == JobResult::Lost).then_some(false);
            view.log_sealed = ended.log.as_ref().map(|log| log.sealed).or(lost);
        }
    }
    Ok(view)
}

/// The tests of a piece of work, with messages where they are still kept.
pub fn tests_with_messages(shared: &Shared, work: &str, tests: Option<TestSummary>) -> Result<Option<TestSummary>, Failure> {
    if tests.as_ref().is_none_or(|tests| tests.failures.is_empty()) {
        return Ok(tests);
    }
    let Some(epoch) = shared.reader.plain("last-lease", work)? else { return Ok(tests) };
    let key = format!("{work}/{}", String::from_utf8_lossy(&epoch));
    let kept = shared.reader.plain("tests", &key)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(kept.or(tests))
}
