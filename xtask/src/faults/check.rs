//! What must hold once all faults are over: the invariants, read from the program's answers and from the targets' journals.

use super::facts::{self, Facts};
use super::target::{Journal, Targets};
use crate::bench::Server;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// How the runs of a workload ended whose jobs never fail by themselves.
#[derive(Default)]
pub struct Runs {
    /// Every one.
    pub all: usize,
    /// Every job passed.
    pub passed: usize,
    /// Somebody ended them.
    pub cancelled: usize,
    /// A job was lost with its runner as often as it may start.
    pub lost_a_job: usize,
}

impl Runs {
    /// As figures of a report.
    pub fn figures(&self) -> Map<String, Value> {
        let figures = json!({
            "runs": self.all, "runs_passed": self.passed, "runs_cancelled": self.cancelled, "runs_whose_job_was_lost_twice": self.lost_a_job,
        });
        figures.as_object().cloned().unwrap_or_default()
    }

    fn take(&mut self, server: &Server, commit: &str, found: &Value) -> Result<()> {
        self.all += 1;
        match found["run"]["result"].as_str().unwrap_or_default() {
            "passed" => self.passed += 1,
            "cancelled" => self.cancelled += 1,
            result => {
                let run = server.get(&format!("projects/shop/runs/{}", found["run"]["number"]))?;
                let lost = run["jobs"].as_array().into_iter().flatten().any(|job| job["status"]["ended"] == "lost");
                ensure!(lost, "the run of {commit} is {result}, and no job of it was lost: {run}");
                self.lost_a_job += 1;
            }
        }
        Ok(())
    }
}

/// I1, S13: every acknowledged commit is there with a run, and every run has ended, for a reason that is known.
pub fn runs(server: &Server, acknowledged: &[String]) -> Result<Runs> {
    let mut runs = Runs::default();
    for commit in acknowledged {
        let found = server.until(|| {
            let found = server
                .try_get(&format!("projects/shop/where/{commit}"))?
                .with_context(|| format!("commit {commit} was acknowledged and is lost"))?;
            Ok((!found["run"]["result"].is_null()).then_some(found))
        })?;
        runs.take(server, commit, &found)?;
    }
    Ok(runs)
}

/// How many deployments ended how, failures by their cause. No apply and no check of the workload fails by itself, so
/// none may have failed for what only a release can be blamed for.
pub fn results(deployments: &[Value]) -> Result<BTreeMap<String, usize>> {
    let mut results = BTreeMap::new();
    for one in deployments {
        let ended = &one["status"]["ended"];
        let word = match ended["failed"].as_str() {
            Some(cause) => {
                ensure!(matches!(cause, "lost" | "hindered"), "a release was blamed for a fault: {one}");
                format!("failed, {cause}")
            }
            None => ended.as_str().context("a deployment has not ended")?.to_owned(),
        };
        *results.entry(word).or_default() += 1;
    }
    Ok(results)
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

/// What all targets saw: how many applies they accepted. Something must have come to each of them.
pub fn journals(targets: &Targets) -> Result<usize> {
    let mut all = 0;
    for (name, seen) in targets.journals()? {
        let accepted = journal(name, &seen)?;
        ensure!(accepted > 0, "nothing was ever deployed to {name}: this tells nothing");
        all += accepted;
    }
    Ok(all)
}

/// I6, I7: fences never fall, and a deployment is applied again only where its earlier apply was cut off.
fn journal(name: &str, journal: &Journal) -> Result<usize> {
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

/// What the ledger alone tells: I3, I5 and I8 fact by fact, and that it verifies (I12).
pub fn ledger(program: &Path, data: &Path) -> Result<u64> {
    facts::read(data)?;
    let output = Command::new(program).args(["ledger", "verify", "--json", "--data"]).arg(data).output()?;
    ensure!(output.status.success(), "ledger verify: {}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout)?;
    said["entries"].as_u64().context("how many entries")
}

/// I10: the log of every job that passed is there to its last line; any other is whole as far as it goes. How many bytes
/// were read.
pub fn logs(server: &Server, acknowledged: &[String], lines: usize) -> Result<usize> {
    let mut bytes = 0;
    for commit in acknowledged {
        let found = server.get(&format!("projects/shop/where/{commit}"))?;
        let run = server.get(&format!("projects/shop/runs/{}", found["run"]["number"]))?;
        for job in run["jobs"].as_array().into_iter().flatten() {
            let work = job["work"].as_str().context("no work")?;
            let log = server.log("shop", work)?;
            let text = String::from_utf8_lossy(&log);
            let said: Vec<&str> = text.lines().filter(|line| !line.starts_with('▸')).collect();
            for (index, line) in said.iter().enumerate() {
                let whole = line.starts_with(&format!("line {} of", index + 1)) || index + 1 == said.len();
                ensure!(whole, "I10: {work}: after {index} lines comes '{line}'");
            }
            bytes += log.len();
            let result = job["status"]["ended"].as_str().unwrap_or_default();
            if result == "passed" {
                ensure!(job["log_sealed"] == true, "I10: {work} passed and its log is not sealed");
                ensure!(said.len() == lines, "I10: {work} passed with {} of {lines} lines", said.len());
            }
        }
    }
    Ok(bytes)
}

/// I4: what the server accepted from a runner came under the newest epoch that any runner had been given by then, and no
/// outcome was accepted for a lease that the ledger had ended otherwise. How many writes were refused.
pub fn writes(journal: &[Value], facts: &Facts) -> Result<usize> {
    let mut granted: BTreeMap<&str, Vec<(u64, f64)>> = BTreeMap::new();
    for line in journal.iter().filter(|line| line["act"] == "granted") {
        let work = line["work"].as_str().unwrap_or_default();
        granted.entry(work).or_default().push((line["epoch"].as_u64().unwrap_or(0), line["at"].as_f64().unwrap_or(0.0)));
    }
    let mut refused = 0;
    for line in journal.iter().filter(|line| line["act"] != "granted") {
        let (work, epoch) = (line["work"].as_str().unwrap_or_default(), line["epoch"].as_u64().unwrap_or(0));
        refused += usize::from(line["rest"]["answer"] == "refused");
        if line["rest"]["answer"] != "accepted" {
            continue;
        }
        let sent = line["rest"]["sent"].as_f64().unwrap_or(0.0);
        let newer = granted.get(work).into_iter().flatten().find(|(other, at)| *other > epoch && *at < sent);
        ensure!(newer.is_none(), "I4: a {} of {work} under epoch {epoch} was accepted after {newer:?} was granted", line["act"]);
        if line["act"] == "report" {
            let given = facts.find(work, epoch).with_context(|| format!("I4: the ledger knows no lease {work} {epoch}"))?;
            ensure!(given.by_runner, "I4: the outcome of {work} under epoch {epoch} was accepted, the ledger had lost it before");
        }
    }
    Ok(refused)
}
