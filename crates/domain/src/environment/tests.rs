//! Given facts, when a command, then facts or a refusal.

use super::command::Declined;
use super::*;
use crate::context::{Context, Mode};
use crate::deployment::{DeploymentResult, FailureCause};
use crate::foundation::Actor;
use crate::pipeline::{PartSkeleton, QueuePolicy, RollbackCause, Tier};
use crate::release::{self, Veto};
use crate::restoration::STEP;

const NOW: Timestamp = Timestamp(1_000_000);
const FAILED: DeploymentResult = DeploymentResult::Failed(FailureCause::Verify);

fn uuid(n: u8) -> uuid::Uuid {
    uuid::Uuid::from_bytes([n; 16])
}

fn release(n: u8) -> ReleaseId {
    ReleaseId::new(uuid(n))
}

fn deployment(n: u8) -> DeploymentId {
    DeploymentId::new(uuid(n))
}

fn skeleton(queue: QueuePolicy) -> EnvironmentSkeleton {
    EnvironmentSkeleton {
        name: "qa".parse().unwrap(),
        tier: Tier::Staging,
        after: After::All(vec!["test".parse().unwrap()]),
        queue,
        configuration: None,
        parts: vec![PartSkeleton { name: "api".to_owned(), idempotent: true }],
        checks: Vec::new(),
        rollback: vec![RollbackCause::Health, RollbackCause::Verify],
    }
}

fn brief(n: u8) -> Brief {
    let manifest = crate::foundation::Digest::of(&[n]);
    Brief { version: format!("1.{n}"), manifest, reference: "refs/heads/main".to_owned(), run: n.into() }
}

fn offer(n: u8, queue: QueuePolicy) -> Command {
    Command::Offer(Box::new(Offer {
        project: "shop".parse().unwrap(),
        release: release(n),
        brief: brief(n),
        cause: Cause::Promotion,
        skeleton: Box::new(skeleton(queue)),
        verified_in: vec!["test".parse().unwrap()],
    }))
}

/// The same, changed.
fn offer_with(n: u8, queue: QueuePolicy, change: impl FnOnce(&mut Offer)) -> Command {
    let Command::Offer(mut offered) = offer(n, queue) else { unreachable!() };
    change(&mut offered);
    Command::Offer(offered)
}

fn by_ana(offer: &mut Offer) {
    offer.cause = Cause::Person("ana".to_owned());
}

/// Applies a command; its new deployment has the number of the call.
struct Life {
    environment: Option<Environment>,
}

impl Life {
    /// Of an environment that the first delivery file names.
    fn new() -> Self {
        let mut life = Self { environment: None };
        life.when(Command::Open { project: "shop".parse().unwrap(), name: "qa".parse().unwrap() }, 0).unwrap();
        life
    }

    /// Of one that nothing has named yet.
    fn unheard_of() -> Self {
        Self { environment: None }
    }

    fn when(&mut self, command: Command, id: u8) -> Result<Vec<Fact>, Refusal> {
        self.when_in(Mode::Normal, command, id)
    }

    fn when_in(&mut self, mode: Mode, command: Command, id: u8) -> Result<Vec<Fact>, Refusal> {
        let context = Context { now: NOW, actor: Actor::person("ana"), id: uuid(id), number: 0, epoch: 0, mode, fence: 0 };
        let facts = decide(self.environment.as_ref(), command, &context)?;
        for fact in &facts {
            self.environment = Some(evolve(self.environment.take(), fact, NOW));
        }
        Ok(facts)
    }

    fn offer(&mut self, n: u8) -> Vec<Fact> {
        self.when(offer(n, QueuePolicy::Queue), n).unwrap()
    }

    fn end(&mut self, n: u8, result: DeploymentResult, id: u8) -> Vec<Fact> {
        self.when(Command::Settle { deployment: deployment(n), result, touched: true }, id).unwrap()
    }

    fn now(&self) -> &Environment {
        self.environment.as_ref().unwrap()
    }
}

fn granted(facts: &[Fact]) -> Vec<(DeploymentId, u64)> {
    let grants = facts.iter().filter_map(|fact| match fact {
        Fact::LockGranted { deployment, fence } => Some((*deployment, *fence)),
        _ => None,
    });
    grants.collect()
}

