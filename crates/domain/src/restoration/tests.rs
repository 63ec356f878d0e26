//! Given facts, when a command, then facts or a refusal.

use super::*;
use crate::context::Mode;
use crate::foundation::Actor;

const NOW: Timestamp = Timestamp(1_000_000);

fn context() -> Context {
    Context { now: NOW, actor: Actor::person("ana"), id: uuid::Uuid::nil(), number: 1, epoch: 0, mode: Mode::Safe, fence: 0 }
}

fn backup() -> Backup {
    Backup { taken_at: Timestamp(5), entries: 7, root: Digest::of(b"then") }
}

#[test]
fn safe_mode_begins_once_and_a_person_ends_it_once() {
    assert_eq!(decide(None, Command::Confirm, &context()), Err(Refusal::Missing));
    let begun = decide(None, Command::Begin(backup()), &context()).unwrap();
    assert_eq!(begun, [Fact::Restored { backup: backup(), fence: STEP }]);
    let safe = evolve(None, &begun[0], NOW);
    assert_eq!(safe.confirmed, None);
    assert_eq!(decide(Some(&safe), Command::Begin(backup()), &context()), Err(Refusal::Exists));
    let confirmed = decide(Some(&safe), Command::Confirm, &context()).unwrap();
    let ended = evolve(Some(safe), &confirmed[0], NOW);
    assert_eq!(ended.confirmed, Some(Confirmed { by: "ana".to_owned(), at: NOW }));
    assert_eq!(decide(Some(&ended), Command::Confirm, &context()), Err(Refusal::Confirmed { by: "ana".to_owned() }));
}

#[test]
fn numbers_go_on_above_those_of_a_lost_future_and_of_an_earlier_restoration() {
    let later = |seconds: i64| Timestamp((1_790_000_000 + seconds) * 1_000);
    assert_eq!(raised(3, NOW), STEP, "whatever the clock says");
    assert_eq!(raised(3, later(0)), 1_790_000_000);
    let again = raised(1_790_000_000, later(60));
    assert!(again > 1_790_000_000 + 50, "a minute later, a backup of what was restored, and fifty numbers lost");
    assert!(raised(1_790_000_000, later(120)) > again + 50, "the same backup once more");
    assert_eq!(raised(1_790_000_099, later(60)), 1_790_000_099 + STEP, "the clock is behind");
}
