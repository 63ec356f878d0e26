//! One world: an engine, its runners and targets, and a seed that decides what happens next.

use crate::coverage::Coverage;
use crate::invariants::{Violation, Witness};
use crate::random::Random;
use crate::runner::SimRunner;
use crate::store::CrashStore;
use crate::target::{Named, Targets};
use crate::trouble::Backup;
use crate::workload;
use std::sync::Arc;
use trunkline_domain::deployment::{self, SettledAs, WorkState};
use trunkline_domain::environment;
use trunkline_domain::foundation::{Actor, DeploymentId, EnvironmentKey, EnvironmentName, Millis, ProjectKey, ReleaseId, Timestamp};
use trunkline_domain::ledger::{Entry, Via};
use trunkline_domain::record::{Command, Fact, Key, State};
use trunkline_domain::release::Wish;
use trunkline_domain::{project, release, repository, run};
use trunkline_engine::{Answer, Call, Engine, Read, Request, StoreError, verify};

/// Steps of a seed before everything is left to end.
const STEPS: u32 = 330;
/// Steps in which everything must end.
const CALM_STEPS: u32 = 4_000;

/// A bug planted in the surroundings, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// None.
    Nothing,
    /// The store says that it has committed and keeps nothing over a crash.
    ForgetfulStore,
    /// Targets do not compare fences.
    FencelessTarget,
    /// An older copy of the store is put back as it is, and the engine does not know.
    UnmarkedRestore,
}

/// What a seed came to.
#[derive(Debug)]
pub struct Report {
    /// What was seen.
    pub coverage: Coverage,
    /// What did not hold.
    pub violation: Option<Violation>,
    /// Entries recorded.
    pub entries: u64,
}

/// Runs one seed to its end.
pub fn run_seed(seed: u64, plant: Plant) -> Report {
    let mut world = World::new(seed, plant);
    let violation = world.live().err();
    Report { coverage: world.coverage, violation, entries: world.witness.seq }
}

/// An apply that reaches its target later than anyone waits for it.
pub(crate) struct LateApply {
    pub(crate) at: Timestamp,
    pub(crate) environment: EnvironmentKey,
    pub(crate) part: String,
    pub(crate) what: (DeploymentId, Arc<Named>, u64),
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) engine: Option<Engine<CrashStore>>,
    pub(crate) now: Timestamp,
    pub(crate) up_since: Timestamp,
    pub(crate) runners: Vec<SimRunner>,
    pub(crate) targets: Targets,
    pub(crate) late: Vec<LateApply>,
    pub(crate) witness: Witness,
    pub(crate) backup: Option<Backup>,
    /// A planted bug: a copy that is put back is not marked.
    pub(crate) unmarked: bool,
    pub(crate) coverage: Coverage,
    projects: Vec<ProjectKey>,
    pushes: u64,
    sent: Vec<Request>,
    /// The highest entry that was acknowledged.
    pub(crate) acknowledged: u64,
    pub(crate) calm: bool,
}

impl World {
    fn new(seed: u64, plant: Plant) -> Self {
        let mut random = Random::new(seed);
        let now = Timestamp(1_790_000_000_000);
        let mut store = CrashStore::default();
        store.forgets = plant == Plant::ForgetfulStore;
        let engine = Engine::open(store, now, seed_bytes(&mut random)).ok();
        let runners = (0..3).map(SimRunner::new).collect();
        let mut targets = Targets::default();
        targets.fenceless = plant == Plant::FencelessTarget;
        let projects = ["shop", "web"].map(|name| name.parse().expect("a project's name")).to_vec();
        Self {
            random,
            engine,
            now,
            up_since: now,
            runners,
            targets,
            late: Vec::new(),
            witness: Witness::default(),
            backup: None,
            unmarked: plant == Plant::UnmarkedRestore,
            coverage: Coverage::default(),
            projects,
            pushes: 0,
            sent: Vec::new(),
            acknowledged: 0,
            calm: false,
        }
    }

    fn live(&mut self) -> Result<(), Violation> {
        for project in self.projects.clone() {
            let repository = project.as_str().parse().expect("a repository's name");
            self.command(Command::Repository(repository, repository::Command::Create { source: None }))?;
            let repository = project.as_str().parse().expect("a repository's name");
            self.command(Command::Project(project, project::Command::Add { repository, folder: None }))?;
        }
        for _ in 0..STEPS {
            self.step()?;
            self.check()?;
        }
        self.calm = true;
        self.resume()?;
        self.check()?;
        for _ in 0..CALM_STEPS {
            if self.witness.open().is_empty() {
                return self.finish();
            }
            self.calm_step()?;
            self.check()?;
        }
        Err(Violation { invariant: "S13", what: format!("still open: {:?}", self.witness.open()) })
    }