#[test]
fn one_deployment_at_a_time_and_the_fence_rises() {
    let mut life = Life::new();
    assert_eq!(granted(&life.offer(1)), [(deployment(1), 1)]);
    assert_eq!(granted(&life.offer(2)), [], "the first one holds it");
    assert_eq!(granted(&life.end(1, DeploymentResult::Succeeded, 9)), [(deployment(2), 2)]);
    life.end(2, DeploymentResult::Succeeded, 9);
    assert_eq!(life.now().verified.iter().map(|verified| verified.release).collect::<Vec<_>>(), [release(2), release(1)]);
    assert!(life.end(2, DeploymentResult::Succeeded, 9).is_empty(), "who does not hold it cannot release it");
}

#[test]
fn policies_say_what_waits() {
    for (policy, expected) in [(QueuePolicy::Queue, 2), (QueuePolicy::Newest, 1), (QueuePolicy::Reject, 0)] {
        let mut life = Life::new();
        for n in 1..=3 {
            life.when(offer(n, policy), n).unwrap();
        }
        assert_eq!(life.now().queue.len(), expected, "{policy:?}");
    }
    let mut life = Life::new();
    life.when(offer(1, QueuePolicy::Newest), 1).unwrap();
    life.when(offer(2, QueuePolicy::Newest), 2).unwrap();
    let facts = life.when(offer(3, QueuePolicy::Newest), 3).unwrap();
    assert_eq!(facts[0], Fact::Superseded { deployment: deployment(2), by: deployment(3) });
}

#[test]
fn a_failure_brings_the_last_verified_release_back_before_what_waits() {
    let mut life = Life::new();
    life.offer(1);
    life.end(1, DeploymentResult::Succeeded, 9);
    life.offer(2);
    life.offer(3);
    let facts = life.end(2, FAILED, 8);
    assert_eq!(granted(&facts), [(deployment(8), 3)]);
    let holder = life.now().holder.clone().unwrap();
    assert_eq!((holder.release, holder.cause), (release(1), Cause::Rollback { undoes: Some(deployment(2)), by: None }));
    // The rollback fails too: it is not rolled back again.
    let facts = life.end(8, FAILED, 7);
    assert_eq!(granted(&facts), [(deployment(3), 4)], "what waited goes on");
    // Nothing brings back by itself what failed since; a person may, since it was verified here.
    assert_eq!(granted(&life.end(3, FAILED, 9)), []);
    assert_eq!(life.now().way_back().map(|back| back.release).collect::<Vec<_>>(), [release(1)]);
    assert_eq!(granted(&life.when(Command::RollBack { to: None }, 10).unwrap()), [(deployment(10), 5)]);
    life.end(10, FAILED, 9);
    assert_eq!(life.when(Command::RollBack { to: None }, 11), Err(Refusal::NothingToGoBackTo), "it is what failed just now");
    assert_eq!(granted(&life.when(Command::RollBack { to: Some(release(1)) }, 11).unwrap()), [(deployment(11), 6)]);
    life.end(11, DeploymentResult::Succeeded, 9);
    life.offer(4);
    assert_eq!(granted(&life.end(4, FAILED, 12)), [(deployment(12), 8)], "verified once more, it is good again");
}

#[test]
fn a_rollback_that_fails_is_left_to_a_person_though_older_ones_were_verified() {
    let mut life = Life::new();
    for n in 1..=2 {
        life.offer(n);
        life.end(n, DeploymentResult::Succeeded, 9);
    }
    life.offer(3);
    assert_eq!(granted(&life.end(3, FAILED, 8)), [(deployment(8), 4)]);
    assert_eq!(life.now().holder.as_ref().unwrap().release, release(2));
    assert_eq!(granted(&life.end(8, FAILED, 7)), [], "release 1 was verified, and yet");
    assert_eq!(granted(&life.when(Command::RollBack { to: None }, 9).unwrap()), [(deployment(9), 5)]);
    assert_eq!(life.now().holder.as_ref().unwrap().release, release(1));
}

#[test]
fn nothing_is_undone_where_nothing_was_touched() {
    let lost = DeploymentResult::Failed(FailureCause::Lost);
    for (result, touched) in [(FAILED, false), (lost, false), (DeploymentResult::Cancelled, false)] {
        let mut life = Life::new();
        life.offer(1);
        life.end(1, DeploymentResult::Succeeded, 9);
        life.offer(2);
        let facts = life.when(Command::Settle { deployment: deployment(2), result, touched }, 8).unwrap();
        assert_eq!(granted(&facts), [], "{result:?}, touched: {touched}");
    }
}

