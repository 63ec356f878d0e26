//! `trunkline rollback`: bring an earlier release back.

use super::act::{Answer, Consent, Undo, Waiting, consent, finish};
use super::{promote, which};
use crate::client::segment;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::{Globals, Remote};
use crate::invocation::in_project;
use crate::reference;
use crate::render::paint::Style;
use crate::render::text::clean;
use crate::render::{Look, environment, release};
use trunkline_api::request::{Intended, Rollback};
use trunkline_api::view::{DeploymentView, EnvironmentView, ReleaseView};
use trunkline_domain::foundation::ProjectKey;

/// What to go back to, and where.
#[derive(clap::Args)]
pub struct Arguments {
    /// The environment
    environment: String,
    /// The release: its number, version or alias; the last good one before what runs if left out
    #[arg(long, value_name = "RELEASE")]
    to: Option<String>,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    waiting: Waiting,
}

/// Brings it back.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let name = reference::environment(&arguments.environment)?;
    let remote = globals.connect()?;
    let project = remote.project_to_act()?;
    let environment = which::environment(&remote, &project, name.as_str())?;
    let target = target(&remote, &project, &environment, arguments.to.as_deref())?;
    let screen = remote.screen;
    let question = format!("Roll {name} back to {}?", clean(&target.release.version));
    // By number: the release that the plan showed, whatever the last good one is by now.
    let asked = Rollback { to: Some(target.release.number.to_string()) };
    if consent(&screen, &plan(&target, &environment, &screen.err), &question, &arguments.consent)? == Answer::PlanOnly {
        // The server decides as it would: its no is the one that the act meets.
        let _: Intended = remote.client.post(&format!("projects/{project}/environments/{name}/rollback/dry-run"), &asked)?;
        if screen.json() {
            screen.print_json(&target)?;
        }
        return Ok(Exit::Good);
    }
    let deployment: DeploymentView = remote.client.post(&format!("projects/{project}/environments/{name}/rollback"), &asked)?;
    finish(&remote, deployment, &arguments.waiting, Undo::of_bringing(&target.release, &environment))
}

fn target(remote: &Remote, project: &ProjectKey, environment: &EnvironmentView, to: Option<&str>) -> Result<ReleaseView, Failure> {
    let name = match (to, environment.back_to.first()) {
        (Some(to), _) => reference::release(to).to_owned(),
        (None, Some(back)) => back.number.to_string(),
        (None, None) => {
            return Err(Failure::new(Code::NothingThere, format!("{} has no earlier release to go back to", environment.name))
                .why("only releases that were verified there can come back")
                .help(format!("promote another one: {}", in_project!("releases list"))));
        }
    };
    remote.client.get(&format!("projects/{project}/releases/{}", segment(&name)))
}

fn plan(target: &ReleaseView, environment: &EnvironmentView, look: &Look) -> String {
    let title = look.paint.text(Style::Strong, &format!("{}/{}", environment.project, environment.name));
    let now = environment.runs.as_ref().map_or_else(|| "nothing that was verified".to_owned(), |runs| release::name(&runs.release));
    let mut out = format!("{title}\n  now   {now}\n  then  {} again; nothing is built\n", release::name(&target.release));
    out += &promote::difference(environment.runs.as_ref().map(|runs| &runs.revision), &target.commit.revision, look);
    if let Some(incoming) = &environment.incoming {
        out += &format!("  first {}\n", environment::reference(incoming, look));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::paint::Paint;
    use crate::render::sample;

    #[test]
    fn the_plan_names_what_comes_back() {
        let environment = sample::trace().environment;
        let text = plan(&sample::release(), &environment, &sample::look(Paint::PLAIN));
        assert!(text.contains("  then  release 12, 1.42 \"amber-heron\" again; nothing is built\n"), "{text}");
    }
}