    fn finish(&mut self) -> Result<(), Violation> {
        let store = self.engine.as_ref().expect("an engine").store();
        verify(store, None).map(drop).map_err(|error| Violation { invariant: "I12", what: error.to_string() })
    }

    fn step(&mut self) -> Result<(), Violation> {
        self.coverage.commands += 1;
        match self.random.below(100) {
            0..8 => self.push(),
            8..28 => self.claim(),
            28..58 => self.work(),
            58..66 => self.renew_all(),
            66..76 => self.pass_time(),
            76..79 => self.cancel(),
            79..82 => self.promote(),
            82..84 => self.roll_back(),
            84..86 => self.settle(),
            86..88 => self.accept(),
            88..90 => self.resend(),
            90..94 => self.trouble_runner(),
            94..96 => self.crash(),
            96 => self.back_up_or_restore(),
            97..99 => self.resume(),
            _ => self.due(),
        }
    }

    /// Everybody does their duty, until nothing is left.
    fn calm_step(&mut self) -> Result<(), Violation> {
        self.now = self.now + Millis::seconds(5);
        self.deliver_late();
        self.renew_all()?;
        self.claim()?;
        self.work()?;
        self.settle()?;
        self.due()
    }

    pub(crate) fn call(&mut self, call: Call) -> Result<Option<Answer>, Violation> {
        let engine = self.engine.as_mut().expect("an engine");
        match engine.execute(vec![call], self.now) {
            Ok(mut answers) => {
                let answer = answers.pop();
                if let Some(Answer::Done(receipt)) = &answer
                    && let Some(seq) = receipt.seq
                {
                    self.acknowledged = self.acknowledged.max(seq);
                }
                Ok(answer)
            }
            Err(StoreError::Full) => {
                let taken_back = engine.take_back();
                taken_back.map_err(|error| Violation { invariant: "F4", what: format!("a full disk was not survived: {error}") })?;
                Ok(None)
            }
            Err(_) => {
                self.restart()?;
                Ok(None)
            }
        }
    }

    fn command(&mut self, command: Command) -> Result<Option<Answer>, Violation> {
        self.call(Call::Command(Box::new(Request::new(Actor::person("ana"), Via::Api, command))))
    }

    fn push(&mut self) -> Result<(), Violation> {
        self.pushes += 1;
        let project = self.random.pick(&self.projects.clone()).cloned().expect("a project");
        let repository = project.as_str().parse().expect("a repository's name");
        let request = workload::push(&mut self.random, &project, self.pushes, self.now);
        let Command::Run(_, run::Command::Start(start)) = &request.commands[0] else { return Ok(()) };
        let (name, new) = (start.reference.clone(), Some(start.revision.clone()));
        let old = match self.witness.states.get(&Key::Repository(project.as_str().parse().expect("a repository's name"))) {
            Some(State::Repository(repository)) => repository.refs.get(&name).cloned(),
            _ => None,
        };
        self.command(Command::Repository(repository, repository::Command::MoveRef { name, old, new }))?;
        self.sent.push(request.clone());
        self.call(Call::Command(Box::new(request))).map(drop)
    }

    /// A push that was recorded, or perhaps was lost in a crash, comes again.
    fn resend(&mut self) -> Result<(), Violation> {
        let Some(request) = self.random.pick(&self.sent).cloned() else { return Ok(()) };
        self.coverage.fault("request sent again");
        self.call(Call::Command(Box::new(request))).map(drop)
    }

    pub(crate) fn due(&mut self) -> Result<(), Violation> {
        let calls = self.engine.as_ref().expect("an engine").due(self.now);
        for call in calls.map_err(|error| Violation { invariant: "F1", what: error.to_string() })? {
            self.call(call)?;
        }
        Ok(())
    }

    fn open_of(&mut self, wanted: impl Fn(&State) -> bool) -> Option<Key> {
        let mut keys: Vec<Key> = self.witness.states.iter().filter(|(_, state)| wanted(state)).map(|(key, _)| key.clone()).collect();
        keys.sort();
        self.random.pick(&keys).cloned()
    }

    fn cancel(&mut self) -> Result<(), Violation> {
        let open = |state: &State| matches!(state, State::Run(_) | State::Deployment(_)) && state.due().is_some();
        match self.open_of(open) {
            Some(Key::Run(id)) => self.command(Command::Run(id, run::Command::Cancel)).map(drop),
            Some(Key::Deployment(id)) => self.command(Command::Deployment(id, deployment::Command::Cancel)).map(drop),
            _ => Ok(()),
        }
    }