#[test]
fn what_is_not_the_releases_fault_is_undone_and_the_release_stays_good() {
    for cause in [FailureCause::Lost, FailureCause::Stale, FailureCause::Settled, FailureCause::Hindered] {
        let mut life = Life::new();
        life.offer(1);
        life.end(1, DeploymentResult::Succeeded, 9);
        life.offer(2);
        let facts = life.end(2, DeploymentResult::Failed(cause), 8);
        assert_eq!(granted(&facts), [(deployment(8), 3)], "{cause:?}");
        life.end(8, DeploymentResult::Failed(cause), 7);
        assert_eq!(life.now().last_good().unwrap().release, release(1), "{cause:?}: the rollback failed, but not through release 1");
    }
}

#[test]
fn a_later_new_environment_waits_for_a_person() {
    let mut life = Life::unheard_of();
    let facts = life.when(offer(5, QueuePolicy::Queue), 5).unwrap();
    assert!(matches!(&facts[..], [Fact::Opened { accepted: false, .. }, Fact::Pending(_)]));
    life.when(offer(6, QueuePolicy::Queue), 6).unwrap();
    let facts = life.when(Command::Accept, 7).unwrap();
    assert_eq!(facts[0], Fact::Accepted);
    assert_eq!(life.now().holder.clone().unwrap().release, release(6), "the newer offer replaced the older one");
    assert_eq!(life.when(Command::Accept, 7), Err(Refusal::AlreadyAccepted));
}

#[test]
fn the_after_of_the_release_verified_here_is_in_force() {
    let weakened = |offer: &mut Offer| {
        offer.skeleton.after = After::Release;
        offer.verified_in.clear();
    };
    let declined = |n| [Fact::Declined { release: release(n), reason: Declined::EarlierAfterInForce }];
    let mut life = Life::new();
    life.offer(1);
    life.end(1, DeploymentResult::Succeeded, 9);
    assert_eq!(life.when(offer_with(2, QueuePolicy::Queue, weakened), 2).unwrap(), declined(2));
    let asked = |offer: &mut Offer| {
        weakened(offer);
        by_ana(offer);
    };
    assert_eq!(life.when(offer_with(2, QueuePolicy::Queue, asked), 2).unwrap(), declined(2), "a person is no way around it");
    let was_here = |offer: &mut Offer| {
        asked(offer);
        offer.verified_in = vec!["qa".parse().unwrap()];
    };
    assert_eq!(granted(&life.when(offer_with(2, QueuePolicy::Queue, was_here), 2).unwrap()), [(deployment(2), 2)]);
}

#[test]
fn an_older_run_does_not_replace_a_newer_one_by_itself() {
    let older = |n| vec![Fact::Declined { release: release(n), reason: Declined::Older }];
    for policy in [QueuePolicy::Queue, QueuePolicy::Newest] {
        let mut life = Life::new();
        life.when(offer(5, policy), 5).unwrap();
        assert_eq!(life.when(offer(4, policy), 4).unwrap(), older(4), "5 has the lock");
        life.when(offer(7, policy), 7).unwrap();
        assert_eq!(life.when(offer(6, policy), 6).unwrap(), older(6), "7 waits");
        life.end(5, DeploymentResult::Succeeded, 9);
        life.end(7, DeploymentResult::Succeeded, 9);
        assert_eq!(life.when(offer(6, policy), 6).unwrap(), older(6), "7 runs");
        let elsewhere = |offer: &mut Offer| offer.brief.reference = "refs/heads/next".to_owned();
        assert_eq!(granted(&life.when(offer_with(6, policy, elsewhere), 6).unwrap()).len(), 1, "another ref has its own order");
        assert_eq!(life.when(offer_with(3, policy, by_ana), 3).unwrap().len(), 1, "a person may");
    }
}

