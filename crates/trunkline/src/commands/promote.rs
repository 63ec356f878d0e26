//! `trunkline promote`: let a release into an environment.

use super::act::{Answer, Consent, Undo, Waiting, consent, finish};
use super::which;
use crate::client::segment;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::git::Repository;
use crate::globals::Globals;
use crate::invocation::in_project;
use crate::reference;
use crate::render::paint::{Mark, Style};
use crate::render::text::{clean, count};
use crate::render::{Look, environment, release};
use trunkline_api::request::{Intended, Promote};
use trunkline_api::view::{DeploymentView, EnvironmentView, ReleaseView};
use trunkline_domain::foundation::Revision;

/// Commits that a plan lists.
const COMMITS_MAX: usize = 8;

/// What to promote, and where.
#[derive(clap::Args)]
#[command(allow_missing_positional = true)]
pub struct Arguments {
    /// The release: its number, version or alias; with --again the one that is there if left out
    release: Option<String>,
    /// The environment
    environment: String,
    /// Deploy the release once more that is there, where its target lost it
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    waiting: Waiting,
}

/// Promotes it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    if arguments.release.is_none() && !arguments.again {
        return Err(no_release_named(&clean(&arguments.environment)).into());
    }
    let name = reference::environment(&arguments.environment)?;
    let remote = globals.connect()?;
    let project = remote.project_to_act()?;
    let environment = which::environment(&remote, &project, name.as_str())?;
    let wanted = wanted(arguments.release.as_deref(), &environment)?;
    let release: ReleaseView = remote.client.get(&format!("projects/{project}/releases/{}", segment(&wanted)))?;
    let screen = remote.screen;
    let plan = plan(&release, &environment, &screen.err);
    let version = clean(&release.release.version);
    let question = if arguments.again { format!("Deploy {version} to {name} once more?") } else { format!("Promote {version} to {name}?") };
    let asked = Promote { environment: name.clone(), again: arguments.again };
    // By number: the release that the plan showed, whatever is called so by now.
    let number = release.release.number;
    if consent(&screen, &plan, &question, &arguments.consent)? == Answer::PlanOnly {
        // The server decides as it would: its no is the one that the act meets.
        let _: Intended = remote.client.post(&format!("projects/{project}/releases/{number}/promote/dry-run"), &asked)?;
        if screen.json() {
            screen.print_json(&release)?;
        }
        return Ok(Exit::Good);
    }
    let deployment: DeploymentView = remote.client.post(&format!("projects/{project}/releases/{number}/promote"), &asked)?;
    finish(&remote, deployment, &arguments.waiting, Undo::of_bringing(&release.release, &environment))
}

/// One name alone. The parser takes it for the environment; what begins with a digit was more likely meant as a release.
fn no_release_named(name: &str) -> Failure {
    let help = if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("{}; {} shows which there are", in_project!("promote {name} ENVIRONMENT"), in_project!("environments list"))
    } else {
        let (promote, again) = (in_project!("promote RELEASE {name}"), in_project!("promote {name} --again"));
        format!("{promote}, or {again}; {} shows which there are", in_project!("releases list"))
    };
    Failure::new(Code::NotAReference, format!("'{name}' alone does not say which release shall come where"))
        .why("the form is: promote RELEASE ENVIRONMENT")
        .help(help)
}

/// The release that was named, else the one that is there.
fn wanted(named: Option<&str>, environment: &EnvironmentView) -> Result<String, Failure> {
    match (named, &environment.runs) {
        (Some(named), _) => Ok(reference::release(named).to_owned()),
        (None, Some(runs)) => Ok(runs.release.number.to_string()),
        (None, None) => Err(Failure::new(Code::NothingThere, format!("no release is verified in {} now", environment.name)).help(format!(
            "name the one that shall come: {}; then {}",
            in_project!("releases list"),
            in_project!("promote RELEASE {}", environment.name)
        ))),
    }
}

/// What runs now, what will, and what speaks against it.
fn plan(release: &ReleaseView, environment: &EnvironmentView, look: &Look) -> String {
    let paint = look.paint;
    let mut out = format!("{}\n", paint.text(Style::Strong, &format!("{}/{}", environment.project, environment.name)));
    let (now, from) = match &environment.runs {
        Some(runs) => (format!("{}, verified {}", release::name(&runs.release), look.clock.ago(runs.since)), Some(&runs.revision)),
        None => ("nothing that was verified".to_owned(), None),
    };
    out += &format!("  now   {now}\n  then  {} from run {}\n", release::name(&release.release), release.run);
    out += &difference(from, &release.commit.revision, look);
    if let Some(incoming) = &environment.incoming {
        out += &format!("  first {}\n", environment::reference(incoming, look));
    }
    for warning in warnings(release, environment) {
        out += &format!("  {}\n", paint.mark(Mark::Waiting, &warning));
    }
    out
}

