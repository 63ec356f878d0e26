//! What is where: projects as rows, environments as columns.

use super::Look;
use super::paint::Mark;
use super::table::{Cell, Table};
use super::words;
use crate::invocation::at_server;
use trunkline_api::view::{EnvironmentView, ProjectView, SafeMode, StatusView};

/// What the record knows of a release that nothing replaced. Not "live": that is said only of what was just seen running, and
/// nobody looks at the targets between deployments.
const VERIFIED: &str = "verified";

/// That nothing is deployed, and what ends that.
pub fn safe_mode(safe: &SafeMode, look: &Look) -> String {
    let words = format!(
        "safe mode: the record was restored from a backup of {}; nothing is deployed until you say {}",
        look.clock.ago(safe.taken_at),
        at_server!("resume")
    );
    look.paint.mark(Mark::Waiting, &words)
}

/// That nothing new begins, and why.
pub fn disk_full(free: u64, look: &Look) -> String {
    let words = format!(
        "the server's disk is full ({} are free): running work is recorded, nothing new begins · trunkline explain TL0522",
        super::text::bytes(free)
    );
    look.paint.mark(Mark::Failed, &words)
}

/// That the repository of a project answers from another address.
pub fn redirected(project: &ProjectView) -> Option<String> {
    let source = project.source.as_ref()?;
    let (from, to) = (super::text::clean(&source.address), super::text::clean(source.redirected.as_deref()?));
    let follow = at_server!("project follow {} --git {}", project.name, super::text::quoted(&to));
    Some(format!("{from} leads to {to} now · {follow}"))
}

/// The matrix for people.
pub fn matrix(view: &StatusView, look: &Look) -> String {
    if view.projects.is_empty() {
        return "No projects.\n".to_owned();
    }
    let names = view.columns();
    let mut lines = vec![header(&names, look)];
    for project in &view.projects {
        let mut line = vec![project.name.to_string(), last_run(project, look)];
        for name in &names {
            let environment = project.environments.iter().find(|environment| environment.name.as_str() == *name);
            line.push(environment.map(|environment| cell(environment, look)).unwrap_or_default());
        }
        lines.push(line);
    }
    super::table::whole(&lines, look.columns)
}

/// One line for each environment, for programs: project, environment, state, release, since, incoming, its state.
pub fn table(view: &StatusView) -> Table {
    let mut table = Table::new(["PROJECT", "ENVIRONMENT", "STATE", "RUNS", "SINCE", "INCOMING", "IS"]);
    // A project without environments is still a project: its line says how its last run stands.
    for project in view.projects.iter().filter(|project| project.environments.is_empty()) {
        let (mark, word) = project.last_run.as_ref().map_or((Mark::Ahead, "no push yet"), words::run);
        let empty = || Cell::text("");
        table.row([Cell::text(project.name.as_str()), empty(), Cell::mark(mark, word), empty(), empty(), empty(), empty()]);
    }
    for environment in view.projects.iter().flat_map(|project| &project.environments) {
        let (mark, word, _) = state(environment);
        let runs = environment.runs.as_ref();
        let incoming = environment.incoming.as_ref();
        table.row([
            Cell::text(environment.project.as_str()),
            Cell::text(environment.name.as_str()),
            Cell::mark(mark, word),
            Cell::text(runs.map(|runs| runs.release.version.as_str()).unwrap_or_default()),
            Cell::text(runs.map(|runs| runs.since.iso()).unwrap_or_default()),
            Cell::text(incoming.map(|incoming| incoming.release.version.as_str()).unwrap_or_default()),
            Cell::text(incoming.map(|incoming| words::deployment(incoming.status).1).unwrap_or_default()),
        ]);
    }
    table
}

/// One environment in a few words: `1.41 › 1.42 deploying`.
pub fn cell(environment: &EnvironmentView, look: &Look) -> String {
    let paint = look.paint;
    let (mark, word, detail) = state(environment);
    let runs = environment.runs.as_ref().map(|runs| super::text::clean(&runs.release.version));
    let other = detail.map(|version| super::text::clean(&version));
    let text = match (runs, other) {
        (Some(runs), Some(other)) if runs == other => format!("{runs} {word}"),
        (Some(runs), Some(other)) => format!("{runs} {} {other} {word}", paint.to()),
        (None, Some(other)) => format!("{other} {word}"),
        (Some(runs), None) if word == VERIFIED => runs,
        (Some(runs), None) => format!("{runs}, {word}"),
        (None, None) => word.to_owned(),
    };
    paint.mark(mark, &text)
}

