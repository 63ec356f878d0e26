//! `trunkline status`: what is where.

use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::invocation::at_server;
use crate::render;

/// What to show.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only this environment
    environment: Option<String>,
}

/// Shows it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let name = arguments.environment.as_deref().map(crate::reference::environment).transpose()?;
    let remote = globals.connect()?;
    let mut view = remote.status()?;
    // The folder says where one is, not what one wants to see: only --project narrows.
    if let (Some(_), Some(project)) = (&globals.project, remote.project_given()) {
        view.projects.retain(|one| one.name == *project);
        if view.projects.is_empty() {
            let failure = Failure::new(Code::NothingThere, format!("there is no project {project}"));
            return Err(failure.help(format!("{} shows them all", at_server!("projects list"))).into());
        }
    }
    if let Some(name) = name {
        for project in &mut view.projects {
            project.environments.retain(|environment| environment.name == name);
        }
        view.projects.retain(|project| !project.environments.is_empty());
        if view.projects.is_empty() {
            let failure = Failure::new(Code::NothingThere, format!("no project has an environment {name}"));
            return Err(failure.help(format!("{} shows them all", at_server!("status"))).into());
        }
    }
    let screen = remote.screen;
    for words in render::attention::lines(&view, &screen.err) {
        screen.note(&words);
    }
    if view.projects.is_empty() {
        screen.note(&format!("next: in a repository, {}", at_server!("project add NAME")));
    }
    if !screen.json() && screen.out_terminal {
        screen.print(&render::status::matrix(&view, &screen.out))?;
    } else {
        screen.print_table(&view, &render::status::table(&view))?;
    }
    Ok(Exit::Good)
}
