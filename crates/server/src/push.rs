//! Taking in a push: objects first, then the record, then the refs on disk, then the answer.

use crate::git::{self, Push, RefUpdate};
use crate::planner::{self, Cause, Planned, Wanted};
use crate::shared::{Failure, Shared};
use crate::view;
use std::io::Read;
use trunkline_domain::foundation::{Actor, Digest, ProjectKey, RepositoryKey, Revision, is_obeyed};
use trunkline_domain::ledger::Via;
use trunkline_domain::project::{Skip, SkipReason};
use trunkline_domain::record::{Command, Fact, Key, State};
use trunkline_domain::{project, repository, run};
use trunkline_engine::{Answer, Beside, Call, CommandKey, Read as _, Request};

/// What became of one ref.
struct Outcome {
    name: String,
    refusal: Option<String>,
    words: String,
}

/// Does a push and gives git's report of it.
pub fn receive(shared: &Shared, actor: &Actor, project: &ProjectKey, body: &mut (dyn Read + Send)) -> Result<Vec<u8>, Failure> {
    let push = git::parse_push(body).map_err(Failure::Invalid)?;
    let repository = shared.repository_of(project)?;
    if let Err(error) = git::take_in(&shared.repositories.path(&repository), body) {
        let why = error.to_string();
        let names =
            push.updates.iter().map(|update| update.name.clone().into_bytes()).chain(push.refused.iter().map(|(name, _)| name.clone()));
        let refs: Vec<_> = names.map(|name| (name, Some("unpacker error".to_owned()))).collect();
        return Ok(git::report(push.side_band, Err(&why), &refs, &format!("{why}\n")));
    }
    let mut outcomes = Vec::new();
    for update in &push.updates {
        outcomes.push(move_ref(shared, actor, (project, &repository), update)?);
    }
    Ok(answer(&push, &outcomes))
}

fn answer(push: &Push, outcomes: &[Outcome]) -> Vec<u8> {
    let done = outcomes.iter().map(|outcome| (outcome.name.clone().into_bytes(), outcome.refusal.clone()));
    let refused = push.refused.iter().map(|(name, why)| (name.clone(), Some(why.clone())));
    let refs: Vec<_> = done.chain(refused).collect();
    let words = outcomes.iter().flat_map(|outcome| outcome.words.chars());
    // Words quote files and names of the commit, and end in the terminal of whoever pushes it.
    let words: String = words.map(|c| if is_obeyed(c) && c != '\n' { '?' } else { c }).collect();
    git::report(push.side_band, Ok(()), &refs, &words)
}