/// Mark and word of an environment, and the other release that the word is about.
pub fn state(environment: &EnvironmentView) -> (Mark, &'static str, Option<String>) {
    if let Some(incoming) = &environment.incoming {
        let (mark, word) = words::deployment(incoming.status);
        return (mark, word, Some(incoming.release.version.clone()));
    }
    if !environment.accepted {
        return (Mark::Waiting, "waits to be accepted", None);
    }
    if let Some(failed) = &environment.last_failed {
        let (mark, word) = words::deployment(failed.status);
        // What was cancelled or superseded changed nothing here.
        if mark == Mark::Failed {
            return (Mark::Failed, word, Some(failed.release.version.clone()));
        }
    }
    match environment.runs {
        Some(_) if environment.retired => (Mark::Passed, "retired", None),
        Some(_) => (Mark::Passed, VERIFIED, None),
        None if environment.retired => (Mark::Ahead, "retired", None),
        None => (Mark::Ahead, "nothing", None),
    }
}

fn header(names: &[&str], look: &Look) -> Vec<String> {
    let muted = |text: &str| look.paint.text(super::paint::Style::Muted, &text.to_uppercase());
    ["project", "last run"].iter().chain(names).map(|text| muted(text)).collect()
}

fn last_run(project: &ProjectView, look: &Look) -> String {
    match &project.last_run {
        None => look.paint.mark(Mark::Ahead, "none"),
        Some(run) => {
            let (mark, word) = words::run(run);
            look.paint.mark(mark, &format!("{} {} {word}", run.number, run.commit.revision.short()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::paint::Paint;
    use crate::render::sample;

    #[test]
    fn the_matrix() {
        let expected = "\
PROJECT  LAST RUN            TEST    QA                         PRODUCTION
billing  X 33 77be01a failed  V 0.9
shop     V 812 4f2a91c passed  V 1.42  > 1.41 > 1.42 deploying  V 1.41
";
        let squeeze = |text: &str| text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
        assert_eq!(squeeze(&matrix(&sample::status(), &sample::look(Paint::PLAIN))), squeeze(expected));
    }

    #[test]
    fn columns_follow_each_projects_own_order() {
        let mut view = sample::status();
        let production = view.projects[1].environments[2].clone();
        // Billing, which comes first, has no test: shop's must not stand behind its production.
        view.projects[0].environments = vec![production];
        let head = matrix(&view, &sample::look(Paint::PLAIN)).lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(head, "PROJECT LAST RUN TEST QA PRODUCTION");
    }

    #[test]
    fn an_environment_that_the_file_names_no_more_is_retired() {
        let mut environment = sample::status().projects[1].environments[2].clone();
        environment.retired = true;
        assert_eq!(cell(&environment, &sample::look(Paint::PLAIN)), "V 1.41, retired");
    }

    #[test]
    fn colours_and_icons() {
        let status = sample::status();
        let look = sample::look(Paint { colour: true, ascii: false });
        assert_eq!(cell(&status.projects[1].environments[1], &look), "\x1b[34m◔ 1.41 › 1.42 deploying\x1b[0m");
        assert_eq!(cell(&status.projects[1].environments[2], &look), "\x1b[32m✓ 1.41\x1b[0m");
    }

    #[test]
    fn programs_get_one_line_for_each_environment() {
        let plain = table(&sample::status()).plain();
        assert_eq!(plain.lines().nth(2), Some("shop\tqa\tdeploying\t1.41\t2026-11-24T10:00:00Z\t1.42\tdeploying"));
    }

    #[test]
    fn what_only_the_record_knows_is_not_called_live() {
        let plain = table(&sample::status()).plain();
        assert_eq!(plain.lines().nth(1), Some("shop\ttest\tverified\t1.42\t2026-11-25T10:10:00Z\t\t"));
        assert!(!plain.contains("live"), "{plain}");
    }

    #[test]
    fn empty() {
        let mut status = sample::status();
        status.projects.clear();
        assert_eq!(matrix(&status, &sample::look(Paint::PLAIN)), "No projects.\n");
    }
}
