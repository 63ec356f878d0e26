//! The matrix: projects as rows, environments as columns, the loud ones first.

use super::attention::Item;
use super::cell;
use super::look::{Icon, Tone};
use super::part::icon;
use maud::{Markup, html};
use trunkline_api::view::{EnvironmentView, ProjectView, StatusView};
use trunkline_domain::pipeline::Tier;

/// Headings of the groups, loudest first.
const GROUPS: [(Group, &str); 3] = [(Group::Attention, "Needs attention"), (Group::Moving, "Moving"), (Group::Quiet, "Quiet")];

/// More columns than this give up ages where the window is narrow, so that production stays in sight.
const WIDE_MIN: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Attention,
    Moving,
    Quiet,
}

/// The matrix with its legend.
pub fn matrix(status: &StatusView, items: &[Item<'_>]) -> Markup {
    let names = status.columns();
    let of = |group| status.projects.iter().filter(|project| self::group(project, items) == group).collect::<Vec<_>>();
    let groups: Vec<_> = GROUPS.iter().map(|(group, title)| (*group, *title, of(*group))).filter(|(.., rows)| !rows.is_empty()).collect();
    // A heading over everything would say nothing.
    let headed = groups.len() > 1;
    html! {
        section aria-labelledby="where" {
            div.sechead { h2 #where { "What runs where" } }
            div.scroll {
                // Phones show rows as blocks, which takes a table's roles away in some browsers: they are said again.
                table.table.matrix.wide[names.len() > WIDE_MIN] role="table" aria-labelledby="where" {
                    thead role="rowgroup" {
                        tr role="row" {
                            th role="columnheader" scope="col" { "Project" }
                            th role="columnheader" scope="col" { b { "last run" } }
                            @for name in &names { th role="columnheader" scope="col" { b { (name) } } }
                        }
                    }
                    @for (group, title, rows) in &groups {
                        tbody role="rowgroup" {
                            @if headed { tr.group role="row" { th role="rowheader" scope="rowgroup" colspan=(names.len() + 2) { (title) } } }
                            @for project in rows { (row(project, &names, *group, status)) }
                        }
                    }
                }
            }
            (legend())
        }
    }
}

/// Whether something of the project is on its way.
pub fn moves(project: &ProjectView) -> bool {
    let runs = project.last_run.as_ref().is_some_and(|run| run.result.is_none());
    runs || project.environments.iter().any(|environment| environment.incoming.is_some())
}

fn group(project: &ProjectView, items: &[Item<'_>]) -> Group {
    match items.iter().any(|item| item.project == Some(&project.name)) {
        true => Group::Attention,
        false if moves(project) => Group::Moving,
        false => Group::Quiet,
    }
}

fn row(project: &ProjectView, names: &[&str], group: Group, status: &StatusView) -> Markup {
    let now = status.at;
    let last = last_environment(project).map(|environment| environment.name.as_str());
    html! {
        tr.calm[group == Group::Quiet] role="row" {
            th.proj role="rowheader" scope="row" { (project.name) }
            td.mid role="cell" data-env="last run" {
                @match &project.last_run {
                    Some(run) => (cell::run(project, run, now)),
                    None => span.none { span.quiet { "no push yet" } },
                }
            }
            @for name in names {
                @match project.environments.iter().find(|environment| environment.name.as_str() == *name) {
                    Some(environment) => {
                        td.mid[last != Some(*name)].last-env[last == Some(*name)] role="cell" data-env=(name) {
                            (cell::environment(project, environment, now))
                        }
                    }
                    None => td.mid.na role="cell" data-env=(name) {
                        span.none { span aria-hidden="true" { "·" } span.vh { "no environment " (name) } }
                    },
                }
            }
        }
    }
}

/// The environment that people ask for first: production, or the last one.
pub fn last_environment(project: &ProjectView) -> Option<&EnvironmentView> {
    let in_force = || project.environments.iter().rev().filter(|environment| !environment.retired);
    let production = in_force().find(|environment| environment.tier == Tier::Production);
    production.or(in_force().next()).or(project.environments.last())
}

fn legend() -> Markup {
    let entries = [
        (Tone::Pass, Icon::Pass, "verified there"),
        (Tone::Fail, Icon::Fail, "failed"),
        (Tone::Fail, Icon::Back, "rolled back"),
        (Tone::Run, Icon::Run, "deploying or verifying"),
        (Tone::Wait, Icon::Wait, "waits"),
        (Tone::Wait, Icon::Hand, "waits for you"),
        (Tone::Drift, Icon::Unknown, "unknown, being observed"),
    ];
    html! {
        p.legend {
            @for (tone, shape, words) in entries {
                // In the legend nothing moves.
                span.(tone.class()) { @if shape == Icon::Run { svg.i viewBox="0 0 16 16" aria-hidden="true" { use href=(shape.href()) {} } } @else { (icon(shape)) } (words) }
            }
            span { b { "+2" } "releases behind the environment before" }
        }
    }
}
