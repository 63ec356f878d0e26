//! The way of a change: its stations in a line, and how much of the time was work. Lengths are drawn as SVG with
//! percentages, since the pages carry no style attributes; the same facts are in words beside them.

use super::answer::moves;
use super::look;
use super::part::icon;
use super::time;
use maud::{Markup, html};
use trunkline_api::view::{StationKind, StationState, StationView, WhereView};
use trunkline_domain::foundation::{Millis, Timestamp};

/// Stations in one row; more are laid out in several.
const ROW_MAX: usize = 8;

/// The panel with the line and the bar.
pub fn way(view: &WhereView, now: Timestamp) -> Markup {
    let last = view.stations.iter().rev().find(|station| station.kind == StationKind::Environment);
    let title = last.map_or_else(|| "Way of this change".to_owned(), |last| format!("Way to {}", last.name));
    let split = Split::of(view, now);
    let current = view.stations.iter().position(is_now);
    html! {
        section.panel.sec aria-labelledby="way" {
            header { h2 #way { (title) } span.muted { (lead(view, &split)) } }
            ol.line.many[view.stations.len() > ROW_MAX] aria-label="Stations of this change" {
                @for (at, station) in view.stations.iter().enumerate() { (self::station(station, current == Some(at), now)) }
            }
            (split.markup())
        }
    }
}

fn lead(view: &WhereView, split: &Split) -> String {
    if split.total.0 < 1_000 {
        return String::new();
    }
    let total = time::took(split.total);
    let arrived = view.stations.last().is_some_and(|last| matches!(last.state, StationState::Passed | StationState::Replaced));
    match (moves(view), arrived) {
        (true, _) => format!("{total} so far since the push"),
        (false, true) => format!("lead time {total}, from the push"),
        (false, false) => format!("ended {total} after the push"),
    }
}

fn is_now(station: &StationView) -> bool {
    matches!(station.state, StationState::Running | StationState::Waiting | StationState::Failed)
}

fn station(station: &StationView, current: bool, now: Timestamp) -> Markup {
    let look = look::station(station);
    let loud = is_now(station);
    // The way to a station that the change once reached is drawn as reached.
    let was = matches!(station.state, StationState::Replaced | StationState::RolledBack);
    html! {
        li.station.(look.tone.class()).now[loud].was[was] aria-current=[current.then_some("step")] {
            span.node { (icon(look.icon)) }
            h3 { (station.name) span.vh { ", " (look.word) } }
            p { (times(station, look.word, now)) }
            @if let Some(reason) = station.reason.as_deref() {
                p.reason title=(reason) { (reason) }
            }
        }
    }
}

fn times(station: &StationView, word: &str, now: Timestamp) -> Markup {
    html! {
        @match (station.state, station.at) {
            (StationState::Running | StationState::Waiting, Some(at)) => b { (word) " " (time::moment(at, &time::lasts(now.since(at)))) },
            (StationState::Running | StationState::Waiting, None) => b { (word) },
            (StationState::Failed, at) => {
                b { (word) } @if let Some(at) = at { " " (time::clock(now, at)) } @if let Some(took) = station.took { ", " (time::took(took)) }
            }
            (StationState::Passed, at) => {
                @if let Some(at) = at { (time::clock(now, at)) } @if let Some(took) = station.took { ", " (time::took(took)) }
            }
            (StationState::Replaced | StationState::RolledBack, at) => { (word) @if let Some(at) = at { ", was verified " (time::clock(now, at)) } },
            (StationState::Stopped | StationState::Ahead, _) => (word),
        }
    }
}

/// How the time since the push divides into work and waiting.
struct Split {
    total: Millis,
    work: Millis,
    start: Timestamp,
    /// Apart from each other, oldest first.
    pieces: Vec<(Timestamp, Timestamp)>,
}

impl Split {
    fn of(view: &WhereView, now: Timestamp) -> Self {
        let start = view.run.started_at;
        let ends = view.stations.iter().filter_map(|station| station.at).chain(view.run.ended_at);
        let end = if moves(view) { now } else { ends.max().unwrap_or(start) };
        let jobs = view.run.jobs.iter().filter_map(|job| Some((job.began?, job.ended_at.unwrap_or(end))));
        let deployments = view.stations.iter().filter(|station| station.kind == StationKind::Environment);
        let deployments = deployments.filter_map(|station| match (station.state, station.at?, station.took) {
            (StationState::Running, at, _) => Some((at, end)),
            (_, at, Some(took)) => Some((at - took, at)),
            (_, _, None) => None,
        });
        let pieces = union(jobs.chain(deployments).filter(|(from, to)| *from >= start && to > from && *to <= end).collect());
        let work = Millis(pieces.iter().map(|(from, to)| to.since(*from).0).sum());
        Self { total: end.since(start), work, start, pieces }
    }

    fn markup(&self) -> Markup {
        if self.total.0 == 0 {
            return html! {};
        }
        let waited = Millis(self.total.0.saturating_sub(self.work.0));
        let (work, waited) = (time::took(self.work), time::took(waited));
        let percent = |span: Millis| span.0 as f64 * 100.0 / self.total.0 as f64;
        html! {
            div.split {
                svg role="img" aria-label={ "Of " (time::took(self.total)) ", " (work) " were work and " (waited) " were waiting" } {
                    rect.f-wait width="100%" height="10" {}
                    @for (from, to) in &self.pieces {
                        // Half a percent at least, so that short work is seen at all.
                        rect.f-work x={ (format!("{:.2}", percent(from.since(self.start)))) "%" } width={ (format!("{:.2}", percent(to.since(*from)).max(0.5))) "%" } height="10" {}
                    }
                }
                p.key {
                    span { span.swatch.sw-work {} "work " b { (work) } }
                    span { span.swatch.sw-wait {} "waiting " b { (waited) } }
                }
            }
        }
    }
}

/// Overlapping pieces become one: two jobs at once are not twice the time.
fn union(mut pieces: Vec<(Timestamp, Timestamp)>) -> Vec<(Timestamp, Timestamp)> {
    pieces.sort();
    let mut apart: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (from, to) in pieces {
        match apart.last_mut().filter(|last| from <= last.1) {
            Some(last) => last.1 = last.1.max(to),
            None => apart.push((from, to)),
        }
    }
    apart
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn work_at_the_same_time_counts_once() {
        let piece = |from, to| (Timestamp(from), Timestamp(to));
        assert_eq!(union(vec![piece(5, 9), piece(0, 4), piece(3, 6), piece(12, 14)]), [piece(0, 9), piece(12, 14)]);
    }
}
