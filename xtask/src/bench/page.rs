//! `docs/benchmarks.md`, made of measured figures.

use crate::tidy;
use anyhow::Result;
use serde_json::{Map, Value};
use std::fs;
use std::process::Command;

/// The bars, by workload: figure, most that is allowed, in words.
const BARS: [(&str, &str, f64, &str); 14] = [
    ("w1", "ratio", 1.0, "ratio ≤ 1.0"),
    ("w1x", "ratio", 1.5, "ratio ≤ 1.5"),
    ("w2", "ratio", 2.5, "ratio ≤ 2.5"),
    ("w2", "cpu_each", 0.010, "≤ 0.010 CPU s each"),
    ("w3", "ratio", 1.5, "ratio ≤ 1.5"),
    ("w4", "ratio", 1.5, "ratio ≤ 1.5"),
    ("w4", "peak_mb", 48.0, "peak ≤ 48 MB"),
    ("w4b", "ratio", 2.5, "ratio ≤ 2.5"),
    ("w5", "pss_mb", 25.0, "≤ 25 MB PSS"),
    ("w5", "ready_ms", 100.0, "start to ready ≤ 100 ms"),
    ("w5", "binary_mb", 30.0, "program ≤ 30 MB"),
    ("check", "ms", 50.0, "≤ 50 ms"),
    ("run", "ms", 1000.0, "< 1 s"),
    ("build", "seconds", 480.0, "≤ 8 min"),
];

/// Writes the page. What was not measured this time stands as it was measured last.
pub fn write(measured: &Map<String, Value>, words: &[(&str, &str)]) -> Result<()> {
    let path = tidy::root().join("docs/benchmarks.md");
    let mut sheet = earlier(&fs::read_to_string(&path).unwrap_or_default());
    sheet.extend(measured.iter().map(|(name, figures)| (name.clone(), figures.clone())));
    Ok(fs::write(path, text(&sheet, words)?)?)
}

/// What a page has of earlier measurements.
fn earlier(page: &str) -> Map<String, Value> {
    let sheet = page.split_once("```json\n").and_then(|(_, rest)| rest.split_once("\n```"));
    sheet.and_then(|(sheet, _)| serde_json::from_str(sheet).ok()).unwrap_or_default()
}

fn text(sheet: &Map<String, Value>, words: &[(&str, &str)]) -> Result<String> {
    let mut out = format!(
        "# Benchmarks\n\n<!-- Generated: cargo xtask bench --page -->\n\n\
         Measured with `cargo xtask bench` on {}. *ratio* is our time divided by that of a plain shell script which does the\n\
         same work without a record and without a flush: a `post-receive` hook that clones and runs four `sh -c :` (w1),\n\
         `xargs -P 2` (w2, w3), `> file` (w4). Both run in turns in the same minutes, pair by pair; the median of the pairs is\n\
         told, times are medians too. On a busy machine times grow and ratios stay: compare ratios. Jobs run at sandbox level\n\
         host, but for w1x; the ratios at the other levels (five pairs) stand beside.\n\n\
         | workload | bar | measured | ours | floor | n | landlock | sandbox |\n|---|---|---|---|---|---|---|---|\n",
        machine()
    );
    for (name, figure, most, bar) in BARS {
        let Some(figures) = sheet.get(name) else { continue };
        let words = words.iter().find(|(known, _)| *known == name).map_or("", |(_, words)| words);
        let measured = figures[figure].as_f64().unwrap_or(f64::NAN);
        let mark = if measured <= most { "✓" } else { "✗" };
        let seconds = |key: &str| figures[key].as_f64().map_or_else(String::new, |value| format!("{:.1} ms", value * 1000.0));
        let count = figures["n"].as_u64().map_or_else(String::new, |count| count.to_string());
        let behind =
            |level: &str| figures[level].as_f64().filter(|_| figure == "ratio").map_or_else(String::new, |ratio| ratio.to_string());
        let (ours, floor, landlock, sandbox) = (seconds("ours"), seconds("floor"), behind("landlock"), behind("sandbox"));
        out += &format!("| {name}: {words} | {bar} | {mark} {measured} | {ours} | {floor} | {count} | {landlock} | {sandbox} |\n");
    }
    out += "\nOf w1: `after_push` is the time from the end of `git push` to the record of the last job, in seconds;\n\
        `hook_to_done_floor` the floor's from the start of its hook to its last line; `flushes` how often the server had the disk\n\
        flushed for a push and all that followed.\n";
    out += "\nEverything that was measured:\n\n```json\n";
    out += &serde_json::to_string_pretty(sheet)?;
    out += "\n```\n\nWhere the time goes, and how far below these bars the design can go: [speed](decisions/speed.md).\n";
    Ok(out)
}

fn machine() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{cores} cores, Linux {}, {}, on {}", said("uname", &["-r"]), said("git", &["--version"]), said("date", &["+%-d %B %Y"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_keeps_what_is_not_measured_again() {
        let sheet = |value: Value| value.as_object().cloned().unwrap_or_default();
        let words = [("w1", "a push"), ("w2", "many")];
        let both = sheet(json!({ "w1": { "ratio": 0.5, "n": 3 }, "w2": { "ratio": 2.0, "n": 5 } }));
        let Ok(page) = text(&both, &words) else { panic!("no page") };
        assert_eq!(earlier(&page), both);
        assert!(page.contains("| w2: many | ") && earlier("").is_empty());
    }
}
