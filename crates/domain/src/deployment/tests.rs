//! Given facts, when a command, then facts or a refusal.

use super::*;
use crate::context::{Context, Mode};
use crate::foundation::{Actor, Digest};
use crate::pipeline::{After, PartSkeleton, QueuePolicy, RollbackCause, Tier};
use crate::run::LogNote;

const NOW: Timestamp = Timestamp(1_000_000);

fn context() -> Context {
    Context { now: NOW, actor: Actor::person("ana"), id: uuid::Uuid::nil(), number: 31, epoch: 7, mode: Default::default(), fence: 0 }
}

fn manifest() -> Digest {
    Digest::of(b"the new release")
}

fn brief() -> Brief {
    Brief { version: "1.42".to_owned(), manifest: manifest(), reference: "refs/heads/main".to_owned(), run: 812 }
}

fn skeleton(idempotent: bool, checks: &[&str]) -> EnvironmentSkeleton {
    EnvironmentSkeleton {
        name: "qa".parse().unwrap(),
        tier: Tier::Staging,
        after: After::Release,
        queue: QueuePolicy::Queue,
        configuration: None,
        parts: vec![PartSkeleton { name: "api".to_owned(), idempotent }],
        checks: checks.iter().map(|check| (*check).to_owned()).collect(),
        rollback: vec![RollbackCause::Health, RollbackCause::Verify],
    }
}

fn requested(idempotent: bool, checks: &[&str]) -> Deployment {
    let requested = Requested {
        project: "shop".parse().unwrap(),
        environment: "qa".parse().unwrap(),
        number: 31,
        release: ReleaseId::new(uuid::Uuid::nil()),
        brief: brief(),
        cause: Cause::Promotion,
        skeleton: Box::new(skeleton(idempotent, checks)),
    };
    evolve(None, &Fact::Requested(Box::new(requested)), NOW)
}

fn given(mut deployment: Deployment, facts: &[Fact]) -> Deployment {
    for fact in facts {
        deployment = evolve(Some(deployment), fact, NOW);
    }
    deployment
}

fn leased(work: WorkKey) -> Fact {
    Fact::Leased { work, epoch: 7, runner: "r1".parse().unwrap() }
}

fn seen(live: Live, fence: Option<u64>) -> Observed {
    Observed { live, fence, health: Health::Healthy, source: "test".to_owned() }
}

fn log() -> LogNote {
    LogNote { bytes: 0, digest: Digest::of(b""), sealed: true }
}

/// Up to a held lease of the first part's apply.
fn applying(idempotent: bool) -> Deployment {
    applying_over(idempotent, Live::Nothing)
}

fn applying_over(idempotent: bool, before: Live) -> Deployment {
    let observed = Fact::Observed { part: 0, observed: seen(before, None) };
    let facts = [Fact::Begun { fence: 3 }, leased(WorkKey::Observe(0)), observed, leased(WorkKey::Apply(0))];
    given(requested(idempotent, &["smoke"]), &facts)
}

/// As `applying`, then nobody knows; the observation is leased.
fn unknown(idempotent: bool) -> Deployment {
    unknown_over(idempotent, Live::Nothing)
}

fn unknown_over(idempotent: bool, before: Live) -> Deployment {
    let lost = Fact::BecameUnknown { part: 0, reason: "its runner was lost".to_owned() };
    given(applying_over(idempotent, before), &[lost, leased(WorkKey::Observe(0))])
}

fn end(facts: &[Fact]) -> Option<DeploymentResult> {
    match facts.last() {
        Some(Fact::Ended { result, .. }) => Some(*result),
        _ => None,
    }
}

fn observe(deployment: &Deployment, observed: Observed) -> Vec<Fact> {
    let command = Command::ReportObserved { work: WorkKey::Observe(0), epoch: 7, observed: Box::new(observed) };
    decide(Some(deployment), command, &context()).unwrap()
}

