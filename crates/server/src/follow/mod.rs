//! Repositories that live elsewhere: looked at every minute, and whenever somebody says that there is something new.
//! The truth is where the refs stand; that a hook was called is only a hint.

mod address;
mod fetch;

pub use address::{checked, host};
pub use fetch::{Seen, look};

use crate::about::About;
use crate::git::{GitError, RefUpdate, USUAL_BRANCH, in_order, set_usual_branch};
use crate::push::{Mover, Starts, move_ref, tags_of};
use crate::shared::{Failure, Shared};
use crate::view;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use trunkline_domain::foundation::{Actor, RepositoryKey, Revision, Timestamp};
use trunkline_domain::ledger::Via;
use trunkline_domain::record::{Key, State};
use trunkline_domain::repository::Repository;

/// How often a repository is looked at.
const EVERY: Duration = Duration::from_secs(60);
/// How long it may take after failures.
const EVERY_AFTER_FAILURES: Duration = Duration::from_secs(600);
/// How often it is looked whether one is due.
const TICK: Duration = Duration::from_secs(1);
/// Bytes kept of why a look failed.
const WHY_BYTES_MAX: usize = 500;

/// What is known of each followed repository since the start of the server.
#[derive(Debug, Default)]
pub struct Followed {
    known: Mutex<HashMap<RepositoryKey, Arc<One>>>,
}

/// One of them.
#[derive(Debug, Default)]
struct One {
    /// Held while it is looked at, which may take minutes: who only wants to know how it goes must not wait for it.
    turn: Mutex<()>,
    progress: Mutex<Progress>,
}

impl One {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of one.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// When it was last seen.
    pub seen_at: Option<Timestamp>,
    /// Why it was not seen the last time.
    pub failed: Option<String>,
    /// Where its address led to, if elsewhere.
    pub redirected: Option<String>,
    /// Tags that lead to no commit, and where they stand: nothing of them can be delivered.
    passed_over: BTreeMap<String, Revision>,
    /// Failures in a row.
    failures: u32,
    due: Option<Instant>,
}

impl Followed {
    fn of(&self, key: &RepositoryKey) -> Arc<One> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default().clone()
    }

    /// What is known of a repository.
    pub fn progress(&self, key: &RepositoryKey) -> Progress {
        self.of(key).progress().clone()
    }
}

/// Looks at every followed repository when it is due, as long as the server runs.
pub async fn watch(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(TICK).await;
        let own = shared.clone();
        let due = tokio::task::spawn_blocking(move || due(&own)).await;
        match due {
            Ok(Ok(due)) => {
                for key in due {
                    let own = shared.clone();
                    // A slow one must not keep the others waiting. Its own lock keeps a second look of it away.
                    tokio::task::spawn_blocking(move || drop(sync(&own, &key)));
                }
            }
            Ok(Err(failure)) => eprintln!("followed repositories were not looked for: {failure}"),
            Err(_) => {}
        }
    }
}

fn due(shared: &Shared) -> Result<Vec<RepositoryKey>, Failure> {
    let mut due = Vec::new();
    for project in view::project_rows(shared)? {
        let known = shared.followed.of(&project.repository);
        // One that is being looked at is not due.
        let Ok(_turn) = known.turn.try_lock() else { continue };
        if known.progress().due.is_some_and(|at| Instant::now() < at) || due.contains(&project.repository) {
            continue;
        }
        if source(shared, &project.repository)?.is_some() {
            due.push(project.repository);
        } else {
            // Pushed to, not followed; asked again now and then.
            known.progress().due = Some(Instant::now() + EVERY_AFTER_FAILURES);
        }
    }
    Ok(due)
}

fn source(shared: &Shared, key: &RepositoryKey) -> Result<Option<(String, Repository)>, Failure> {
    match shared.state(&Key::Repository(key.clone()))? {
        Some(State::Repository(state)) => Ok(state.source.clone().map(|address| (address, state))),
        _ => Ok(None),
    }
}

/// What came of a look.
#[derive(Debug, Default)]
struct Taken {
    /// What was started, and what was not taken in.
    words: Vec<String>,
    /// Branches and tags that could not be taken in, with why; they are tried again at every look.
    refused: Vec<String>,
    /// Tags that lead to no commit, of earlier looks too.
    passed_over: BTreeMap<String, Revision>,
    /// Where the address led to, if elsewhere.
    redirected: Option<String>,
}

impl Taken {
    /// What people see of it until it is mended.
    fn failed(&self) -> Option<String> {
        let first = self.refused.first()?;
        let more = if self.refused.len() > 1 { format!(" (and {} more)", self.refused.len() - 1) } else { String::new() };
        Some(format!("not taken in: {first}{more}"))
    }
}

