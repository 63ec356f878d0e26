//! What wants a look, a line each, as the board lists it: what is the matter, and the command that helps or shows why.

use super::Look;
use super::paint::Mark;
use super::status;
use super::text::clean;
use super::words;
use crate::invocation::at_server;
use trunkline_api::view::attention::{About, Entry, attention};
use trunkline_api::view::{DeploymentRef, EnvironmentView, ProjectView, ReleaseRef, RunView, StatusView};
use trunkline_domain::run::RunResult;

/// All of it, most urgent first; before that, repositories that were renamed.
pub fn lines(view: &StatusView, look: &Look) -> Vec<String> {
    let renamed = view.projects.iter().filter_map(status::redirected);
    renamed.chain(attention(view).iter().map(|entry| line(entry, look))).collect()
}

/// That the folder of a project's repository is not there any more.
pub fn gone(project: &ProjectView) -> String {
    format!("{}: the folder of its repository is gone from the server, so nothing can be pushed, run or deployed", project.name)
}

/// That a release failed in an environment and was rolled back.
pub fn rolled_back(environment: &EnvironmentView, release: &ReleaseRef) -> String {
    let runs = environment.runs.as_ref().map(|runs| format!("; {} runs there", clean(&runs.release.version))).unwrap_or_default();
    format!("{} failed and is vetoed from {} onwards{runs}", clean(&release.version), environment.name)
}

fn line(entry: &Entry<'_>, look: &Look) -> String {
    let project = entry.project.map(|project| project.name.as_str()).unwrap_or_default();
    let (mark, words) = match entry.about {
        About::DiskFull(free) => return status::disk_full(free, look),
        About::SafeMode(safe) => return status::safe_mode(safe, look),
        About::Gone => (Mark::Failed, entry.project.map(gone).unwrap_or_default()),
        About::Unfollowed(why) => (Mark::Failed, format!("{project}: its repository: {}", clean(why))),
        About::Run(run) => (Mark::Failed, format!("{project}: {}", self::run(run))),
        About::Incoming(environment, incoming) => {
            let (mark, _) = words::deployment(incoming.status);
            (mark, format!("{}: {}", place(environment), deployment(incoming)))
        }
        About::Failed(environment, failed) => (Mark::Failed, format!("{}: {}", place(environment), deployment(failed))),
        About::RolledBack(environment, release) => {
            (Mark::Failed, format!("{} rolled back: {}", place(environment), rolled_back(environment, release)))
        }
        About::Accept(environment) => (Mark::Waiting, format!("{}: a new environment waits to be accepted", place(environment))),
    };
    let command = entry.act.iter().chain(&entry.look).next().map(|command| format!(" {} {}", look.paint.dot(), clean(&here(command))));
    look.paint.mark(mark, &format!("{words}{}", command.unwrap_or_default()))
}

/// A command that names its project, for the server that is meant here.
fn here(command: &str) -> String {
    let words = command.strip_prefix("trunkline ").unwrap_or(command);
    if words.starts_with("explain") || words.starts_with("check") { command.to_owned() } else { at_server!("{words}") }
}

fn place(environment: &EnvironmentView) -> String {
    format!("{} in {}", environment.project, environment.name)
}

fn run(run: &RunView) -> String {
    let first = run.refused.first().map(|first| format!(": {}", clean(first))).unwrap_or_default();
    match run.result {
        Some(RunResult::Refused) => format!("run {} was refused{first}", run.number),
        _ => format!("run {} failed", run.number),
    }
}

fn deployment(deployment: &DeploymentRef) -> String {
    let (_, word) = words::deployment(deployment.status);
    let why = deployment.reason.as_deref().map(|reason| format!(": {}", clean(reason))).unwrap_or_default();
    format!("deployment {} of {} {word}{why}", deployment.number, clean(&deployment.release.version))
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::render::paint::Paint;
    use crate::render::sample;
    use trunkline_api::view::{DeploymentStatus, SourceView};

    fn told(view: &StatusView) -> Vec<String> {
        lines(view, &sample::look(Paint::PLAIN))
    }

    #[test]
    fn a_repository_that_cannot_be_followed_is_said() {
        let mut view = sample::status();
        let failed = Some("no answer\u{1b}[2J".to_owned());
        view.projects[1].source =
            Some(SourceView { address: "https://example.com/shop.git".to_owned(), seen_at: None, failed, redirected: None });
        let told = told(&view).join("\n");
        assert!(told.contains("X shop: its repository: no answer") && told.contains("trunkline sync shop"), "{told:?}");
        assert!(!told.contains('\u{1b}'));
    }

    #[test]
    fn what_the_board_lists_is_listed() {
        let mut view = sample::status();
        let qa = &mut view.projects[1].environments[1];
        (qa.incoming, qa.rolled_back) = (None, Some(sample::release_ref(12, "1.42", "amber-heron")));
        qa.runs.as_mut().unwrap().undoes = Some(30);
        view.projects[1].environments[2].accepted = false;
        assert_eq!(
            told(&view),
            [
                "X billing: run 33 failed - trunkline log 33 --failed -p billing",
                "X shop in qa rolled back: 1.42 failed and is vetoed from qa onwards; 1.41 runs there - trunkline log deployment/30 -p shop",
                "H shop in production: a new environment waits to be accepted - trunkline environments accept production -p shop",
            ]
        );
    }

    #[test]
    fn a_repository_that_is_gone_is_said_once() {
        let mut view = sample::status();
        view.projects.remove(0);
        view.projects[0].repository_gone = true;
        let told = told(&view);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("X shop: the folder of its repository is gone") && told[0].ends_with("trunkline explain TL0524"),
            "{told:?}"
        );
    }

    #[test]
    fn what_asks_comes_first() {
        let mut view = sample::status();
        view.projects[1].environments[1].incoming = Some(sample::incoming(DeploymentStatus::Asking));
        let first = &told(&view)[0];
        assert!(
            first.contains("shop in qa: deployment 30 of 1.42 asks a person") && first.contains("trunkline settle deployment/30 --live"),
            "{first}"
        );
    }
}
