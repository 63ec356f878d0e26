//! `docs/reliability.md`, made of what was seen.

use crate::tidy;
use anyhow::Result;
use serde_json::{Map, Value};
use std::fs;

/// Every fault that we know of and that this version can meet. PostgreSQL (F11 to F13) it cannot.
const ALL: [(&str, &str); 18] = [
    ("F1", "the server is killed"),
    ("F2", "the power fails: what was not synced is lost or torn"),
    ("F3", "the disk fails"),
    ("F4", "the disk is full"),
    ("F6", "a runner is killed"),
    ("F7", "a runner is paused"),
    ("F8", "a runner is cut off"),
    ("F9", "webhooks are lost"),
    ("F10", "webhooks come twice, late or in another order"),
    ("F14", "the wall clock jumps"),
    ("F15", "daylight saving, and a server that is down when a schedule fires"),
    ("F17", "memory runs out"),
    ("F18", "a job ignores TERM"),
    ("F19", "cancel and end at the same moment"),
    ("F20", "an upgrade in the middle of runs"),
    ("F21", "an old backup is restored"),
    ("F26", "a flood of logs"),
    ("F28", "all at once"),
];

/// Writes the page. What an earlier run wrote of a fault that was not tried now stays.
pub fn write(seen: &Map<String, Value>, words: &[(&str, &str)], count: u32) -> Result<()> {
    let path = tidy::root().join("docs/reliability.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    Ok(fs::write(path, text(&before, seen, words, count))?)
}

/// The page that follows an earlier one.
fn text(before: &str, seen: &Map<String, Value>, words: &[(&str, &str)], count: u32) -> String {
    let mut out = "# Reliability\n\n<!-- Generated: cargo xtask faults --page -->\n\n\
        What the real program did under real faults. Each is made by `cargo xtask faults`; afterwards a checker reads\n\
        what the fault leaves of the program's answers, its ledger and the targets' own journals: every acknowledged push is\n\
        there and its run has ended, no deployment is left open, epochs rise, an environment has one holder, everything ends\n\
        once, fences never fell, nothing was applied again that had been applied, the ledger verifies. A fault that breaks one\n\
        of these ends the program, so what stands here held. That deadlines are kept, gates hold and no key is recorded twice\n\
        is checked by the simulator, which replays 10,000 lives with crashes at every write of the store in every run of the\n\
        tests (`cargo xtask sim`).\n"
        .to_owned();
    let sections = words.iter().filter_map(|(name, words)| {
        let now = seen.get(*name).map(|figures| section(name, words, figures, count));
        now.or_else(|| earlier(before, name)).map(|text| (*name, text))
    });
    let sections: Vec<(&str, String)> = sections.collect();
    out.extend(sections.iter().map(|(_, text)| text.as_str()));
    out += &absent(&sections);
    out
}

/// What was seen of one fault.
fn section(name: &str, words: &str, figures: &Value, count: u32) -> String {
    let mut out = format!("\n## {name}: {words}\n\n| figure | value |\n|---|---|\n");
    for (figure, value) in figures.as_object().into_iter().flatten() {
        out += &format!("| {} | {value} |\n", figure.replace('_', " "));
    }
    if figures["not_tried"].is_null() {
        // Some leave nothing to chance.
        let seed = figures["seed"].as_u64().map(|seed| format!(" --seed {seed}")).unwrap_or_default();
        out += &format!("\n{AGAIN}{name} --count {count}{seed}`\n");
    }
    out
}

/// How the line begins that says how to see the same.
const AGAIN: &str = "Again: `cargo xtask faults ";

/// The section of a fault that the page has.
fn earlier(page: &str, name: &str) -> Option<String> {
    let sections = page.split("\n## ").skip(1);
    let own = sections.into_iter().find(|section| section.starts_with(&format!("{name}: ")))?;
    Some(format!("\n## {}\n", own.trim_end()))
}

/// Every fault that has a number in the design and is left out here, or could not be made on this machine.
fn absent(sections: &[(&str, String)]) -> String {
    let tried = |name: &str| sections.iter().any(|(known, text)| *known == name && text.contains(AGAIN));
    let rows: String = ALL.iter().filter(|(name, _)| !tried(name)).map(|(name, words)| format!("| {name} | {words} |\n")).collect();
    match rows.is_empty() {
        true => "\nNothing that is on our list is left out.\n".to_owned(),
        false => format!("\n## Not tried here yet\n\n| fault | |\n|---|---|\n{rows}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const WORDS: [(&str, &str); 3] = [("F1", "the server is killed"), ("F10", "webhooks come twice"), ("F2", "the power fails")];

    #[test]
    fn what_an_earlier_run_wrote_stays_and_what_was_seen_now_replaces_it() {
        let seen = |killed: u32| json!({ "killed": killed, "seed": 7 });
        let first: Map<String, Value> = [("F1".to_owned(), seen(3)), ("F10".to_owned(), seen(4))].into_iter().collect();
        let page = text("", &first, &WORDS, 20);
        let second: Map<String, Value> = [("F10".to_owned(), seen(5))].into_iter().collect();
        let later = text(&page, &second, &WORDS, 30);
        assert_eq!(earlier(&later, "F1"), earlier(&page, "F1"));
        assert!(later.contains("\n## F1: the server is killed\n\n| figure | value |\n|---|---|\n| killed | 3 |"), "{later}");
        assert!(later.contains("Again: `cargo xtask faults F1 --count 20 --seed 7`"), "{later}");
        assert!(later.contains("| killed | 5 |") && !later.contains("| killed | 4 |"), "{later}");
        assert_eq!(later.matches("\n## F10: ").count(), 1);
        // Nothing seen at all: the page stays as it is, so that writing it twice changes nothing.
        assert_eq!(text(&later, &Map::new(), &WORDS, 40), later);
    }

    #[test]
    fn a_section_is_found_by_its_whole_name_and_ends_before_the_next() {
        let page = "# Reliability\n\n## F10: twice\n\nten\n\n## F1: killed\n\none\n\n\n## Not tried here yet\n\n| F2 |\n";
        assert_eq!(earlier(page, "F1").as_deref(), Some("\n## F1: killed\n\none\n"));
        assert_eq!(earlier(page, "F10").as_deref(), Some("\n## F10: twice\n\nten\n"));
        assert_eq!(earlier(page, "F2"), None);
    }
}
