//! What the kernel counts for a process.

use super::sheet::round;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

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

/// How often the process has the disk flushed each time that this is done; null where nobody may trace it.
pub fn flushes(pid: u32, times: u32, mut act: impl FnMut() -> Result<()>) -> Result<Value> {
    if crate::faults::may_trace().is_err() {
        return Ok(Value::Null);
    }
    let calls = tempfile::NamedTempFile::new()?;
    let mut tracer = Command::new("strace");
    tracer.args(["-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range,syncfs", "-o"]).arg(calls.path()).arg("-p").arg(pid.to_string());
    let mut tracer = tracer.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // It says nothing once it holds on.
    std::thread::sleep(Duration::from_millis(500));
    let done = (0..times).try_for_each(|_| act());
    Command::new("kill").args(["-INT", &tracer.id().to_string()]).status()?;
    tracer.wait()?;
    done?;
    let calls = fs::read_to_string(calls.path())?;
    // One that was interrupted by another thread's call has two lines.
    let count = calls.lines().filter(|line| line.contains("sync") && !line.contains("resumed>")).count();
    Ok(json!(round(count as f64 / f64::from(times))))
}
