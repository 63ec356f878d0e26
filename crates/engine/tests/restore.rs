//! An engine that opens a record from a backup: nothing of the lost future is above it, and nothing is deployed.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

use trunkline_domain::deployment::{self, WorkKey, WorkState};
use trunkline_domain::environment::{self, Cause, Environment, Offer};
use trunkline_domain::foundation::{Actor, DeploymentId, Digest, EnvironmentKey, Millis, ProjectKey, ReleaseId, Timestamp};
use trunkline_domain::ledger::{Entry, Via};
use trunkline_domain::pipeline::{After, EnvironmentSkeleton, PartSkeleton, QueuePolicy, Tier};
use trunkline_domain::record::{Command, Fact, Key, Refusal, State};
use trunkline_domain::release::Brief;
use trunkline_domain::restoration::{self, Backup, STEP};
use trunkline_engine::{Answer, Call, Engine, Read, Request, mark_restored, open_until, restoration as newest, verify};
use trunkline_store::MemoryStore;

const NOW: Timestamp = Timestamp(1_790_000_000_000);

fn open(store: MemoryStore) -> Engine<MemoryStore> {
    Engine::open(store, NOW, [7; 32]).unwrap()
}

fn one(engine: &mut Engine<MemoryStore>, call: Call) -> Answer {
    engine.execute(vec![call], NOW).unwrap().remove(0)
}

fn ask(engine: &mut Engine<MemoryStore>, command: Command) -> Answer {
    one(engine, Call::Command(Box::new(Request::new(Actor::person("ana"), Via::Api, command))))
}

fn done(answer: Answer) -> Vec<Fact> {
    match answer {
        Answer::Done(receipt) => receipt.facts,
        other => panic!("{other:?}"),
    }
}

fn key(project: &str) -> EnvironmentKey {
    EnvironmentKey { project: project.parse().unwrap(), name: "qa".parse().unwrap() }
}

fn offer_to(project: &str, n: u32) -> Command {
    let skeleton = EnvironmentSkeleton {
        name: "qa".parse().unwrap(),
        tier: Tier::Testing,
        after: After::Release,
        queue: QueuePolicy::Queue,
        configuration: None,
        parts: vec![PartSkeleton { name: "main".to_owned(), idempotent: true }],
        checks: Vec::new(),
        rollback: Vec::new(),
    };
    let release = ReleaseId::new(uuid::Uuid::from_u128(n.into()));
    let brief = Brief { version: n.to_string(), manifest: Digest::of(b""), reference: "refs/heads/main".to_owned(), run: n };
    let key = key(project);
    let offer = Offer {
        project: key.project.clone(),
        release,
        brief,
        cause: Cause::Promotion,
        skeleton: Box::new(skeleton),
        verified_in: Vec::new(),
    };
    Command::Environment(key, environment::Command::Offer(Box::new(offer)))
}

fn environment(engine: &mut Engine<MemoryStore>, project: &str) -> Environment {
    match engine.state(&Key::Environment(key(project))).unwrap() {
        Some(State::Environment(environment)) => environment.clone(),
        other => panic!("{other:?}"),
    }
}

fn lease(engine: &mut Engine<MemoryStore>, id: DeploymentId, work: WorkKey) -> Result<u64, Refusal> {
    match ask(engine, Command::Deployment(id, deployment::Command::Lease { work, runner: "r1".parse().unwrap() })) {
        Answer::Refused(refusal) => Err(refusal),
        answer => Ok(done(answer)
            .iter()
            .find_map(|fact| match fact {
                Fact::Deployment { fact: deployment::Fact::Leased { epoch, .. }, .. } => Some(*epoch),
                _ => None,
            })
            .unwrap()),
    }
}