#[test]
fn what_an_observation_means_for_an_unknown_part() {
    let digest = |of: &[u8]| Live::Release(Digest::of(of));
    let (ours, old, third) = (Live::Release(manifest()), digest(b"the old release"), digest(b"a third release"));
    let named = |version: &str| Live::Named(version.to_owned());
    let no_answer = || Live::Unknown("no answer".to_owned());
    let (found, again, asked) = (Some(Fact::Found { part: 0 }), Some(Fact::AppliesAgain { part: 0 }), Some(Fact::AskedAgain { part: 0 }));
    for (case, idempotent, before, now, fence, expected) in [
        ("in place", true, old.clone(), ours.clone(), Some(3), &found),
        ("in place, without a fence", false, old.clone(), ours.clone(), None, &found),
        ("an older fence: this apply did not take effect", true, ours.clone(), ours.clone(), Some(2), &again),
        ("an older fence, but it was not there before", true, old.clone(), ours.clone(), Some(2), &None),
        ("the old release", true, old.clone(), old.clone(), Some(2), &again),
        ("accepted, but the old release still runs", true, old.clone(), old.clone(), Some(3), &again),
        ("a second apply is not declared harmless", false, old.clone(), old.clone(), Some(2), &None),
        ("nothing was ever there", true, Live::Nothing, Live::Nothing, None, &again),
        ("neither this one nor the old one", true, old.clone(), third, Some(2), &None),
        ("it could not be seen what was there before", true, no_answer(), old.clone(), Some(2), &None),
        ("no answer", true, old.clone(), no_answer(), None, &asked),
        ("no way to be observed", true, old, Live::Unknown(NO_OBSERVE.to_owned()), None, &None),
        ("in place, by its version", false, named("1.41"), named("1.42"), None, &found),
        ("the old version", true, named("1.41"), named("1.41"), None, &again),
        ("a version that nobody knows", true, named("1.41"), named("1.40"), None, &None),
        ("two releases of one version, told apart by the fence", false, named("1.42"), named("1.42"), Some(3), &found),
        ("two releases of one version, not told apart", false, named("1.42"), named("1.42"), None, &None),
    ] {
        let facts = observe(&unknown_over(idempotent, before), seen(now, fence));
        match expected {
            Some(expected) => assert_eq!(&facts[1], expected, "{case}"),
            None => assert!(matches!(facts[1], Fact::Asking { .. }), "{case}: {facts:?}"),
        }
    }
}

#[test]
fn a_deployment_gets_its_number_and_its_fence() {
    let waiting = requested(true, &["smoke"]);
    let Stage::Waiting { .. } = waiting.stage else { panic!("{:?}", waiting.stage) };
    let asked = Requested {
        number: 0,
        project: "shop".parse().unwrap(),
        environment: "qa".parse().unwrap(),
        release: ReleaseId::new(uuid::Uuid::nil()),
        brief: brief(),
        cause: Cause::Promotion,
        skeleton: Box::new(skeleton(true, &["smoke"])),
    };
    let facts = decide(None, Command::Request(Box::new(asked)), &context()).unwrap();
    assert!(matches!(&facts[..], [Fact::Requested(requested)] if requested.number == 31), "{facts:?}");
    assert_eq!(decide(None, Command::Cancel, &context()), Err(Refusal::Missing));
    assert_eq!(decide(Some(&waiting), Command::Begin { fence: 3 }, &context()), Ok(vec![Fact::Begun { fence: 3 }]));
}

#[test]
fn only_what_is_queued_and_due_is_leased() {
    let lease =
        |deployment: &Deployment, work| decide(Some(deployment), Command::Lease { work, runner: "r1".parse().unwrap() }, &context());
    let begun = given(requested(true, &["smoke"]), &[Fact::Begun { fence: 3 }]);
    assert_eq!(lease(&begun, WorkKey::Observe(0)), Ok(vec![leased(WorkKey::Observe(0))]));
    for other in [WorkKey::Apply(0), WorkKey::Verify(0), WorkKey::Observe(1)] {
        assert_eq!(lease(&begun, other), Err(Refusal::NotQueued(other)));
    }
    let asked_again = given(unknown(true), &[Fact::AskedAgain { part: 0 }]);
    assert_eq!(lease(&asked_again, WorkKey::Observe(0)), Err(Refusal::NotQueued(WorkKey::Observe(0))), "it is not due");
}