/// Looks at a repository now, and takes in what is new. What went wrong is kept for people to see.
pub fn sync(shared: &Shared, key: &RepositoryKey) -> Result<Vec<String>, Failure> {
    let known = shared.followed.of(key);
    let _turn = known.turn.lock().unwrap_or_else(PoisonError::into_inner);
    let passed_over = known.progress().passed_over.clone();
    let taken = take_in(shared, key, &passed_over);
    let jitter = u64::from(shared.random::<1>().map_or(0, |bytes| bytes[0])) * 50;
    let mut progress = known.progress();
    let failed = taken.as_ref().map_or_else(|failure| Some(failure.to_string()), Taken::failed);
    let failed = failed.map(|why| why[..why.floor_char_boundary(WHY_BYTES_MAX)].to_owned());
    if let Some(why) = failed.as_ref().filter(|why| progress.failed.as_ref() != Some(why)) {
        eprintln!("repository {key} could not be followed: {why}");
    }
    let pause = match &taken {
        // One branch that is refused is no reason to look at the others less often.
        Ok(taken) => {
            let (passed_over, redirected) = (taken.passed_over.clone(), taken.redirected.clone());
            *progress = Progress { seen_at: Some(shared.clock.now()), passed_over, redirected, ..Progress::default() };
            EVERY
        }
        Err(_) => {
            progress.failures += 1;
            (EVERY * progress.failures).min(EVERY_AFTER_FAILURES)
        }
    };
    progress.failed = failed;
    progress.due = Some(Instant::now() + pause + Duration::from_millis(jitter));
    taken.map(|taken| taken.words)
}

/// Moves every ref that stands elsewhere there. The words say what was started.
fn take_in(shared: &Shared, key: &RepositoryKey, passed_over: &BTreeMap<String, Revision>) -> Result<Taken, Failure> {
    let Some((address, state)) = source(shared, key)? else {
        return Err(Failure::Unfit(About::Other, format!("repository {key} is pushed to, not followed: each push is seen at once")));
    };
    let room = shared.writer.room();
    if room.is_low() {
        return Err(room.full().into());
    }
    let token = shared.credentials.get(key, host(&address))?;
    let path = shared.repositories.path(key);
    let mut seen = look(&address, token.as_deref()).map_err(unreadable)?;
    let redirected = seen.redirected.as_ref().map(|to| to[..to.floor_char_boundary(WHY_BYTES_MAX)].to_owned());
    let mut taken = Taken { passed_over: passed_over.clone(), redirected, ..Taken::default() };
    taken.words.extend(taken.redirected.iter().map(|to| format!("{address} leads to {to} now")));
    taken.passed_over.retain(|name, at| seen.refs.get(name) == Some(at));
    seen.refs.retain(|name, _| !taken.passed_over.contains_key(name));
    let moved: Vec<&str> = seen.refs.iter().filter(|(name, at)| state.refs.get(*name) != Some(at)).map(|(name, _)| name.as_str()).collect();
    if !moved.is_empty() {
        // With a token git follows no redirect by itself.
        let from = seen.redirected.as_ref().filter(|_| token.is_some()).unwrap_or(&address);
        fetch::fetch(&path, from, token.as_deref(), &moved).map_err(unreadable)?;
    }
    let first = state.refs.is_empty() && !state.emptied;
    let updates = updates(&seen, &state);
    let by = Mover { actor: Actor::system(), via: Via::Poll, tags: tags_of(&updates) };
    for update in updates {
        // At the first look only the default branch starts anything: the others are history.
        let starts = if first && seen.default.as_ref() != Some(&update.name) { Starts::Nothing } else { Starts::Runs };
        if let Some(at) = update.new.as_ref().filter(|at| leads_nowhere(shared, key, at)) {
            taken.words.push(format!("passed over: {} leads to no commit", update.name));
            taken.passed_over.insert(update.name, at.clone());
            continue;
        }
        let outcome = move_ref(shared, &by, key, &update, starts)?;
        if let Some(why) = outcome.refusal {
            taken.words.push(format!("not taken in: {}: {why}", outcome.name));
            taken.refused.push(format!("{}: {why}", outcome.name));
        } else if starts == Starts::Runs {
            taken.words.extend(outcome.words.lines().map(str::to_owned));
        }
    }
    if let Some(default) = &seen.default {
        set_usual_branch(&path, default).map_err(|error| Failure::Internal(format!("HEAD of {key}: {error}")))?;
    }
    Ok(taken)
}

/// Whether an object that was fetched is no commit, and no tag of one.
fn leads_nowhere(shared: &Shared, key: &RepositoryKey, at: &Revision) -> bool {
    matches!(shared.repositories.read(key, |reader| reader.commit(at)), Err(GitError::Missing(_)))
}

/// What git said of a repository elsewhere is no failure of this server.
fn unreadable(failure: impl Into<Failure>) -> Failure {
    match failure.into() {
        Failure::Git(error @ GitError::Refused { .. }) => Failure::Unfit(About::Address, error.to_string()),
        other => other,
    }
}

/// What stands elsewhere there, or not at all.
fn updates(seen: &Seen, state: &Repository) -> Vec<RefUpdate> {
    let update = |name: &String, new: Option<_>| RefUpdate { name: name.clone(), old: state.refs.get(name).cloned(), new };
    let gone = state.refs.keys().filter(|name| !seen.refs.contains_key(*name)).map(|name| update(name, None));
    let moved = seen.refs.iter().filter(|(name, at)| state.refs.get(*name) != Some(at));
    let all = gone.chain(moved.map(|(name, at)| update(name, Some(at.clone())))).collect();
    in_order(all, seen.default.as_deref().unwrap_or(USUAL_BRANCH))
}
