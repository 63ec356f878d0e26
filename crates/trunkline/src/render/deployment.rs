//! Deployments: lists, and one with its parts and checks.

use super::Look;
use super::paint::{Mark, Style};
use super::table::{Cell, Table, align};
use super::text::clean;
use super::words;
use trunkline_api::view::{CheckView, DeploymentView, PartView};

/// A list of deployments.
pub fn table(deployments: &[DeploymentView], look: &Look) -> Table {
    let mut table = Table::new(["DEPLOYMENT", "ENVIRONMENT", "RELEASE", "STATE", "ASKED", "TOOK", "CAUSE", "WHY"]);
    for deployment in deployments {
        let (mark, word) = words::deployment(deployment.status);
        let took = deployment.began.zip(deployment.ended_at).map(|(began, ended)| ended.since(began));
        table.row([
            Cell::text(deployment.number.to_string()),
            Cell::text(deployment.environment.as_str()),
            Cell::text(&deployment.release.version),
            Cell::mark(mark, word),
            Cell::text(look.clock.ago(deployment.requested_at)).plain(deployment.requested_at.iso()),
            Cell::text(took.map(|took| took.to_string()).unwrap_or_default())
                .plain(took.map(|took| took.0.to_string()).unwrap_or_default()),
            Cell::text(&deployment.cause),
            Cell::text(deployment.reason.as_deref().unwrap_or_default()),
        ]);
    }
    table
}

/// One deployment.
pub fn view(deployment: &DeploymentView, look: &Look) -> String {
    let paint = look.paint;
    let (mark, word) = words::deployment(deployment.status);
    let title = paint.text(Style::Strong, &format!("deployment {}", deployment.number));
    let mut out = format!("{title} {}/{} {}\n", deployment.project, deployment.environment, paint.mark(mark, word));
    let mut line = |label: &str, text: &str| out += &format!("{} {text}\n", paint.text(Style::Muted, &format!("{label:<14}")));
    line("release", &format!("{} {}", super::release::name(&deployment.release), deployment.release.digest.short()));
    line("cause", &format!("{}, {}", clean(&deployment.cause), look.clock.ago(deployment.requested_at)));
    if let Some(undoes) = deployment.undoes {
        line("undoes", &format!("deployment {undoes}"));
    }
    if let Some(reason) = &deployment.reason {
        line("why", &clean(reason));
    }
    if let (Some(began), Some(ended)) = (deployment.began, deployment.ended_at) {
        line("took", &ended.since(began).to_string());
    }
    for before in &deployment.before {
        line("before", &format!("{} (from {})", clean(&words::observed(before)), clean(&before.source)));
    }
    if let Some(configuration) = &deployment.configuration {
        line("configuration", &configuration.to_string());
    }
    let parts = deployment.parts.iter().map(|part| part_line(part, look));
    let checks = deployment.checks.iter().map(|check| check_line(check, look));
    out += &align(&parts.chain(checks).collect::<Vec<_>>(), look.columns);
    out
}

fn part_line(part: &PartView, look: &Look) -> Vec<String> {
    let (mark, word) = match part.applied_at {
        Some(_) => (Mark::Passed, "in place"),
        None => (Mark::Ahead, "not in place"),
    };
    let found = if part.found { "found in place after it had become unknown" } else { "" };
    let at = part.applied_at.map(|at| look.clock.ago(at)).unwrap_or_default();
    vec![format!("  {}", look.paint.mark(mark, &format!("part {}", clean(&part.name)))), word.to_owned(), at, found.to_owned()]
}

fn check_line(check: &CheckView, look: &Look) -> Vec<String> {
    let (mark, word) = words::verdict(check.verdict);
    let at = check.at.map(|at| look.clock.ago(at)).unwrap_or_default();
    let seen = match check.sandbox {
        Some(level) => format!("{} ({})", evidence(check), words::sandbox(level)),
        None => evidence(check),
    };
    vec![format!("  {}", look.paint.mark(mark, &format!("check {}", clean(&check.name)))), word.to_owned(), at, seen]
}

/// What a check saw, in a line. The evidence of a check with reports counts its tests itself.
pub fn evidence(check: &CheckView) -> String {
    match (&check.evidence, &check.tests) {
        (Some(evidence), _) => clean(evidence),
        (None, Some(tests)) if tests.passed + tests.failed > 0 => words::tests(tests),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::paint::Paint;
    use crate::render::sample;

    #[test]
    fn one_deployment() {
        let text = view(&sample::deployment(), &sample::look(Paint::PLAIN));
        assert!(text.starts_with("deployment 31 shop/production V succeeded\nrelease        release 12, 1.42"), "{text}");
        assert!(text.contains("  V part shop   in place"), "{text}");
        assert!(text.contains("  V check http  passed"), "{text}");
        assert!(text.contains("200, version 1.42\n"), "{text}");
    }
}