#[test]
fn what_became_older_while_it_waited_gives_way() {
    let mut life = Life::new();
    life.offer(8);
    life.end(8, DeploymentResult::Succeeded, 9);
    life.when(offer_with(1, QueuePolicy::Queue, by_ana), 1).unwrap();
    life.end(1, DeploymentResult::Succeeded, 9);
    life.offer(2);
    life.offer(3);
    life.when(Command::RollBack { to: Some(release(8)) }, 10).unwrap();
    life.end(2, DeploymentResult::Succeeded, 9);
    let facts = life.end(10, DeploymentResult::Succeeded, 9);
    assert_eq!(facts[1..], [Fact::Superseded { deployment: deployment(3), by: deployment(10) }]);
}

#[test]
fn what_was_undone_is_not_what_counts_as_newer() {
    let mut life = Life::new();
    life.offer(1);
    life.end(1, DeploymentResult::Succeeded, 9);
    life.offer(5);
    life.end(5, FAILED, 8);
    life.offer(4);
    assert_eq!(granted(&life.end(8, DeploymentResult::Succeeded, 9)), [(deployment(4), 4)], "5 was brought back from: 4 is newer than 1");
}

#[test]
fn an_older_offer_does_not_replace_a_newer_one_that_waits_for_acceptance() {
    let mut life = Life::unheard_of();
    life.when(offer(5, QueuePolicy::Queue), 5).unwrap();
    assert_eq!(life.when(offer(4, QueuePolicy::Queue), 4).unwrap(), [Fact::Declined { release: release(4), reason: Declined::Older }]);
    assert!(matches!(life.when(offer_with(3, QueuePolicy::Queue, by_ana), 3).unwrap()[..], [Fact::Pending(_)]));
}

#[test]
fn the_first_release_opens_every_environment_of_its_file() {
    let named = |name: &str, after: After| EnvironmentSkeleton { name: name.parse().unwrap(), after, ..skeleton(QueuePolicy::Queue) };
    let environments = vec![named("test", After::Release), named("qa", After::All(vec!["test".parse().unwrap()]))];
    let first = release::tests::with_environments(environments);
    for (number, expected) in [(1, &["open test", "open qa", "offer test"][..]), (2, &["offer test"])] {
        let mut cut = first.cut.clone();
        cut.number = number;
        let follows = follow(&release::Fact::Cut(Box::new(cut)), release(1), &first);
        let told = |(name, command): &(EnvironmentName, Command)| match command {
            Command::Open { .. } => format!("open {name}"),
            Command::Offer(_) => format!("offer {name}"),
            other => format!("{other:?}"),
        };
        assert_eq!(follows.iter().map(told).collect::<Vec<_>>(), expected, "release {number}");
    }
    let mut life = Life::new();
    assert!(life.now().accepted);
    assert_eq!(life.when(Command::Open { project: "shop".parse().unwrap(), name: "qa".parse().unwrap() }, 0), Ok(Vec::new()));
}

#[test]
fn a_vetoed_release_does_not_begin_where_it_waits() {
    let forbid = |n| Command::Forbid { release: release(n) };
    assert_eq!(Life::unheard_of().when(forbid(2), 9), Ok(Vec::new()), "it never came here");
    let mut life = Life::new();
    for n in [1, 2] {
        life.offer(n);
        life.end(n, DeploymentResult::Succeeded, 9);
    }
    life.offer(3);
    life.offer(4);
    life.when(Command::RollBack { to: Some(release(1)) }, 8).unwrap();
    assert_eq!(life.when(forbid(4), 9).unwrap(), [Fact::Forbidden { deployment: deployment(4) }]);
    assert_eq!(life.when(forbid(1), 9).unwrap(), [], "an earlier release that comes back was verified here");
    assert_eq!(life.now().queue.iter().map(|slot| slot.deployment).collect::<Vec<_>>(), [deployment(8)]);
    // It waits for a person's acceptance.
    let mut life = Life::unheard_of();
    life.when(offer(5, QueuePolicy::Queue), 5).unwrap();
    assert_eq!(life.when(forbid(5), 9).unwrap(), [Fact::Declined { release: release(5), reason: Declined::Vetoed }]);
    assert_eq!(life.when(Command::Accept, 7).unwrap(), [Fact::Accepted]);
}

#[test]
fn a_veto_reaches_every_environment_that_it_covers() {
    let veto = Veto { from: "qa".parse().unwrap(), deployment: deployment(1) };
    let named = |name: &str, after: After| EnvironmentSkeleton { name: name.parse().unwrap(), after, ..skeleton(QueuePolicy::Queue) };
    let all = |name: &str| After::All(vec![name.parse().unwrap()]);
    let release_with =
        release::tests::with_environments(vec![named("test", After::Release), named("qa", all("test")), named("production", all("qa"))]);
    let follows = follow(&release::Fact::Vetoed(veto), release(1), &release_with);
    let names: Vec<&str> = follows.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["qa", "production"]);
}

