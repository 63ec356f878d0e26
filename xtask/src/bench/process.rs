//! What the kernel counts for a process.

use anyhow::{Context, Result};
use std::fs;

/// Proportional set size, in bytes.
pub fn pss(pid: u32) -> Result<u64> {
    line(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// The highest resident size so far, in bytes.
pub fn peak(pid: u32) -> Result<u64> {
    line(&format!("/proc/{pid}/status"), "VmHWM:")
}

fn line(path: &str, key: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("{path} has no {key}"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

/// CPU seconds of the process, without and with its children that have ended.
pub fn cpu(pid: u32) -> Result<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(')').context("stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0) / 100.0;
    let own = ticks(11) + ticks(12);
    Ok((own, own + ticks(13) + ticks(14)))
}
