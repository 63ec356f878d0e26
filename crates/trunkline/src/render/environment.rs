//! Environments: lists, and one with what runs, what comes and what it can go back to.

use super::Look;
use super::paint::{Mark, Style};
use super::status;
use super::table::{Cell, Table};
use super::text::clean;
use super::words;
use crate::invocation::in_project;
use trunkline_api::view::{DeploymentRef, EnvironmentView};

/// A list of environments.
pub fn table(environments: &[EnvironmentView], look: &Look) -> Table {
    let mut table = Table::new(["ENVIRONMENT", "TIER", "STATE", "RUNS", "SINCE", "AFTER"]);
    for environment in environments {
        let (mark, word, other) = status::state(environment);
        let word = other.map_or_else(|| word.to_owned(), |other| format!("{other} {word}"));
        let after: Vec<&str> = environment.after.iter().map(|name| name.as_str()).collect();
        let runs = environment.runs.as_ref();
        table.row([
            Cell::text(environment.name.as_str()),
            Cell::text(tier(environment)),
            Cell::mark(mark, word),
            Cell::text(runs.map(|runs| runs.release.version.as_str()).unwrap_or_default()),
            Cell::text(runs.map(|runs| look.clock.ago(runs.since)).unwrap_or_default())
                .plain(runs.map(|runs| runs.since.iso()).unwrap_or_default()),
            Cell::text(after.join(", ")).plain(after.join(",")),
        ]);
    }
    table
}

/// One environment.
pub fn view(environment: &EnvironmentView, look: &Look) -> String {
    let paint = look.paint;
    let title = paint.text(Style::Strong, &format!("{}/{}", environment.project, environment.name));
    let mut out = format!("{title} {}\n", tier(environment));
    let mut line = |label: &str, text: &str| out += &format!("{} {text}\n", paint.text(Style::Muted, &format!("{label:<10}")));
    if environment.retired {
        line("retired", "the newest delivery file does not name it; what runs there is left running");
    }
    if !environment.accepted {
        let text = format!("no release may come yet; let them: {}", in_project!("environments accept {}", environment.name));
        line("waits", &paint.mark(Mark::Waiting, &text));
    }
    match &environment.runs {
        Some(runs) => {
            let text = format!("{} ({}, deployment {})", super::release::name(&runs.release), runs.revision.short(), runs.deployment);
            // Not "runs": that is what the record knows, and nobody looks at the targets between deployments.
            line("verified", &format!("{} {}", paint.mark(Mark::Passed, &text), look.clock.ago(runs.since)));
        }
        None => line("verified", "nothing"),
    }
    if let Some(release) = &environment.rolled_back {
        let undone = environment.runs.as_ref().and_then(|runs| runs.undoes);
        let why = undone.map(|undone| format!(" {} {}", paint.dot(), in_project!("log deployment/{undone}"))).unwrap_or_default();
        line("back from", &format!("{}{why}", paint.mark(Mark::Failed, &super::attention::rolled_back(environment, release))));
    }
    if let Some(unverified) = words::runs_unverified(environment) {
        line("now", &paint.mark(Mark::Unknown, &unverified));
    }
    if let Some(failed) = &environment.last_failed {
        line("last", &reference(failed, look));
    }
    if let Some(incoming) = &environment.incoming {
        line("incoming", &reference(incoming, look));
    }
    for queued in &environment.queue {
        line("queued", &reference(queued, look));
    }
    for (index, back) in environment.back_to.iter().enumerate() {
        let to = if index == 0 { String::new() } else { format!(" --to {}", back.number) };
        line("back to", &format!("{} {} {}", super::release::name(back), paint.dot(), in_project!("rollback {}{to}", environment.name)));
    }
    if environment.back_to.is_empty() && (environment.runs.is_some() || environment.last_failed.is_some()) {
        line("back to", "nothing: no earlier release was verified here");
    }
    out
}

/// What it is for; of one that the delivery file names no more, nobody says it.
fn tier(environment: &EnvironmentView) -> &'static str {
    if environment.retired { "retired" } else { words::tier(environment.tier) }
}

/// A deployment in a line: `deployment 31 of 1.42 deploying for 3 s: why`.
pub fn reference(deployment: &DeploymentRef, look: &Look) -> String {
    let (mark, word) = words::deployment(deployment.status);
    let why = deployment.reason.as_deref().map(|reason| format!(": {}", clean(reason))).unwrap_or_default();
    let text = format!("deployment {} of {} {word}", deployment.number, clean(&deployment.release.version));
    format!("{} {}{why}", look.paint.mark(mark, &text), look.clock.since(deployment.since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::paint::Paint;
    use crate::render::sample;
    use trunkline_api::view::DeploymentStatus;
    use trunkline_domain::deployment::{DeploymentResult, FailureCause};

    #[test]
    fn what_was_rolled_back_is_said() {
        let mut environment = sample::status().projects[1].environments[1].clone();
        (environment.incoming, environment.rolled_back) = (None, Some(sample::release_ref(12, "1.42", "amber-heron")));
        environment.runs.as_mut().unwrap().undoes = Some(30);
        let text = view(&environment, &sample::look(Paint::PLAIN));
        let line = "back from  X 1.42 failed and is vetoed from qa onwards; 1.41 runs there - trunkline log deployment/30\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn one_environment() {
        let mut environment = sample::status().projects[1].environments[1].clone();
        environment.back_to.push(sample::release_ref(9, "1.39", "old-stork"));
        let text = view(&environment, &sample::look(Paint::PLAIN));
        let expected = "\
shop/qa staging
verified   V release 11, 1.41 \"quiet-otter\" (bbbbbbb, deployment 28) 25 h ago
incoming   > deployment 30 of 1.42 deploying for 30 s
back to    release 11, 1.41 \"quiet-otter\" - trunkline rollback qa
back to    release 9, 1.39 \"old-stork\" - trunkline rollback qa --to 9
";
        assert_eq!(text, expected);
    }

    #[test]
    fn one_that_cannot_go_back_says_what_runs_on() {
        let mut environment = sample::status().projects[1].environments[1].clone();
        (environment.runs, environment.incoming) = (None, None);
        environment.back_to.clear();
        environment.last_failed = Some(sample::incoming(DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Verify))));
        let expected = "\
shop/qa staging
verified   nothing
now        ? 1.42 runs on, unverified; nothing to go back to
last       X deployment 30 of 1.42 failed: not verified for 30 s
back to    nothing: no earlier release was verified here
";
        assert_eq!(view(&environment, &sample::look(Paint::PLAIN)), expected);
    }

    #[test]
    fn one_that_is_retired_says_so_and_has_no_tier() {
        let mut environment = sample::status().projects[1].environments[2].clone();
        environment.retired = true;
        let text = view(&environment, &sample::look(Paint::PLAIN));
        assert!(text.starts_with("shop/production retired\nretired "), "{text}");
    }

    #[test]
    fn one_that_is_not_accepted_names_the_command() {
        let mut environment = sample::status().projects[1].environments[2].clone();
        environment.accepted = false;
        assert!(view(&environment, &sample::look(Paint::PLAIN)).contains("trunkline environments accept production"));
    }
}
