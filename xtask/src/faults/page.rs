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

/// Writes the page.
pub fn write(seen: &Map<String, Value>, words: &[(&str, &str)], count: u32) -> Result<()> {
    let mut out = "# Reliability\n\n<!-- Generated: cargo xtask faults --page -->\n\n\
        What the real program did under real faults. Each is made by `cargo xtask faults`; afterwards one checker reads the\n\
        program's answers, its ledger and the targets' own journals: every acknowledged push is there and its run has ended,\n\
        no deployment is left open, fences never fell, nothing was applied again that had been applied, the ledger verifies.\n\
        A fault that breaks one of these ends the program, so what stands here held. Besides, the simulator replays 10,000\n\
        lives with crashes at every write of the store in every run of the tests (`cargo xtask sim`).\n"
        .to_owned();
    for (name, figures) in seen {
        let words = words.iter().find(|(known, _)| known == name).map_or("", |(_, words)| words);
        out += &format!("\n## {name}: {words}\n\n| figure | value |\n|---|---|\n");
        for (figure, value) in figures.as_object().into_iter().flatten() {
            out += &format!("| {} | {value} |\n", figure.replace('_', " "));
        }
        if figures["not_tried"].is_null() {
            out += &format!("\nAgain: `cargo xtask faults {name} --count {count} --seed {}`\n", figures["seed"]);
        }
    }
    out += &absent(seen);
    Ok(fs::write(tidy::root().join("docs/reliability.md"), out)?)
}

/// Every fault that has a number in the design and is left out here, or could not be made on this machine.
fn absent(seen: &Map<String, Value>) -> String {
    let tried = |name: &str| seen.get(name).is_some_and(|figures| figures["not_tried"].is_null());
    let rows: String = ALL.iter().filter(|(name, _)| !tried(name)).map(|(name, words)| format!("| {name} | {words} |\n")).collect();
    match rows.is_empty() {
        true => "\nNothing that is on our list is left out.\n".to_owned(),
        false => format!("\n## Not tried here yet\n\n| fault | |\n|---|---|\n{rows}"),
    }
}
