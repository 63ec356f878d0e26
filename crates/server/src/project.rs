//! Beginning a project.

use crate::about::About;
use crate::follow;
use crate::git::GitError;
use crate::shared::{Failure, Shared};
use trunkline_api::request::{AddProject, Follow};
use trunkline_domain::foundation::{Actor, ProjectKey, RepositoryKey};
use trunkline_domain::ledger::Via;
use trunkline_domain::record::{Command, Key, State};
use trunkline_domain::repository::Repository;
use trunkline_domain::{project, repository};
use trunkline_engine::{CommandKey, Request};

/// Characters of a folder's path.
const FOLDER_CHARS_MAX: usize = 200;

/// Begins a project. A repository that is followed is looked at first: one that cannot be read is refused, and nothing is
/// recorded. Gives the repository whose first commits are still to be taken in.
pub fn add(shared: &Shared, actor: Actor, once: Option<CommandKey>, add: &AddProject) -> Result<Option<RepositoryKey>, Failure> {
    let mut followed = None;
    shared.act(once, || {
        let (request, repository) = request(shared, actor, add)?;
        followed = repository;
        Ok(request)
    })?;
    Ok(followed)
}

/// What begins it, and the repository that is followed from then on.
fn request(shared: &Shared, actor: Actor, add: &AddProject) -> Result<(Request, Option<RepositoryKey>), Failure> {
    if shared.state(&Key::Project(add.name.clone()))?.is_some() {
        return Err(Failure::Refused(project::Refusal::Exists.into()));
    }
    let folder = add.folder.as_deref().map(folder).transpose()?;
    let source = add.git.as_deref().map(follow::checked).transpose().map_err(|why| Failure::Invalid(About::Address, why))?;
    let (key, fresh) = match (&add.beside, &source) {
        (Some(_), Some(_)) => {
            return Err(Failure::Invalid(
                About::Other,
                "a project has one repository: another project's, or one that is followed".to_owned(),
            ));
        }
        (Some(other), None) => (shared.repository_of(other)?, false),
        (None, _) => (own_key(add)?, true),
    };
    let token = add.token.as_ref().map(|token| token.0.trim());
    if let Some(address) = &source {
        follow::look(address, token).map_err(|error| unreadable(address, &error))?;
    }
    if fresh {
        shared.repositories.create(&key)?;
    }
    if let (Some(address), Some(token)) = (&source, token) {
        keep(shared, (&key, address), token)?;
    }
    let mut commands = Vec::new();
    if fresh {
        commands.push(Command::Repository(key.clone(), repository::Command::Create { source: source.clone() }));
    }
    commands.push(Command::Project(add.name.clone(), project::Command::Add { repository: key.clone(), folder }));
    Ok((Request { commands, ..Request::none(actor, Via::Api) }, source.map(|_| key)))
}

/// Follows the same repository at another address, or with another token. It is looked at first: what cannot be read is
/// refused, and nothing is recorded. Gives the repository, which is still to be taken in.
pub fn follow(
    shared: &Shared,
    actor: Actor,
    (project, once): (&ProjectKey, Option<CommandKey>),
    asked: &Follow,
) -> Result<RepositoryKey, Failure> {
    let key = shared.repository_of(project)?;
    let Some(State::Repository(Repository { source: Some(_), .. })) = shared.state(&Key::Repository(key.clone()))? else {
        return Err(Failure::Refused(repository::Refusal::NotFollowed.into()));
    };
    let address = follow::checked(&asked.git).map_err(|why| Failure::Invalid(About::Address, why))?;
    let kept = shared.credentials.get(&key, follow::host(&address))?;
    let token = asked.token.as_ref().map(|token| token.0.trim().to_owned()).or(kept);
    follow::look(&address, token.as_deref()).map_err(|error| unreadable(&address, &error))?;
    match &token {
        Some(token) => keep(shared, (&key, &address), token)?,
        None => shared.credentials.forget(&key)?,
    }
    let command = Command::Repository(key.clone(), repository::Command::Follow { source: address });
    shared.act(once, || Ok(Request::new(actor, Via::Api, command)))?;
    Ok(key)
}

/// Keeps a token for the host of an address.
fn keep(shared: &Shared, (key, address): (&RepositoryKey, &str), token: &str) -> Result<(), Failure> {
    let kept = shared.credentials.put(key, follow::host(address), token);
    kept.map_err(|error| Failure::Invalid(About::Other, error.to_string()))
}

fn own_key(add: &AddProject) -> Result<RepositoryKey, Failure> {
    add.name.as_str().parse().map_err(|error: trunkline_domain::foundation::IdParseError| Failure::Invalid(About::Other, error.to_string()))
}

fn unreadable(address: &str, error: &GitError) -> Failure {
    Failure::Invalid(About::Address, format!("{address} cannot be read: {error}"))
}

/// A folder of the repository, without slashes at its ends.
fn folder(text: &str) -> Result<String, Failure> {
    let folder = text.trim_matches('/');
    let good = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && part != ".git" && !part.contains(|c: char| c.is_control() || c == '\\')
    };
    if folder.chars().count() > FOLDER_CHARS_MAX || folder.is_empty() || !folder.split('/').all(good) {
        return Err(Failure::Invalid(About::Other, format!("'{text}' is no folder of a repository: write services/api")));
    }
    Ok(folder.to_owned())
}
