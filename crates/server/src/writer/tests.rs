//! Who is answered before the flush, and what becomes of it where the flush fails.

use super::{Busy, Origin, Writer, record};
use crate::clock::Clock;
use crate::room::Room;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use trunkline_api::runner::{
    Assignment, ClaimRequest, Contents, Lease, LogEnd, Outcome, RenewRequest, ReportRequest, VerifyWork, Work, WorkReply,
};
use trunkline_delivery_file as delivery_file;
use trunkline_domain::change::ChangeNote;
use trunkline_domain::deployment::ApplyOutcome;
use trunkline_domain::foundation::{Actor, Digest, Millis, ProjectKey, RunId, Timestamp};
use trunkline_domain::ledger::Via;
use trunkline_domain::pipeline::{Check, CheckRule, Plan, SandboxChoice, SandboxLevel};
use trunkline_domain::record::Command;
use trunkline_domain::run::{self, AttemptResult, JobOutcome, PlanNote, StartRun, Trigger};
use trunkline_domain::{project, repository};
use trunkline_engine::{Answer, Beside, Call, Engine, Report, Request, open_until};
use trunkline_store::{MemoryStore, Space, SqliteReader, SqliteStore};

const CHAIN: &str = "on: push\njobs:\n  build: { run: 'true' }\n  test: { needs: build, run: 'true' }\n";

/// A writer over a record with one run of two chained jobs, and how many of its commits will find the disk full.
fn writer(folder: &tempfile::TempDir) -> (Writer, Arc<AtomicU32>) {
    let store = MemoryStore::default();
    let full = store.full();
    let clock = Clock::start(Timestamp(0), Timestamp(0), false).unwrap();
    let mut engine = Engine::open(store, clock.now(), [7; 32]).unwrap();
    for request in [shop(), run_of(CHAIN)] {
        let answer = engine.execute(vec![Call::Command(Box::new(request))], clock.now()).unwrap().remove(0);
        assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    }
    let room = Arc::new(Room::new(Space::open(folder.path()).unwrap()));
    (Writer::start(engine, clock, room, |error| panic!("{error}")), full)
}

fn key() -> ProjectKey {
    "shop".parse().unwrap()
}

fn shop() -> Request {
    let repository = "shop".parse().unwrap();
    let mut request = Request::none(Actor::person("ana"), Via::Api);
    request.commands = vec![
        Command::Repository("shop".parse().unwrap(), repository::Command::Create { source: None }),
        Command::Project(key(), project::Command::Add { repository, folder: None }),
    ];
    request
}

fn run_of(file: &str) -> Request {
    let plan = Plan {
        schema: 1,
        project: key(),
        revision: "a".repeat(40).parse().unwrap(),
        folder: String::new(),
        delivery_file: Digest::of(file.as_bytes()),
        definition: delivery_file::read(file.as_bytes()).0.unwrap(),
        files: Vec::new(),
        configuration: Default::default(),
    };
    let note = PlanNote { digest: plan.digest(), jobs: plan.job_skeletons(), release: None, described: None };
    let start = StartRun {
        project: key(),
        revision: plan.revision.clone(),
        reference: "refs/heads/main".to_owned(),
        trigger: Trigger::Push,
        inputs: Default::default(),
        change: ChangeNote { committed_at: Timestamp(0), pull_request: None, text: Digest::of(b"") },
        plan: Ok(note),
    };
    let command = Command::Run(RunId::new(uuid::Uuid::from_u128(1)), run::Command::Start(Box::new(start)));
    let mut request = Request::new(Actor::person("ana"), Via::Push, command);
    request.beside = Beside { values: vec![(plan.digest(), plan.to_bytes())], ..Beside::default() };
    request
}

fn claim() -> Call {
    Call::Claim(ClaimRequest { runner: "built-in".parse().unwrap(), wait_ms: 0 })
}

fn passed(lease: &Lease, claim_next: bool) -> Call {
    let outcome = JobOutcome::bare(AttemptResult::Passed);
    let log = LogEnd { bytes: 0, digest: Digest::of(b""), inline: Some(String::new()), dropped: 0, spent: false };
    let runner = "built-in".parse().unwrap();
    let request = ReportRequest { runner, lease: lease.clone(), outcome: Outcome::Job(outcome), log, claim_next };
    Call::Report(Box::new(Report { request, log_sealed: true }))
}

