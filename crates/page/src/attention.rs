//! What a person may have to look at: the list above the matrix, and what the headline counts.

use super::look::{self, Look, ROLLED_BACK, STANDS_STILL, TO_ACCEPT};
use super::part::{badge, branch, change_href, clip, command, revision_of, subject};
use super::time;
use maud::{Markup, html};
pub use trunkline_api::view::attention::Kind;
use trunkline_api::view::attention::{self, About, Entry};
use trunkline_api::view::{DeploymentRef, DeploymentStatus, EnvironmentView, ProjectView, ReleaseRef, RunView, SafeMode, StatusView};
use trunkline_domain::deployment::{DeploymentResult, FailureCause};
use trunkline_domain::foundation::{ProjectKey, Timestamp};
use trunkline_domain::run::{JobResult, RunResult};

/// Entries shown; the rest is counted.
const SHOWN_MAX: usize = 8;
/// Characters of a subject or a reason in one entry.
const WORDS_MAX: usize = 140;

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
    attention::attention(status).into_iter().map(|entry| item(status.at, entry)).collect()
}

fn item<'a>(now: Timestamp, entry: Entry<'a>) -> Item<'a> {
    let Told { headline, look, what, why, release } = match (entry.about, entry.project) {
        (About::DiskFull(free), _) => disk_full(free),
        (About::SafeMode(safe), _) => safe_mode(now, safe),
        (About::Gone, project) => gone(name(project)),
        (About::Unfollowed(why), project) => unfollowed(name(project), why),
        (About::Run(run), project) => self::run(now, name(project), run),
        (About::Incoming(environment, incoming), _) => self::incoming(now, environment, incoming),
        (About::Failed(environment, deployment), _) => failed(now, environment, deployment),
        (About::RolledBack(environment, release), _) => rolled_back(now, environment, release),
        (About::Accept(environment), _) => to_accept(environment),
    };
    let href = entry.project.and_then(|project| match (entry.about, release) {
        (About::Run(run), _) => Some(change_href(&project.name, &run.commit.revision)),
        (_, Some(release)) => revision_of(project, release).map(|revision| change_href(&project.name, revision)),
        (_, None) => None,
    });
    // The change's page says why; a command does only where there is none.
    let command = entry.act.or(entry.look.filter(|_| href.is_none()));
    Item { kind: entry.kind, project: entry.project.map(|project| &project.name), headline, look, what, href, why, command }
}

fn name(project: Option<&ProjectView>) -> &str {
    project.map(|project| project.name.as_str()).unwrap_or_default()
}

/// Nothing new begins until there is room.
fn disk_full<'a>(free: u64) -> Told<'a> {
    Told {
        headline: "Nothing new begins: the server's disk is full".to_owned(),
        look: STANDS_STILL,
        what: "disk full".to_owned(),
        why: html! {
            (free >> 20) " MiB are free on the disk of the data folder. What runs is recorded; pushes, runs and deployments wait "
            "until some of it is freed."
        },
        release: None,
    }
}

/// The record was restored, and nobody has confirmed it.
fn safe_mode<'a>(now: Timestamp, safe: &SafeMode) -> Told<'a> {
    Told {
        headline: "Nothing is deployed until you confirm the restored record".to_owned(),
        look: TO_ACCEPT,
        what: "safe mode".to_owned(),
        why: html! {
            "The record was restored from a backup taken " (time::ago(now, safe.taken_at)) ". It does not know what happened since, and "
            "targets may hold something newer. Look at what runs; then let deployments begin again."
        },
        release: None,
    }
}

/// Its commits are not there any more.
fn gone<'a>(name: &str) -> Told<'a> {
    Told {
        headline: format!("The repository of {name} is gone from the server"),
        look: STANDS_STILL,
        what: format!("{name}'s repository"),
        why: html! { "Its folder is not in the data folder any more: nothing can be pushed, run or deployed. What runs is left running. Put it back from a backup, and the server finds it." },
        release: None,
    }
}