/// What the server may say no to. It decides, in a dry run too; this only says so before.
fn warnings(release: &ReleaseView, environment: &EnvironmentView) -> Vec<String> {
    let mut out = Vec::new();
    let missing: Vec<&str> = environment.after.iter().filter(|name| !release.verified.contains(name)).map(|name| name.as_str()).collect();
    if !missing.is_empty() {
        out.push(format!("it is not verified in {}", missing.join(", ")));
    }
    if release.forbidden.contains(&environment.name) {
        out.push("it is forbidden there, since a deployment of it failed".to_owned());
    }
    if !environment.accepted {
        out.push(format!("{} waits to be accepted: {}", environment.name, in_project!("environments accept {}", environment.name)));
    }
    out
}

/// The commits between two revisions, as the repository here knows them.
pub fn difference(from: Option<&Revision>, to: &Revision, look: &Look) -> String {
    let Some(from) = from else { return String::new() };
    if from == to {
        return "  code  the same commit\n".to_owned();
    }
    let between = |from, to| Repository::here().ok().flatten().and_then(|repository| repository.between(from, to));
    let (Some(added), Some(removed)) = (between(from, to), between(to, from)) else {
        return format!("  code  {} {} {}\n", from.short(), look.paint.to(), to.short());
    };
    let list = |sign: &str, verb: &str, commits: &[String]| {
        if commits.is_empty() {
            return String::new();
        }
        let mut out = format!("  code  {verb} {}\n", count(commits.len(), "commit"));
        for commit in commits.iter().take(COMMITS_MAX) {
            out += &format!("        {sign} {}\n", clean(commit));
        }
        if commits.len() > COMMITS_MAX {
            out += &format!("          and {} more\n", commits.len() - COMMITS_MAX);
        }
        out
    };
    list("+", "adds", &added) + &list("-", "removes", &removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::paint::Paint;
    use crate::render::sample;

    #[test]
    fn the_plan_says_what_runs_what_will_and_what_speaks_against_it() {
        let mut environment = sample::status().projects[1].environments[1].clone();
        environment.after = vec!["test".parse().unwrap(), "lab".parse().unwrap()];
        let text = plan(&sample::release(), &environment, &sample::look(Paint::PLAIN));
        assert!(
            text.starts_with(
                "shop/qa\n  now   release 11, 1.41 \"quiet-otter\", verified 25 h ago\n  then  release 12, 1.42 \"amber-heron\" from run 812\n"
            ),
            "{text}"
        );
        assert!(text.contains("  code  bbbbbbb > 4f2a91c\n"), "{text}");
        assert!(text.contains("first > deployment 30 of 1.42 deploying"), "{text}");
        assert!(text.ends_with("  H it is not verified in lab\n"), "{text}");
    }

    #[test]
    fn once_more_means_the_release_that_is_there() {
        let mut environment = sample::status().projects[1].environments[1].clone();
        assert_eq!(wanted(Some("1.42"), &environment).unwrap(), "1.42");
        assert_eq!(wanted(None, &environment).unwrap(), "11");
        environment.runs = None;
        let failure = wanted(None, &environment).unwrap_err();
        assert!(failure.help.is_some_and(|help| help.contains("trunkline promote RELEASE qa")));
    }

    #[test]
    fn one_name_alone_is_the_environment_and_the_form_is_said() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            arguments: Arguments,
        }
        let read = |words: &[&str]| {
            let line = <Line as clap::Parser>::try_parse_from(["promote"].iter().chain(words)).ok()?.arguments;
            Some((line.release, line.environment, line.again))
        };
        let text = |text: &str| text.to_owned();
        assert_eq!(read(&["1.42", "qa"]), Some((Some(text("1.42")), text("qa"), false)));
        assert_eq!(read(&["1.42", "qa", "--again"]), Some((Some(text("1.42")), text("qa"), true)));
        assert_eq!(read(&["qa", "--again"]), Some((None, text("qa"), true)));
        assert_eq!(read(&["qa"]), Some((None, text("qa"), false)));
        let failure = no_release_named("qa");
        assert!(failure.what.contains("'qa' alone does not say which release") && failure.exit.number() == 2);
        assert!(failure.help.unwrap().starts_with("trunkline promote RELEASE qa"));
        assert!(no_release_named("2026.12.4").help.unwrap().starts_with("trunkline promote 2026.12.4 ENVIRONMENT;"));
    }
}
