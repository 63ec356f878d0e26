//! `trunkline projects add`: begin a project, and say all that is left to do until its first run.

use super::remote::{self, Lead};
use super::there;
use crate::address::{self, Address};
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::git::{REMOTE, Repository};
use crate::globals::Globals;
use crate::invocation::at_server;
use crate::reference;
use crate::render::Screen;
use crate::render::paint::Mark;
use crate::render::text::{clean, quoted};
use std::io::Read;
use std::path::{Path, PathBuf};
use trunkline_api::request::{AddProject, Secret};
use trunkline_api::view::{ProjectView, SourceView};
use trunkline_domain::foundation::ProjectKey;

/// The port of this machine that a way through ssh is advised to take: the usual one may be that of a server here.
const THROUGH_SSH: u16 = 7421;
/// Bytes of a file that holds a token.
const TOKEN_BYTES_MAX: u64 = 8 << 10;

/// What to begin.
#[derive(clap::Args)]
pub struct Arguments {
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
    /// Make the git remote 'trunkline' lead to it although it leads elsewhere now
    #[arg(long, conflicts_with = "git")]
    repoint: bool,
}

/// What a push to the project takes here.
enum Way {
    /// Nothing: the project follows a repository elsewhere.
    Followed,
    /// A tunnel to this host: git has no way through the server's address.
    Tunnel(String),
    /// A repository: this folder is none. The server's address.
    Repository(String),
    /// The git remote of this repository. The server's address.
    Remote(Repository, String, Lead),
}

/// Begins it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    // A new name: those that are taken help nobody.
    let name = reference::project(&arguments.name).map_err(|failure| failure.help("name it otherwise, such as shop"))?;
    let asked = AddProject {
        name: name.clone(),
        git: arguments.git.clone(),
        token: arguments.token_file.as_deref().map(token).transpose()?,
        beside: arguments.beside.as_deref().map(reference::project).transpose()?,
        folder: arguments.path.clone(),
    };
    // Before the server is asked: what is refused here leaves no project behind.
    let way = way(arguments, globals, &asked)?;
    let remote = globals.connect()?;
    let screen = remote.screen;
    let project = match remote.client.post::<_, ProjectView>("projects", &asked) {
        Ok(project) => project,
        Err(failure) if failure.exit == Exit::Conflict => there::instead(&remote, &asked, failure)?,
        Err(failure) => return Err(failure.into()),
    };
    if screen.json() {
        screen.print_json(&project)?;
    } else {
        screen.print(&screen.out.paint.mark(Mark::Passed, &format!("project {name}")))?;
    }
    if let Some(source) = &project.source {
        if arguments.repoint {
            return Err(nothing_to_repoint(&project, source).into());
        }
        follow_words(&screen, &project, source);
        return Ok(Exit::Good);
    }
    match way {
        Way::Followed => {}
        Way::Tunnel(destination) => screen.note(&through_ssh(&name, &destination)),
        Way::Repository(base) => screen.note(&elsewhere(&name, &options(globals, &base)?, Path::new("trunkline.yaml").exists())),
        Way::Remote(repository, base, lead) => {
            match lead {
                Lead::Own => {
                    remote::connect(&repository, &base, &project.git, globals)?;
                    screen.note(&format!("git remote '{REMOTE}' leads to {base}{}", project.git));
                }
                Lead::Shared(other) => screen.note(&format!("git remote '{REMOTE}' leads to {other}, whose repository {name} shares")),
            }
            screen.note(&format!("next: {}", until_pushed(&repository, arguments.path.as_deref())));
        }
    }
    Ok(Exit::Good)
}

fn way(arguments: &Arguments, globals: &Globals, asked: &AddProject) -> Result<Way, Failure> {
    if arguments.git.is_some() {
        return Ok(Way::Followed);
    }
    let base = match globals.address()? {
        Address::Ssh { destination, .. } => return Ok(Way::Tunnel(destination)),
        Address::Http(base) => base,
    };
    let Some(repository) = Repository::here()? else { return Ok(Way::Repository(base)) };
    let wanted = address::Remote { server: base.clone(), project: asked.name.clone() };
    let lead = if arguments.repoint { Lead::Own } else { remote::lead(&repository, &wanted, asked.beside.as_ref())? };
    Ok(Way::Remote(repository, base, lead))
}

/// Nobody pushes to a project that follows an address, so no remote leads to it.
fn nothing_to_repoint(project: &ProjectView, source: &SourceView) -> Failure {
    Failure::new(Code::RemoteTaken, format!("no remote leads to project {}, nothing was changed", project.name))
        .why(format!("it follows {}", clean(&source.address)))
        .help(format!("push there; to take the remote of another project out: git remote remove {REMOTE}"))
}