#[test]
fn a_rollback_names_what_it_can_go_back_to() {
    assert_eq!(Life::unheard_of().when(Command::RollBack { to: None }, 9), Err(Refusal::Missing));
    let mut life = Life::new();
    life.offer(1);
    assert_eq!(life.when(Command::RollBack { to: None }, 9), Err(Refusal::NothingToGoBackTo));
    life.end(1, DeploymentResult::Succeeded, 9);
    life.offer(2);
    life.end(2, DeploymentResult::Succeeded, 9);
    assert_eq!(life.when(Command::RollBack { to: Some(release(2)) }, 9), Err(Refusal::AlreadyHere { environment: "qa".parse().unwrap() }));
    assert_eq!(
        life.when(Command::RollBack { to: Some(release(4)) }, 9),
        Err(Refusal::NotVerifiedHere { environment: "qa".parse().unwrap() })
    );
    let facts = life.when(Command::RollBack { to: None }, 9).unwrap();
    let undoes = Cause::Rollback { undoes: Some(deployment(2)), by: Some("ana".to_owned()) };
    assert!(matches!(&facts[0], Fact::Promoted { release: back, cause, .. } if *back == release(1) && *cause == undoes), "{facts:?}");
}

#[test]
fn going_back_twice_does_not_go_forward() {
    let mut life = Life::new();
    for number in 1..=3 {
        life.offer(number);
        life.end(number, DeploymentResult::Succeeded, 9);
    }
    for (number, expected) in [(4, 2), (5, 1)] {
        let facts = life.when(Command::RollBack { to: None }, number).unwrap();
        assert!(matches!(&facts[0], Fact::Promoted { release: back, .. } if *back == release(expected)), "{facts:?}");
        life.end(number, DeploymentResult::Succeeded, 9);
    }
    assert_eq!(life.when(Command::RollBack { to: None }, 9), Err(Refusal::NothingToGoBackTo));
    assert!(life.when(Command::RollBack { to: Some(release(3)) }, 9).is_ok());
}

#[test]
fn rollbacks_wait_within_the_limit_of_the_queue() {
    let mut life = Life::new();
    for n in [1, 2] {
        life.offer(n);
        life.end(n, DeploymentResult::Succeeded, 9);
    }
    life.offer(3);
    for n in 0..QUEUE_MAX as u8 {
        assert!(life.when(Command::RollBack { to: None }, 100 + n).is_ok());
    }
    assert_eq!(life.when(Command::RollBack { to: None }, 9), Err(Refusal::QueueFull { environment: "qa".parse().unwrap() }));
    // A failure brings the last verified release back all the same.
    assert_eq!(granted(&life.end(3, FAILED, 8)), [(deployment(8), 4)]);
}

#[test]
fn the_same_release_is_not_deployed_twice() {
    let mut life = Life::new();
    life.offer(1);
    assert_eq!(life.offer(1), [Fact::Declined { release: release(1), reason: Declined::AlreadyHere }]);
    life.end(1, DeploymentResult::Succeeded, 9);
    assert_eq!(life.offer(1), [Fact::Declined { release: release(1), reason: Declined::AlreadyHere }]);
}

