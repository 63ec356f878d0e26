//! The answer of a change's page: where it is, and why it is not further. The first thing that is read.

use super::look::{self, Icon, Tone, grouped};
use super::part::{command, icon, refused_for, sentence};
use super::time;
use maud::{Markup, html};
use trunkline_api::view::{Projects, StationKind, StationState, StationView, WhereView};
use trunkline_domain::foundation::Timestamp;
use trunkline_domain::run::{ReleaseVerdict, RunResult};

/// The answer.
pub struct Answer {
    /// Its colour.
    pub tone: Tone,
    /// The answer in a few words.
    pub big: String,
    icon: Icon,
    detail: Markup,
    commands: Vec<String>,
}

impl Answer {
    /// Whether it shows something that a person has to copy.
    pub fn has_command(&self) -> bool {
        !self.commands.is_empty()
    }

    /// The strip below the head.
    pub fn markup(&self) -> Markup {
        html! {
            section.answer.(self.tone.class()) aria-label="Answer" {
                (icon(self.icon))
                div { p.big { (self.big) } p { (self.detail) } }
                @if self.has_command() { div.cmds { @for text in &self.commands { (command(text)) } } }
            }
        }
    }
}

/// Whether anything is still to come without a new push.
pub fn moves(view: &WhereView) -> bool {
    let state = |wanted| view.stations.iter().any(|station| station.state == wanted);
    let ended_badly = state(StationState::Failed) || state(StationState::RolledBack) || state(StationState::Stopped);
    view.run.result.is_none()
        || state(StationState::Running)
        || state(StationState::Waiting)
        || (state(StationState::Ahead) && !ended_badly)
}

/// Where the change is. What ended badly comes first, then what wants a person, what moves, what waits, and at last
/// that it is where it was to go.
pub fn answer(view: &WhereView, projects: Projects, now: Timestamp) -> Answer {
    if let Some(refused) = refused(view) {
        // Its commands are of the delivery file in the reader's folder, and of no project.
        return refused;
    }
    let mut answer = failed_job(view, now)
        .or_else(|| bad_environment(view, now))
        .or_else(|| wanted(view, now))
        .or_else(|| moving(view, now))
        .or_else(|| waiting(view, now))
        .or_else(|| put_back(view, now))
        .or_else(|| no_release(view))
        .or_else(|| stopped(view))
        .unwrap_or_else(|| arrived(view, now));
    for command in &mut answer.commands {
        *command = projects.said(command, &view.project);
    }
    answer
}

fn refused(view: &WhereView) -> Option<Answer> {
    if let Some(why) = view.run.beyond_file() {
        let big = "Refused: this commit cannot be run".to_owned();
        return Some(Answer { tone: Tone::Fail, icon: Icon::Fail, big, detail: html! { "Nothing ran: " (why) }, commands: Vec::new() });
    }
    (view.run.result == Some(RunResult::Refused)).then(|| Answer {
        tone: Tone::Fail,
        icon: Icon::Fail,
        big: "Refused: the delivery file has errors".to_owned(),
        detail: html! {
            "Nothing ran. "
            @for (at, refused) in view.run.refused.iter().enumerate() { @if at > 0 { ", " } (refused_for(refused)) }
        },
        commands: view
            .run
            .refused_code()
            .map(|code| format!("trunkline explain {code}"))
            .into_iter()
            .chain(["trunkline check".to_owned()])
            .collect(),
    })
}

fn failed_job(view: &WhereView, now: Timestamp) -> Option<Answer> {
    // A job that may fail and did is no answer: its run passed.
    if view.run.result == Some(RunResult::Passed) {
        return None;
    }
    let station = find(view, StationKind::Job, StationState::Failed)?;
    let job = view.run.jobs.iter().find(|job| job.key.as_str() == station.name);
    let tests = job.and_then(|job| job.tests.as_ref()).filter(|tests| tests.failed > 0);
    let big = match tests {
        Some(tests) => format!("Failed in {}: {}", station.name, look::tests(tests).trim_end_matches(" failed")),
        None => format!("Failed in {}", station.name),
    };
    let first = tests.and_then(|tests| tests.failures.first());
    let detail = html! {
        @match (first, &station.reason) {
            (Some(first), _) => {
                code { (first.name) } @if let Some(file) = &first.file { ", " (file) @if let Some(line) = first.line { ":" (line) } } ". "
            },
            (None, Some(reason)) => { (sentence(reason)) " " },
            (None, None) => {},
        }
        @if view.run.result.is_some() { "No release is cut from it. " }
        @if let Some(at) = station.at { (time::ago(now, at)) "." }
    };
    let commands = vec![format!("trunkline log {} {}", view.run.number, station.name)];
    Some(Answer { tone: Tone::Fail, icon: Icon::Fail, big, detail, commands })
}