/// How git comes to a server behind ssh: by a way and with a token of its own, for git starts anew with each push.
fn through_ssh(name: &ProjectKey, destination: &str) -> String {
    let (host, port) = (quoted(destination), address::PORT);
    format!(
        "git has no way through ssh:// in this version; one that you keep open leads there as well:\n  \
         ssh -N -L {THROUGH_SSH}:127.0.0.1:{port} {host}\n\
         where {port} is the port of the server there. Then, in the repository:\n  \
         export TRUNKLINE_TOKEN=\"$(ssh {host} cat .local/state/trunkline/operator.token)\"\n  \
         trunkline project add {name} --server http://127.0.0.1:{THROUGH_SSH} && git push {REMOTE} HEAD\n\
         (of a package there the token is in /var/lib/trunkline; git asks for it at each push)"
    )
}

/// Options that bring a later command to the same server.
fn options(globals: &Globals, base: &str) -> anyhow::Result<String> {
    let mut options = String::new();
    if *base != Address::local().to_string() {
        options += &format!(" --server {base}");
    }
    if let Some(data) = globals.data_named() {
        options += &format!(" --data {}", quoted(&std::path::absolute(data)?.display().to_string()));
    }
    Ok(options)
}

/// All that is to be done where the current folder is no repository. Only `project add` there gives git the token.
fn elsewhere(name: &ProjectKey, options: &str, has_file: bool) -> String {
    let init = if has_file { "" } else { "trunkline init && " };
    let last = format!("trunkline project add {name}{options} && git push {REMOTE} main");
    format!(
        "this folder is no git repository, so nothing leads to {name} yet\n\
         next, in your repository: {last}\n\
         or make one of this folder: git init -b main && {init}git add -A && git commit -m Begin && {last}"
    )
}

/// The commands that lead from this repository to the first run.
fn until_pushed(repository: &Repository, folder: Option<&str>) -> String {
    let mut steps = Vec::new();
    let file = Path::new(folder.unwrap_or_default()).join("trunkline.yaml");
    let (begun, there) = (repository.revision("HEAD").is_some(), repository.root().join(&file).exists());
    if !there {
        steps.push(format!("trunkline init{}", folder.map(|folder| format!(" {}", quoted(folder))).unwrap_or_default()));
    }
    if !there || !repository.has(&file) {
        // What else lies around in a repository that has commits is nobody's business here.
        steps.push(if begun { format!("git add {}", quoted(&file.display().to_string())) } else { "git add -A".to_owned() });
        steps.push("git commit -m 'Deliver with Trunkline'".to_owned());
    }
    let branch = repository.branch().unwrap_or_else(|| "main".to_owned());
    steps.push(format!("git push {REMOTE} {branch}"));
    steps.join(" && ")
}

/// How following goes, and what brings news at once.
pub(super) fn follow_words(screen: &Screen, project: &ProjectView, source: &SourceView) {
    screen.note(&format!("follows {}", clean(&source.address)));
    if let Some(why) = &source.failed {
        screen.note(&screen.err.paint.mark(Mark::Failed, &clean(why)));
        screen.note("it is tried again by itself");
    }
    screen.note(&format!("looked at every minute; at once from a post-receive hook or by hand: {}", at_server!("sync {}", project.name)));
    if let Some(run) = &project.last_run {
        screen.note(&format!("next: {}", at_server!("watch {}/{}", project.name, run.number)));
    }
}

/// A token from a file, so that it is in no list of processes and no history of a shell.
pub(super) fn token(path: &Path) -> Result<Secret, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(TOKEN_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::new(Code::FileUnreadable, format!("{} cannot be read", path.display())).why(error))?;
    Ok(Secret(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_steps_are_those_that_are_left() {
        let folder = tempfile::tempdir().unwrap();
        crate::git::run(folder.path(), &["init", "-q", "-b", "main"]).unwrap();
        let repository = Repository::around(folder.path()).unwrap().unwrap();
        let init = "trunkline init && git add -A && git commit -m 'Deliver with Trunkline' && git push trunkline main";
        assert_eq!(until_pushed(&repository, None), init);
        std::fs::write(folder.path().join("trunkline.yaml"), "on: push\n").unwrap();
        assert_eq!(until_pushed(&repository, None), init.replace("trunkline init && ", ""));
        let commit = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "commit", "-q", "--allow-empty", "-m", "Begin"];
        crate::git::run(folder.path(), &commit).unwrap();
        let add = init.replace("trunkline init && git add -A", "git add trunkline.yaml");
        assert_eq!(until_pushed(&repository, None), add, "written, but in no commit yet");
        crate::git::run(folder.path(), &["add", "-A"]).unwrap();
        crate::git::run(folder.path(), &commit).unwrap();
        assert_eq!(until_pushed(&repository, None), "git push trunkline main");
        let web = init.replace("init", "init services/web").replace("-A", "services/web/trunkline.yaml");
        assert_eq!(until_pushed(&repository, Some("services/web")), web);
    }
}
