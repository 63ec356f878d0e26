//! What is seen at one moment, as one line for each job, part, check and environment.

use crate::render::paint::{Mark, Style};
use crate::render::text::clean;
use crate::render::{Look, change, release, words};
use trunkline_api::view::{
    DeploymentRef, DeploymentStatus, DeploymentView, EnvironmentView, JobView, RunView, StationKind, StationState, StationView, WhereView,
};
use trunkline_domain::deployment::DeploymentResult;
use trunkline_domain::foundation::{Millis, Timestamp};

/// What is seen.
#[derive(Clone, Debug)]
pub enum Sight {
    /// A run without a release, or none yet.
    Run(Box<RunView>),
    /// A run with its release on its way.
    Change {
        /// The change.
        change: Box<WhereView>,
        /// The project's environments.
        environments: Vec<EnvironmentView>,
    },
    /// A deployment.
    Deployment {
        /// The deployment.
        deployment: Box<DeploymentView>,
        /// Where.
        environment: Box<EnvironmentView>,
    },
}

/// One line of a drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is about.
    pub name: String,
    /// Where that stands.
    pub mark: Mark,
    /// The same in a word.
    pub word: String,
    /// How long it took.
    pub took: Option<Millis>,
    /// Since when it is at work or waits; its time moves.
    pub since: Option<Timestamp>,
    /// Why, or what was seen.
    pub note: String,
}

impl Sight {
    /// The line above all.
    pub fn title(&self, look: &Look) -> String {
        match self {
            Sight::Run(run) => run_title(run, look),
            Sight::Change { change, .. } => run_title(&change.run, look),
            Sight::Deployment { deployment, .. } => {
                let name = look.paint.text(Style::Strong, &format!("deployment {}", deployment.number));
                let what =
                    format!("{}/{} {} {}", deployment.project, deployment.environment, look.paint.to(), release::name(&deployment.release));
                format!("{name} {what}")
            }
        }
    }

    /// The lines below it.
    pub fn lines(&self) -> Vec<Line> {
        match self {
            Sight::Run(run) => run.jobs.iter().map(job).collect(),
            Sight::Change { change, environments } => {
                let mut lines: Vec<Line> = change.run.jobs.iter().map(job).collect();
                for one in change.stations.iter().filter(|one| matches!(one.kind, StationKind::Release | StationKind::Environment)) {
                    lines.push(station(one, change));
                    let environment = environments.iter().find(|environment| environment.name.as_str() == one.name);
                    lines.extend(environment.and_then(|environment| rollback_line(environment, one.deployment?)));
                }
                lines
            }
            Sight::Deployment { deployment, environment } => {
                let mut lines = deployment_lines(deployment);
                lines.extend(rollback_line(environment, deployment.number));
                lines
            }
        }
    }

    /// What a pipe hears every now and then.
    pub fn heartbeat(&self, look: &Look) -> String {
        let busy: Vec<String> = self
            .lines()
            .iter()
            .filter(|line| matches!(line.mark, Mark::Running | Mark::Waiting | Mark::Unknown))
            .map(|line| match line.since {
                Some(since) => format!("{} {} {}", line.name, line.word, look.clock.elapsed(since)),
                None => format!("{} {}", line.name, line.word),
            })
            .take(8)
            .collect();
        if busy.is_empty() { "still at work".to_owned() } else { format!("still at work: {}", busy.join(", ")) }
    }
}

/// The deployment that undoes another one and has not ended: it has the environment, or waits for it.
pub fn rollback_of(environment: &EnvironmentView, undone: u32) -> Option<&DeploymentRef> {
    environment.incoming.iter().chain(&environment.queue).find(|coming| coming.undoes == Some(undone))
}