#[test]
fn applies_by_itself_are_limited() {
    let mut deployment = applying(true);
    for _ in 1..APPLIES_MAX {
        let again = [
            Fact::BecameUnknown { part: 0, reason: String::new() },
            leased(WorkKey::Observe(0)),
            Fact::AppliesAgain { part: 0 },
            leased(WorkKey::Apply(0)),
        ];
        deployment = given(deployment, &again);
    }
    let deployment = given(deployment, &[Fact::BecameUnknown { part: 0, reason: String::new() }, leased(WorkKey::Observe(0))]);
    let facts = observe(&deployment, seen(Live::Nothing, None));
    assert!(matches!(facts[1], Fact::Asking { .. }), "{facts:?}");
}

#[test]
fn a_lost_lease_means_what_its_work_means() {
    let lose = |deployment: &Deployment, work| decide(Some(deployment), Command::Lose { work, epoch: 7 }, &context()).unwrap();
    assert!(matches!(lose(&applying(true), WorkKey::Apply(0))[0], Fact::BecameUnknown { part: 0, .. }), "an apply may have taken effect");
    let observing = given(requested(true, &[]), &[Fact::Begun { fence: 3 }, leased(WorkKey::Observe(0))]);
    assert_eq!(lose(&observing, WorkKey::Observe(0)), [Fact::TriedAgain { work: WorkKey::Observe(0) }]);
    assert_eq!(lose(&unknown(true), WorkKey::Observe(0)), [Fact::AskedAgain { part: 0 }]);
}

#[test]
fn checks_decide_the_end() {
    let check = |verdict| {
        let deployment = given(applying(true), &[Fact::Applied { part: 0, log: None }, leased(WorkKey::Verify(0))]);
        let outcome = CheckOutcome { verdict, evidence: "seen".to_owned(), tests: None, took: Millis(1), sandbox: None };
        let command = Command::ReportChecked { work: WorkKey::Verify(0), epoch: 7, outcome: Box::new(outcome), log: log() };
        decide(Some(&deployment), command, &context()).unwrap()
    };
    assert_eq!(end(&check(CheckVerdict::Passed)), Some(DeploymentResult::Succeeded));
    assert_eq!(end(&check(CheckVerdict::Failed)), Some(DeploymentResult::Failed(FailureCause::Verify)));
    assert_eq!(check(CheckVerdict::Lost), [Fact::TriedAgain { work: WorkKey::Verify(0) }]);
}

#[test]
fn an_apply_reports_its_end() {
    let apply = |outcome| {
        let command = Command::ReportApplied { work: WorkKey::Apply(0), epoch: 7, outcome, log: log() };
        decide(Some(&applying(true)), command, &context()).unwrap()
    };
    assert_eq!(apply(ApplyOutcome::Applied), [Fact::Applied { part: 0, log: Some(log()) }]);
    assert!(matches!(apply(ApplyOutcome::Unknown("broke".to_owned()))[0], Fact::BecameUnknown { .. }));
    assert_eq!(end(&apply(ApplyOutcome::Failed("full".to_owned()))), Some(DeploymentResult::Failed(FailureCause::Health)));
    assert_eq!(end(&apply(ApplyOutcome::Stale { held: 9 })), Some(DeploymentResult::Failed(FailureCause::Stale)));
}

#[test]
fn stale_writes_are_refused() {
    let stale = Command::ReportApplied { work: WorkKey::Apply(0), epoch: 6, outcome: ApplyOutcome::Applied, log: log() };
    assert_eq!(decide(Some(&applying(true)), stale, &context()), Err(Refusal::Stale { work: WorkKey::Apply(0), epoch: 6 }));
    let lease = Command::Lease { work: WorkKey::Apply(0), runner: "r2".parse().unwrap() };
    assert_eq!(decide(Some(&applying(true)), lease, &context()), Err(Refusal::NotQueued(WorkKey::Apply(0))));
    let ended = given(applying(true), &[Fact::Ended { result: DeploymentResult::Succeeded, reason: None }]);
    assert_eq!(decide(Some(&ended), Command::Cancel, &context()), Err(Refusal::Ended(DeploymentResult::Succeeded)));
}

