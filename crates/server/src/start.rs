//! Starting a run by hand: the newest commit of a ref, or a commit on it, with inputs.

use crate::about::About;
use crate::git;
use crate::planner::{self, Cause, Planned, Wanted};
use crate::push::pull_heads;
use crate::shared::{Failure, Shared};
use std::collections::BTreeMap;
use trunkline_api::request::StartRun;
use trunkline_domain::foundation::{Actor, ProjectKey, RepositoryKey, Revision};
use trunkline_domain::ledger::Via;
use trunkline_domain::record::{Command, Fact, Key, State};
use trunkline_domain::run;
use trunkline_engine::{CommandKey, Receipt, Request};

/// Starts a run, and gives its number.
pub fn start(shared: &Shared, actor: Actor, (project, once): (&ProjectKey, Option<CommandKey>), asked: &StartRun) -> Result<u32, Failure> {
    number(&shared.act(once, || request(shared, actor, project, asked))?)
}

fn request(shared: &Shared, actor: Actor, project: &ProjectKey, asked: &StartRun) -> Result<Request, Failure> {
    let state = shared.project(project)?;
    let (repository, folder) = (state.repository, state.folder.unwrap_or_default());
    let (reference, revision) = place(shared, &repository, asked)?;
    let pull_heads = pull_heads(shared, &repository)?;
    let cause = Cause::Manual(&asked.inputs);
    let wanted = Wanted {
        project,
        repository: &repository,
        folder: &folder,
        reference: &reference,
        revision: &revision,
        cause,
        pull_heads: &pull_heads,
        tags: &BTreeMap::new(),
        floor: shared.floor,
    };
    let planned = planner::plan(&shared.repositories, shared.blobs.as_ref(), &wanted, shared.random()?)?;
    let (start, beside) = match planned {
        Planned::Run { start, beside, .. } => (start, beside),
        Planned::Nothing(why) => return Err(Failure::Unfit(About::Start, why)),
        Planned::Skipped(reason) => return Err(Failure::Unfit(About::Start, reason.words())),
    };
    let command = Command::Run(planner::run_id(shared.random()?, shared.clock.now()), run::Command::Start(start));
    Ok(Request { beside, ..Request::new(actor, Via::Api, command) })
}

fn number(receipt: &Receipt) -> Result<u32, Failure> {
    let started = receipt.facts.iter().find_map(|fact| match fact {
        Fact::Run { fact: run::Fact::Started(started), .. } => Some(started.number),
        _ => None,
    });
    started.ok_or_else(|| Failure::Internal("the start left no run".to_owned()))
}

/// The branch that is meant where none is named.
fn usual_branch(shared: &Shared, repository: &RepositoryKey) -> Result<String, Failure> {
    let path = shared.repositories.present(repository)?;
    let named = git::usual_branch(&path).map_err(|error| Failure::Internal(format!("HEAD of {repository}: {error}")))?;
    match named {
        Some(name) => Ok(name),
        None => {
            let about = About::Branch(shared.arrival(repository)?);
            Err(Failure::NotFound(about, format!("a branch in {repository}, and none was named")))
        }
    }
}

/// The ref, in full, and the commit.
fn place(shared: &Shared, repository: &RepositoryKey, asked: &StartRun) -> Result<(String, Revision), Failure> {
    let Some(State::Repository(state)) = shared.state(&Key::Repository(repository.clone()))? else {
        return Err(Failure::NotFound(About::Other, format!("repository {repository}")));
    };
    let name = match &asked.reference {
        Some(name) => name.clone(),
        None => usual_branch(shared, repository)?,
    };
    let candidates = [name.to_owned(), format!("refs/heads/{name}"), format!("refs/tags/{name}")];
    let found = candidates.iter().find_map(|name| state.refs.get_key_value(name));
    let Some((reference, tip)) = found.filter(|(name, _)| name.starts_with("refs/heads/") || name.starts_with("refs/tags/")) else {
        let about = About::Branch(shared.arrival(repository)?);
        return Err(Failure::NotFound(about, format!("branch or tag '{name}' in {repository}")));
    };
    let Some(commit) = &asked.revision else { return Ok((reference.clone(), tip.clone())) };
    if !shared.repositories.is_ancestor(repository, commit, tip)? {
        let about = About::Branch(shared.arrival(repository)?);
        return Err(Failure::NotFound(about, format!("commit {commit} on {reference}")));
    }
    Ok((reference.clone(), commit.clone()))
}