/// Two projects with an environment each. In that of `shop` deployment 1 is about to be applied and 2 waits.
fn lived() -> (Engine<MemoryStore>, DeploymentId, u64) {
    let mut engine = open(MemoryStore::default());
    for project in ["shop", "web"] {
        let open = environment::Command::Open { project: project.parse().unwrap(), name: "qa".parse().unwrap() };
        done(ask(&mut engine, Command::Environment(key(project), open)));
    }
    done(ask(&mut engine, offer_to("shop", 1)));
    done(ask(&mut engine, offer_to("shop", 2)));
    let holder = environment(&mut engine, "shop").holder.unwrap().deployment;
    let epoch = lease(&mut engine, holder, WorkKey::Observe(0)).unwrap();
    (engine, holder, epoch)
}

fn restored(engine: &Engine<MemoryStore>) -> Engine<MemoryStore> {
    restored_at(engine, NOW)
}

fn restored_at(engine: &Engine<MemoryStore>, now: Timestamp) -> Engine<MemoryStore> {
    let head = engine.head().clone();
    let mut store = engine.store().clone();
    let backup = Backup { taken_at: NOW, entries: head.frontier.size(), root: head.frontier.root() };
    mark_restored(&mut store, &backup).unwrap();
    Engine::open(store, now, [7; 32]).unwrap()
}

fn observed(engine: &mut Engine<MemoryStore>, id: DeploymentId, live: deployment::Live, fence: Option<u64>) -> Vec<Fact> {
    let epoch = lease(engine, id, WorkKey::Observe(0)).unwrap();
    let observed = deployment::Observed { live, fence, health: deployment::Health::Healthy, source: "test".to_owned() };
    let command = deployment::Command::ReportObserved { work: WorkKey::Observe(0), epoch, observed: Box::new(observed) };
    done(ask(engine, Command::Deployment(id, command)))
}

#[test]
fn leases_and_fences_are_above_all_that_the_lost_future_gave() {
    let (engine, holder, _) = lived();
    let backup = engine.store().clone();
    // The lost future: a restart for every lease, and a grant after the other.
    let mut lost = open(backup.clone());
    for call in lost.lose_runner(&"r1".parse().unwrap()) {
        one(&mut lost, call);
    }
    let (lost_epoch, lost_fence) = (lease(&mut lost, holder, WorkKey::Observe(0)).unwrap(), environment(&mut lost, "shop").fence + 7);
    let mut engine = restored(&engine);
    let epoch = lease(&mut engine, holder, WorkKey::Observe(0)).unwrap();
    assert!(epoch > lost_epoch + (100_000 << 32), "{epoch:x} is far above {lost_epoch:x}");
    for project in ["shop", "web"] {
        assert!(environment(&mut engine, project).fence >= STEP, "{project}");
    }
    assert!(environment(&mut engine, "shop").fence > lost_fence);
    assert!(verify(engine.store(), None).is_ok());
}

#[test]
fn the_same_backup_restored_twice_gives_no_number_twice() {
    let (engine, holder, _) = lived();
    let mut first = restored(&engine);
    let (epoch, fence) = (lease(&mut first, holder, WorkKey::Observe(0)).unwrap(), environment(&mut first, "shop").fence);
    let mut second = restored_at(&engine, NOW + Millis::minutes(10));
    assert!(lease(&mut second, holder, WorkKey::Observe(0)).unwrap() > epoch);
    assert!(environment(&mut second, "shop").fence > fence + 100);
}

