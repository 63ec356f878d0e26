//! `trunkline projects`: add, list, view.

use crate::address::{Address, is_loopback};
use crate::exit::Exit;
use crate::git::{DATA, REMOTE, Repository};
use crate::globals::{Globals, Remote};
use crate::render::paint::Mark;
use crate::render::table::{Cell, Table};
use crate::render::{environment, status, words};
use crate::{reference, render};
use std::path::Path;
use trunkline_api::request::AddProject;
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
    /// Begin a project and make this repository's remote 'trunkline' lead to it
    Add {
        /// Its name
        name: String,
    },
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
        Act::Add { name } => add(name, globals),
        Act::List => list(&globals.connect()?),
        Act::View { name } => view(&globals.connect()?, name.as_deref()),
    }
}

fn add(name: &str, globals: &Globals) -> anyhow::Result<Exit> {
    let name = reference::project(name)?;
    let remote = globals.connect()?;
    let screen = remote.screen;
    let project = match remote.client.post("projects", &AddProject { name: name.clone() }) {
        Ok(project) => project,
        // Another clone of the same repository: the project is there, the remote may not be.
        Err(failure) if failure.exit == Exit::Conflict => match find(&remote.status()?, &name) {
            Some(project) => {
                screen.note(&format!("project {name} is there already"));
                project
            }
            None => return Err(failure.into()),
        },
        Err(failure) => return Err(failure.into()),
    };
    if screen.json() {
        screen.print_json(&project)?;
    } else {
        screen.print(&screen.out.paint.mark(Mark::Passed, &format!("project {name}")))?;
    }
    match (globals.address()?, Repository::here()) {
        (Address::Ssh { destination, .. }, _) => {
            screen.note(&format!(
                "git has no way through ssh:// in this version. Keep one open: ssh -N -L 7420:127.0.0.1:7420 {destination}"
            ));
            screen.note(&format!("then: git remote add {REMOTE} http://127.0.0.1:7420{}", project.git));
        }
        (Address::Http(base), None) => {
            screen.note(&format!("this folder is no git repository; in one: git remote add {REMOTE} {base}{}", project.git));
        }
        (Address::Http(base), Some(repository)) => {
            connect(&repository, &base, &project.git, globals)?;
            screen.note(&format!("git remote '{REMOTE}' leads to {base}{}", project.git));
            let branch = repository.branch().unwrap_or_else(|| "main".to_owned());
            screen.note(&format!("next: git push {REMOTE} {branch}"));
        }
    }
    Ok(Exit::Good)
}

/// Makes the remote, and lets git ask this program for the token, so that no token is in git's configuration.
fn connect(repository: &Repository, base: &str, git: &str, globals: &Globals) -> anyhow::Result<()> {
    let url = format!("{base}{git}");
    match repository.remote_url() {
        Some(_) => repository.change(&["remote", "set-url", REMOTE, &url])?,
        None => repository.change(&["remote", "add", REMOTE, &url])?,
    }
    let data = match &globals.data {
        Some(data) => Some(std::path::absolute(data)?),
        None => repository.data_folder(),
    };
    let helper = format!("credential.{base}.helper");
    // The empty first one takes the user's other helpers out for this server, so that none keeps the token.
    repository.change(&["config", "--replace-all", &helper, ""])?;
    repository.change(&["config", "--add", &helper, &credential_helper(data.as_deref())?])?;
    if let Some(data) = &data {
        repository.change(&["config", DATA, &data.display().to_string()])?;
    }
    let cookies = globals.data_folder().join("git.cookies");
    if is_loopback(base) && cookies.is_file() {
        // The quick way: git sends the token along, and asks the helper only where that is refused.
        repository.change(&["config", &format!("http.{base}.cookieFile"), &std::path::absolute(cookies)?.display().to_string()])?;
    }
    if is_loopback(base) {
        // A proxy that an environment variable names cannot reach this machine's loopback.
        repository.change(&["config", &format!("http.{base}.proxy"), ""])?;
    }
    Ok(())
}

/// The command that git runs through `sh -c`.
fn credential_helper(data: Option<&Path>) -> anyhow::Result<String> {
    let program = std::env::current_exe()?;
    let data = data.map(|data| format!(" --data {}", quoted(&data.display().to_string()))).unwrap_or_default();
    Ok(format!("!{}{data} credential", quoted(&program.display().to_string())))
}

/// One word for the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
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
        screen.note("No projects. In a repository: trunkline project add NAME");
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
                .help("see trunkline projects list")
        );
    };
    if screen.json() {
        screen.print_json(&project)?;
        return Ok(Exit::Good);
    }
    let mut out = status::matrix(&StatusView { projects: vec![project.clone()], ..status }, &screen.out);
    out += &format!("git {}\n", remote.client.page(&project.git));
    for one in &project.environments {
        out += &format!("\n{}", environment::view(one, &screen.out));
    }
    if let Some(run) = &project.last_run {
        out += &format!("\n{}", render::run::view(run, &screen.out));
    }
    screen.print(&out)?;
    Ok(Exit::Good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remote_and_the_helper_are_set_and_no_token_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        crate::git::run(folder.path(), &["init", "-q"]).unwrap();
        let repository = Repository::around(folder.path()).unwrap();
        let globals = Globals { data: Some("/data of ana's".into()), ..Globals::default() };
        for port in [7420, 7421] {
            connect(&repository, &format!("http://127.0.0.1:{port}"), "/git/shop.git", &globals).unwrap();
        }
        connect(&repository, "http://127.0.0.1:7420", "/git/shop.git", &globals).unwrap();
        let config = |key: &str| crate::git::run(folder.path(), &["config", "--get-all", key]).unwrap();
        assert_eq!(config("remote.trunkline.url"), "http://127.0.0.1:7420/git/shop.git");
        assert_eq!(repository.data_folder(), Some("/data of ana's".into()));
        let helpers = config("credential.http://127.0.0.1:7420.helper");
        let helpers: Vec<&str> = helpers.lines().collect();
        assert_eq!((helpers.len(), helpers[0]), (2, ""));
        assert!(helpers[1].starts_with("!'/") && helpers[1].ends_with(r" --data '/data of ana'\''s' credential"), "{}", helpers[1]);
    }
}