#[test]
fn a_person_settles_only_what_is_unknown() {
    let settle = |deployment: &Deployment, runs| decide(Some(deployment), Command::Settle { runs }, &context());
    assert_eq!(settle(&applying(true), SettledAs::Live), Err(Refusal::NotUnknown));
    let live = settle(&unknown(false), SettledAs::Live).unwrap();
    assert_eq!(live, [Fact::Settled { runs: SettledAs::Live, by: "ana".to_owned() }]);
    let after = given(unknown(false), &live);
    assert_eq!(after.progress().unwrap().work, WorkKey::Verify(0), "it goes on with its checks");
    let old = settle(&unknown(false), SettledAs::Old).unwrap();
    assert_eq!(end(&old), Some(DeploymentResult::Failed(FailureCause::Settled)));
}

#[test]
fn cancelling_waits_for_an_apply_under_way() {
    let cancel = |deployment: &Deployment| decide(Some(deployment), Command::Cancel, &context()).unwrap();
    assert_eq!(cancel(&applying(true)), [Fact::CancelRequested]);
    let between = given(requested(true, &[]), &[Fact::Begun { fence: 3 }]);
    assert_eq!(cancel(&given(applying(true), &[Fact::CancelRequested])), [], "said once");
    assert!(matches!(cancel(&between)[1], Fact::Ended { result: DeploymentResult::Cancelled, .. }));
    assert!(matches!(cancel(&requested(true, &[]))[0], Fact::Ended { result: DeploymentResult::Cancelled, .. }));
    let cancelling = given(applying(true), &[Fact::CancelRequested]);
    assert!(cancelling.due().unwrap() <= NOW + CANCEL_GRACE);
}

#[test]
fn every_open_stage_has_a_deadline() {
    for deployment in [requested(true, &[]), given(requested(true, &[]), &[Fact::Begun { fence: 3 }])] {
        assert!(deployment.due().is_some(), "{:?}", deployment.stage);
        let late = Context { now: deployment.due().unwrap(), ..context() };
        let facts = decide(Some(&deployment), Command::Expire, &late).unwrap();
        assert!(matches!(facts.last(), Some(Fact::Ended { .. })), "{facts:?}");
        assert_eq!(decide(Some(&deployment), Command::Expire, &context()), Ok(Vec::new()), "not before");
    }
}

#[test]
fn time_alone_never_frees_the_lock_of_what_nobody_knows() {
    let late = |deployment: &Deployment| {
        let context = Context { now: deployment.due().unwrap(), ..context() };
        let facts = decide(Some(deployment), Command::Expire, &context).unwrap();
        facts.iter().fold(deployment.clone(), |deployment, fact| evolve(Some(deployment), fact, context.now))
    };
    for cancelled in [false, true] {
        let cancel = if cancelled { vec![Fact::CancelRequested] } else { Vec::new() };
        let observed = late(&given(applying(true), &cancel));
        assert_eq!(observed.progress().unwrap().work, WorkKey::Observe(0), "the target is asked first");
        let asking = late(&observed);
        assert!(matches!(asking.progress().unwrap().state, WorkState::Asking { .. }), "{:?}", asking.stage);
        assert_eq!(asking.due(), None, "then a person is, for as long as it takes");
        let much_later = Context { now: NOW + RUN_MAX + RUN_MAX + RUN_MAX, ..context() };
        assert_eq!(decide(Some(&asking), Command::Expire, &much_later), Ok(Vec::new()));
        let facts = decide(Some(&asking), Command::Settle { runs: SettledAs::Live }, &much_later).unwrap();
        assert_eq!(end(&facts), cancelled.then_some(DeploymentResult::Cancelled));
        let settled = facts.iter().fold(asking, |deployment, fact| evolve(Some(deployment), fact, much_later.now));
        assert_eq!(decide(Some(&settled), Command::Expire, &much_later), Ok(Vec::new()), "what is left has its time");
    }
}

#[test]
fn what_was_not_begun_ends_with_its_time() {
    let observed = Fact::Observed { part: 0, observed: seen(Live::Nothing, None) };
    let queued = given(requested(true, &[]), &[Fact::Begun { fence: 3 }, leased(WorkKey::Observe(0)), observed]);
    let checking = given(applying(true), &[Fact::Applied { part: 0, log: None }, leased(WorkKey::Verify(0))]);
    let cancelling = given(checking.clone(), &[Fact::CancelRequested]);
    let late = FailureCause::Lost;
    for (case, deployment, expected, why) in [
        ("an apply that nobody took", queued, DeploymentResult::Failed(late), "its time ran out"),
        ("a check", checking, DeploymentResult::Failed(late), "its time ran out"),
        ("a check to be cancelled", cancelling, DeploymentResult::Cancelled, "its runner did not answer to cancelling"),
    ] {
        let context = Context { now: deployment.due().unwrap(), ..context() };
        let facts = decide(Some(&deployment), Command::Expire, &context).unwrap();
        assert_eq!(facts, [Fact::Ended { result: expected, reason: Some(why.to_owned()) }], "{case}");
    }
}