#[test]
fn a_restoration_is_recorded_once_and_each_project_has_its_own_entry() {
    let (engine, ..) = lived();
    let size = engine.head().frontier.size();
    let engine = restored(&engine);
    let entries: Vec<Entry<Fact>> =
        engine.store().entries(size, 99).unwrap().iter().map(|stored| serde_json::from_slice(&stored.bytes).unwrap()).collect();
    let projects: Vec<Option<&str>> = entries.iter().map(|entry| entry.project.as_ref().map(ProjectKey::as_str)).collect();
    assert_eq!(projects, [None, Some("shop"), Some("web")]);
    assert!(
        matches!(&entries[0].facts[..], [Fact::Restoration { fact: restoration::Fact::Restored { backup, .. }, .. }] if backup.entries == size)
    );
    let (number, found) = newest(engine.store()).unwrap().unwrap();
    assert_eq!((number.0, found.confirmed), (1, None));
    // A second start is only a start.
    let size = engine.head().frontier.size();
    let mut engine = open(engine.into_store());
    assert_eq!(engine.head().frontier.size(), size);
    assert!(matches!(ask(&mut engine, offer_to("web", 3)), Answer::Done(_)));
    assert_eq!(environment(&mut engine, "web").holder, None, "safe mode holds after a restart too");
    assert!(verify(engine.store(), None).is_ok());
}

#[test]
fn what_was_under_way_is_observed_first_and_nothing_is_deployed_before_a_person_says_so() {
    let (engine, holder, old_epoch) = lived();
    let mut engine = restored(&engine);
    // The runner of the lost future still reports.
    let late = deployment::Command::Lose { work: WorkKey::Observe(0), epoch: old_epoch };
    assert!(matches!(ask(&mut engine, Command::Deployment(holder, late)), Answer::Refused(_)));
    let facts = observed(&mut engine, holder, deployment::Live::Nothing, None);
    assert!(matches!(facts[1], Fact::Deployment { fact: deployment::Fact::AppliesAgain { .. }, .. }), "{facts:?}");
    let refused = lease(&mut engine, holder, WorkKey::Apply(0));
    assert_eq!(refused, Err(Refusal::Deployment(deployment::Refusal::SafeMode)));
    done(ask(&mut engine, offer_to("web", 3)));
    assert_eq!(environment(&mut engine, "web").holder, None);
    let resumed = done(one(&mut engine, Call::Resume(Actor::person("ana"))));
    assert!(matches!(&resumed[..], [Fact::Restoration { fact: restoration::Fact::Confirmed { by }, .. }] if by == "ana"));
    assert!(lease(&mut engine, holder, WorkKey::Apply(0)).is_ok());
    assert!(environment(&mut engine, "web").holder.is_some(), "what waited begins");
    let again = one(&mut engine, Call::Resume(Actor::person("ana")));
    assert!(matches!(again, Answer::Refused(Refusal::Restoration(restoration::Refusal::Confirmed { .. }))));
    assert!(verify(engine.store(), None).is_ok());
}

#[test]
fn a_target_that_holds_something_newer_makes_a_person_decide() {
    let (engine, holder, _) = lived();
    let mut engine = restored(&engine);
    observed(&mut engine, holder, deployment::Live::Named("3".to_owned()), Some(9));
    let State::Deployment(found) = engine.state(&Key::Deployment(holder)).unwrap().unwrap().clone() else { unreachable!() };
    let WorkState::Asking { reason, .. } = &found.progress().unwrap().state else { panic!("{found:?}") };
    assert!(reason.contains("fence 9"), "{reason}");
}

#[test]
fn a_record_that_was_never_restored_has_no_safe_mode_to_end() {
    let (mut engine, ..) = lived();
    let answer = one(&mut engine, Call::Resume(Actor::person("ana")));
    assert!(matches!(answer, Answer::Refused(Refusal::Restoration(restoration::Refusal::Missing))));
    assert_eq!(newest(engine.store()).unwrap(), None);
}

/// A record may have been quiet for long before it was backed up: a server had it open all the same.
#[test]
fn a_restored_record_was_open_until_the_backup_was_taken() {
    let (engine, ..) = lived();
    let mut store = engine.store().clone();
    let taken_at = Timestamp(store.head().unwrap().at.max(open_until(&store).unwrap()).0 + 86_400_000);
    mark_restored(&mut store, &Backup { taken_at, entries: 1, root: Digest::of(b"then") }).unwrap();
    assert_eq!(open_until(&store).unwrap(), taken_at);
}
