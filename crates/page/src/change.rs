//! A change: where it is, how it got there, why it is not further.

use super::answer::{answer, moves};
use super::layout::{Frame, Place, Refresh, page};
use super::look::{self, Icon};
use super::part::{clip, command, digits, icon, pick, subject};
use super::{evidence, line};
use maud::{Markup, html};
use trunkline_api::view::{CommitView, Projects, WhereView};
use trunkline_domain::foundation::{ProjectKey, Timestamp};

/// Seconds between two looks at a change that moves.
const REFRESH_S: u32 = 2;
/// Where a command is to be copied: each look undoes the selection, so people get time to copy.
const REFRESH_COMMAND_S: u32 = 10;
/// Nothing more is to come.
const REFRESH_SETTLED_S: u32 = 15;
/// Characters of a subject in a window's title.
const TITLE_MAX: usize = 60;

/// Where a change is.
pub fn change(view: &WhereView, projects: Projects, now: Timestamp, refresh: Refresh) -> String {
    let answer = answer(view, projects, now);
    let moves = moves(view);
    let refresh_s = match (moves, answer.has_command()) {
        (true, false) => REFRESH_S,
        (true, true) => REFRESH_COMMAND_S,
        (false, _) => REFRESH_SETTLED_S,
    };
    let subject = subject(&view.run.commit);
    let content = html! {
        div.head { div {
            (crumbs(view))
            h1 { (subject) }
            (facts(view))
        } }
        (answer.markup())
        (evidence::failed_tests(view, projects))
        (line::way(view, now))
        div.cols.sec {
            (evidence::facts(view, now))
            (side(view, projects))
        }
    };
    let title = format!("{}: {}", clip(&answer.big, TITLE_MAX), clip(subject, TITLE_MAX));
    page(&Frame { title: &title, refresh_s, refresh, place: Place::Elsewhere, at: Some(now), entries: None }, &content)
}

/// A commit that nobody pushed here; `followed` is the project that was asked for, where its repository is elsewhere.
pub fn unknown_change(question: &str, followed: Option<&ProjectKey>, refresh: Refresh) -> String {
    let question = clip(question, TITLE_MAX);
    let content = html! {
        div.head { div {
            nav.crumbs aria-label="Breadcrumb" { a href="/" { "Board" } span aria-hidden="true" { "/" } span aria-current="page" { (question) } }
            h1 { "Commit " (question) " was not seen here" }
        } }
        div.panel.empty {
            (icon(Icon::Commit))
            @match followed {
                Some(project) => {
                    p { "It was not pushed to the repository that is followed, was not seen there yet, or started no run." }
                    (command(&format!("trunkline sync {project}")))
                }
                None => {
                    p { "It was not pushed to this server, or it started no run." }
                    (command("git push trunkline BRANCH"))
                }
            }
        }
    };
    let title = format!("{question} was not seen");
    page(&Frame { title: &title, refresh_s: REFRESH_COMMAND_S, refresh, place: Place::Elsewhere, at: None, entries: None }, &content)
}

fn crumbs(view: &WhereView) -> Markup {
    html! {
        nav.crumbs aria-label="Breadcrumb" {
            a href="/" { "Board" } span aria-hidden="true" { "/" }
            span { (view.project) } span aria-hidden="true" { "/" }
            span aria-current="page" { @match &view.run.commit.pull_request { Some(pull) => { "#" (pull.number) }, None => (view.revision.short()) } }
        }
    }
}

fn facts(view: &WhereView) -> Markup {
    let commit = &view.run.commit;
    html! {
        div.sub {
            (author(commit))
            span.ico { (icon(Icon::Commit)) span.vh { "Commit " } (pick(commit.revision.short())) }
            @if let Some(pull) = &commit.pull_request { span.ico { (icon(Icon::Pr)) span { b { "#" (pull.number) } ", " (pull.evidence) } } }
            span.ico { span { "run " (view.run.number) } }
            @if let Some(release) = &view.release { span.ico { (icon(Icon::Box)) span { b { (release.release.version) } " " (release.release.alias) } } }
        }
        @if view.revision != commit.revision {
            p.aside { code { (view.revision.short()) } " went with it: the run of the same push is at " code { (commit.revision.short()) } "." }
        }
    }
}

fn author(commit: &CommitView) -> Markup {
    let initial: String = commit.author.iter().flat_map(|author| author.chars().take(1)).flat_map(char::to_uppercase).collect();
    html! {
        @match &commit.author {
            Some(author) => span.ico { span.who.sm aria-hidden="true" { (initial) } (author) },
            None => span.ico { "author erased" },
        }
    }
}

fn side(view: &WhereView, projects: Projects) -> Markup {
    let said = |text: String| command(&projects.said(&text, &view.project));
    html! {
        div.side {
            @if let Some(newer) = &view.newer {
                section { h2 { "A newer release" } p { b { (newer.version) } " " (newer.alias) @if let Some(veto) = look::vetoed_from(newer) { ", vetoed from " (veto) " onwards" } } }
            }
            section { h2 { "Same answer in a terminal" } (said(format!("trunkline where {}", digits(&view.revision)))) }
            @if !view.run.jobs.is_empty() { section { h2 { "Log of the run" } (said(format!("trunkline log {}", view.run.number))) } }
        }
    }
}
