//! Moving refs, after a push or a look at a followed repository: objects first, then the record, then the refs on disk.

use crate::about::About;
use crate::git::{self, GitError, Push, RefUpdate};
use crate::planner::{self, Cause, Planned, Wanted};
use crate::shared::{Failure, Shared};
use crate::view;
use crate::within::TooLong;
use std::collections::BTreeMap;
use std::io::Read;
use trunkline_domain::foundation::{Actor, Digest, ProjectKey, RepositoryKey, Revision, is_obeyed};
use trunkline_domain::ledger::Via;
use trunkline_domain::project::{Skip, SkipReason};
use trunkline_domain::reading::ProjectRow;
use trunkline_domain::record::{Command, Fact, Key, State};
use trunkline_domain::repository::Repository;
use trunkline_domain::run::Unplanned;
use trunkline_domain::{project, repository, run};
use trunkline_engine::{Answer, Call, CommandKey, KeyScope, Read as _, Request};

/// What became of one ref.
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Why it did not move.
    pub refusal: Option<String>,
    /// For whoever moved it.
    pub words: String,
}

/// Does a push and gives git's report of it.
pub fn receive(shared: &Shared, actor: &Actor, project: &ProjectKey, body: &mut (dyn Read + Send)) -> Result<Vec<u8>, Failure> {
    let push = git::parse_push(body).map_err(|why| Failure::Invalid(About::Other, why))?;
    let repository = shared.repository_of(project)?;
    if let Some(State::Repository(Repository { source: Some(address), .. })) = shared.state(&Key::Repository(repository.clone()))? {
        let why = format!("{project} follows {address}: push there");
        let refs: Vec<_> = push.updates.iter().map(|update| (update.name.clone().into_bytes(), Some(why.clone()))).collect();
        return Ok(git::report(push.side_band, Ok(()), &refs, &format!("{why}\n")));
    }
    if let Err(why) = take_in(shared, &repository, body) {
        let names =
            push.updates.iter().map(|update| update.name.clone().into_bytes()).chain(push.refused.iter().map(|(name, _)| name.clone()));
        let refs: Vec<_> = names.map(|name| (name, Some("unpacker error".to_owned()))).collect();
        return Ok(git::report(push.side_band, Err(&why), &refs, &format!("{why}\n")));
    }
    let by = Mover { actor: actor.clone(), via: Via::Push, tags: tags_of(&push.updates) };
    let mut outcomes = Vec::new();
    for update in git::in_order(push.updates.clone(), git::USUAL_BRANCH) {
        outcomes.push(move_ref(shared, &by, &repository, &update, Starts::Runs)?);
    }
    Ok(answer(&push, &outcomes))
}

/// Takes the objects of a push in, if there is room for them; why not, for whoever pushes.
fn take_in(shared: &Shared, repository: &RepositoryKey, body: &mut (dyn Read + Send)) -> Result<(), String> {
    let room = shared.writer.room();
    if room.is_low() {
        return Err(room.full().to_string());
    }
    shared.repositories.present(repository).and_then(|path| git::take_in(&path, body)).map_err(|error| not_taken(&error))
}

fn not_taken(error: &GitError) -> String {
    match error {
        GitError::Failed { source, .. } if let Some(why) = TooLong::of(source) => {
            format!("the push has {why}, the most that this server takes at once: push fewer commits at a time")
        }
        _ => error.to_string(),
    }
}

fn answer(push: &Push, outcomes: &[Outcome]) -> Vec<u8> {
    let done = outcomes.iter().map(|outcome| (outcome.name.clone().into_bytes(), outcome.refusal.clone()));
    let refused = push.refused.iter().map(|(name, why)| (name.clone(), Some(why.clone())));
    let refs: Vec<_> = done.chain(refused).collect();
    let words: String = outcomes.iter().map(|outcome| outcome.words.as_str()).collect();
    git::report(push.side_band, Ok(()), &refs, &words)
}

/// Who moves refs, by which way, and which tags come together.
pub struct Mover {
    /// Who.
    pub actor: Actor,
    /// How.
    pub via: Via,
    /// Tags among the refs, and where they will stand.
    pub tags: BTreeMap<String, Revision>,
}

/// The tags that come or move.
pub fn tags_of(updates: &[RefUpdate]) -> BTreeMap<String, Revision> {
    let tags = updates.iter().filter(|update| update.name.starts_with("refs/tags/"));
    tags.filter_map(|update| Some((update.name.clone(), update.new.clone()?))).collect()
}

