//! One command after the other, with all that it brings about.

use crate::deadline::Deadlines;
use crate::ids::Ids;
use crate::presence;
use crate::request::{Answer, Beside, CommandKey, Receipt, Request};
use crate::restore::{self, RESTORATION};
use crate::state::States;
use crate::store::{Head, Store, StoreError, StoredEntry};
use crate::work::WorkIndex;
use crate::{FOLLOW_DEPTH_MAX, FOLLOW_UPS_MAX};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use trunkline_domain::context::{Context, Mode};
use trunkline_domain::deployment;
use trunkline_domain::foundation::{Actor, ProjectKey, ReleaseId, Timestamp};
use trunkline_domain::ledger::{Entry, Via, leaf_hash};
use trunkline_domain::reading;
use trunkline_domain::record::{Command, Fact, Key, State, decide, follow};
use trunkline_domain::release;
use trunkline_domain::restoration::{self, raised};
use trunkline_domain::run;

/// Commands become recorded facts. One engine writes to a store at a time.
pub struct Engine<S> {
    pub(crate) store: S,
    pub(crate) head: Head,
    pub(crate) states: States,
    pub(crate) work: WorkIndex,
    pub(crate) deadlines: Deadlines,
    pub(crate) started: Timestamp,
    pub(crate) now: Timestamp,
    leases: u32,
    /// Whether anything may be deployed, and from where a new environment counts its fence.
    pub(crate) footing: (Mode, u64),
    ids: Ids,
    /// The ledger's size before the transaction.
    pub(crate) size_before: u64,
    /// Whether the transaction wrote something besides entries.
    pub(crate) dirty: bool,
}

/// Why an engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an entry is made of while it is made.
struct Draft {
    facts: Vec<Fact>,
    touched: HashSet<Key>,
    follow_ups: usize,
}

/// Why a request did not happen.
enum Stop {
    Answer(Box<Answer>),
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Stop::Store(error)
    }
}

impl<S: Store> Engine<S> {
    /// Takes over a store; one that was restored from a backup begins in safe mode. `seed` is fresh entropy; lease numbers of this start are higher than all before.
    pub fn open(mut store: S, now: Timestamp, seed: [u8; 32]) -> Result<Self, OpenError> {
        let mut head = store.head()?;
        let restored = restore::mark(&store)?;
        let starts = u64::from(head.starts);
        let starts = if restored.is_some() { raised(starts, now) } else { starts + 1 };
        head.starts = u32::try_from(starts).map_err(|_| StoreError::Damaged("no start is left to count".to_owned()))?;
        store.begin()?;
        store.head_put(&head)?;
        presence::note_open(&mut store, now.max(head.at))?;
        store.commit()?;
        let now = now.max(head.at);
        let mut engine = Self {
            store,
            head,
            states: States::default(),
            work: WorkIndex::default(),
            deadlines: Deadlines::default(),
            started: now,
            now,
            leases: 0,
            footing: (Mode::Normal, 0),
            ids: Ids::new(seed),
            size_before: 0,
            dirty: false,
        };
        engine.load()?;
        if let Some(backup) = restored {
            engine.begin_safe_mode(backup)?;
        }
        Ok(engine)
    }

    /// Reads what is open.
    pub(crate) fn load(&mut self) -> Result<(), StoreError> {
        self.states = States::default();
        self.work = WorkIndex::default();
        self.deadlines = Deadlines::default();
        for key in self.store.open_keys()? {
            if let Some(state) = self.states.get(&self.store, &key)? {
                self.work.load(&key, state, self.now);
                self.deadlines.set(&key, state.due());
            }
        }
        self.footing = restore::footing(&self.store)?;
        Ok(())
    }

    /// The store, for reading.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Gives the store back.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Where the ledger ends.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How many pieces of work wait and how many are held.
    pub fn work_counts(&self) -> (usize, usize) {
        self.work.counts()
    }

    /// Waiting work, held leases and deadlines as sorted text.
    pub fn work_picture(&self) -> Vec<String> {
        self.work.picture().into_iter().chain(self.deadlines.picture()).collect()
    }

    /// A state as it is now.
    pub fn state(&mut self, key: &Key) -> Result<Option<&State>, StoreError> {
        self.states.get(&self.store, key)
    }

    pub(crate) fn request(&mut self, request: Request) -> Result<Answer, StoreError> {
        if let Some(key) = &request.key
            && let Some((seq, body)) = self.store.command_key(&key.scope, &key.key)?
        {
            let same = body == key.body;
            return Ok(if same { Answer::Done(Receipt { seq: Some(seq), facts: Vec::new() }) } else { Answer::Conflict(seq) });
        }
        self.whole(|engine, draft| engine.record(request, draft))
    }