/// What is new in its repository does not arrive, or not all of it.
fn unfollowed<'a>(name: &str, why: &str) -> Told<'a> {
    Told {
        headline: format!("{name} cannot follow its repository"),
        look: STANDS_STILL,
        what: format!("{name}'s repository"),
        why: html! { (clip(why, WORDS_MAX)) },
        release: None,
    }
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

/// Why a run was refused.
fn refusal(run: &RunView) -> Markup {
    match run.beyond_file() {
        Some(why) => html! { b { (why) } },
        None => {
            let first = run.refused.first().map_or("trunkline.yaml", String::as_str);
            html! { "the delivery file has errors, first " b { (first) } }
        }
    }
}

fn run<'a>(now: Timestamp, name: &str, run: &RunView) -> Told<'a> {
    let ended = run.ended_at.unwrap_or(run.started_at);
    let by = run.commit.author.as_deref().map(|author| format!(" by {author}")).unwrap_or_default();
    let (reason, became) = match run.result {
        Some(RunResult::Refused) => (refusal(run), "was refused"),
        _ => (failure(run), "did not pass"),
    };
    Told {
        headline: format!("{name} is failing: run {} {became}", run.number),
        look: look::run(run),
        what: format!("{name} on {}", branch(run)),
        why: html! { "Run " (run.number) ", " (reason) ". “" (clip(subject(&run.commit), WORDS_MAX / 2)) "”" (by) ", " (time::ago(now, ended)) "." },
        release: None,
    }
}

fn incoming<'a>(now: Timestamp, environment: &EnvironmentView, incoming: &'a DeploymentRef) -> Told<'a> {
    let (project, name) = (&environment.project, &environment.name);
    let asks = incoming.status == DeploymentStatus::Asking;
    let headline = match asks {
        true => format!("{project} asks you what runs in {name}"),
        false => format!("Nobody knows yet what {project} runs in {name}"),
    };
    let old = environment.runs.as_ref().map(|runs| runs.release.version.as_str()).unwrap_or("the old release");
    let release = &incoming.release.version;
    let question = html! { " Say " b.nowrap { "--live" } " if " (release) " is in place, " b.nowrap { "--old" } " if " (old) " is." };
    let why = html! { b { (release) } ", " (time::age(now, incoming.since)) ": " (reason(incoming)) @if asks { (question) } };
    Told { headline, look: look::deployment(incoming.status), what: place(environment), why, release: Some(&incoming.release) }
}

fn failed<'a>(now: Timestamp, environment: &EnvironmentView, failed: &'a DeploymentRef) -> Told<'a> {
    let release = &failed.release;
    let runs_on = (environment.incoming.is_none() && environment.runs.is_none()).then(|| runs_on(failed, environment));
    let why = html! {
        b { (release.version) } " is not verified: " (reason(failed)) " "
        @if let Some(back) = failed.undone_by(environment) { b { (back.release.version) } " is on its way back. " }
        @if let Some(runs_on) = runs_on { (runs_on) }
        (time::ago(now, failed.since)) "."
    };
    let headline = format!("{} failed in {}", environment.project, environment.name);
    Told { headline, look: look::deployment(failed.status), what: place(environment), why, release: Some(release) }
}

fn rolled_back<'a>(now: Timestamp, environment: &EnvironmentView, release: &'a ReleaseRef) -> Told<'a> {
    let why = html! {
        b { (release.version) } " failed and is vetoed from " (environment.name) " onwards. "
        @if let Some(runs) = &environment.runs { b { (runs.release.version) } " runs here, verified " (time::ago(now, runs.since)) "." }
    };
    let headline = format!("{} {} was rolled back in {}", environment.project, release.version, environment.name);
    Told { headline, look: ROLLED_BACK, what: place(environment), why, release: Some(release) }
}

fn to_accept<'a>(environment: &EnvironmentView) -> Told<'a> {
    let why = html! { "A delivery file named this environment anew. Releases come once a person lets them." };
    let headline = format!("{} waits for you to accept {}", environment.project, environment.name);
    Told { headline, look: TO_ACCEPT, what: place(environment), why, release: None }
}

fn place(environment: &EnvironmentView) -> String {
    format!("{} in {}", environment.project, environment.name)
}

/// What an entry says.
struct Told<'a> {
    headline: String,
    look: Look,
    what: String,
    why: Markup,
    /// The release whose change says more.
    release: Option<&'a ReleaseRef>,
}

/// What runs after a deployment that failed and that nothing undid.
fn runs_on(failed: &DeploymentRef, environment: &EnvironmentView) -> String {
    let what = match failed.status {
        DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Verify)) => "It runs on, unverified",
        DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Settled)) => "The old release runs, as a person said",
        DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Hindered)) => "Nothing that is verified was seen to run",
        _ if failed.not_in_place => "It was not put in place",
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