fn bad_environment(view: &WhereView, now: Timestamp) -> Option<Answer> {
    let station = find(view, StationKind::Environment, StationState::Failed)?;
    let big = format!("Failed in {}", station.name);
    let veto = view.release.as_ref().and_then(|release| look::vetoed_from(&release.release));
    let detail = html! {
        @if let Some(reason) = &station.reason { (sentence(reason)) " " }
        @if let Some(veto) = veto { "Vetoed from " b { (veto) } " onwards. " }
        @if let Some(at) = station.at { (time::ago(now, at)) "." }
    };
    let commands = station.deployment.map(|number| format!("trunkline log deployment/{number}")).into_iter().collect();
    Some(Answer { tone: Tone::Fail, icon: Icon::Fail, big, detail, commands })
}

/// Somebody put an earlier release back: what runs is as they want it, and the change did not fail.
fn put_back(view: &WhereView, now: Timestamp) -> Option<Answer> {
    let station = find(view, StationKind::Environment, StationState::RolledBack)?;
    let detail = html! {
        @if let Some(reason) = &station.reason { (sentence(reason)) " " }
        @if let Some(at) = station.at { "It was verified there " (time::ago(now, at)) "." }
    };
    let again = |number: u32| format!("trunkline promote {number} {}", station.name);
    let commands = view.release.iter().map(|release| again(release.release.number)).collect();
    Some(Answer { tone: Tone::Off, icon: Icon::Back, big: format!("Rolled back in {}", station.name), detail, commands })
}

fn wanted(view: &WhereView, now: Timestamp) -> Option<Answer> {
    let station = view.stations.iter().find(|station| look::wants_person(station))?;
    let name = &station.name;
    let (big, commands, reason) = match station.deployment {
        Some(number) => {
            let settle = |end| format!("trunkline settle deployment/{number} --{end}");
            (format!("Asks you: what runs in {name}?"), vec![settle("live"), settle("old")], station.reason.as_deref().unwrap_or_default())
        }
        None => {
            let reason = "A delivery file named this environment anew. Releases come once a person lets them";
            (format!("Waits for you before {name}"), vec![format!("trunkline environments accept {name}")], reason)
        }
    };
    let release = view.release.as_ref().filter(|_| station.deployment.is_some()).map(|release| &release.release.version);
    let detail = html! {
        (sentence(reason))
        @if let Some(release) = release { " Look, then say " b.nowrap { "--live" } " if " (release) " is in place, " b.nowrap { "--old" } " if not." }
        @if let Some(at) = station.at { " " (so_far(now, at)) }
    };
    Some(Answer { tone: Tone::Wait, icon: Icon::Hand, big, detail, commands })
}

fn moving(view: &WhereView, now: Timestamp) -> Option<Answer> {
    let running: Vec<&StationView> = view.stations.iter().filter(|station| station.state == StationState::Running).collect();
    let first = *running.first()?;
    let look = look::station(first);
    let big = match (first.kind, look.tone) {
        (StationKind::Environment, Tone::Drift) => format!("Unknown: nobody knows yet what runs in {}", first.name),
        (StationKind::Environment, _) => format!("On its way into {}", first.name),
        _ => {
            let names: Vec<&str> =
                running.iter().filter(|station| station.kind == StationKind::Job).map(|station| station.name.as_str()).collect();
            format!("At work: {}", names.join(", "))
        }
    };
    let detail = html! {
        @if let Some(reason) = &first.reason { (sentence(reason)) " " }
        @if let Some(at) = first.at { (so_far(now, at)) }
    };
    Some(Answer { tone: look.tone, icon: look.icon, big, detail, commands: Vec::new() })
}