#[test]
fn only_a_release_that_was_found_bad_on_a_target_is_vetoed() {
    let id = crate::foundation::DeploymentId::new(uuid::Uuid::nil());
    let in_place = [Fact::Applied { part: 0, log: None }, leased(WorkKey::Verify(0))];
    let verifying = given(applying(true), &in_place);
    let again = Fact::TriedAgain { work: WorkKey::Verify(0) };
    let third = given(verifying.clone(), &[again.clone(), leased(WorkKey::Verify(0)), again, leased(WorkKey::Verify(0))]);
    let apply = |outcome| Command::ReportApplied { work: WorkKey::Apply(0), epoch: 7, outcome, log: log() };
    let check = |verdict| {
        let outcome = CheckOutcome { verdict, evidence: "seen".to_owned(), tests: None, took: Millis(1), sandbox: None };
        Command::ReportChecked { work: WorkKey::Verify(0), epoch: 7, outcome: Box::new(outcome), log: log() }
    };
    let over_old = || applying_over(true, Live::Named("0.9".to_owned()));
    let hindered = |touched| ApplyOutcome::Hindered { reason: "the port is taken".to_owned(), touched };
    let cancelling = |deployment: &Deployment| given(deployment.clone(), &[Fact::CancelRequested]);
    let failed = |cause| DeploymentResult::Failed(cause);
    let lose = || Command::Lose { work: WorkKey::Verify(0), epoch: 7 };
    let settle = |runs| Command::Settle { runs };
    for (case, before, command, result, touched, vetoes) in [
        ("refused by its target", applying(true), apply(ApplyOutcome::Stale { held: 9 }), failed(FailureCause::Stale), false, false),
        ("not even tried", over_old(), apply(hindered(false)), failed(FailureCause::Hindered), false, false),
        ("not even tried, cancelled", cancelling(&over_old()), apply(hindered(false)), DeploymentResult::Cancelled, false, false),
        ("not even tried, where nothing runs", applying(true), apply(hindered(false)), failed(FailureCause::Hindered), true, false),
        ("hindered on the way", over_old(), apply(hindered(true)), failed(FailureCause::Hindered), true, false),
        ("not put in place", applying(true), apply(ApplyOutcome::Failed("full".into())), failed(FailureCause::Health), true, true),
        (
            "the same, cancelled",
            cancelling(&applying(true)),
            apply(ApplyOutcome::Failed("killed".into())),
            DeploymentResult::Cancelled,
            true,
            false,
        ),
        ("check failed", verifying.clone(), check(CheckVerdict::Failed), failed(FailureCause::Verify), true, true),
        ("check killed by cancelling", cancelling(&verifying), check(CheckVerdict::Failed), DeploymentResult::Cancelled, true, false),
        ("third loss told", third.clone(), check(CheckVerdict::Lost), failed(FailureCause::Lost), true, false),
        ("third loss told, cancelled", cancelling(&third), check(CheckVerdict::Lost), DeploymentResult::Cancelled, true, false),
        ("third loss seen", third.clone(), lose(), failed(FailureCause::Lost), true, false),
        ("no runner in time", verifying, Command::Expire, failed(FailureCause::Lost), true, false),
        ("settled: old", unknown(false), settle(SettledAs::Old), failed(FailureCause::Settled), false, false),
    ] {
        let late = Context { now: NOW + RUN_MAX, ..context() };
        let facts = decide(Some(&before), command, &late).unwrap();
        let after = given(before, &facts);
        let follows = follow(facts.last().unwrap(), id, &after);
        let veto = follows.iter().any(|follow| matches!(follow, Follow::Release(_, crate::release::Command::Veto { .. })));
        let released = follows.iter().any(
            |follow| matches!(follow, Follow::Environment(_, crate::environment::Command::Settle { touched: done, .. }) if *done == touched),
        );
        assert_eq!((end(&facts), released, veto), (Some(result), true, vetoes), "{case}: {facts:?}");
    }
    let nothing_yet = given(requested(true, &[]), &[Fact::Begun { fence: 3 }]);
    assert!(!nothing_yet.progress().unwrap().touched(failed(FailureCause::Health)));
}

