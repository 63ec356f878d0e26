//! What proves the answer: failed tests first, then tests, release, configuration and deployments, each in words.

use super::look::{self, Icon, Look, Tone, grouped};
use super::part::{badge, command, pick, refused_for, state};
use super::time;
use maud::{Markup, html};
use trunkline_api::view::{JobView, Projects, ReleaseView, StationKind, StationState, WhereView};
use trunkline_domain::foundation::Timestamp;
use trunkline_domain::report::TestFailure;

/// Failed tests shown; the rest is counted.
const FAILURES_SHOWN_MAX: usize = 10;

/// The failed tests of the run, with what they said. Nothing where none failed.
pub fn failed_tests(view: &WhereView, projects: Projects) -> Markup {
    let of = |job: &'_ JobView| {
        job.tests.iter().flat_map(|tests| &tests.failures).map(|failure| (job.key.to_string(), failure.clone())).collect::<Vec<_>>()
    };
    let failures: Vec<(String, TestFailure)> = view.run.jobs.iter().flat_map(of).collect();
    let count: u64 = view.run.jobs.iter().filter_map(|job| job.tests.as_ref()).map(|tests| u64::from(tests.failed)).sum();
    if failures.is_empty() {
        return html! {};
    }
    let shown = failures.len().min(FAILURES_SHOWN_MAX);
    html! {
        section.panel.tint.s-fail.sec aria-labelledby="failed" {
            header {
                h2 #failed { @if count == 1 { "Failed test" } @else { (grouped(count)) " failed tests" } }
                span.muted { "run " (view.run.number) }
            }
            @for (job, failure) in &failures[..shown] { (failed_test(job, failure)) }
            @if count > shown as u64 {
                div.failtest { p.where { (grouped(count - shown as u64)) " more: " } (command(&projects.said(&format!("trunkline tests {} --failed", view.run.number), &view.project))) }
            }
        }
    }
}

fn failed_test(job: &str, failure: &TestFailure) -> Markup {
    html! {
        div.failtest {
            h3 { (failure.name) }
            p.where {
                @if let Some(file) = &failure.file {
                    @match failure.line { Some(line) => (pick(&format!("{file}:{line}"))), None => (pick(file)) }
                }
                span { "job " (job) }
            }
            // Reachable by keys, since it scrolls.
            @if !failure.message.trim().is_empty() { pre.said tabindex="0" aria-label="What the test said" { (failure.message.trim_end()) } }
        }
    }
}

/// The panel of facts.
pub fn facts(view: &WhereView, now: Timestamp) -> Markup {
    html! {
        section.panel aria-labelledby="evidence" {
            header { h2 #evidence { "Evidence" } }
            dl.facts {
                @if let Some(why) = view.run.beyond_file() {
                    div { dt { "Refused" } dd { (why) } }
                } @else if !view.run.refused.is_empty() {
                    div { dt { "Delivery file" } dd { @for refused in &view.run.refused { span.more { (refused_for(refused)) } } } }
                }
                div { dt { "Tests" } dd { (tests(view)) } }
                div { dt { "Commit" } dd { (pick(view.run.commit.revision.as_str())) span.more { "committed " (time::clock(now, view.run.commit.committed_at)) ", pushed to " (super::part::branch(&view.run)) " " (time::clock(now, view.run.started_at)) } } }
                @if let Some(release) = &view.release { (release_facts(release, now)) }
                @if view.stations.iter().any(|station| station.deployment.is_some()) { div { dt { "Deployments" } dd { (deployments(view, now)) } } }
            }
        }
    }
}

fn tests(view: &WhereView) -> Markup {
    html! {
        @match &view.run.tests {
            None => span.muted { "no test reports" },
            Some(tests) => {
                @if tests.failed > 0 { (state(Look { tone: Tone::Fail, icon: Icon::Fail, word: "" }, &format!("{} failed", grouped(tests.failed.into())))) }
                (state(Look { tone: Tone::Pass, icon: Icon::Pass, word: "" }, &format!("{} passed", grouped(tests.passed.into()))))
                @if tests.skipped > 0 { (state(Look { tone: Tone::Off, icon: Icon::Skip, word: "" }, &format!("{} skipped", grouped(tests.skipped.into())))) }
            }
        }
        span.muted { "run " (view.run.number) }
        @let tested = view.run.jobs.iter().filter(|job| job.tests.is_some()).count();
        @for job in &view.run.jobs {
            @if let Some(tests) = job.tests.as_ref().filter(|_| tested > 1) { span.more { (job.key) ": " (look::tests(tests)) } }
        }
    }
}

fn release_facts(release: &ReleaseView, now: Timestamp) -> Markup {
    html! {
        div {
            dt { "Release" }
            dd {
                b { (release.release.version) } span { (release.release.alias) }
                @if let Some(veto) = look::vetoed_from(&release.release) { (badge(Look { tone: Tone::Fail, icon: Icon::Cancel, word: "vetoed" })) span.muted { "from " (veto) " onwards" } }
                span.more { (pick(&release.release.digest.to_string())) }
                span.more {
                    "cut " (time::clock(now, release.at)) " from run " (release.run)
                    @for artifact in &release.artifacts { ", " (artifact.name) " " (size(artifact.size)) }
                    @if !release.files.is_empty() { ", " (release.files.len()) @if release.files.len() == 1 { " file" } @else { " files" } " of the repository" }
                }
            }
        }
        @if !release.configuration.is_empty() {
            div {
                dt { "Configuration" }
                dd.col {
                    @for environment in &release.environments {
                        @if let Some(digest) = release.configuration.get(environment) {
                            span.pair { span { (environment) } code title=(digest) { "sha256:" (digest.short()) } }
                        }
                    }
                }
            }
        }
    }
}

fn deployments(view: &WhereView, now: Timestamp) -> Markup {
    html! {
        ul.proofs {
            @for station in view.stations.iter().filter(|station| station.kind == StationKind::Environment) {
                @if let Some(number) = station.deployment {
                    @let look = look::station(station);
                    li {
                        b { (station.name) } (state(look, look.word))
                        span.muted { "deployment " (number) @if let Some(at) = station.at { ", " (time::clock(now, at)) } }
                        @if let Some(reason) = &station.reason { span.more { @if station.state == StationState::Passed { "seen: " } (reason) } }
                    }
                }
            }
        }
    }
}

/// Bytes for people: `84 MB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}
