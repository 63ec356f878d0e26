//! The engine over a store in memory: keys, refusals, leases, and what `verify` finds.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

use trunkline_api::runner::{Assignment, ClaimRequest, LogEnd, Outcome, ReportRequest};
use trunkline_domain::change::ChangeNote;
use trunkline_domain::deployment::{self, DeploymentResult};
use trunkline_domain::environment::{self, Cause, Offer, QUEUE_MAX};
use trunkline_domain::foundation::{Actor, Digest, EnvironmentKey, Millis, ProjectKey, ReleaseId, RunId, RunnerKey, Timestamp};
use trunkline_domain::ledger::{Frontier, Via, leaf_hash};
use trunkline_domain::pipeline::{
    After, Definition, EnvironmentSkeleton, FailureMode, JobRule, PartSkeleton, Plan, QueuePolicy, Retry, Step, Tier,
};
use trunkline_domain::reading::{Row, Table};
use trunkline_domain::record::{Command, Fact, Key, State};
use trunkline_domain::release::{self, Brief, CutNote, CutRelease};
use trunkline_domain::run::{self, AttemptResult, JobOutcome, JobState, PlanNote, StartRun};
use trunkline_domain::{project, repository};
use trunkline_engine::{
    Answer, Beside, Call, CommandKey, Engine, Head, KeyScope, Read, Receipt, Report, Request, Store, StoredEntry, Text, VerifyError,
    rebuild_rows, verify,
};
use trunkline_store::MemoryStore;

const NOW: Timestamp = Timestamp(1_790_000_000_000);

fn open(store: MemoryStore, now: Timestamp) -> Engine<MemoryStore> {
    Engine::open(store, now, [7; 32]).unwrap()
}

fn shop() -> ProjectKey {
    "shop".parse().unwrap()
}

fn runner() -> RunnerKey {
    "r1".parse().unwrap()
}

fn one(engine: &mut Engine<MemoryStore>, call: Call, now: Timestamp) -> Answer {
    engine.execute(vec![call], now).unwrap().remove(0)
}

fn ask(engine: &mut Engine<MemoryStore>, request: Request) -> Answer {
    one(engine, Call::Command(Box::new(request)), NOW)
}