#[test]
fn what_a_runner_says_is_kept_within_limits() {
    let endless = || "ü".repeat(100_000);
    let size = |facts: &[Fact]| serde_json::to_string(facts).unwrap().len();
    let failure = crate::report::TestFailure { name: endless(), file: Some(endless()), line: None, message: endless() };
    let tests = TestSummary { failed: 1_000, failures: vec![failure; 1_000], ..TestSummary::default() };
    let verifying = given(applying(true), &[Fact::Applied { part: 0, log: None }, leased(WorkKey::Verify(0))]);
    let outcome = CheckOutcome { verdict: CheckVerdict::Failed, evidence: endless(), tests: Some(tests), took: Millis(1), sandbox: None };
    let check = Command::ReportChecked { work: WorkKey::Verify(0), epoch: 7, outcome: Box::new(outcome), log: log() };
    let apply = |outcome| Command::ReportApplied { work: WorkKey::Apply(0), epoch: 7, outcome, log: log() };
    let target = |live| Observed { source: endless(), ..seen(live, None) };
    let observed = |live| Command::ReportObserved { work: WorkKey::Observe(0), epoch: 7, observed: Box::new(target(live)) };
    for (before, command, bytes_max) in [
        (verifying, check, 50_000),
        (applying(true), apply(ApplyOutcome::Failed(endless())), 500),
        (applying(true), apply(ApplyOutcome::Unknown(endless())), 500),
        (unknown(true), observed(Live::Named(endless())), 1_000),
        (unknown(true), observed(Live::Unknown(endless())), 1_000),
    ] {
        let facts = decide(Some(&before), command.clone(), &context()).unwrap();
        assert!(size(&facts) < bytes_max, "{} bytes: {:.200}", size(&facts), format!("{facts:?}"));
    }
}

#[test]
fn a_target_that_does_not_answer_is_asked_less_and_less_often() {
    let mut deployment = unknown(true);
    let mut pauses = Vec::new();
    let mut asked = 0;
    let mut now = NOW;
    while now < NOW + RUN_MAX {
        deployment = evolve(Some(deployment), &Fact::AskedAgain { part: 0 }, now);
        let WorkState::Queued { after } = deployment.progress().unwrap().state else { panic!("{:?}", deployment.stage) };
        pauses.push(after.since(now));
        (now, asked) = (after, asked + 1);
    }
    assert_eq!(pauses[..3], [Millis::seconds(10), Millis::seconds(20), Millis::seconds(40)]);
    assert_eq!(pauses.last(), Some(&OBSERVE_AGAIN_MAX));
    assert!(asked < 160, "asked {asked} times in a day");
}

#[test]
fn a_restored_deployment_looks_at_every_part_before_it_goes_on() {
    let restore = |deployment: &Deployment| decide(Some(deployment), Command::Restore, &context()).unwrap();
    let two = |mut deployment: Deployment| {
        deployment.skeleton.parts.push(PartSkeleton { name: "web".to_owned(), idempotent: false });
        deployment
    };
    let begun = two(given(requested(true, &["smoke"]), &[Fact::Begun { fence: 3 }]));
    let between = given(two(applying(true)), &[Fact::Applied { part: 0, log: None }]);
    for under_way in [begun, between] {
        let facts = restore(&under_way);
        assert_eq!(facts, [Fact::Restored]);
        let doubted = given(given(under_way, &facts), &[leased(WorkKey::Observe(0))]);
        assert!(doubted.progress().unwrap().touched(DeploymentResult::Cancelled), "it may have been applied after the backup");
        let facts = observe(&doubted, seen(Live::Release(manifest()), Some(3)));
        assert_eq!(facts[1], Fact::Found { part: 0 });
        let next = given(doubted, &facts);
        let progress = next.progress().unwrap();
        assert_eq!((progress.work, progress.unknown_since), (WorkKey::Observe(1), Some(NOW)), "the next part is unknown as well");
        assert!(matches!(&decide(Some(&next), Command::Settle { runs: SettledAs::Live }, &context()).unwrap()[..], [Fact::Settled { .. }]));
    }
}