fn waiting(view: &WhereView, now: Timestamp) -> Option<Answer> {
    let station = view.stations.iter().find(|station| station.state == StationState::Waiting)?;
    let big = match station.kind {
        StationKind::Environment => format!("Waits before {}", station.name),
        _ => format!("Waits at {}", station.name),
    };
    let detail = html! {
        @if let Some(reason) = &station.reason { (sentence(reason)) " " }
        @if let Some(at) = station.at { (so_far(now, at)) }
    };
    Some(Answer { tone: Tone::Wait, icon: Icon::Wait, big, detail, commands: Vec::new() })
}

fn no_release(view: &WhereView) -> Option<Answer> {
    if view.release.is_some() {
        return None;
    }
    let number = view.run.number;
    let (tone, icon, big, why) = match (view.run.result?, view.run.verdict.as_ref()?) {
        (RunResult::Cancelled, _) => (Tone::Off, Icon::Cancel, format!("Cancelled: run {number} was ended"), "no release is cut from it"),
        (_, ReleaseVerdict::Impossible(why)) => {
            (Tone::Fail, Icon::Fail, format!("Run {number} passed, but no release could be cut"), why.as_str())
        }
        (_, ReleaseVerdict::NotAsked) => (Tone::Pass, Icon::Pass, format!("Run {number} passed"), "the delivery file makes no release"),
        (_, ReleaseVerdict::ConditionFalse) => {
            (Tone::Off, Icon::Skip, format!("Run {number} passed, no release follows"), "release.if is false for this change")
        }
        (_, ReleaseVerdict::NotPassed) => (Tone::Fail, Icon::Fail, format!("Run {number} did not pass"), "no release is cut from it"),
        (_, ReleaseVerdict::Cut) => return None,
    };
    Some(Answer { tone, icon, big, detail: html! { (sentence(why)) }, commands: Vec::new() })
}

fn stopped(view: &WhereView) -> Option<Answer> {
    let station = find(view, StationKind::Environment, StationState::Stopped)?;
    let big = format!("Will not come to {}", station.name);
    let detail = html! { (sentence(station.reason.as_deref().unwrap_or("its deployment was ended"))) };
    Some(Answer { tone: Tone::Off, icon: Icon::Skip, big, detail, commands: Vec::new() })
}

fn arrived(view: &WhereView, now: Timestamp) -> Answer {
    let environments: Vec<&StationView> = view.stations.iter().filter(|station| station.kind == StationKind::Environment).collect();
    let Some(last) = environments.last() else {
        let words = format!("Released: run {} passed", grouped(view.run.number.into()));
        return Answer {
            tone: Tone::Pass,
            icon: Icon::Box,
            big: words,
            detail: html! { "The delivery file names no environment." },
            commands: Vec::new(),
        };
    };
    let name = &last.name;
    let reason = last.reason.as_deref().unwrap_or_default();
    let (tone, icon, big) = match last.state {
        // "Live" only after proof: without a check nothing proved it.
        StationState::Passed if !last.seen => (Tone::Pass, Icon::Pass, format!("In place in {name}")),
        StationState::Passed => (Tone::Pass, Icon::Pass, format!("Live in {name}")),
        StationState::Replaced => (Tone::Off, Icon::Super, format!("Was live in {name}, a newer release replaced it")),
        _ => {
            let next = environments.iter().find(|station| station.state == StationState::Ahead).unwrap_or(last);
            (Tone::Run, Icon::Run, format!("On its way: {} comes next", next.name))
        }
    };
    let detail = html! {
        @if let (Some(at), StationState::Passed) = (last.at, last.state) { @if last.seen { "Verified at " } @else { "Since " } (time::clock(now, at)) ", " (time::ago(now, at)) ". " }
        (sentence(reason))
    };
    Answer { tone, icon, big, detail, commands: Vec::new() }
}

fn so_far(now: Timestamp, at: Timestamp) -> Markup {
    html! { "Since " (time::clock(now, at)) ", " b { (time::lasts(now.since(at))) } " so far." }
}

fn find(view: &WhereView, kind: StationKind, state: StationState) -> Option<&StationView> {
    view.stations.iter().find(|station| station.kind == kind && station.state == state)
}