    /// What a request would bring about.
    pub(crate) fn try_out(&mut self, request: Request) -> Result<Answer, StoreError> {
        self.whole(|engine, draft| {
            engine.bring_about(request.commands, &request.actor, draft)?;
            // Answered as a no is: that way everything is undone.
            let facts = std::mem::take(&mut draft.facts);
            Err(Stop::Answer(Box::new(Answer::Done(Receipt { seq: None, facts }))))
        })
    }

    /// Does all of it, or undoes what was begun.
    fn whole(&mut self, act: impl FnOnce(&mut Self, &mut Draft) -> Result<Receipt, Stop>) -> Result<Answer, StoreError> {
        self.store.mark()?;
        let (head, footing) = (self.head.clone(), self.footing);
        let mut draft = Draft { facts: Vec::new(), touched: HashSet::new(), follow_ups: 0 };
        match act(self, &mut draft) {
            Ok(receipt) => Ok(Answer::Done(receipt)),
            Err(Stop::Answer(answer)) => {
                (self.head, self.footing) = (head, footing);
                for key in &draft.touched {
                    self.states.forget(key);
                }
                self.store.undo()?;
                Ok(*answer)
            }
            // The whole batch is lost, and what memory knows of it with it.
            Err(Stop::Store(error)) => Err(error),
        }
    }

    fn record(&mut self, request: Request, draft: &mut Draft) -> Result<Receipt, Stop> {
        let Request { actor, via, key, mut commands, keyed, beside } = request;
        let mut keys: Vec<CommandKey> = key.into_iter().collect();
        for (key, command) in keyed {
            if self.store.command_key(&key.scope, &key.key)?.is_none() {
                keys.push(key);
                commands.push(command);
            }
        }
        self.bring_about(commands, &actor, draft)?;
        self.keep_beside(beside, draft)?;
        if draft.facts.is_empty() {
            return Ok(Receipt { seq: None, facts: Vec::new() });
        }
        let facts = std::mem::take(&mut draft.facts);
        let project = self.project_of(&facts);
        let seq = self.append(actor, via, project, keys.first().map(|key| key.key.clone()), &facts)?;
        for key in keys {
            self.store.command_key_put(&key.scope, &key.key, seq, &key.body)?;
        }
        self.save(seq, &facts)?;
        Ok(Receipt { seq: Some(seq), facts })
    }

    /// Decides commands, one after the other, each with all that follows from it.
    fn bring_about(&mut self, commands: Vec<Command>, actor: &Actor, draft: &mut Draft) -> Result<(), Stop> {
        for command in commands {
            let mut queue = VecDeque::from([(command, 0)]);
            while let Some((command, depth)) = queue.pop_front() {
                let from = draft.facts.len();
                self.decide(command, depth, actor, draft)?;
                for index in from..draft.facts.len() {
                    let follow_ups = self.follow(&draft.facts[index]);
                    draft.follow_ups += follow_ups.len();
                    if depth >= FOLLOW_DEPTH_MAX && !follow_ups.is_empty() || draft.follow_ups > FOLLOW_UPS_MAX {
                        return Err(Stop::Answer(Box::new(Answer::Invalid("one command would bring about too many others".to_owned()))));
                    }
                    queue.extend(follow_ups.into_iter().map(|command| (command, depth + 1)));
                }
            }
        }
        Ok(())
    }

    fn decide(&mut self, mut command: Command, depth: u32, actor: &Actor, draft: &mut Draft) -> Result<(), Stop> {
        let id = self.ids.fresh(self.now);
        if let Command::Release(release, release::Command::Cut(_)) = &mut command {
            *release = ReleaseId::new(id);
        }
        let key = command.key();
        let counter = counter_of(&command);
        let number = match &counter {
            Some(name) => self.store.counter(name)? + 1,
            None => 0,
        };
        self.leases += 1;
        let epoch = u64::from(self.head.starts) << 32 | u64::from(self.leases);
        let actor = if depth == 0 { actor.clone() } else { Actor::system() };
        let (mode, fence) = self.footing;
        let context = Context { now: self.now, actor, id, number: number as u32, epoch, mode, fence };
        let state = self.states.get(&self.store, &key)?;
        let facts = match decide(state, command, &context) {
            Ok(facts) => facts,
            Err(refusal) if depth == 0 => return Err(Stop::Answer(Box::new(Answer::Refused(refusal)))),
            Err(refusal) => {
                // A follow-up that is refused must not undo what happened; it is recorded where it was refused.
                draft.facts.push(Fact::FollowRefused { target: key.to_string(), reason: refusal.to_string() });
                return Ok(());
            }
        };
        if let Some(name) = counter.filter(|_| !facts.is_empty()) {
            self.store.counter_put(&name, number)?;
        }
        draft.touched.insert(key.clone());
        for fact in facts {
            self.states.evolve(&key, &fact, self.now);
            self.footing = restore::footing_after(self.footing, &fact);
            draft.facts.push(fact);
        }
        Ok(())
    }

