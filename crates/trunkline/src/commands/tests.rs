//! `trunkline tests`: the tests of a change, in its run and in the checks that its release met; the failed ones first.

use super::which::{self, Work};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::{Globals, Remote};
use crate::render;
use crate::render::tests::Tested;
use trunkline_api::view::{DeploymentView, RunView};
use trunkline_domain::foundation::ProjectKey;

/// Which tests.
#[derive(clap::Args)]
pub struct Arguments {
    /// A run, a commit, pr-N or deployment/N; the change of the commit that is checked out if left out
    run: Option<String>,
    /// Only failed tests
    #[arg(long)]
    failed: bool,
}

/// Shows them.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let project = remote.project_of(arguments.run.as_deref())?;
    let (what, named, tested) = match which::work(&remote, &project, arguments.run.as_deref())? {
        Work::Deployment(number) => {
            let tested = of_checks(&which::deployment(&remote, &project, number)?);
            (format!("deployment {number}"), format!("deployment/{number}"), tested)
        }
        Work::Run(run) => (format!("run {}", run.number), run.number.to_string(), of_change(&remote, &project, &run)?),
    };
    let screen = remote.screen;
    let any = !tested.is_empty();
    let tested: Vec<Tested> = tested.into_iter().filter(|one| !arguments.failed || one.tests.failed > 0).collect();
    if screen.json() {
        screen.print_json(&tested)?;
    } else if tested.is_empty() {
        screen.note(&format!("{what} reported no {}", if any { "failed test" } else { "tests" }));
    } else if screen.out_terminal {
        screen.print(&render::tests::view(&tested, arguments.failed, &screen.out))?;
    } else {
        screen.print(&render::tests::table(&tested, arguments.failed).plain())?;
    }
    if let Some(next) = next(&named, &tested).filter(|_| !screen.json()) {
        screen.note(&next);
    }
    Ok(Exit::Good)
}

/// Where the failed tests say more: the log of the first job that had one, else of the checks.
fn next(named: &str, tested: &[Tested]) -> Option<String> {
    let first = tested.iter().find(|one| one.tests.failed > 0)?;
    let job = if first.place.contains('/') { "--failed" } else { &first.place };
    Some(format!("next: trunkline log {named} {job}"))
}

/// Of the run's jobs, then of the checks in the environments that its release came to.
fn of_change(remote: &Remote, project: &ProjectKey, run: &RunView) -> Result<Vec<Tested>, Failure> {
    let jobs = run.jobs.iter().filter_map(|job| Some(Tested { place: job.key.to_string(), tests: job.tests.clone()? }));
    let checks = which::deployments(remote, project, run)?;
    Ok(jobs.chain(checks.iter().flat_map(of_checks)).collect())
}

fn of_checks(deployment: &DeploymentView) -> Vec<Tested> {
    let place = |check: &str| format!("{}/{check}", deployment.environment);
    let checks = deployment.checks.iter().filter_map(|check| Some(Tested { place: place(&check.name), tests: check.tests.clone()? }));
    checks.collect()
}

#[cfg(test)]
mod unit {
    use super::*;
    use trunkline_domain::report::TestSummary;

    #[test]
    fn failed_tests_name_the_log_that_says_more() {
        let tested = |place: &str, failed| Tested { place: place.to_owned(), tests: TestSummary { failed, ..TestSummary::default() } };
        assert_eq!(next("812", &[tested("lint", 0), tested("unit", 2)]).as_deref(), Some("next: trunkline log 812 unit"));
        assert_eq!(next("812", &[tested("qa/smoke", 1)]).as_deref(), Some("next: trunkline log 812 --failed"));
        assert_eq!(next("812", &[tested("lint", 0)]), None);
    }
}