fn given(answer: Result<Answer, Busy>) -> Assignment {
    match answer {
        Ok(Answer::Work(reply)) => reply.next.expect("there is work"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_own_runner_is_answered_before_the_flush_and_what_it_was_told_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, full) = writer(&folder);
    let build = given(writer.call_as(Origin::OwnRunner, claim()));
    // Whoever waits for the flush ends the gathering.
    let renew = Call::Renew(RenewRequest { runner: "built-in".parse().unwrap(), leases: vec![build.lease.clone()] });
    writer.call_as(Origin::Outside, renew).unwrap();
    // The flush of this report fails; its caller has gone on by then, with the next job.
    full.store(1, Ordering::SeqCst);
    let early = given(writer.call_as(Origin::OwnRunner, passed(&build.lease, true)));
    assert!(early.lease.work.ends_with("/test"), "{early:?}");
    // There is room again: what was told is in the record, and the job that was given out with it is given out anew.
    let until = Instant::now() + Duration::from_secs(10);
    let again = loop {
        match writer.call_as(Origin::OwnRunner, claim()) {
            Err(Busy::NoRoom(_)) => {}
            Ok(Answer::Work(reply)) if reply.next.is_none() => {}
            other => break given(other),
        }
        assert!(Instant::now() < until, "the job is never given out again");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(again.lease.work, early.lease.work);
    assert!(matches!(writer.call_as(Origin::OwnRunner, passed(&early.lease, false)), Ok(Answer::Stale)));
    assert!(matches!(writer.call_as(Origin::OwnRunner, passed(&again.lease, false)), Ok(Answer::Work(_))));
}

#[test]
fn whoever_is_outside_hears_only_of_what_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, full) = writer(&folder);
    full.store(1, Ordering::SeqCst);
    assert!(matches!(writer.call_as(Origin::Outside, claim()), Err(Busy::NoRoom(_))));
}

#[test]
fn a_deployment_never_begins_before_it_is_durable() {
    let lease = Lease { work: "x".to_owned(), epoch: 1 };
    let subject = serde_json::from_value(serde_json::json!({
        "project": "shop", "run": "shop/1", "run_id": RunId::new(uuid::Uuid::from_u128(1)), "revision": "a".repeat(40),
        "reference": "refs/heads/main", "event": "push", "inputs": {}
    }))
    .unwrap();
    let run = Check::Run {
        run: "true".to_owned(),
        reports: Vec::new(),
        timeout: Millis::seconds(9),
        sandbox: SandboxChoice::Exactly(SandboxLevel::Host),
    };
    let work =
        Work::Verify(VerifyWork { check: CheckRule { name: "c".to_owned(), check: run }, contents: Contents::default(), least: None });
    let next = Assignment { lease, work, subject, masked: Vec::new() };
    assert!(!Answer::Work(Box::new(WorkReply { next: Some(next) })).may_come_early());
    assert!(Answer::Work(Box::new(WorkReply { next: None })).may_come_early());
    // How it went is nothing to lose either.
    let Call::Report(mut report) = passed(&Lease { work: "x".to_owned(), epoch: 1 }, false) else { panic!() };
    assert!(!record::tells_of_a_deployment(&Call::Report(report.clone())));
    report.request.outcome = Outcome::Apply(ApplyOutcome::Applied);
    assert!(record::tells_of_a_deployment(&Call::Report(report)));
}

/// So that a start is not asked about a clock that went on while the record was merely quiet.
#[test]
fn it_is_noted_once_a_day_and_at_the_end_that_the_record_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trunkline.db");
    let clock = Clock::start(Timestamp(0), Timestamp(0), false).unwrap();
    let reader = || SqliteReader::open(&path).unwrap();
    let open_at = |at: Timestamp| {
        let engine = Engine::open(SqliteStore::open(&path).unwrap(), at, [7; 32]).unwrap();
        assert_eq!(open_until(&reader()).unwrap(), at, "the start notes it");
        Writer::start(engine, clock, Arc::new(Room::new(Space::open(folder.path()).unwrap())), |error| panic!("{error}"))
    };
    let (now, day) = (clock.now(), Millis::days(1).0 as i64);
    let writer = open_at(Timestamp(now.0 - day - 1_000));
    let until = Instant::now() + Duration::from_secs(10);
    while open_until(&reader()).unwrap() < now {
        assert!(Instant::now() < until, "it is never noted");
        std::thread::sleep(Duration::from_millis(10));
    }
    let closed = writer.closed();
    drop(writer);
    assert!(closed.wait(Duration::from_secs(10)));
    let hour_ago = Timestamp(clock.now().0 - 3_600_000);
    let writer = open_at(hour_ago);
    let closed = writer.closed();
    drop(writer);
    assert!(closed.wait(Duration::from_secs(10)));
    assert!(open_until(&reader()).unwrap() >= now, "the end notes it");
}