    fn promote(&mut self) -> Result<(), Violation> {
        let Some(Key::Release(id)) = self.open_of(|state| matches!(state, State::Release(_))) else { return Ok(()) };
        let name = self.random.pick(&workload::ENVIRONMENTS).expect("an environment");
        let environment: EnvironmentName = name.parse().expect("an environment's name");
        let wish = if self.was_last(id, &environment) { Wish::Again } else { Wish::New };
        self.command(Command::Release(id, release::Command::Promote { environment, wish })).map(drop)
    }

    /// Whether this release was deployed there last: then it can only come once more.
    fn was_last(&self, id: ReleaseId, name: &EnvironmentName) -> bool {
        let Some(State::Release(release)) = self.witness.states.get(&Key::Release(id)) else { return false };
        let key = EnvironmentKey { project: release.cut.project.clone(), name: name.clone() };
        match self.witness.states.get(&Key::Environment(key)) {
            Some(State::Environment(environment)) => environment.current.as_ref().is_some_and(|current| current.release == id),
            _ => false,
        }
    }

    fn roll_back(&mut self) -> Result<(), Violation> {
        let key = self.open_of(|state| matches!(state, State::Environment(_)));
        let Some(Key::Environment(id)) = key else { return Ok(()) };
        let to: Option<ReleaseId> = match self.witness.states.get(&Key::Environment(id.clone())) {
            Some(State::Environment(environment)) if self.random.chance(40) => environment.verified.last().map(|verified| verified.release),
            _ => None,
        };
        self.command(Command::Environment(id, environment::Command::RollBack { to })).map(drop)
    }

    fn accept(&mut self) -> Result<(), Violation> {
        let waiting = |state: &State| matches!(state, State::Environment(environment) if !environment.accepted);
        let Some(Key::Environment(id)) = self.open_of(waiting) else { return Ok(()) };
        self.command(Command::Environment(id, environment::Command::Accept)).map(drop)
    }

    /// A person looks at the target and says what runs there.
    fn settle(&mut self) -> Result<(), Violation> {
        let asking = |state: &State| match state {
            State::Deployment(deployment) => {
                deployment.progress().is_some_and(|progress| matches!(progress.state, WorkState::Asking { .. }))
            }
            _ => false,
        };
        let Some(Key::Deployment(id)) = self.open_of(asking) else { return Ok(()) };
        let runs = self.what_runs(id);
        self.command(Command::Deployment(id, deployment::Command::Settle { runs })).map(drop)
    }

    fn what_runs(&self, id: DeploymentId) -> SettledAs {
        let Some(State::Deployment(deployment)) = self.witness.states.get(&Key::Deployment(id)) else { return SettledAs::Old };
        let key = EnvironmentKey { project: deployment.project.clone(), name: deployment.environment.clone() };
        let Some(progress) = deployment.progress() else { return SettledAs::Old };
        let part = &deployment.skeleton.parts[progress.applied.len()].name;
        if self.targets.shows(&key, part, &deployment.brief.manifest, progress.fence) { SettledAs::Live } else { SettledAs::Old }
    }

    /// Everything that must hold after every step.
    fn check(&mut self) -> Result<(), Violation> {
        let damaged = |what: String| Violation { invariant: "I12", what };
        let engine = self.engine.as_mut().expect("an engine");
        let entries = engine.store().entries(self.witness.seq, 10_000).map_err(|error| damaged(error.to_string()))?;
        let mut touched: Vec<Key> = Vec::new();
        for stored in entries {
            let entry: Entry<Fact> =
                serde_json::from_slice(&stored.bytes).map_err(|error| damaged(format!("entry {}: {error}", stored.seq)))?;
            self.witness.take(&entry)?;
            for fact in &entry.facts {
                self.coverage.fact(&serde_json::to_value(fact).unwrap_or_default());
                touched.extend(fact.key());
            }
        }
        touched.sort();
        touched.dedup();
        for key in touched {
            self.state_is_what_its_facts_make(&key)?;
        }
        self.witness.targets(&self.targets)?;
        if self.calm && self.now.since(self.up_since) > Millis::seconds(120) {
            self.witness.nothing_is_overdue(self.now, Millis::seconds(30))?;
        }
        Ok(())
    }

    /// I12, for one state at once rather than for all at the end.
    fn state_is_what_its_facts_make(&self, key: &Key) -> Result<(), Violation> {
        let engine = self.engine.as_ref().expect("an engine");
        let pieces = engine.store().aggregate(key).ok().flatten().unwrap_or_default();
        let stored = State::from_pieces(key, &pieces).ok();
        if stored.as_ref() == self.witness.states.get(key) {
            return Ok(());
        }
        Err(Violation { invariant: "I12", what: format!("{key} is stored otherwise than its facts make it") })
    }
}

pub(crate) fn seed_bytes(random: &mut Random) -> [u8; 32] {
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&random.bits().to_le_bytes());
    }
    bytes
}