/// What follows a moved ref.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Starts {
    /// What the delivery files say.
    Runs,
    /// Nothing: it stood there before the project was added.
    Nothing,
}

/// Moves a ref, whose objects are here, and starts what the delivery files of the repository's projects want, all as one
/// entry. A ref that rests at a commit gets exactly one run for it, however often it comes there.
pub fn move_ref(shared: &Shared, by: &Mover, repository: &RepositoryKey, update: &RefUpdate, starts: Starts) -> Result<Outcome, Failure> {
    let name = update.name.clone();
    let refused = |why: String| Ok(Outcome { name: name.clone(), refusal: Some(why), words: String::new() });
    let command = repository::Command::MoveRef { name: name.clone(), old: update.old.clone(), new: update.new.clone() };
    let mut request = Request::new(by.actor.clone(), by.via, Command::Repository(repository.clone(), command));
    let mut words = String::new();
    if let Some(new) = &update.new {
        // A push may name an object that it did not bring: it must be here, and lead to a commit.
        if let Err(error) = shared.repositories.read(repository, |reader| reader.commit(new)) {
            return refused(format!("not a commit: {error}"));
        }
        let projects = view::projects_of(shared, repository)?;
        for project in &projects {
            if starts == Starts::Runs
                && let Some(had) = run_of(shared, &project.project, &push_key(update, new))?
            {
                words += &format!("no run: {had} had this commit already · trunkline watch {had}\n");
                continue;
            }
            let planned = match starts {
                Starts::Runs => plan(shared, project, (update, new), &by.tags),
                Starts::Nothing => Ok(Planned::Skipped(SkipReason::BeforeProject)),
            };
            match planned {
                Ok(planned) => words += &want(shared, &mut request, project, update, (planned, projects.len() > 1))?,
                Err(Failure::Git(error @ (git::GitError::Refused { .. } | git::GitError::TooLarge { .. }))) => {
                    return refused(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
    }
    let answer = shared.writer.call_blocking(Call::Command(Box::new(request)))?;
    if let Answer::Refused(refusal) = &answer {
        return refused(refusal.to_string());
    }
    // The record is durable: the file follows it, and would follow it at the next start.
    let path = shared.repositories.path(repository);
    let followed = git::write_ref(&path, &name, update.new.as_ref()).and_then(|()| git::set_first_branch(&path, &name));
    followed.map_err(|error| Failure::Internal(format!("{name}: {error}")))?;
    words += &run_words(shared, answer)?;
    // Words quote files and names of the commit, and end in the terminal of whoever pushes it.
    let words = words.chars().map(|c| if is_obeyed(c) && c != '\n' { '?' } else { c }).collect();
    Ok(Outcome { name, refusal: None, words })
}

/// What makes a run of a moved ref happen once.
fn push_key(update: &RefUpdate, revision: &Revision) -> String {
    format!("push {} {revision}", update.name)
}

/// Adds what a project wants to the request that moves the ref. The words are for whoever moves it.
fn want(
    shared: &Shared,
    request: &mut Request,
    project: &ProjectRow,
    update: &RefUpdate,
    (planned, several): (Planned, bool),
) -> Result<String, Failure> {
    let name = &project.project;
    let prefix = if several { format!("{name}: ") } else { String::new() };
    match planned {
        Planned::Nothing(why) => Ok(format!("{prefix}{why}\n")),
        Planned::Skipped(reason) => {
            let words = format!("{prefix}no run: {}\n", reason.words());
            if let Some(revision) = update.new.clone() {
                let skip = Skip { reference: update.name.clone(), revision, reason };
                request.commands.push(Command::Project(name.clone(), project::Command::Skip(skip)));
            }
            Ok(words)
        }
        Planned::Run { start, beside, words } => {
            let key = CommandKey {
                scope: KeyScope::Project(name.clone()),
                key: push_key(update, &start.revision),
                body: Digest::of(start.revision.as_str().as_bytes()),
            };
            let id = planner::run_id(shared.random()?, shared.clock.now());
            request.keyed.push((key, Command::Run(id, run::Command::Start(start))));
            request.beside.values.extend(beside.values);
            request.beside.texts.extend(beside.texts);
            // Every project sees the same commits.
            request.beside.commits = beside.commits;
            Ok(words)
        }
    }
}

fn plan(
    shared: &Shared,
    project: &ProjectRow,
    (update, new): (&RefUpdate, &Revision),
    tags: &BTreeMap<String, Revision>,
) -> Result<Planned, Failure> {
    // Only branches and tags start runs; heads of pull requests are kept as evidence.
    if !update.name.starts_with("refs/heads/") && !update.name.starts_with("refs/tags/") {
        return Ok(Planned::Nothing(format!("{} is kept; only branches and tags start runs", update.name)));
    }
    let pull_heads = pull_heads(shared, &project.repository)?;
    let wanted = Wanted {
        project: &project.project,
        repository: &project.repository,
        folder: project.folder.as_deref().unwrap_or_default(),
        reference: &update.name,
        revision: new,
        cause: Cause::Push(update.old.as_ref()),
        pull_heads: &pull_heads,
        tags,
        floor: shared.floor,
    };
    Ok(planner::plan(&shared.repositories, shared.blobs.as_ref(), &wanted, shared.random()?)?)
}

/// Heads of pull requests, as git knows them.
pub fn pull_heads(shared: &Shared, repository: &RepositoryKey) -> Result<Vec<(u32, Revision)>, Failure> {
    let Some(State::Repository(state)) = shared.state(&Key::Repository(repository.clone()))? else { return Ok(Vec::new()) };
    let heads = state.refs.iter().filter_map(|(name, revision)| {
        let rest = name.strip_prefix("refs/pull/").or_else(|| name.strip_prefix("refs/merge-requests/"))?;
        Some((rest.strip_suffix("/head")?.parse().ok()?, revision.clone()))
    });
    Ok(heads.collect())
}

/// The runs that were started.
fn run_words(shared: &Shared, answer: Answer) -> Result<String, Failure> {
    let receipt = crate::shared::receipt(answer)?;
    let started = receipt.facts.iter().filter_map(|fact| match fact {
        Fact::Run { fact: run::Fact::Started(started), .. } => Some(started),
        _ => None,
    });
    let words = started.map(|started| {
        let (project, number, short) = (&started.project, started.number, started.revision.short());
        match &started.refused {
            Some(Unplanned::Beyond(_)) => format!("run {project}/{number} refused for the reason above · trunkline where {short}\n"),
            Some(Unplanned::File(_)) => format!("run {project}/{number} refused: the delivery file has errors · trunkline check\n"),
            None => format!("run {project}/{number} for {short} · {}/c/{short} · trunkline watch {project}/{number}\n", shared.address),
        }
    });
    Ok(words.collect())
}

/// The run that was started with this key.
fn run_of(shared: &Shared, project: &ProjectKey, key: &str) -> Result<Option<String>, Failure> {
    let Some((seq, _)) = shared.reader.command_key(&KeyScope::Project(project.clone()), key)? else { return Ok(None) };
    let number = view::entry(shared, seq)?.facts.iter().find_map(|fact| match fact {
        Fact::Run { fact: run::Fact::Started(started), .. } if started.project == *project => Some(started.number),
        _ => None,
    });
    Ok(number.map(|number| format!("{project}/{number}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::within::Within;
    use std::process::{Command as Program, Output, Stdio};

    fn run(folder: &std::path::Path, arguments: &[&str]) -> Output {
        let mut git = Program::new("git");
        git.args(["-c", "user.name=Ana", "-c", "user.email=ana@example.org"]).args(arguments).current_dir(folder);
        let output = git.env("GIT_CONFIG_GLOBAL", "/dev/null").stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Git alone would say "early EOF", as of a connection that broke.
    #[test]
    fn a_pack_that_is_too_long_is_called_so() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        run(here.path(), &["init", "-q"]);
        run(there.path(), &["init", "-q", "--bare"]);
        std::fs::write(here.path().join("text"), (0..9_000).map(|n| format!("{n:x} ")).collect::<String>()).unwrap();
        run(here.path(), &["add", "text"]);
        run(here.path(), &["commit", "-q", "-m", "Begin"]);
        let pack = run(here.path(), &["pack-objects", "--all", "--stdout", "-q"]).stdout;
        let mut long = Within::new(&pack[..], pack.len() as u64 - 1);
        let why = not_taken(&git::take_in(there.path(), &mut long).unwrap_err());
        assert!(why.starts_with(&format!("the push has more than {} bytes, the most", pack.len() - 1)), "{why}");
        git::take_in(there.path(), &mut Within::new(&pack[..], pack.len() as u64)).unwrap();
    }
}