/// A target may lose what the record has there; then a person has it deployed once more. Lock, fence and queue count.
#[test]
fn a_person_has_the_release_that_is_there_deployed_once_more() {
    let again = |n, queue| offer_with(n, queue, |offer| offer.cause = Cause::Again("ana".to_owned()));
    let not_here = |n| vec![Fact::Declined { release: release(n), reason: Declined::NotHere }];
    for queue in [QueuePolicy::Newest, QueuePolicy::Queue, QueuePolicy::Reject] {
        let mut life = Life::new();
        assert_eq!(life.when(again(1, queue), 1).unwrap(), not_here(1), "nothing was deployed here");
        life.offer(1);
        let coming = [Fact::Declined { release: release(1), reason: Declined::AlreadyHere }];
        assert_eq!(life.when(again(1, queue), 2).unwrap(), coming, "it is about to come");
        life.end(1, DeploymentResult::Succeeded, 9);
        let facts = life.when(again(1, queue), 2).unwrap();
        assert_eq!(granted(&facts), [(deployment(2), 2)], "{queue:?}: under a higher fence");
        assert_eq!(life.when(again(1, queue), 3).unwrap(), coming, "once at a time");
        life.end(2, DeploymentResult::Succeeded, 9);
        assert_eq!(life.now().verified.len(), 1, "one release, however often it was deployed");
        life.offer(4);
        assert_eq!(life.when(again(1, queue), 5).unwrap(), not_here(1), "another one is about to come");
        life.end(4, DeploymentResult::Succeeded, 9);
        assert_eq!(life.when(again(1, queue), 5).unwrap(), not_here(1), "another one came");
    }
    let mut new = Life::unheard_of();
    assert!(new.when(again(1, QueuePolicy::Queue), 1).unwrap().ends_with(&not_here(1)), "nobody accepted the environment");
    assert_eq!(new.now().pending, None);
}

#[test]
fn what_was_left_on_purpose_does_not_come_back_by_itself() {
    let mut life = Life::new();
    for n in 1..=3 {
        life.offer(n);
        life.end(n, DeploymentResult::Succeeded, 9);
    }
    life.when(Command::RollBack { to: Some(release(2)) }, 10).unwrap();
    // The rollback fails: what it left is no way back, neither by hand.
    let mut failed = Life { environment: life.environment.clone() };
    failed.end(10, FAILED, 9);
    assert_eq!(failed.now().way_back().map(|back| back.release).collect::<Vec<_>>(), [release(1)]);
    life.end(10, DeploymentResult::Succeeded, 9);
    life.when(offer_with(2, QueuePolicy::Queue, |offer| offer.cause = Cause::Again("ana".to_owned())), 11).unwrap();
    life.end(11, FAILED, 12);
    assert_eq!(life.now().holder.clone().unwrap().release, release(1), "not 3, which a person left for 2");
    // An older release that was never verified here is another matter: what it replaced comes back.
    life.end(12, DeploymentResult::Succeeded, 9);
    life.offer(4);
    life.end(4, DeploymentResult::Succeeded, 9);
    life.when(offer_with(0, QueuePolicy::Queue, by_ana), 13).unwrap();
    life.end(13, FAILED, 14);
    assert_eq!(life.now().holder.clone().unwrap().release, release(4));
}

#[test]
fn a_record_of_earlier_is_read_as_it_was_written() {
    let mut life = Life::new();
    life.offer(1);
    life.end(1, DeploymentResult::Succeeded, 9);
    life.when(offer_with(1, QueuePolicy::Queue, |offer| offer.cause = Cause::Again("ana".to_owned())), 2).unwrap();
    let fact = Fact::LockReleased { deployment: deployment(2), result: FAILED, touched: true, kept: false };
    let written = serde_json::to_value(&fact).unwrap();
    assert_eq!(written["lock-released"].as_object().unwrap().len(), 3, "as before there was a choice");
    let after = evolve(life.environment.clone(), &serde_json::from_value(written).unwrap(), NOW);
    assert!(after.verified.is_empty(), "what failed was struck then");
}

#[test]
fn what_a_machine_hindered_is_remembered_until_something_comes() {
    let hindered = DeploymentResult::Failed(FailureCause::Hindered);
    let mut life = Life::new();
    life.offer(1);
    life.end(1, DeploymentResult::Succeeded, 9);
    life.offer(2);
    life.when(Command::Settle { deployment: deployment(2), result: hindered, touched: false }, 8).unwrap();
    assert_eq!((life.now().hindered, life.now().current.clone().unwrap().release), (Some(deployment(2)), release(1)));
    life.offer(3);
    life.end(3, DeploymentResult::Succeeded, 9);
    assert_eq!(life.now().hindered, None);
}

#[test]
fn what_was_not_touched_runs_on() {
    for result in [DeploymentResult::Cancelled, FAILED] {
        let mut life = Life::new();
        life.offer(1);
        life.end(1, DeploymentResult::Succeeded, 9);
        let before = (life.now().current.clone(), life.now().verified.clone());
        life.offer(2);
        life.when(Command::Settle { deployment: deployment(2), result, touched: false }, 8).unwrap();
        assert_eq!((life.now().current.clone(), life.now().verified.clone()), before, "{result:?}");
        assert_eq!(life.now().holder, None);
    }
}

