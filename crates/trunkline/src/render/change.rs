//! Where a change is: the line of its stations, and why it waits or failed.

use super::Look;
use super::paint::{Mark, Style};
use super::table::{Cell, Table};
use super::text::{clean, width};
use super::words;
use trunkline_api::view::{CommitView, StationKind, StationState, StationView, WhereView};
use trunkline_domain::run::RunResult;

/// The commit in a line: `4f2a91c Add coupon field (ana, #482)`.
pub fn commit(commit: &CommitView, look: &Look) -> String {
    let subject = commit.subject.as_deref().map_or_else(|| "(message erased)".to_owned(), clean);
    let author = commit.author.as_deref().map(clean);
    let pull_request = commit.pull_request.as_ref().map(|pull_request| format!("#{}", pull_request.number));
    let aside: Vec<String> = author.into_iter().chain(pull_request).collect();
    let aside = if aside.is_empty() { String::new() } else { format!(" ({})", aside.join(", ")) };
    format!("{} {subject}{}", look.paint.text(Style::Strong, commit.revision.short()), look.paint.text(Style::Muted, &aside))
}

/// The change and its stations.
pub fn stations(view: &WhereView, look: &Look) -> String {
    let paint = look.paint;
    let mut out = format!("{}\n", commit(&view.run.commit, look));
    if view.revision != view.run.commit.revision {
        let note = format!("{} went with it, in the same push", view.revision.short());
        out += &format!("{}\n", paint.text(Style::Muted, &note));
    }
    let parts: Vec<String> = view.stations.iter().map(|station| self::station(station, look)).collect();
    out += &wrapped(&parts, &format!(" {} ", paint.to()), look.columns);
    for station in view.stations.iter().filter(|station| !is_quiet(station)) {
        out += &reason(station, look);
    }
    if let Some(code) = view.run.refused_code() {
        out += &format!("  more: trunkline explain {code}\n");
    }
    out += &footer(view, look);
    out
}

/// One line for each station, for programs: kind, name, state, when, how long in ms, why.
pub fn table(view: &WhereView) -> Table {
    let mut table = Table::new(["KIND", "STATION", "STATE", "AT", "TOOK-MS", "WHY"]);
    for station in &view.stations {
        let (mark, word) = words::station(station);
        let kind = match station.kind {
            StationKind::Push => "push",
            StationKind::Job => "job",
            StationKind::Release => "release",
            StationKind::Environment => "environment",
        };
        table.row([
            Cell::text(kind),
            Cell::text(&station.name),
            Cell::mark(mark, word),
            Cell::text(station.at.map(|at| at.iso()).unwrap_or_default()),
            Cell::text(station.took.map(|took| took.0.to_string()).unwrap_or_default()),
            Cell::text(station.reason.as_deref().unwrap_or_default()),
        ]);
    }
    table
}

fn station(station: &StationView, look: &Look) -> String {
    let (mark, word) = words::station(station);
    let name = clean(&station.name);
    let mut text = if name == word { name } else { format!("{name} {word}") };
    // A station that simply passed needs no word: icon and name say it.
    if mark == Mark::Passed && station.kind != StationKind::Environment {
        text = clean(&station.name);
    }
    if let Some(took) = station.took.filter(|_| matches!(station.state, StationState::Passed | StationState::Failed)) {
        text += &format!(" {took}");
    }
    look.paint.mark(mark, &text)
}

fn is_quiet(station: &StationView) -> bool {
    station.reason.is_none() || (station.state == StationState::Passed && station.kind != StationKind::Environment)
}

fn reason(station: &StationView, look: &Look) -> String {
    let (_, word) = words::station(station);
    let since = match (station.state, station.at) {
        (StationState::Waiting | StationState::Running, Some(at)) => format!(" {}", look.clock.since(at)),
        (_, Some(at)) => format!(" {}", look.clock.ago(at)),
        (_, None) => String::new(),
    };
    let why = station.reason.as_deref().map(clean).unwrap_or_default();
    format!("  {} {word}{since}: {why}\n", clean(&station.name))
}