fn move_ref(
    shared: &Shared,
    actor: &Actor,
    (project, repository): (&ProjectKey, &RepositoryKey),
    update: &RefUpdate,
) -> Result<Outcome, Failure> {
    let name = update.name.clone();
    let refused = |why: String| Ok(Outcome { name: name.clone(), refusal: Some(why), words: String::new() });
    let mut planned = None;
    if let Some(new) = &update.new {
        // A push may name an object that it did not bring: it must be here, and lead to a commit.
        let found = shared.repositories.read(repository, |reader| reader.commit(new));
        if let Err(error) = found {
            return refused(format!("not a commit: {error}"));
        }
        match plan(shared, (project, repository), update, new) {
            Ok(plan) => planned = Some(plan),
            Err(Failure::Git(error @ (git::GitError::Refused { .. } | git::GitError::TooLarge { .. }))) => {
                return refused(error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    let command = repository::Command::MoveRef { name: name.clone(), old: update.old.clone(), new: update.new.clone() };
    let moved = Request::new(actor.clone(), Via::Push, Command::Repository(repository.clone(), command));
    let (answer, mut words) = match planned {
        Some(Planned::Run { start, beside, words }) => {
            let (answer, had) = move_and_start(shared, moved, *start, beside)?;
            (answer, had.map_or(words, |had| format!("no run: {had} had this commit already · trunkline watch {had}\n")))
        }
        Some(Planned::Nothing(why)) => (shared.writer.call_blocking(Call::Command(Box::new(moved)))?, format!("{why}\n")),
        Some(Planned::Skipped(reason)) => {
            let words = format!("no run: {}\n", reason.words());
            (move_and_skip(shared, moved, project, (update, reason))?, words)
        }
        None => (shared.writer.call_blocking(Call::Command(Box::new(moved)))?, String::new()),
    };
    if let Answer::Refused(refusal) = &answer {
        return refused(refusal.to_string());
    }
    // The record is durable: the file follows it, and would follow it at the next start.
    git::write_ref(&shared.repositories.path(repository), &name, update.new.as_ref())
        .map_err(|error| Failure::Internal(format!("{name}: {error}")))?;
    words.push_str(&run_words(shared, project, answer)?);
    // Words quote files and names of the commit, and end in the terminal of whoever pushes it.
    let words = words.chars().map(|c| if is_obeyed(c) && c != '\n' { '?' } else { c }).collect();
    Ok(Outcome { name, refusal: None, words })
}

/// Moves the ref and starts its run as one entry. A ref that rests at a commit gets exactly one run for it, however
/// often it is pushed: where it had one before, only the ref is moved, and that run is named (`shop/3`).
fn move_and_start(shared: &Shared, moved: Request, start: run::StartRun, beside: Beside) -> Result<(Answer, Option<String>), Failure> {
    let key = CommandKey {
        project: start.project.clone(),
        key: format!("push {} {}", start.reference, start.revision),
        body: Digest::of(start.revision.as_str().as_bytes()),
    };
    let (project, command_key) = (key.project.clone(), key.key.clone());
    let id = planner::run_id(shared.random()?, shared.clock.now());
    let mut both = Request { key: Some(key), beside, ..moved.clone() };
    both.commands.push(Command::Run(id, run::Command::Start(Box::new(start))));
    let answer = shared.writer.call_blocking(Call::Command(Box::new(both)))?;
    match &answer {
        Answer::Done(receipt) if receipt.facts.is_empty() => {
            let had = run_of(shared, &project, &command_key)?;
            Ok((shared.writer.call_blocking(Call::Command(Box::new(moved)))?, had))
        }
        _ => Ok((answer, None)),
    }
}

/// The run that was started with this key.
fn run_of(shared: &Shared, project: &ProjectKey, key: &str) -> Result<Option<String>, Failure> {
    let Some((seq, _)) = shared.reader.command_key(project, key)? else { return Ok(None) };
    let number = view::entry(shared, seq)?.facts.iter().find_map(|fact| match fact {
        Fact::Run { fact: run::Fact::Started(started), .. } => Some(started.number),
        _ => None,
    });
    Ok(number.map(|number| format!("{project}/{number}")))
}

/// Moves the ref and notes why nothing follows, as one entry.
fn move_and_skip(
    shared: &Shared,
    mut moved: Request,
    project: &ProjectKey,
    (update, reason): (&RefUpdate, SkipReason),
) -> Result<Answer, Failure> {
    if let Some(revision) = update.new.clone() {
        let skip = Skip { reference: update.name.clone(), revision, reason };
        moved.commands.push(Command::Project(project.clone(), project::Command::Skip(skip)));
    }
    Ok(shared.writer.call_blocking(Call::Command(Box::new(moved)))?)
}

fn plan(
    shared: &Shared,
    (project, repository): (&ProjectKey, &RepositoryKey),
    update: &RefUpdate,
    new: &Revision,
) -> Result<Planned, Failure> {
    // Only branches and tags start runs; heads of pull requests are kept as evidence.
    if !update.name.starts_with("refs/heads/") && !update.name.starts_with("refs/tags/") {
        return Ok(Planned::Nothing(format!("{} is kept; only branches and tags start runs", update.name)));
    }
    let pull_heads = pull_heads(shared, repository)?;
    let cause = Cause::Push(update.old.as_ref());
    let wanted = Wanted { project, repository, reference: &update.name, revision: new, cause, pull_heads: &pull_heads };
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

fn run_words(shared: &Shared, project: &ProjectKey, answer: Answer) -> Result<String, Failure> {
    let receipt = crate::shared::receipt(answer)?;
    let started = receipt.facts.iter().find_map(|fact| match fact {
        Fact::Run { fact: run::Fact::Started(started), .. } => Some(started),
        _ => None,
    });
    Ok(match started {
        None => String::new(),
        Some(started) if started.plan.is_none() => {
            format!("run {project}/{} refused: the delivery file has errors · trunkline check\n", started.number)
        }
        Some(started) => {
            let (number, short) = (started.number, started.revision.short());
            format!("run {project}/{number} for {short} · {}/c/{short} · trunkline watch {project}/{number}\n", shared.address)
        }
    })
}