#[test]
fn what_a_restored_record_does_not_know_is_asked_and_what_it_knows_is_not() {
    let (old, third) = (Live::Release(Digest::of(b"the old release")), Live::Release(Digest::of(b"a third release")));
    let applied = given(applying_over(true, old.clone()), &[Fact::Applied { part: 0, log: None }]);
    let doubted = given(applied, &[Fact::Restored, leased(WorkKey::Observe(0))]);
    assert_eq!(observe(&doubted, seen(old, Some(2)))[1], Fact::AppliesAgain { part: 0 }, "it was there before");
    let facts = observe(&doubted, seen(third, Some(2)));
    assert!(matches!(&facts[1], Fact::Asking { reason } if reason.starts_with("the record was restored")), "{facts:?}");
}

#[test]
fn a_check_without_tests_counts_as_one() {
    let checking = given(applying(true), &[Fact::Applied { part: 0, log: None }, leased(WorkKey::Verify(0))]);
    let counted = |verdict, attempts: u32| {
        let tried = [Fact::TriedAgain { work: WorkKey::Verify(0) }, leased(WorkKey::Verify(0))];
        let checking = (1..attempts).fold(checking.clone(), |checking, _| given(checking, &tried));
        let outcome = CheckOutcome { verdict, evidence: String::new(), tests: None, took: Millis(1), sandbox: None };
        let report = Command::ReportChecked { work: WorkKey::Verify(0), epoch: 7, outcome: Box::new(outcome), log: log() };
        match decide(Some(&checking), report, &context()).unwrap().swap_remove(0) {
            Fact::Checked { tests, .. } => (tests.passed, tests.failed),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(counted(CheckVerdict::Passed, 1), (1, 0));
    assert_eq!(counted(CheckVerdict::Failed, 1), (0, 1));
    assert_eq!(counted(CheckVerdict::Lost, TRIES_MAX), (0, 0), "nothing was found out");
}

#[test]
fn what_waited_when_the_record_was_restored_may_have_been_applied_since() {
    for (idempotent, doubted) in [(true, false), (false, true)] {
        let restored = given(requested(idempotent, &[]), &[Fact::Restored, Fact::Begun { fence: 2_000_000 }, leased(WorkKey::Observe(0))]);
        assert_eq!(restored.progress().unwrap().unknown_since.is_some(), doubted, "idempotent: {idempotent}");
        for live in [Live::Release(manifest()), Live::Named("1.41".to_owned())] {
            let facts = observe(&restored, seen(live, Some(4)));
            assert_eq!(facts.iter().any(|fact| matches!(fact, Fact::Asking { .. })), doubted, "{facts:?}");
        }
    }
}

#[test]
fn nothing_is_put_in_place_in_safe_mode() {
    let safe = Context { mode: Mode::Safe, ..context() };
    let runner = || "r1".parse().unwrap();
    let begun = given(requested(true, &[]), &[Fact::Begun { fence: 3 }]);
    let look = Command::Lease { work: WorkKey::Observe(0), runner: runner() };
    assert!(decide(Some(&begun), look, &safe).is_ok(), "looking goes on");
    let observed = Fact::Observed { part: 0, observed: seen(Live::Nothing, None) };
    let seen = given(begun, &[leased(WorkKey::Observe(0)), observed]);
    let apply = || Command::Lease { work: WorkKey::Apply(0), runner: runner() };
    assert_eq!(decide(Some(&seen), apply(), &safe), Err(Refusal::SafeMode));
    assert!(decide(Some(&seen), apply(), &context()).is_ok());
}

#[test]
fn a_fence_above_ours_makes_a_person_decide() {
    for live in [Live::Release(manifest()), Live::Nothing, Live::Named("1.41".to_owned())] {
        let facts = observe(&unknown_over(true, live.clone()), seen(live, Some(9)));
        assert!(matches!(&facts[1], Fact::Asking { reason } if reason.contains("fence 9")), "{facts:?}");
    }
}
