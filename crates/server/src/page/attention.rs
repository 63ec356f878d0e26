//! What a person may have to look at: the list above the matrix, and what the headline counts.

use super::cell::rolled_back;
use super::look::{self, Look, ROLLED_BACK, STANDS_STILL, TO_ACCEPT};
use super::part::{badge, branch, change_href, clip, command, revision_of, subject};
use super::time;
use maud::{Markup, html};
use trunkline_api::view::{
    DeploymentRef, DeploymentStatus, EnvironmentView, ProjectView, ReleaseRef, RunView, SafeMode, SourceView, StatusView,
};
use trunkline_domain::deployment::{DeploymentResult, FailureCause};
use trunkline_domain::foundation::{ProjectKey, Timestamp};
use trunkline_domain::run::{JobResult, RunResult};

/// Entries shown; the rest is counted.
const SHOWN_MAX: usize = 8;
/// Characters of a subject or a reason in one entry.
const WORDS_MAX: usize = 140;

/// What an entry is about, in the order of the list: first what stands still until a person acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A person must say what runs.
    Asks,
    /// A run, a deployment or a release failed.
    Fails,
    /// A person must let releases in.
    Accept,
    /// Nobody knows; it is being observed.
    Unknown,
}

/// An entry of the list.
pub struct Item<'a> {
    /// What it is about.
    pub kind: Kind,
    /// Whose; absent where all are concerned.
    pub project: Option<&'a ProjectKey>,
    /// The page's headline, should this be the only entry.
    pub headline: String,
    look: Look,
    what: String,
    href: Option<String>,
    why: Markup,
    command: Option<String>,
}

/// Everything that wants a look, most urgent first.
pub fn items(status: &StatusView) -> Vec<Item<'_>> {
    let scope = Scope { now: status.at, several: status.projects.len() > 1 };
    let mut items: Vec<Item<'_>> = status.disk_full.iter().map(|free| disk_full(*free)).collect();
    items.extend(status.safe_mode.iter().map(|safe| safe_mode(status.at, safe)));
    for project in &status.projects {
        items.extend(project.source.as_ref().and_then(|source| unfollowed(project, source)));
        items.extend(project.last_run.as_ref().and_then(|run| scope.run(project, run)));
        for environment in &project.environments {
            items.extend(scope.incoming(project, environment));
            items.extend(scope.failed(project, environment).or_else(|| scope.rolled_back(project, environment)));
            items.extend(scope.to_accept(project, environment));
        }
    }
    items.sort_by_key(|item| item.kind);
    items
}

/// Nothing new begins until there is room.
fn disk_full<'a>(free: u64) -> Item<'a> {
    Item {
        kind: Kind::Asks,
        project: None,
        headline: "Nothing new begins: the server's disk is full".to_owned(),
        look: STANDS_STILL,
        what: "disk full".to_owned(),
        href: None,
        why: html! {
            (free >> 20) " MiB are free on the disk of the data folder. What runs is recorded; pushes, runs and deployments wait "
            "until some of it is freed."
        },
        command: Some("trunkline explain TL0522".to_owned()),
    }
}

/// The record was restored, and nobody has confirmed it.
fn safe_mode<'a>(now: Timestamp, safe: &SafeMode) -> Item<'a> {
    Item {
        kind: Kind::Asks,
        project: None,
        headline: "Nothing is deployed until you confirm the restored record".to_owned(),
        look: TO_ACCEPT,
        what: "safe mode".to_owned(),
        href: None,
        why: html! {
            "The record was restored from a backup taken " (time::ago(now, safe.taken_at)) ". It does not know what happened since, and "
            "targets may hold something newer. Look at what runs; then let deployments begin again."
        },
        command: Some("trunkline resume".to_owned()),
    }
}

/// What is new in its repository does not arrive, or not all of it.
fn unfollowed<'a>(project: &'a ProjectView, source: &'a SourceView) -> Option<Item<'a>> {
    let why = source.failed.as_deref()?;
    let name = &project.name;
    Some(Item {
        kind: Kind::Fails,
        project: Some(name),
        headline: format!("{name} cannot follow its repository"),
        look: STANDS_STILL,
        what: format!("{name}'s repository"),
        href: None,
        why: html! { (clip(why, WORDS_MAX)) },
        command: Some(format!("trunkline sync {name}")),
    })
}

