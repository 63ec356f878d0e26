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
    ("F28", "all at once; in the simulator: `cargo xtask sim`"),
];

/// Writes the page. What an earlier run wrote of a fault that was not tried now stays.
pub fn write(seen: &Map<String, Value>, words: &[(&str, &str)], count: u32) -> Result<()> {
    let path = tidy::root().join("docs/reliability.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    let mut out = "# Reliability\n\n<!-- Generated: cargo xtask faults --page -->\n\n\
        What the real program did under real faults. Each is made by `cargo xtask faults`; afterwards one checker reads the\n\
        program's answers, its ledger and the targets' own journals: every acknowledged push is there and its run has ended,\n\
        no deployment is left open, fences never fell, nothing was applied again that had been applied, the ledger verifies.\n\
        A fault that breaks one of these ends the program, so what stands here held. Besides, the simulator replays 10,000\n\
        lives with crashes at every write of the store in every run of the tests (`cargo xtask sim`).\n"
        .to_owned();
    let sections = words.iter().filter_map(|(name, words)| {
        let now = seen.get(*name).map(|figures| section(name, words, figures, count));
        now.or_else(|| earlier(&before, name)).map(|text| (*name, text))
    });
    let sections: Vec<(&str, String)> = sections.collect();
    out.extend(sections.iter().map(|(_, text)| text.as_str()));
    out += &absent(&sections);
    Ok(fs::write(path, out)?)
}

/// What was seen of one fault.
fn section(name: &str, words: &str, figures: &Value, count: u32) -> String {
    let mut out = format!("\n## {name}: {words}\n\n| figure | value |\n|---|---|\n");
    for (figure, value) in figures.as_object().into_iter().flatten() {
        out += &format!("| {} | {value} |\n", figure.replace('_', " "));
    }
    if figures["not_tried"].is_null() {
        out += &format!("\n{AGAIN}{name} --count {count} --seed {}`\n", figures["seed"]);
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
