//! `trunkline projects`: add, list, view.

use crate::address::{Address, is_loopback};
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::git::{DATA, REMOTE, Repository};
use crate::globals::{Globals, Remote};
use crate::render::paint::Mark;
use crate::render::table::{Cell, Table};
use crate::render::text::clean;
use crate::render::{Screen, environment, status, words};
use crate::{reference, render};
use std::io::Read;
use std::path::{Path, PathBuf};
use trunkline_api::request::{AddProject, Secret};
use trunkline_api::view::{ProjectView, SourceView, StatusView};
use trunkline_domain::foundation::ProjectKey;

/// Bytes of a file that holds a token.
const TOKEN_BYTES_MAX: u64 = 8 << 10;

/// What to do with projects.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(clap::Subcommand)]
enum Act {
    /// Begin a project and make this repository's remote 'trunkline' lead to it, or follow one that lives elsewhere
    Add(Add),
    /// List projects
    List,
    /// View one project
    View {
        /// Its name; that of this repository if left out
        name: Option<String>,
    },
}

/// What to begin.
#[derive(clap::Args)]
struct Add {
    /// Its name
    name: String,
    /// Follow this repository instead of being pushed to: https://…, ssh://…, git@host:path, file:///path
    #[arg(long, value_name = "URL")]
    git: Option<String>,
    /// A file with a token for that address; - reads standard input
    #[arg(long, value_name = "FILE", requires = "git")]
    token_file: Option<PathBuf>,
    /// The folder of the repository that the project is, with a trunkline.yaml of its own
    #[arg(long, value_name = "FOLDER")]
    path: Option<String>,
    /// Share the repository of this project
    #[arg(long, value_name = "PROJECT", conflicts_with = "git")]
    beside: Option<String>,
}

/// Does it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    match arguments.act.as_ref().unwrap_or(&Act::List) {
        Act::Add(arguments) => add(arguments, globals),
        Act::List => list(&globals.connect()?),
        Act::View { name } => view(&globals.connect()?, name.as_deref()),
    }
}

fn add(arguments: &Add, globals: &Globals) -> anyhow::Result<Exit> {
    let name = reference::project(&arguments.name)?;
    let asked = AddProject {
        name: name.clone(),
        git: arguments.git.clone(),
        token: arguments.token_file.as_deref().map(token).transpose()?,
        beside: arguments.beside.as_deref().map(reference::project).transpose()?,
        folder: arguments.path.clone(),
    };
    let remote = globals.connect()?;
    let screen = remote.screen;
    let project = match remote.client.post::<_, ProjectView>("projects", &asked) {
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
    if let Some(source) = &project.source {
        follow_words(&screen, &project, source);
        return Ok(Exit::Good);
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

/// How following goes, and what brings news at once.
fn follow_words(screen: &Screen, project: &ProjectView, source: &SourceView) {
    screen.note(&format!("follows {}", clean(&source.address)));
    if let Some(why) = &source.failed {
        screen.note(&screen.err.paint.mark(Mark::Failed, &clean(why)));
        screen.note("it is tried again by itself");
    }
    screen.note(&format!("looked at every minute; at once from a post-receive hook or by hand: trunkline sync {}", project.name));
    if let Some(run) = &project.last_run {
        screen.note(&format!("next: trunkline watch {}/{}", project.name, run.number));
    }
}

/// A token from a file, so that it is in no list of processes and no history of a shell.
fn token(path: &Path) -> Result<Secret, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(TOKEN_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::new(Code::FileUnreadable, format!("{} cannot be read", path.display())).why(error))?;
    Ok(Secret(text.trim().to_owned()))
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
    match &project.source {
        Some(source) => {
            let seen = source.seen_at.map_or_else(|| "not seen yet".to_owned(), |at| format!("seen {}", screen.out.clock.ago(at)));
            out += &format!("follows {}, {seen}\n", clean(&source.address));
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
