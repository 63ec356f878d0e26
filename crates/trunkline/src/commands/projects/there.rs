//! A project that is there already where one was to be begun: whether it is what was asked for.

use super::find;
use super::remote::without_secret;
use crate::failure::Failure;
use crate::globals::Remote;
use crate::invocation::at_server;
use crate::render::text::clean;
use trunkline_api::request::AddProject;
use trunkline_api::view::{ProjectView, StatusView};
use trunkline_domain::foundation::ProjectKey;

/// The project that is there already, where it is what was asked for: another clone of the same repository adds it again,
/// for the remote may be missing. `refused` is the server's no.
pub fn instead(remote: &Remote, asked: &AddProject, refused: Failure) -> Result<ProjectView, Failure> {
    let (status, name) = (remote.status()?, &asked.name);
    let Some(project) = find(&status, name) else { return Err(refused) };
    if let Some(other) = differs(asked, &project, &status) {
        return Err(other.explain(refused, &project));
    }
    remote.screen.note(&format!("project {name} is there already"));
    if let Some(git) = asked.git.as_deref().filter(|_| asked.token.is_some()) {
        let another = at_server!("project follow {name} --git {} --token-file FILE", without_secret(git));
        remote.screen.note(&format!("its token was left as it is; another: {another}"));
    }
    Ok(project)
}

/// What a project that is there already has otherwise than it was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Other {
    /// It is pushed to, and this address was to be followed.
    PushedTo,
    /// It follows another address than this one.
    Address(String),
    /// It is another folder of its repository.
    Folder,
    /// It shares no repository with this project.
    Repository(ProjectKey),
}

/// What was asked for and is otherwise. What was left out may be as it is: another clone adds by the name alone.
fn differs(asked: &AddProject, there: &ProjectView, status: &StatusView) -> Option<Other> {
    let bare = |text: &str| text.trim().trim_end_matches('/').to_owned();
    let address = |project: &ProjectView| project.source.as_ref().map(|source| bare(&source.address));
    if let Some(git) = &asked.git {
        match address(there) {
            None => return Some(Other::PushedTo),
            Some(address) if address != bare(git) => return Some(Other::Address(without_secret(git.trim()))),
            Some(_) => {}
        }
    }
    if let Some(beside) = &asked.beside {
        // The server does not say whose a repository is that is pushed to: there is at most to see that one of both is followed.
        let shares = find(status, beside).is_some_and(|beside| beside.name != there.name && address(&beside) == address(there));
        if !shares {
            return Some(Other::Repository(beside.clone()));
        }
    }
    let folder = asked.folder.as_deref().map(|folder| folder.trim_matches('/'));
    (folder.is_some() && folder != there.folder.as_deref()).then_some(Other::Folder)
}

impl Other {
    /// The server's no, with what the project is and what leads on.
    fn explain(self, refused: Failure, there: &ProjectView) -> Failure {
        let name = &there.name;
        let is = match &there.source {
            Some(source) => format!("project {name} follows {}", clean(&source.address)),
            None => format!("project {name} is pushed to"),
        };
        let folder =
            there.folder.as_deref().map_or_else(|| "all of its repository".to_owned(), |folder| format!("the folder {}", clean(folder)));
        let another = "trunkline project add NAME";
        let (why, help) = match self {
            Other::PushedTo => {
                (format!("{is}, and follows no address"), format!("follow that address under another name: {another} --git URL"))
            }
            Other::Address(git) => {
                (is, format!("if that one moved: trunkline project follow {name} --git {git}; a second project: {another} --git {git}"))
            }
            Other::Folder => (format!("{is}, and is {folder}"), format!("take another name for the other folder: {another} --path FOLDER")),
            Other::Repository(beside) => {
                (format!("{is}, and has not the repository of {beside}"), format!("take another name: {another} --beside {beside}"))
            }
        };
        refused.why(why).help(help)
    }
}
