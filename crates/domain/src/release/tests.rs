//! Given facts, when a command, then facts or a refusal.

use super::*;
use crate::context::Context;
use crate::foundation::Actor;
use crate::pipeline::{After, QueuePolicy, Tier};
use crate::run::ArtifactForm;

const NOW: Timestamp = Timestamp(1_000_000);

fn context() -> Context {
    Context { now: NOW, actor: Actor::person("ana"), id: uuid::Uuid::nil(), number: 42, epoch: 0, mode: Default::default(), fence: 0 }
}

fn name(text: &str) -> EnvironmentName {
    text.parse().unwrap()
}

fn environment(text: &str, after: &[&str]) -> EnvironmentSkeleton {
    let after = if after.is_empty() { After::Release } else { After::All(after.iter().map(|before| name(before)).collect()) };
    EnvironmentSkeleton {
        name: name(text),
        tier: Tier::Testing,
        after,
        queue: QueuePolicy::Queue,
        configuration: Some(Digest::of(text.as_bytes())),
        parts: Vec::new(),
        checks: Vec::new(),
        rollback: Vec::new(),
    }
}

fn artifact(text: &str) -> Artifact {
    Artifact { name: text.to_owned(), digest: Digest::of(text.as_bytes()), size: 1, form: ArtifactForm::File }
}

fn note() -> CutNote {
    CutNote {
        project: "shop".parse().unwrap(),
        number: 0,
        version: "1.42".to_owned(),
        alias: String::new(),
        manifest: Digest::of(b""),
        statement: Digest::of(b"statement"),
        run: RunId::new(uuid::Uuid::nil()),
        run_number: 812,
        revision: "a".repeat(40).parse().unwrap(),
        reference: "refs/heads/main".to_owned(),
        change: ChangeNote { committed_at: NOW, pull_request: None, text: Digest::of(b"") },
        plan: Digest::of(b"plan"),
        delivery_file: Digest::of(b"file"),
        artifacts: vec![artifact("server"), artifact("web")],
        files: Vec::new(),
        environments: vec![environment("test", &[]), environment("qa", &["test"]), environment("production", &["qa"])],
    }
}

fn cut(note: CutNote) -> Release {
    let facts = decide(None, Command::Cut(Box::new(CutRelease { note })), &context()).unwrap();
    evolve(None, &facts[0], NOW)
}

/// A release whose delivery file has these environments.
pub(crate) fn with_environments(environments: Vec<EnvironmentSkeleton>) -> Release {
    cut(CutNote { environments, ..note() })
}

fn with(mut release: Release, facts: &[Fact]) -> Release {
    for fact in facts {
        release = evolve(Some(release), fact, NOW);
    }
    release
}

#[test]
fn what_is_in_it_is_its_identity() {
    let original = cut(note()).cut.manifest;
    let mut same = note();
    same.artifacts.reverse();
    (same.version, same.alias) = ("2.0".to_owned(), "other".to_owned());
    assert_eq!(cut(same).cut.manifest, original, "names and order are not");
    let changes: [fn(&mut CutNote); 6] = [
        |note| note.artifacts[0].digest = Digest::of(b"x"),
        |note| note.revision = "b".repeat(40).parse().unwrap(),
        |note| note.delivery_file = Digest::of(b"x"),
        |note| note.statement = Digest::of(b"x"),
        |note| note.environments[2].configuration = Some(Digest::of(b"x")),
        |note| note.artifacts.truncate(1),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut changed = note();
        change(&mut changed);
        assert_ne!(cut(changed).cut.manifest, original, "change {index}");
    }
}

#[test]
fn a_veto_reaches_later_environments_only() {
    let deployment = DeploymentId::new(uuid::Uuid::nil());
    let vetoed = with(cut(note()), &[Fact::Vetoed(Veto { from: name("qa"), deployment })]);
    assert!(vetoed.veto_for(&name("test")).is_none());
    assert!(vetoed.veto_for(&name("qa")).is_some() && vetoed.veto_for(&name("production")).is_some());
    let again = Command::Veto { from: name("production"), deployment };
    assert_eq!(decide(Some(&vetoed), again, &context()), Ok(Vec::new()), "it is vetoed there already");
}

#[test]
fn a_second_veto_leaves_the_first_in_force() {
    let deployment = DeploymentId::new(uuid::Uuid::nil());
    let two_regions =
        CutNote { environments: vec![environment("qa", &[]), environment("eu", &["qa"]), environment("us", &["qa"])], ..note() };
    let mut release = cut(two_regions);
    for from in ["eu", "us"] {
        let facts = decide(Some(&release), Command::Veto { from: name(from), deployment }, &context()).unwrap();
        assert_eq!(facts, [Fact::Vetoed(Veto { from: name(from), deployment })]);
        release = with(release, &facts);
    }
    let forbidden = |to: &str| release.veto_for(&name(to)).map(|veto| veto.from.to_string());
    assert_eq!((forbidden("qa"), forbidden("eu"), forbidden("us")), (None, Some("eu".to_owned()), Some("us".to_owned())));
}

#[test]
fn a_promotion_by_hand_keeps_the_order() {
    let promote =
        |release: &Release, to: &str| decide(Some(release), Command::Promote { environment: name(to), wish: Wish::New }, &context());
    let release = cut(note());
    assert!(promote(&release, "test").is_ok());
    assert!(matches!(promote(&release, "qa"), Err(Refusal::NotVerifiedBefore { .. })));
    assert_eq!(promote(&release, "moon"), Err(Refusal::NoSuchEnvironment(name("moon"))));
    let verified = with(release, &[Fact::Verified { environment: name("test") }]);
    assert_eq!(
        promote(&verified, "qa"),
        Ok(vec![Fact::PromotionRequested { environment: name("qa"), by: "ana".to_owned(), wish: Wish::New }])
    );
    let deployment = DeploymentId::new(uuid::Uuid::nil());
    let vetoed = with(verified, &[Fact::Vetoed(Veto { from: name("qa"), deployment })]);
    assert!(matches!(promote(&vetoed, "qa"), Err(Refusal::Vetoed { .. })));
    let again = Command::Promote { environment: name("qa"), wish: Wish::Again };
    assert!(matches!(decide(Some(&vetoed), again, &context()), Err(Refusal::Vetoed { .. })), "a veto counts once more too");
}

/// A record from before there was a wish reads as it did, and what has none is written as it was.
#[test]
fn a_request_without_a_wish_is_read_and_written_as_before() {
    let old = r#"{"promotion-requested":{"environment":"qa","by":"ana"}}"#;
    let fact: Fact = serde_json::from_str(old).unwrap();
    assert_eq!(fact, Fact::PromotionRequested { environment: name("qa"), by: "ana".to_owned(), wish: Wish::New });
    assert_eq!(serde_json::to_string(&fact).unwrap(), old);
}

#[test]
fn it_is_verified_once_in_each_place() {
    let verified = with(cut(note()), &[Fact::Verified { environment: name("test") }]);
    assert_eq!(decide(Some(&verified), Command::NoteVerified { environment: name("test") }, &context()), Ok(Vec::new()));
}