fn done(answer: Answer) -> Receipt {
    match answer {
        Answer::Done(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

fn add_project() -> Request {
    let repository = || "shop".parse().unwrap();
    let commands = vec![
        Command::Repository(repository(), repository::Command::Create { source: None }),
        Command::Project(shop(), project::Command::Add { repository: repository(), folder: None }),
    ];
    let mut request = Request::new(Actor::person("ana"), Via::Api, commands[0].clone());
    request.commands = commands;
    request
}

/// A run with one job, under the key of its push.
fn push(id: u8, key: &str) -> Request {
    let job = JobRule {
        key: "a".parse().unwrap(),
        needs: Vec::new(),
        condition: None,
        steps: vec![Step { name: None, run: "true".to_owned() }],
        env: Default::default(),
        timeout: Millis::minutes(1),
        sandbox: Default::default(),
        artifacts: Vec::new(),
        reports: Vec::new(),
        retry: Retry::default(),
        failure: FailureMode::Fail,
    };
    let plan = Plan {
        schema: 1,
        project: shop(),
        revision: "a".repeat(40).parse().unwrap(),
        folder: String::new(),
        delivery_file: Digest::of(b""),
        definition: Definition { jobs: vec![job], ..Definition::default() },
        files: Vec::new(),
        configuration: Default::default(),
    };
    let (bytes, digest) = (plan.to_bytes(), plan.digest());
    let note = PlanNote { digest, jobs: plan.job_skeletons(), release: None, described: None };
    let start = StartRun {
        project: shop(),
        revision: plan.revision.clone(),
        reference: "refs/heads/main".to_owned(),
        trigger: run::Trigger::Push,
        inputs: Default::default(),
        change: ChangeNote { committed_at: NOW, pull_request: None, text: words().digest() },
        plan: Ok(note),
    };
    let command = Command::Run(run_id(id), run::Command::Start(Box::new(start)));
    let mut request = Request::new(Actor::person("ana"), Via::Push, command);
    request.key = Some(CommandKey { scope: KeyScope::Project(shop()), key: key.to_owned(), body: Digest::of(&[id]) });
    let brought = "b".repeat(40).parse().unwrap();
    request.beside = Beside { values: vec![(digest, bytes)], commits: vec![brought], texts: vec![words()] };
    request
}

/// The digest of the plan that an entry names.
fn plan_in(entry: &[u8]) -> Option<Digest> {
    let entry: trunkline_domain::ledger::Entry<trunkline_domain::record::Fact> = serde_json::from_slice(entry).unwrap();
    entry.facts.iter().find_map(|fact| match fact {
        trunkline_domain::record::Fact::Run { fact: run::Fact::Started(started), .. } => started.plan.as_ref().map(|plan| plan.digest),
        _ => None,
    })
}

fn words() -> Text {
    Text { salt: [7; 16], text: "Begin\nAna".to_owned() }
}

fn run_id(id: u8) -> RunId {
    RunId::new(uuid::Uuid::from_bytes([id; 16]))
}

fn claim(engine: &mut Engine<MemoryStore>, now: Timestamp) -> Option<Assignment> {
    match one(engine, Call::Claim(ClaimRequest { runner: runner(), wait_ms: 0 }), now) {
        Answer::Work(reply) => reply.next,
        other => panic!("{other:?}"),
    }
}

fn report(assignment: &Assignment, digest: Digest) -> Call {
    let outcome = JobOutcome::bare(AttemptResult::Passed);
    let log = LogEnd { bytes: 2, digest, inline: Some("ok".to_owned()), dropped: 0, spent: false };
    let request =
        ReportRequest { runner: runner(), lease: assignment.lease.clone(), outcome: Outcome::Job(outcome), log, claim_next: false };
    Call::Report(Box::new(Report { request, log_sealed: false }))
}

/// A project, a run that has passed and one that waits.
fn lived() -> Engine<MemoryStore> {
    let mut engine = open(MemoryStore::default(), NOW);
    done(ask(&mut engine, add_project()));
    done(ask(&mut engine, push(1, "one")));
    let assignment = claim(&mut engine, NOW).unwrap();
    one(&mut engine, report(&assignment, Digest::of(b"ok")), NOW);
    done(ask(&mut engine, push(2, "two")));
    engine
}

#[test]
fn a_key_makes_a_request_happen_once() {
    let mut engine = open(MemoryStore::default(), NOW);
    let first = done(ask(&mut engine, push(1, "one")));
    let again = done(ask(&mut engine, push(1, "one")));
    assert_eq!((again.seq, again.facts.len()), (first.seq, 0));
    assert!(matches!(ask(&mut engine, push(2, "one")), Answer::Conflict(seq) if Some(seq) == first.seq));
    assert_eq!(engine.head().frontier.size(), 1);
}

#[test]
fn commands_of_a_request_happen_together_or_not_at_all() {
    let mut engine = open(MemoryStore::default(), NOW);
    done(ask(&mut engine, add_project()));
    let before = (engine.head().clone(), engine.store().counter("run/shop").unwrap());
    // The run would start, but the project exists: nothing of it may stay.
    let mut both = push(1, "one");
    both.commands.push(Command::Project(shop(), project::Command::Add { repository: "shop".parse().unwrap(), folder: None }));
    assert!(matches!(ask(&mut engine, both), Answer::Refused(_)));
    assert_eq!((engine.head().clone(), engine.store().counter("run/shop").unwrap()), before);
    assert_eq!(engine.state(&Key::Run(run_id(1))).unwrap(), None);
    assert_eq!(engine.store().command_key(&KeyScope::Project(shop()), "one").unwrap(), None);
    assert_eq!(claim(&mut engine, NOW), None);
    assert!(done(ask(&mut engine, push(1, "one"))).seq.is_some(), "the key is still free");
}

#[test]
fn what_is_tried_out_leaves_no_trace() {
    let mut engine = open(MemoryStore::default(), NOW);
    let try_out = |engine: &mut Engine<MemoryStore>, request| one(engine, Call::TryOut(Box::new(request)), NOW);
    let known: Vec<Command> = (1..=2).map(|n| offer("test", n)).collect();
    let key = EnvironmentKey { project: shop(), name: "test".parse().unwrap() };
    let open = environment::Command::Open { project: shop(), name: "test".parse().unwrap() };
    let request = |command| Request::new(Actor::person("ana"), Via::Api, command);
    done(ask(&mut engine, add_project()));
    done(ask(&mut engine, request(Command::Environment(key, open))));
    done(ask(&mut engine, request(known[0].clone())));
    let picture = |engine: &Engine<MemoryStore>| {
        let store = engine.store();
        let states: Vec<_> = store.keys().unwrap().iter().map(|key| store.aggregate(key).unwrap()).collect();
        (engine.head().clone(), engine.work_picture(), states, store.counter("deployment/shop").unwrap())
    };
    let before = picture(&engine);
    let tried = done(try_out(&mut engine, request(known[1].clone())));
    assert_eq!((tried.seq, picture(&engine)), (None, before.clone()));
    // A no is the one that the act meets.
    let refused = format!("{:?}", try_out(&mut engine, add_project()));
    assert_eq!(refused, format!("{:?}", ask(&mut engine, add_project())));
    assert!(refused.starts_with("Refused"), "{refused}");
    assert_eq!(picture(&engine), before);
    let numbers = |facts: &[Fact]| -> Vec<u32> {
        let number = |fact: &Fact| match fact {
            Fact::Deployment { fact: deployment::Fact::Requested(requested), .. } => Some(requested.number),
            _ => None,
        };
        facts.iter().filter_map(number).collect()
    };
    let facts = done(ask(&mut engine, request(known[1].clone()))).facts;
    assert_eq!((numbers(&tried.facts), facts.len()), (numbers(&facts), tried.facts.len()));
    assert_eq!(numbers(&facts), [2]);
    assert!(verify(engine.store(), None).is_ok());
}

fn skeleton(name: &str, queue: QueuePolicy) -> EnvironmentSkeleton {
    EnvironmentSkeleton {
        name: name.parse().unwrap(),
        tier: Tier::Testing,
        after: After::Release,
        queue,
        configuration: None,
        parts: vec![PartSkeleton { name: "main".to_owned(), idempotent: true }],
        checks: Vec::new(),
        rollback: Vec::new(),
    }
}

fn offer(name: &str, n: u32) -> Command {
    let release = ReleaseId::new(uuid::Uuid::from_u128(n.into()));
    let brief = Brief { version: n.to_string(), manifest: Digest::of(b""), reference: "refs/heads/main".to_owned(), run: n };
    let skeleton = Box::new(skeleton(name, QueuePolicy::Queue));
    let offer = Offer { project: shop(), release, brief, cause: Cause::Promotion, skeleton, verified_in: Vec::new() };
    let key = EnvironmentKey { project: shop(), name: name.parse().unwrap() };
    Command::Environment(key, environment::Command::Offer(Box::new(offer)))
}

fn cut(names: &[&str], run_number: u32) -> Command {
    let note = CutNote {
        project: shop(),
        number: 0,
        version: "2".to_owned(),
        alias: String::new(),
        manifest: Digest::of(b""),
        statement: Digest::of(b""),
        run: run_id(1),
        run_number,
        revision: "a".repeat(40).parse().unwrap(),
        reference: "refs/heads/main".to_owned(),
        change: ChangeNote { committed_at: NOW, pull_request: None, text: Digest::of(b"") },
        plan: Digest::of(b""),
        delivery_file: Digest::of(b""),
        artifacts: Vec::new(),
        files: Vec::new(),
        environments: names.iter().map(|name| skeleton(name, QueuePolicy::Newest)).collect(),
    };
    Command::Release(ReleaseId::new(uuid::Uuid::nil()), release::Command::Cut(Box::new(CutRelease { note })))
}

#[test]
fn full_queues_everywhere_give_way_to_one_release() {
    let mut engine = open(MemoryStore::default(), NOW);
    done(ask(&mut engine, add_project()));
    let names = ["test", "qa", "production"];
    let system = |command| Request::new(Actor::system(), Via::Api, command);
    for name in names {
        let key = EnvironmentKey { project: shop(), name: name.parse().unwrap() };
        let open = environment::Command::Open { project: shop(), name: name.parse().unwrap() };
        done(ask(&mut engine, system(Command::Environment(key, open))));
        for n in 1..=QUEUE_MAX as u32 + 1 {
            done(ask(&mut engine, system(offer(name, n))));
        }
    }
    let facts = done(ask(&mut engine, system(cut(&names, 1_000)))).facts;
    let superseded =
        |fact: &&Fact| matches!(fact, Fact::Deployment { fact: deployment::Fact::Ended { result: DeploymentResult::Superseded, .. }, .. });
    assert_eq!(facts.iter().filter(superseded).count(), names.len() * QUEUE_MAX);
    assert!(verify(engine.store(), None).is_ok());
}

#[test]
fn lease_numbers_rise_across_restarts() {
    let mut engine = open(MemoryStore::default(), NOW);
    done(ask(&mut engine, push(1, "one")));
    let first = claim(&mut engine, NOW).unwrap().lease;
    let mut engine = open(engine.into_store(), NOW);
    for call in engine.lose_runner(&runner()) {
        one(&mut engine, call, NOW);
    }
    let second = claim(&mut engine, NOW).unwrap();
    assert!(second.lease.epoch > first.epoch);
    let old = Assignment { lease: first, ..second.clone() };
    assert!(matches!(one(&mut engine, report(&old, Digest::of(b"ok")), NOW), Answer::Stale));
    assert_eq!(engine.store().plain_list("stale-report", 999).unwrap().len(), 1, "it is kept as evidence");
    for _ in 0..300 {
        one(&mut engine, report(&old, Digest::of(b"ok")), NOW);
    }
    assert_eq!(engine.store().plain_list("stale-report", 999).unwrap().len(), 200, "a mad runner does not fill the disk");
}

#[test]
fn a_pause_of_the_machine_loses_nothing_by_itself() {
    let mut engine = open(MemoryStore::default(), NOW);
    done(ask(&mut engine, push(1, "one")));
    let work = claim(&mut engine, NOW).unwrap();
    let awake = NOW + Millis::hours(9);
    engine.resumed(awake);
    assert!(engine.due(awake + Millis::seconds(5)).unwrap().is_empty());
    let outcome = report(&work, Digest::of(b"ok"));
    assert!(matches!(one(&mut engine, outcome, awake + Millis::seconds(6)), Answer::Work(_)), "it is in time");
}

#[test]
fn a_lease_is_lost_after_its_time_but_not_soon_after_a_start() {
    let mut engine = open(MemoryStore::default(), NOW);
    done(ask(&mut engine, push(1, "one")));
    let lost = claim(&mut engine, NOW).unwrap().lease;
    let last = |engine: &Engine<MemoryStore>| engine.store().plain("last-lease", &lost.work).unwrap();
    assert_eq!(last(&engine), None);
    assert!(engine.due(NOW + Millis::seconds(59)).unwrap().is_empty(), "runners must have had time to call");
    let due = engine.due(NOW + Millis::seconds(61)).unwrap();
    assert_eq!(due.len(), 1);
    engine.execute(due, NOW + Millis::seconds(61)).unwrap();
    assert_eq!(last(&engine), Some(lost.epoch.to_string().into_bytes()), "what it logged is found");
    let again = claim(&mut engine, NOW + Millis::seconds(61)).expect("it is given out again");
    one(&mut engine, report(&again, Digest::of(b"ok")), NOW + Millis::seconds(62));
    assert_eq!(last(&engine), Some(again.lease.epoch.to_string().into_bytes()));
}

#[test]
fn a_log_is_sealed_only_if_it_is_what_was_said() {
    for (digest, sealed) in [(Digest::of(b"ok"), true), (Digest::of(b"other"), false)] {
        let mut engine = open(MemoryStore::default(), NOW);
        done(ask(&mut engine, push(1, "one")));
        let assignment = claim(&mut engine, NOW).unwrap();
        one(&mut engine, report(&assignment, digest), NOW);
        let Some(State::Run(run)) = engine.state(&Key::Run(run_id(1))).unwrap() else { panic!("the run is there") };
        let JobState::Ended(ended) = &run.jobs[0] else { panic!("{:?}", run.jobs) };
        assert_eq!(ended.log.as_ref().unwrap().sealed, sealed);
    }
}

#[test]
fn a_restart_derives_the_same_work() {
    let engine = lived();
    let before = engine.work_picture();
    assert_eq!(before.len(), 2, "a job that waits, and its run's deadline");
    assert_eq!(open(engine.into_store(), NOW).work_picture(), before);
}

fn tampered(change: impl FnOnce(&mut MemoryStore, &[StoredEntry], &Head)) -> VerifyError {
    let mut store = lived().into_store();
    let (entries, head) = (store.entries(0, 100).unwrap(), store.head().unwrap());
    store.begin().unwrap();
    change(&mut store, &entries, &head);
    store.commit().unwrap();
    verify(&store, None).unwrap_err()
}

fn changed(entry: &StoredEntry) -> StoredEntry {
    let text = String::from_utf8(entry.bytes.clone()).unwrap().replacen("\"v\":1", "\"v\":2", 1);
    StoredEntry { bytes: text.into_bytes(), ..entry.clone() }
}

#[test]
fn every_kind_of_tampering_is_found() {
    let honest = lived().into_store();
    let size = honest.head().unwrap().frontier.size();
    assert_eq!(verify(&honest, None).unwrap().entries, size);
    for seq in 1..=size {
        let found = tampered(|store, entries, _| store.entry_append(&changed(&entries[seq as usize - 1]), None).unwrap());
        assert!(matches!(found, VerifyError::Changed { seq: named, .. } if named == seq), "{found}");
    }
    let swapped = tampered(|store, entries, _| {
        store.entry_append(&StoredEntry { seq: 2, ..entries[2].clone() }, None).unwrap();
        store.entry_append(&StoredEntry { seq: 3, ..entries[1].clone() }, None).unwrap();
    });
    assert!(matches!(swapped, VerifyError::Head { .. }), "{swapped}");
    let appended = tampered(|store, entries, _| {
        store.entry_append(&StoredEntry { seq: size + 1, ..entries[0].clone() }, None).unwrap();
    });
    assert!(matches!(appended, VerifyError::Head { .. }), "{appended}");
    let gap = tampered(|store, entries, _| {
        store.entry_append(&StoredEntry { seq: size + 2, ..entries[0].clone() }, None).unwrap();
    });
    assert!(matches!(gap, VerifyError::Gap { .. }), "{gap}");
    let state = tampered(|store, _, _| {
        store.aggregate_put(&Key::Project(shop()), &[(String::new(), b"{\"repository\":\"x\"}".to_vec())], None).unwrap()
    });
    assert!(matches!(state, VerifyError::State { .. }), "{state}");
    let text = tampered(|store, _, _| store.forge(&["text", &words().digest().hex()], b"0123456789abcdefEve".to_vec()));
    assert!(matches!(text, VerifyError::Text { .. }), "{text}");
    let plan = tampered(|store, _, _| {
        let digest = store.entries(0, 100).unwrap().iter().find_map(|entry| plan_in(&entry.bytes)).unwrap();
        store.forge(&["value", &digest.hex()], b"{}".to_vec());
    });
    assert!(matches!(plan, VerifyError::Plan { state: "changed", .. }), "{plan}");
    let counter = tampered(|store, _, _| store.counter_put("run/shop", 0).unwrap());
    assert!(matches!(counter, VerifyError::Counter { .. }), "{counter}");
    let row =
        tampered(|store, _, _| store.row_put(99, &Row { table: Table::Project, key: "shop".to_owned(), body: b"{}".to_vec() }).unwrap());
    assert!(matches!(row, VerifyError::Row { .. }), "{row}");
}

#[test]
fn a_history_made_anew_is_found_by_a_root_kept_elsewhere() {
    let mut store = lived().into_store();
    let kept = store.head().unwrap().frontier;
    let mut frontier = Frontier::default();
    store.begin().unwrap();
    for entry in store.entries(0, 100).unwrap() {
        let text = String::from_utf8(entry.bytes).unwrap().replace("\"ana\"", "\"eve\"");
        let forged = StoredEntry { seq: entry.seq, leaf: leaf_hash(text.as_bytes()), bytes: text.into_bytes() };
        frontier.append(forged.leaf);
        store.entry_append(&forged, None).unwrap();
    }
    let head = Head { frontier, ..store.head().unwrap() };
    store.head_put(&head).unwrap();
    store.commit().unwrap();
    assert!(verify(&store, None).is_ok(), "in itself it is whole");
    let found = verify(&store, Some((Some(kept.size()), kept.root()))).unwrap_err();
    assert!(matches!(found, VerifyError::Root { .. }), "{found}");
}

#[test]
fn rebuilt_rows_are_the_same() {
    let mut store = lived().into_store();
    let rows = |store: &MemoryStore| Table::ALL.map(|table| store.rows(table, "", None, 1_000).unwrap());
    let before = rows(&store);
    assert!(rebuild_rows(&mut store).unwrap() > 0);
    assert_eq!(rows(&store), before);
}
