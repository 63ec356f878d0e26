//! One cell of the matrix. Quiet when well: an outline without a visible word. Loud when a person may have to act.

use super::look::{self, Icon, LAST_KNOWN, Look, ROLLED_BACK, TO_ACCEPT, Tone, VERIFIED};
use super::part::{change_href, icon, revision_of};
use super::time;
use maud::{Markup, html};
use trunkline_api::view::{DeploymentRef, DeploymentStatus, EnvironmentView, ProjectView, RunView};
use trunkline_domain::foundation::{Revision, Timestamp};

/// The newest run.
pub fn run(project: &ProjectView, run: &RunView, now: Timestamp) -> Markup {
    let look = look::run(run);
    // A run that moves is everyday life; only what ended badly is loud here.
    let loud = look.tone == Tone::Fail;
    let name = format!("#{}", run.number);
    let meta = Some(time::age(now, run.ended_at.unwrap_or(run.started_at)));
    Chip { name: &name, look, loud, meta, behind: 0 }.markup(project, Some(&run.commit.revision))
}

/// An environment: what runs, and beside it what comes, failed or waits.
pub fn environment(project: &ProjectView, environment: &EnvironmentView, now: Timestamp) -> Markup {
    let mut chips = Vec::new();
    if let Some(runs) = &environment.runs {
        // Where something newer stands beside it, the number would say the same again.
        let alone = environment.incoming.is_none() && environment.rolled_back.is_none();
        let behind = if alone { behind(project, environment) } else { 0 };
        // While nobody knows what a deployment did, what ran before is not shown as well.
        let look = if in_doubt(environment) { LAST_KNOWN } else { VERIFIED };
        let chip = Chip { name: &runs.release.version, look, loud: false, meta: Some(time::age(now, runs.since)), behind };
        chips.push(chip.markup(project, Some(&runs.revision)));
    }
    chips.extend(environment.last_failed.iter().map(|failed| deployment(project, failed, now)));
    if let Some(vetoed) = &environment.rolled_back {
        let chip = Chip { name: &vetoed.version, look: ROLLED_BACK, loud: true, meta: None, behind: 0 };
        chips.push(chip.markup(project, revision_of(project, vetoed)));
    }
    if environment.retired {
        chips.push(html! { span.none { span.quiet { "retired" } } });
    }
    // From here on: what is to come.
    let there = chips.len();
    chips.extend(environment.incoming.iter().map(|incoming| deployment(project, incoming, now)));
    chips.extend(environment.queue.iter().map(|waiting| deployment(project, waiting, now)));
    if !environment.accepted {
        let chip = Chip { name: "new", look: TO_ACCEPT, loud: true, meta: None, behind: 0 };
        chips.push(chip.markup(project, None));
    }
    match chips.len() {
        0 => html! { span.none { span.quiet { "nothing yet" } } },
        1 => chips.remove(0),
        _ => html! {
            span.cellrow {
                @for (at, chip) in chips.iter().enumerate() {
                    @if at > 0 && at >= there { svg.i.to viewBox="0 0 16 16" aria-hidden="true" { use href=(Icon::Chev.href()) {} } }
                    (chip)
                }
            }
        },
    }
}

fn in_doubt(environment: &EnvironmentView) -> bool {
    let status = environment.incoming.as_ref().map(|incoming| incoming.status);
    matches!(status, Some(DeploymentStatus::Unknown | DeploymentStatus::Asking))
}

fn deployment(project: &ProjectView, deployment: &DeploymentRef, now: Timestamp) -> Markup {
    let meta = Some(time::age(now, deployment.since));
    let chip = Chip { name: &deployment.release.version, look: look::deployment(deployment.status), loud: true, meta, behind: 0 };
    chip.markup(project, revision_of(project, &deployment.release))
}

/// How many releases newer is what runs in the environments before this one.
fn behind(project: &ProjectView, environment: &EnvironmentView) -> u32 {
    let number = |environment: &EnvironmentView| environment.runs.as_ref().map(|runs| runs.release.number);
    let before = project.environments.iter().filter(|other| environment.after.contains(&other.name)).filter_map(number).max();
    before.zip(number(environment)).map_or(0, |(before, own)| before.saturating_sub(own))
}

/// A release or a run in a cell.
struct Chip<'a> {
    name: &'a str,
    look: Look,
    loud: bool,
    meta: Option<Markup>,
    behind: u32,
}

impl Chip<'_> {
    fn markup(&self, project: &ProjectView, revision: Option<&Revision>) -> Markup {
        let kind = match (self.loud, self.look == LAST_KNOWN) {
            (true, _) => " loud",
            (false, true) => " last",
            (false, false) => "",
        };
        let class = format!("cell {}{kind}", self.look.tone.class());
        match revision {
            Some(revision) => html! { a class=(class) href=(change_href(&project.name, revision)) { (self.inside()) } },
            None => html! { span class=(class) { (self.inside()) } },
        }
    }

    fn inside(&self) -> Markup {
        let releases = if self.behind == 1 { "release" } else { "releases" };
        html! {
            (icon(self.look.icon))
            span.v { (self.name) }
            @if self.loud { span.word { (self.look.word) } } @else { span.vh { (self.look.word) } }
            @if let Some(meta) = &self.meta { span.meta { (meta) } }
            @if self.behind > 0 {
                span.behind title={ (self.behind) " " (releases) " behind the environment before" } { "+" (self.behind) span.vh { " " (releases) " behind" } }
            }
        }
    }
}
