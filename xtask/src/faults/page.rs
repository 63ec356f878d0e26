//! `docs/reliability.md`, made of what was seen.

use crate::tidy;
use anyhow::Result;
use serde_json::{Map, Value};
use std::fs;

/// Writes the page.
pub fn write(seen: &Map<String, Value>, words: &[(&str, &str)]) -> Result<()> {
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
        let seed = &figures["seed"];
        let count = &figures["kills"];
        out += &format!("\nAgain: `cargo xtask faults {name} --count {count} --seed {seed}`\n");
    }
    out += "\n## Not tried here yet\n\nF2 to F4 (power loss, read and write errors, a full disk) outside the simulator, F6 to F8 (runners killed, paused, cut\n\
        off), F14, F17 to F20, F26.\n";
    Ok(fs::write(tidy::root().join("docs/reliability.md"), out)?)
}
