//! What must hold once all faults are over: the invariants, read from the program's answers and from the targets' journals.

use super::target::Journal;
use crate::bench::Server;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// I1, S13: every acknowledged commit is there with a run, and every run has ended. How many runs, and how many of them
/// passed.
pub fn runs(server: &Server, acknowledged: &[String]) -> Result<(usize, usize)> {
    let mut passed = 0;
    for commit in acknowledged {
        let found = server.until(|| {
            let found = server
                .try_get(&format!("projects/shop/where/{commit}"))?
                .with_context(|| format!("commit {commit} was acknowledged and is lost"))?;
            Ok((!found["run"]["result"].is_null()).then_some(found))
        })?;
        passed += usize::from(found["run"]["result"] == "passed");
    }
    Ok((acknowledged.len(), passed))
}

/// S13: no deployment is left open.
pub fn deployments(server: &Server) -> Result<Vec<Value>> {
    server.until(|| {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let before = all.last().map(|last| format!("&before={}", last["number"])).unwrap_or_default();
            let page = server.get(&format!("projects/shop/deployments?limit=200{before}"))?;
            let page = page.as_array().cloned().unwrap_or_default();
            if page.is_empty() {
                return Ok(all.iter().all(|one| one["status"].get("ended").is_some()).then_some(all));
            }
            all.extend(page);
        }
    })
}

/// I6, I7: fences never fall, and a deployment is applied again only where its earlier apply was cut off.
pub fn journal(name: &str, journal: &Journal) -> Result<usize> {
    let mut held = 0;
    let mut open: BTreeMap<&str, bool> = BTreeMap::new();
    let mut accepted = 0;
    for (word, deployment, fence) in &journal.0 {
        match word.as_str() {
            "start" => {
                ensure!(*fence >= held, "{name}: fence {fence} was accepted after {held}");
                ensure!(open.get(deployment.as_str()) != Some(&false), "{name}: {deployment} was applied again after it had ended");
                held = *fence;
                accepted += 1;
                open.insert(deployment, true);
            }
            "end" => drop(open.insert(deployment, false)),
            _ => {}
        }
    }
    Ok(accepted)
}

/// I2, I3, I12 and the rest that the ledger alone tells.
pub fn ledger(program: &Path, data: &Path) -> Result<u64> {
    let output = Command::new(program).args(["ledger", "verify", "--json", "--data"]).arg(data).output()?;
    ensure!(output.status.success(), "ledger verify: {}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout)?;
    said["entries"].as_u64().context("how many entries")
}