#[test]
fn in_safe_mode_releases_wait_and_later_grants_are_far_above_the_earlier_ones() {
    let mut life = Life::new();
    life.offer(1);
    assert_eq!(life.when_in(Mode::Safe, Command::Restore, 9).unwrap(), [Fact::Restored { fence: STEP }]);
    life.when_in(Mode::Safe, Command::Settle { deployment: deployment(1), result: FAILED, touched: true }, 9).unwrap();
    for (n, policy, waits) in
        [(2, QueuePolicy::Reject, 1), (3, QueuePolicy::Reject, 1), (4, QueuePolicy::Queue, 2), (5, QueuePolicy::Newest, 1)]
    {
        life.when_in(Mode::Safe, offer(n, policy), n).unwrap();
        assert_eq!((life.now().queue.len(), &life.now().holder), (waits, &None), "{n} {policy:?}");
    }
    assert_eq!(granted(&life.when(Command::Resume, 9).unwrap()), [(deployment(5), STEP + 1)]);
    assert_eq!(life.when(Command::Resume, 9), Ok(Vec::new()), "it has its lock");
    let context = Context { now: NOW, actor: Actor::system(), id: uuid(1), number: 0, epoch: 0, mode: Mode::Normal, fence: 7_000 };
    let facts = decide(None, offer(1, QueuePolicy::Queue), &context).unwrap();
    assert!(
        matches!(&facts[..], [Fact::Opened { .. }, Fact::Restored { fence: 7_000 }, Fact::Pending(_)]),
        "the lost future may have had it"
    );
    for command in [Command::Restore, Command::Resume] {
        assert_eq!(Life::unheard_of().when(command, 9), Ok(Vec::new()));
    }
}

#[test]
fn the_causes_that_the_file_names_bring_the_last_release_back() {
    use RollbackCause::{Health, Verify};
    let health = DeploymentResult::Failed(FailureCause::Health);
    for (rule, result, back) in [
        (vec![Verify], FAILED, true),
        (vec![Verify], health, false),
        (vec![Verify], DeploymentResult::Cancelled, false),
        (vec![Health], FAILED, false),
        (vec![Health], health, true),
        (vec![Health], DeploymentResult::Cancelled, true),
        (vec![], FAILED, false),
    ] {
        let mut life = Life::new();
        life.offer(1);
        life.end(1, DeploymentResult::Succeeded, 9);
        life.when(offer_with(2, QueuePolicy::Queue, |offer| offer.skeleton.rollback = rule.clone()), 2).unwrap();
        assert_eq!(!granted(&life.end(2, result, 8)).is_empty(), back, "{rule:?} after {result:?}");
    }
}

#[test]
fn who_waits_is_told_apart_by_deployment_and_by_release() {
    let mut life = Life::new();
    for n in 1..=4 {
        life.offer(n);
    }
    assert_eq!(life.end(7, FAILED, 9), [], "only who holds the lock gives it back");
    assert_eq!(life.when(Command::Withdraw { deployment: deployment(7) }, 9), Err(Refusal::NotWaiting(deployment(7))));
    assert_eq!(
        life.when(offer_with(3, QueuePolicy::Queue, by_ana), 9).unwrap()[0],
        Fact::Declined { release: release(3), reason: Declined::AlreadyHere }
    );
    assert_eq!(life.when(Command::Forbid { release: release(4) }, 9).unwrap(), [Fact::Forbidden { deployment: deployment(4) }]);
    assert_eq!(granted(&life.end(1, DeploymentResult::Succeeded, 9)), [(deployment(2), 2)], "first come, first served");
    // It waits for a person's acceptance.
    let mut life = Life::unheard_of();
    life.when(offer(5, QueuePolicy::Queue), 5).unwrap();
    assert_eq!(life.when(Command::Forbid { release: release(6) }, 9).unwrap(), []);
}

#[test]
fn the_queue_has_a_limit_that_only_the_newest_passes() {
    let mut life = Life::new();
    for n in 0..=QUEUE_MAX as u8 {
        assert!(!matches!(life.offer(n)[0], Fact::Declined { .. }), "{n}");
    }
    let full = Fact::Declined { release: release(200), reason: Declined::QueueFull };
    assert_eq!(life.when(offer(200, QueuePolicy::Queue), 200).unwrap(), [full]);
    life.when(offer(201, QueuePolicy::Newest), 201).unwrap();
    assert_eq!(life.now().queue.iter().map(|slot| slot.deployment).collect::<Vec<_>>(), [deployment(201)]);
}

