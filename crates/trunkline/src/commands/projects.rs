//! `trunkline projects`: add, follow, list, view.

mod add;
mod follow;
mod remote;
mod there;

use crate::exit::Exit;
use crate::globals::{Globals, Remote};
use crate::invocation::at_server;
use crate::render::paint::Mark;
use crate::render::table::{Cell, Table};
use crate::render::text::clean;
use crate::render::{environment, status, words};
use crate::{reference, render};
use trunkline_api::view::{ProjectView, StatusView};
use trunkline_domain::foundation::ProjectKey;

/// What to do with projects.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(clap::Subcommand)]
enum Act {
    /// Begin a project and make this repository's remote 'trunkline' lead to it, or follow one that lives elsewhere
    Add(add::Arguments),
    /// Follow the same repository at another address, or with another token
    Follow(follow::Arguments),
    /// List projects
    List,
    /// View one project
    View {
        /// Its name; that of this repository if left out
        name: Option<String>,
    },
}

/// Does it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    match arguments.act.as_ref().unwrap_or(&Act::List) {
        Act::Add(arguments) => add::run(arguments, globals),
        Act::Follow(arguments) => follow::run(arguments, globals),
        Act::List => list(&globals.connect()?),
        Act::View { name } => view(&globals.connect()?, name.as_deref()),
    }
}

fn find(status: &StatusView, name: &ProjectKey) -> Option<ProjectView> {
    status.projects.iter().find(|project| project.name == *name).cloned()
}

fn list(remote: &Remote) -> anyhow::Result<Exit> {
    let status = remote.status()?;
    let screen = remote.screen;
    let mut table = Table::new(["PROJECT", "LAST RUN", "STATE", "WHEN", "ENVIRONMENTS"]);
    for project in &status.projects {
        let names: Vec<&str> = project.environments.iter().map(|environment| environment.name.as_str()).collect();
        let (number, state, when) = match &project.last_run {
            Some(run) => {
                let (mark, word) = words::run(run);
                let when = Cell::text(screen.out.clock.ago(run.started_at)).plain(run.started_at.iso());
                (run.number.to_string(), Cell::mark(mark, word), when)
            }
            None => (String::new(), Cell::mark(Mark::Ahead, "none").plain(""), Cell::text("")),
        };
        table.row([
            Cell::text(project.name.as_str()),
            Cell::text(number),
            state,
            when,
            Cell::text(names.join(", ")).plain(names.join(",")),
        ]);
    }
    if table.is_empty() {
        screen.note(&format!("No projects.\nnext: in a repository, {}", at_server!("project add NAME")));
    }
    screen.print_table(&status.projects, &table)?;
    Ok(Exit::Good)
}

fn view(remote: &Remote, name: Option<&str>) -> anyhow::Result<Exit> {
    let name = match name {
        Some(name) => reference::project(name)?,
        None => remote.project()?,
    };
    let screen = remote.screen;
    let status = remote.status()?;
    let Some(project) = find(&status, &name) else {
        anyhow::bail!(
            crate::failure::Failure::new(crate::code::Code::NothingThere, format!("there is no project {name}"))
                .help(format!("see {}", at_server!("projects list")))
        );
    };
    if screen.json() {
        screen.print_json(&project)?;
        return Ok(Exit::Good);
    }
    let mut out = status::matrix(&StatusView { projects: vec![project.clone()], ..status }, &screen.out);
    if project.repository_gone {
        let words = format!("{} {} trunkline explain TL0524", render::attention::gone(&project), screen.out.paint.dot());
        out += &format!("{}\n", screen.out.paint.mark(Mark::Failed, &words));
    }
    match &project.source {
        Some(source) => {
            let seen = source.seen_at.map_or_else(|| "not seen yet".to_owned(), |at| format!("seen {}", screen.out.clock.ago(at)));
            out += &format!("follows {}, {seen}\n", clean(&source.address));
            out += &status::redirected(&project).iter().map(|words| format!("  {words}\n")).collect::<String>();
            out += &source.failed.iter().map(|why| format!("  {}\n", screen.out.paint.mark(Mark::Failed, &clean(why)))).collect::<String>();
        }
        None => out += &format!("git {}\n", remote.client.page(&project.git)),
    }
    out += &project.folder.iter().map(|folder| format!("folder {}\n", clean(folder))).collect::<String>();
    for one in &project.environments {
        out += &format!("\n{}", environment::view(one, &screen.out));
    }
    if let Some(run) = &project.last_run {
        out += &format!("\n{}", render::run::view(run, &screen.out));
    }
    screen.print(&out)?;
    Ok(Exit::Good)
}
