//! The board: what is where, and whether a person is wanted. Its headline is the answer.

use super::attention::{self, Item, Kind};
use super::layout::{Frame, Place, Refresh, page};
use super::look::Icon;
use super::matrix::{self, last_environment, moves};
use super::part::{change_href, command, icon};
use super::time;
use maud::{Markup, html};
use trunkline_api::view::{DeploymentStatus, EnvironmentView, ProjectView, RunningView, StatusView};
use trunkline_domain::pipeline::Tier;

/// Seconds between two looks.
const REFRESH_S: u32 = 3;
/// Where a command is to be copied: each look undoes the selection, so people get time to copy.
const REFRESH_COMMAND_S: u32 = 10;

/// What runs where.
pub fn board(status: &StatusView, refresh: Refresh) -> String {
    let items = attention::items(status);
    let headline = headline(status, &items);
    let first_push = matches!(status.projects.as_slice(), [only] if only.last_run.is_none());
    let followed = status.projects.first().filter(|only| first_push && only.source.is_some());
    let copied = attention::has_command(&items) || first_push || status.projects.is_empty();
    let content = html! {
        div.head {
            div {
                h1 { (headline) }
                @if !status.projects.is_empty() { (summary(status)) }
            }
        }
        (attention::list(&items))
        @if status.projects.is_empty() {
            (empty("A project begins in its repository.", "trunkline project add NAME"))
        } @else if let Some(followed) = followed {
            (empty("The next push to the repository that it follows starts the first run.", &format!("trunkline sync {}", followed.name)))
        } @else if first_push {
            (empty("The first push starts the first run.", "git push trunkline BRANCH"))
        } @else {
            (matrix::matrix(status, &items))
        }
    };
    let refresh_s = if copied { REFRESH_COMMAND_S } else { REFRESH_S };
    let frame = Frame { title: &headline, refresh_s, refresh, place: Place::Board, at: Some(status.at), entries: Some(status.as_of) };
    page(&frame, &content)
}

fn empty(words: &str, text: &str) -> Markup {
    html! { div.panel.empty { (icon(Icon::Box)) p { (words) } (command(text)) } }
}

/// The answer in a sentence.
fn headline(status: &StatusView, items: &[Item<'_>]) -> String {
    let moving: Vec<&ProjectView> = status.projects.iter().filter(|project| moves_by_itself(project)).collect();
    let of = |kind| items.iter().filter(|item| item.kind == kind).count();
    match (items, moving.as_slice()) {
        ([], []) => quiet(status),
        ([only], []) => only.headline.clone(),
        ([], [only]) => moving_words(only),
        _ => {
            let for_you = of(Kind::Asks) + of(Kind::Accept);
            let parts = [
                counted(of(Kind::Fails), "is failing", "are failing"),
                counted(for_you, "waits for you", "wait for you"),
                counted(of(Kind::Unknown), "is unknown", "are unknown"),
                counted(moving.len(), "is moving", "are moving"),
            ];
            capital(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
    }
}

/// Whether something of it moves without a person; what asks or is unknown is told as that.
fn moves_by_itself(project: &ProjectView) -> bool {
    let told = |environment: &EnvironmentView| {
        environment
            .incoming
            .as_ref()
            .is_some_and(|incoming| matches!(incoming.status, DeploymentStatus::Asking | DeploymentStatus::Unknown))
    };
    let incoming = project.environments.iter().filter(|environment| environment.incoming.is_some() && !told(environment)).count();
    moves(project) && (incoming > 0 || project.last_run.as_ref().is_some_and(|run| run.result.is_none()))
}

fn moving_words(project: &ProjectView) -> String {
    let incoming = project.environments.iter().find_map(|environment| Some((environment, environment.incoming.as_ref()?)));
    match (incoming, &project.last_run) {
        (Some((environment, incoming)), _) => {
            format!("{} {} is on its way into {}", project.name, incoming.release.version, environment.name)
        }
        (None, Some(run)) => format!("{} is moving: run {} is at work", project.name, run.number),
        (None, None) => format!("{} is moving", project.name),
    }
}

fn quiet(status: &StatusView) -> String {
    match status.projects.as_slice() {
        [] => "No projects yet".to_owned(),
        [only] if only.last_run.is_none() => format!("{} waits for its first push", only.name),
        [only] => match last_environment(only).and_then(|environment| Some((environment, environment.runs.as_ref()?))) {
            Some((environment, runs)) => format!("All is quiet: {} runs {} in {}", only.name, runs.release.version, environment.name),
            None => format!("All is quiet: {} is not deployed yet", only.name),
        },
        all => match (in_production(status).len(), all.len()) {
            (0, count) => format!("All is quiet: {count} projects, none in production yet"),
            (some, count) if some == count => format!("All is quiet: {} projects run in production", word(count)),
            (some, count) => format!("All is quiet: {} of {} projects run in production", word(some), word(count)),
        },
    }
}

/// The environment of tier production in which each project runs, where it does.
fn in_production(status: &StatusView) -> Vec<(&ProjectView, &RunningView)> {
    let runs = |project| {
        let environment: &EnvironmentView = last_environment(project).filter(|environment| environment.tier == Tier::Production)?;
        Some((project, environment.runs.as_ref()?))
    };
    status.projects.iter().filter_map(runs).collect()
}

fn summary(status: &StatusView) -> Markup {
    let production = in_production(status);
    let last = production.iter().max_by_key(|(_, runs)| runs.since);
    let count = status.projects.len();
    html! {
        div.sub {
            span { (count) @if count == 1 { " project" } @else { " projects" } }
            @if count > 1 { span { (production.len()) " in production" } }
            @if let Some((project, runs)) = last {
                span {
                    "Last in production: "
                    a.link href=(change_href(&project.name, &runs.revision)) { (project.name) " " (runs.release.version) }
                    ", " (time::ago(status.at, runs.since))
                }
            }
        }
    }
}

fn counted(count: usize, one: &str, several: &str) -> Option<String> {
    (count > 0).then(|| format!("{} {}", word(count), if count == 1 { one } else { several }))
}

/// Small numbers as words: the headline is a sentence.
fn word(count: usize) -> String {
    const WORDS: [&str; 10] = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    format!("{}{rest}", first.to_uppercase())
}