/// The list; nothing where all is well.
pub fn list(items: &[Item<'_>]) -> Markup {
    html! {
        @if !items.is_empty() {
            ul.attn aria-label="Needs attention" {
                @for item in items.iter().take(SHOWN_MAX) {
                    li.(item.look.tone.class()) {
                        span.st { (badge(item.look)) }
                        @match &item.href {
                            Some(href) => a.what href=(href) { (item.what) },
                            None => span.what { (item.what) },
                        }
                        span.why { (item.why) }
                        @match (&item.command, &item.href) {
                            (Some(text), _) => (command(text)),
                            (None, Some(href)) => a.btn.sm href=(href) aria-label={ "Open change of " (item.what) } { "Open change" },
                            (None, None) => {},
                        }
                    }
                }
                @if items.len() > SHOWN_MAX { li.rest { (items.len() - SHOWN_MAX) " more in the matrix below" } }
            }
        }
    }
}

/// Whether the list shows something that a person has to copy.
pub fn has_command(items: &[Item<'_>]) -> bool {
    items.iter().take(SHOWN_MAX).any(|item| item.command.is_some())
}

/// Why a run was refused, and what shows more.
fn refusal(run: &RunView) -> (Markup, String) {
    if let Some(why) = run.beyond_file() {
        return (html! { b { (why) } }, format!("trunkline where {}", run.commit.revision.short()));
    }
    let place = run.refused.first().map_or("trunkline.yaml", String::as_str);
    (html! { "the delivery file has errors, first " b { (place) } }, "trunkline check".to_owned())
}

struct Scope {
    now: Timestamp,
    several: bool,
}

impl Scope {
    fn run<'a>(&self, project: &'a ProjectView, run: &'a RunView) -> Option<Item<'a>> {
        let branch = branch(run);
        let (name, ended) = (&project.name, run.ended_at.unwrap_or(run.started_at));
        let by = run.commit.author.as_deref().map(|author| format!(" by {author}")).unwrap_or_default();
        let (reason, command, headline) = match run.result? {
            RunResult::Failed => (failure(run), None, format!("{name} is failing: run {} did not pass", run.number)),
            RunResult::Refused => {
                let (reason, command) = refusal(run);
                (reason, Some(command), format!("{name} is failing: run {} was refused", run.number))
            }
            RunResult::Passed | RunResult::Cancelled => return None,
        };
        Some(Item {
            kind: Kind::Fails,
            project: Some(name),
            headline,
            look: look::run(run),
            what: format!("{name} on {branch}"),
            href: Some(change_href(name, &run.commit.revision)),
            why: html! { "Run " (run.number) ", " (reason) ". “" (clip(subject(&run.commit), WORDS_MAX / 2)) "”" (by) ", " (time::ago(self.now, ended)) "." },
            command,
        })
    }

    fn incoming<'a>(&self, project: &'a ProjectView, environment: &'a EnvironmentView) -> Option<Item<'a>> {
        let incoming = environment.incoming.as_ref()?;
        let name = &environment.name;
        let (kind, headline) = match incoming.status {
            DeploymentStatus::Asking => (Kind::Asks, format!("{} asks you what runs in {name}", project.name)),
            DeploymentStatus::Unknown => (Kind::Unknown, format!("Nobody knows yet what {} runs in {name}", project.name)),
            DeploymentStatus::Waiting | DeploymentStatus::Deploying | DeploymentStatus::Verifying | DeploymentStatus::Ended(_) => {
                return None;
            }
        };
        let asks = kind == Kind::Asks;
        let old = environment.runs.as_ref().map(|runs| runs.release.version.as_str()).unwrap_or("the old release");
        let release = &incoming.release.version;
        let question = html! { " Say " b.nowrap { "--live" } " if " (release) " is in place, " b.nowrap { "--old" } " if " (old) " is." };
        let why = html! { b { (release) } ", " (time::age(self.now, incoming.since)) ": " (reason(incoming)) @if asks { (question) } };
        let command = asks.then(|| self.said(project, &format!("trunkline settle deployment/{} --live", incoming.number)));
        Some(self.item(
            project,
            environment,
            Told { kind, headline, look: look::deployment(incoming.status), why, command, release: Some(&incoming.release) },
        ))
    }

    fn failed<'a>(&self, project: &'a ProjectView, environment: &'a EnvironmentView) -> Option<Item<'a>> {
        let failed = environment.last_failed.as_ref()?;
        // What was cancelled, superseded or refused is somebody's decision, not a failure.
        let DeploymentStatus::Ended(DeploymentResult::Failed(_)) = failed.status else { return None };
        let release = &failed.release;
        let back = environment.incoming.as_ref().filter(|incoming| incoming.release.number < release.number);
        let runs_on = (environment.incoming.is_none() && environment.runs.is_none()).then(|| runs_on(failed, environment));
        let next = match &environment.runs {
            // What runs here is well: it is what was to come that needs somebody.
            Some(_) => Some(format!("trunkline promote {} {}", release.version, environment.name)),
            None if back.is_none() && !environment.back_to.is_empty() => Some(format!("trunkline rollback {}", environment.name)),
            None => None,
        };
        let why = html! {
            b { (release.version) } " is not verified: " (reason(failed)) " "
            @if let Some(back) = back { b { (back.release.version) } " is on its way back. " }
            @if let Some(runs_on) = runs_on { (runs_on) }
            (time::ago(self.now, failed.since)) "."
        };
        let headline = format!("{} failed in {}", project.name, environment.name);
        let command = next.map(|next| self.said(project, &next));
        Some(self.item(
            project,
            environment,
            Told { kind: Kind::Fails, headline, look: look::deployment(failed.status), why, command, release: Some(release) },
        ))
    }

    fn rolled_back<'a>(&self, project: &'a ProjectView, environment: &'a EnvironmentView) -> Option<Item<'a>> {
        let release = rolled_back(project, environment)?;
        let runs = environment.runs.as_ref()?;
        let why = html! {
            b { (release.version) } " failed and is vetoed from " (environment.name) " onwards. " b { (runs.release.version) } " runs here, verified "
            (time::ago(self.now, runs.since)) "."
        };
        let headline = format!("{} {} was rolled back in {}", project.name, release.version, environment.name);
        Some(self.item(
            project,
            environment,
            Told { kind: Kind::Fails, headline, look: ROLLED_BACK, why, command: None, release: Some(release) },
        ))
    }

    fn to_accept<'a>(&self, project: &'a ProjectView, environment: &'a EnvironmentView) -> Option<Item<'a>> {
        if environment.accepted {
            return None;
        }
        let name = &environment.name;
        let why = html! { "A delivery file named this environment anew. Releases come once a person lets them." };
        let headline = format!("{} waits for you to accept {name}", project.name);
        let command = Some(self.said(project, &format!("trunkline environments accept {name}")));
        Some(self.item(project, environment, Told { kind: Kind::Accept, headline, look: TO_ACCEPT, why, command, release: None }))
    }

    fn item<'a>(&self, project: &'a ProjectView, environment: &EnvironmentView, told: Told<'_>) -> Item<'a> {
        let Told { kind, headline, look, why, command, release } = told;
        let revision = release.and_then(|release| revision_of(project, release));
        let href = revision.map(|revision| change_href(&project.name, revision));
        Item {
            kind,
            project: Some(&project.name),
            headline,
            look,
            what: format!("{} in {}", project.name, environment.name),
            href,
            why,
            command,
        }
    }

    /// A command that means this project wherever it is typed.
    fn said(&self, project: &ProjectView, command: &str) -> String {
        if self.several { format!("{command} -p {}", project.name) } else { command.to_owned() }
    }
}

/// What an entry about an environment says.
struct Told<'a> {
    kind: Kind,
    headline: String,
    look: Look,
    why: Markup,
    command: Option<String>,
    release: Option<&'a ReleaseRef>,
}

/// What runs after a deployment that failed and that nothing undid.
fn runs_on(failed: &DeploymentRef, environment: &EnvironmentView) -> String {
    let what = match failed.status {
        DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Verify)) => "It runs on, unverified",
        DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Settled)) => "The old release runs, as a person said",
        DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Hindered)) => "Nothing that is verified was seen to run",
        _ => "It may be in place, or a part of it",
    };
    let back = if environment.back_to.is_empty() { "; there is nothing to go back to" } else { "" };
    format!("{what}{back}. ")
}

fn reason(deployment: &DeploymentRef) -> String {
    format!("{}.", clip(deployment.reason.as_deref().unwrap_or("no reason was recorded").trim_end_matches('.'), WORDS_MAX))
}

/// The first failed test of a run, else its first failed job.
fn failure(run: &RunView) -> Markup {
    let failed =
        run.jobs.iter().find(|job| matches!(job.status, trunkline_api::view::JobStatus::Ended(JobResult::Failed | JobResult::Lost)));
    let tests = failed.and_then(|job| job.tests.as_ref()).or(run.tests.as_ref()).filter(|tests| tests.failed > 0);
    html! {
        @match (tests.and_then(|tests| tests.failures.first()), failed) {
            (Some(first), _) => b { (clip(&first.name, WORDS_MAX)) },
            (None, Some(job)) => { "job " b { (job.key) } @if let Some(reason) = &job.reason { ": " (clip(reason.trim_end_matches('.'), WORDS_MAX)) } },
            (None, None) => "a job did not pass",
        }
    }
}