fn footer(view: &WhereView, look: &Look) -> String {
    let mut facts = vec![format!("run {}", view.run.number)];
    match (&view.release, &view.run.verdict) {
        (Some(release), _) => facts.push(super::release::name(&release.release)),
        // Why it was refused stands above, and is why there is none.
        (None, Some(_)) if view.run.result == Some(RunResult::Refused) => facts.push("no release: the run was refused".to_owned()),
        (None, Some(verdict)) => facts.extend(words::no_release(verdict).map(|why| format!("no release: {}", clean(&why)))),
        (None, None) => {}
    }
    if let Some(tests) = &view.run.tests {
        facts.push(words::tests(tests));
    }
    if let Some(newer) = &view.newer {
        facts.push(format!("newest release is {}", clean(&newer.version)));
    }
    let line = facts.join(&format!(" {} ", look.paint.dot()));
    format!("{}\n", look.paint.text(Style::Muted, &line))
}

/// Parts in a line, broken before a separator where the terminal ends.
fn wrapped(parts: &[String], separator: &str, columns: Option<usize>) -> String {
    let mut out = String::new();
    let mut used = 0;
    for part in parts {
        let need = width(part) + if used == 0 { 0 } else { width(separator) };
        if used > 0 && columns.is_some_and(|columns| used + need > columns) {
            out.push_str("\n ");
            used = 1;
        }
        if used > 0 {
            out.push_str(separator);
        }
        out.push_str(part);
        used += need;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::paint::Paint;
    use crate::render::sample;
    use trunkline_domain::run::ReleaseVerdict;

    #[test]
    fn the_line_of_stations() {
        let expected = "\
4f2a91c Add coupon field (ana, #482)
V pushed > V build 2 min 10 s > V unit 4 min 31 s > V release > V test verified 4.0 s > > qa deploying > . production not yet
  test verified 1 h ago: http: 200, version 1.42
  qa deploying for 30 s: checks run
run 812 - release 12, 1.42 \"amber-heron\" - 1,203 tests passed
";
        assert_eq!(stations(&sample::change(), &sample::look(Paint::PLAIN)), expected);
    }

    #[test]
    fn a_narrow_terminal_breaks_the_line_between_stations() {
        let look = Look { columns: Some(40), ..sample::look(Paint::PLAIN) };
        let text = stations(&sample::change(), &look);
        let line: Vec<&str> = text.lines().skip(1).take_while(|line| line.contains(" > ")).collect();
        assert!(line.len() > 2 && line.iter().all(|line| width(line) <= 40), "{text}");
    }

    #[test]
    fn a_commit_of_the_same_push_says_so() {
        let mut change = sample::change();
        change.revision = sample::revision('b');
        assert!(stations(&change, &sample::look(Paint::PLAIN)).contains("bbbbbbb went with it"));
    }

    #[test]
    fn a_refused_run_says_why_there_is_no_release() {
        let mut change = sample::change();
        (change.release, change.run.release) = (None, None);
        (change.run.result, change.run.verdict) = (Some(RunResult::Refused), Some(ReleaseVerdict::NotAsked));
        change.run.refused = vec!["TL0120 trunkline.yaml:2:12: Not yet in this version".to_owned()];
        change.stations.truncate(1);
        let text = stations(&change, &sample::look(Paint::PLAIN));
        assert!(text.contains("no release: the run was refused") && text.contains("more: trunkline explain TL0120"), "{text}");
        assert!(!text.contains("makes no release"), "{text}");
    }

    #[test]
    fn programs_get_one_line_for_each_station() {
        let plain = table(&sample::change()).plain();
        assert_eq!(plain.lines().nth(1), Some("job\tbuild\tpassed\t2026-11-25T10:03:00Z\t130000\t"));
    }
}
