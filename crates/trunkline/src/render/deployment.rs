//! Deployments: lists, and one with its parts and checks.

use super::Look;
use super::paint::{Mark, Style};
use super::table::{Cell, Table, align};
use super::text::clean;
use super::words;
use trunkline_api::view::{CheckView, DeploymentStatus, DeploymentView, PartView, ReleaseRef};
use trunkline_domain::deployment::Live;

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

/// What the record knows around a deployment.
#[derive(Default)]
pub struct Around {
    /// Releases that were seen on its targets.
    pub seen: Vec<ReleaseRef>,
    /// What runs there since, where it is not what was verified.
    pub now: Option<String>,
}

/// One deployment.
pub fn view(deployment: &DeploymentView, around: &Around, look: &Look) -> String {
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
    if deployment.cancelling {
        line("cancelling", "somebody asked for its end; it ends when it is known what runs");
    }
    if let (Some(began), Some(ended)) = (deployment.began, deployment.ended_at) {
        line("took", &ended.since(began).to_string());
    }
    if let Some(now) = &around.now {
        line("now", &paint.mark(Mark::Unknown, now));
    }
    for before in &deployment.before {
        let named = around.seen.iter().find(|release| before.live == Live::Release(release.digest));
        let named = named.map(|release| format!("{} ", super::release::name(release))).unwrap_or_default();
        line("before", &format!("{named}{} (from {})", clean(&words::observed(before)), clean(&before.source)));
    }
    if let Some(configuration) = &deployment.configuration {
        line("configuration", &configuration.to_string());
    }
    let parts = deployment.parts.iter().map(|part| part_line(part, deployment.status, look));
    let checks = deployment.checks.iter().map(|check| check_line(check, deployment.status, look));
    out += &align(&parts.chain(checks).collect::<Vec<_>>(), look.columns);
    out
}

fn part_line(part: &PartView, status: DeploymentStatus, look: &Look) -> Vec<String> {
    let (mark, word) = words::part(part, status);
    let found = if part.found { "found in place after it had become unknown" } else { "" };
    let at = part.applied_at.map(|at| look.clock.ago(at)).unwrap_or_default();
    vec![format!("  {}", look.paint.mark(mark, &format!("part {}", clean(&part.name)))), word.to_owned(), at, found.to_owned()]
}

fn check_line(check: &CheckView, status: DeploymentStatus, look: &Look) -> Vec<String> {
    let (mark, word) = words::check(check, status);
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
    use trunkline_domain::deployment::{Health, Observed};

    #[test]
    fn one_deployment() {
        let text = view(&sample::deployment(), &Around::default(), &sample::look(Paint::PLAIN));
        assert!(text.starts_with("deployment 31 shop/production V succeeded\nrelease        release 12, 1.42"), "{text}");
        assert!(text.contains("  V part shop   in place"), "{text}");
        assert!(text.contains("  V check http  passed"), "{text}");
        assert!(text.contains("200, version 1.42\n"), "{text}");
    }

    #[test]
    fn what_ran_before_is_named_and_what_runs_on_is_said() {
        let mut deployment = sample::deployment();
        let seen = sample::release_ref(11, "1.41", "quiet-otter");
        let (live, health) = (Live::Release(seen.digest), Health::Healthy);
        deployment.before = vec![Observed { live, fence: None, health, source: "supervisor status".to_owned() }];
        let digest = seen.digest.short();
        let around = Around { seen: vec![seen], now: Some("1.42 runs on, unverified; nothing to go back to".to_owned()) };
        let text = view(&deployment, &around, &sample::look(Paint::PLAIN));
        assert!(
            text.contains(&format!("before         release 11, 1.41 \"quiet-otter\" {digest}, healthy (from supervisor status)\n")),
            "{text}"
        );
        assert!(text.contains("now            ? 1.42 runs on, unverified; nothing to go back to\n"), "{text}");
    }
}