/// What became of the rollback of a deployment: one that ended is what runs, or what failed last.
fn rollback_line(environment: &EnvironmentView, undone: u32) -> Option<Line> {
    let name = format!("{} rollback", environment.name);
    if let Some(runs) = environment.runs.as_ref().filter(|runs| runs.undoes == Some(undone)) {
        let (mark, word) = words::deployment(DeploymentStatus::Ended(DeploymentResult::Succeeded));
        let note = format!("back to {}", clean(&runs.release.version));
        return Some(Line { name, mark, word: word.to_owned(), took: None, since: None, note });
    }
    let failed = environment.hindered_since.iter().chain(&environment.last_failed).find(|failed| failed.undoes == Some(undone));
    let rollback = rollback_of(environment, undone).or(failed)?;
    let (mark, word) = words::deployment(rollback.status);
    let why = rollback.reason.as_deref().map(|reason| format!(": {}", clean(reason))).unwrap_or_default();
    let note = format!("back to {}{why}", clean(&rollback.release.version));
    let since = Some(rollback.since).filter(|_| !matches!(rollback.status, DeploymentStatus::Ended(_)));
    Some(Line { name, mark, word: word.to_owned(), took: None, since, note })
}

fn run_title(run: &RunView, look: &Look) -> String {
    format!("{} {}", look.paint.text(Style::Strong, &format!("run {}", run.number)), change::commit(&run.commit, look))
}

fn job(job: &JobView) -> Line {
    let (mark, word) = words::job(job);
    let took = job.began.zip(job.ended_at).map(|(began, ended)| ended.since(began));
    let since = if job.ended_at.is_some() || mark == Mark::Ahead { None } else { job.began.or(job.since) };
    let needs: Vec<&str> = job.needs.iter().map(|need| need.as_str()).collect();
    let mut notes: Vec<String> = job.reason.iter().map(|reason| clean(reason)).collect();
    if notes.is_empty() && mark == Mark::Ahead && !needs.is_empty() {
        notes.push(format!("needs {}", needs.join(", ")));
    }
    notes.extend(job.tests.as_ref().map(words::tests));
    Line { name: job.key.to_string(), mark, word: word.to_owned(), took, since, note: notes.join("; ") }
}

fn station(station: &StationView, change: &WhereView) -> Line {
    let (mark, word) = words::station(station);
    let since = if matches!(station.state, StationState::Running | StationState::Waiting) { station.at } else { None };
    let named = change.release.as_ref().filter(|_| station.kind == StationKind::Release && mark == Mark::Passed);
    let note = named.map_or_else(
        || station.reason.as_deref().map(clean).unwrap_or_default(),
        |named| format!("{} \"{}\"", clean(&named.release.version), clean(&named.release.alias)),
    );
    Line { name: clean(&station.name), mark, word: word.to_owned(), took: station.took, since, note }
}

fn deployment_lines(deployment: &DeploymentView) -> Vec<Line> {
    let (mark, word) = words::deployment(deployment.status);
    let ended = matches!(deployment.status, DeploymentStatus::Ended(_));
    let at_work = if ended { None } else { Some(deployment.began.unwrap_or(deployment.requested_at)) };
    let took = deployment.began.zip(deployment.ended_at).map(|(began, ended)| ended.since(began));
    let note = deployment.reason.as_deref().map(clean).unwrap_or_default();
    let whole = Line { name: deployment.environment.to_string(), mark, word: word.to_owned(), took, since: at_work, note };
    let parts = deployment.parts.iter().map(|part| {
        let (mark, word) = words::part(part, deployment.status);
        let took = part.applied_at.zip(deployment.began).map(|(at, began)| at.since(began));
        let note = if part.found { "found in place".to_owned() } else { String::new() };
        Line { name: format!("part {}", clean(&part.name)), mark, word: word.to_owned(), took, since: None, note }
    });
    let checks = deployment.checks.iter().map(|check| {
        let (mark, word) = words::check(check, deployment.status);
        let note = crate::render::deployment::evidence(check);
        Line { name: format!("check {}", clean(&check.name)), mark, word: word.to_owned(), took: None, since: None, note }
    });
    parts.chain(checks).chain(std::iter::once(whole)).collect()
}

impl Line {
    /// How long it took or has taken.
    pub fn time(&self, look: &Look) -> String {
        let span = self.took.or_else(|| self.since.map(|since| look.clock.elapsed(since)));
        span.map(|span| span.to_string()).unwrap_or_default()
    }
}