    fn follow(&self, fact: &Fact) -> Vec<Command> {
        let state = fact.key().and_then(|key| self.states.loaded(&key));
        state.map_or_else(Vec::new, |state| follow(fact, state))
    }

    fn keep_beside(&mut self, beside: Beside, draft: &Draft) -> Result<(), Stop> {
        for (digest, bytes) in &beside.values {
            self.store.value_put(digest, bytes)?;
        }
        for text in &beside.texts {
            self.store.text_put(text)?;
        }
        let started = draft.facts.iter().filter_map(|fact| match fact {
            Fact::Run { id, fact: run::Fact::Started(started) } => Some((*id, started.as_ref())),
            _ => None,
        });
        for (id, started) in started {
            let seq = self.head.frontier.size() + 1;
            for row in reading::commit_rows(&started.project, started.number, id, &started.revision, &beside.commits) {
                self.store.row_put(seq, &row)?;
            }
        }
        Ok(())
    }

    fn project_of(&self, facts: &[Fact]) -> Option<ProjectKey> {
        facts.iter().find_map(|fact| {
            let key = fact.key()?;
            self.states.loaded(&key)?.project(&key).cloned()
        })
    }

    fn append(
        &mut self,
        actor: Actor,
        via: Via,
        project: Option<ProjectKey>,
        command_key: Option<String>,
        facts: &[Fact],
    ) -> Result<u64, StoreError> {
        let seq = self.head.frontier.size() + 1;
        let project_seq = match &project {
            Some(project) => {
                let name = format!("entry/{project}");
                let next = self.store.counter(&name)? + 1;
                self.store.counter_put(&name, next)?;
                Some(next)
            }
            None => None,
        };
        let entry = Entry {
            v: 1,
            seq,
            at: self.now,
            project: project.clone(),
            project_seq,
            actor,
            via,
            command_key,
            facts: facts.iter().collect::<Vec<_>>(),
        };
        let bytes = entry.to_bytes();
        let leaf = leaf_hash(&bytes);
        let place = project.as_ref().zip(project_seq);
        self.store.entry_append(&StoredEntry { seq, bytes, leaf }, place)?;
        self.head.frontier.append(leaf);
        self.head.at = self.now;
        Ok(seq)
    }

    /// Writes what the facts changed: each thing once, however many facts are of it.
    fn save(&mut self, seq: u64, facts: &[Fact]) -> Result<(), StoreError> {
        let mut things: Vec<(Key, Vec<&Fact>)> = Vec::new();
        let mut places: HashMap<Key, usize> = HashMap::new();
        for fact in facts {
            let Some(key) = fact.key() else { continue };
            let place = *places.entry(key).or_insert_with_key(|key| {
                things.push((key.clone(), Vec::new()));
                things.len() - 1
            });
            things[place].1.push(fact);
        }
        for (key, own) in things {
            let Some(state) = self.states.loaded(&key) else { continue };
            self.store.aggregate_put(&key, &state.pieces_changed(&own), state.due())?;
            self.deadlines.set(&key, state.due());
            let mut rows = BTreeMap::new();
            for fact in own {
                rows.extend(reading::rows(fact, state, self.now).into_iter().map(|row| ((row.table, row.key.clone()), row)));
                if let Some((work, epoch)) = self.work.note(fact, state, self.now) {
                    // A reader finds the log by the work alone, also that of a lease that was lost.
                    self.store.plain_put("last-lease", &work.to_string(), epoch.to_string().as_bytes())?;
                }
            }
            for row in rows.values() {
                self.store.row_put(seq, row)?;
            }
        }
        Ok(())
    }
}

/// The name under which what this command may create is counted.
fn counter_of(command: &Command) -> Option<String> {
    match command {
        Command::Restoration(_, restoration::Command::Begin(_)) => Some(RESTORATION.to_owned()),
        Command::Run(_, run::Command::Start(start)) => Some(format!("run/{}", start.project)),
        Command::Release(_, release::Command::Cut(cut)) => Some(format!("release/{}", cut.note.project)),
        Command::Deployment(_, deployment::Command::Request(requested)) => Some(format!("deployment/{}", requested.project)),
        _ => None,
    }
}