#[test]
fn a_way_back_that_waits_is_not_superseded() {
    let mut life = Life::new();
    for n in [1, 2] {
        life.offer(n);
        life.end(n, DeploymentResult::Succeeded, 9);
    }
    life.offer(3);
    life.when(Command::RollBack { to: Some(release(1)) }, 8).unwrap();
    life.when(offer(4, QueuePolicy::Newest), 4).unwrap();
    assert_eq!(life.now().queue.iter().map(|slot| slot.deployment).collect::<Vec<_>>(), [deployment(8), deployment(4)]);
}

#[test]
fn what_failed_or_is_being_replaced_may_come_again() {
    let mut life = Life::new();
    life.offer(1);
    life.end(1, FAILED, 9);
    assert_eq!(granted(&life.when(offer_with(1, QueuePolicy::Queue, by_ana), 2).unwrap()), [(deployment(2), 2)], "it failed there");
    life.end(2, DeploymentResult::Succeeded, 9);
    life.offer(3);
    life.when(offer_with(1, QueuePolicy::Queue, by_ana), 4).unwrap();
    assert_eq!(life.now().queue[0].deployment, deployment(4), "another one is about to take its place");
}

#[test]
fn what_was_hindered_is_forgotten_when_something_was_touched_or_came() {
    let hindered = DeploymentResult::Failed(FailureCause::Hindered);
    for (result, touched, kept) in [
        (DeploymentResult::Cancelled, false, true),
        (hindered, true, false),
        (FAILED, true, false),
        // A script may say that it had nothing to do.
        (DeploymentResult::Succeeded, false, false),
    ] {
        let mut life = Life::new();
        life.offer(2);
        life.when(Command::Settle { deployment: deployment(2), result: hindered, touched: false }, 8).unwrap();
        life.offer(3);
        life.when(Command::Settle { deployment: deployment(3), result, touched }, 8).unwrap();
        assert_eq!(life.now().hindered, kept.then_some(deployment(2)), "{result:?}, touched: {touched}");
        let there = life.now().current.as_ref().map(|current| current.release);
        assert_eq!(there, (touched || result == DeploymentResult::Succeeded).then_some(release(3)), "{result:?}, touched: {touched}");
    }
}

#[test]
fn so_many_verified_releases_are_kept() {
    let mut life = Life::new();
    for n in 1..=VERIFIED_MAX as u8 + 2 {
        life.offer(n);
        life.end(n, DeploymentResult::Succeeded, 9);
    }
    let kept: Vec<ReleaseId> = life.now().verified.iter().map(|verified| verified.release).collect();
    assert_eq!(kept, (3..=VERIFIED_MAX as u8 + 2).rev().map(release).collect::<Vec<_>>());
}

/// Each environment is offered the release once: when the last that it waits for has verified it.
#[test]
fn a_verified_release_goes_where_that_opens_the_way() {
    let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<EnvironmentName>>();
    let named = |name: &str, after: After| EnvironmentSkeleton { name: name.parse().unwrap(), after, ..skeleton(QueuePolicy::Queue) };
    let mut cut = release::tests::with_environments(vec![
        named("test", After::Release),
        named("other", After::Release),
        named("qa", After::All(names(&["test"]))),
        named("any", After::Any(names(&["test", "other"]))),
        named("both", After::All(names(&["test", "other"]))),
    ]);
    let veto = Veto { from: "qa".parse().unwrap(), deployment: deployment(1) };
    for (verified, vetoes, expected) in [
        (&["test"][..], vec![], &["qa", "any"][..]),
        (&["other", "test"], vec![], &["qa", "both"]),
        (&["test"], vec![veto], &["any"]),
        (&["qa", "test", "qa"], vec![], &["qa", "any"]),
    ] {
        (cut.verified, cut.vetoes) = (names(verified), vetoes);
        let follows = follow(&release::Fact::Verified { environment: "test".parse().unwrap() }, release(1), &cut);
        assert_eq!(follows.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), expected, "{verified:?}");
    }
}
