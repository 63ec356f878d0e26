//! What the ledger says of leases, holders and ends, read from its facts one by one.

use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use trunkline_domain::deployment::Fact as DeploymentFact;
use trunkline_domain::foundation::{DeploymentId, RunId};
use trunkline_domain::ledger::{Entry, Via};
use trunkline_domain::record::Fact;
use trunkline_domain::run::Fact as RunFact;
use trunkline_engine::{Read, WorkRef};
use trunkline_store::SqliteReader;

/// Entries read at once.
const PAGE: u32 = 500;

/// A lease, as the ledger has it.
#[derive(Clone, Debug)]
pub struct Given {
    /// The work.
    pub work: String,
    /// Its epoch.
    pub epoch: u64,
    /// Engine time of the grant, in milliseconds.
    pub at_ms: i64,
    /// Engine time of the fact that ended it.
    pub ended_ms: Option<i64>,
    /// Whether it ended by the word of its runner, and not by time.
    pub by_runner: bool,
}

/// When a fact was recorded, and by whose word.
#[derive(Clone, Copy)]
struct When {
    ms: i64,
    by_runner: bool,
}

/// Every lease, in order.
#[derive(Default)]
pub struct Facts {
    /// Every lease, in order.
    pub given: Vec<Given>,
    /// Attempts that were lost with their runner.
    pub attempts_lost: usize,
    /// Deployments that became unknown.
    pub became_unknown: usize,
    /// Entries that time alone brought about: lost leases, passed deadlines.
    pub by_time: usize,
    first_ms: Option<i64>,
    last_ms: i64,
    open: BTreeMap<String, usize>,
    epochs: BTreeMap<String, u64>,
    runs_ended: BTreeMap<RunId, usize>,
    deployments: BTreeMap<DeploymentId, Progress>,
    holders: BTreeMap<String, DeploymentId>,
}

#[derive(Default)]
struct Progress {
    environment: String,
    work: Option<String>,
    ended: usize,
}

/// Reads them, and checks I3, I5 and I8 on the way.
pub fn read(data: &Path) -> Result<Facts> {
    let reader = SqliteReader::open(&data.join("trunkline.db"))?;
    let mut facts = Facts::default();
    let mut after = 0;
    loop {
        let page = reader.entries(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(facts) };
        after = last.seq;
        for stored in &page {
            let entry: Entry<Fact> = serde_json::from_slice(&stored.bytes)?;
            facts.by_time += usize::from(entry.via == Via::Timer);
            facts.first_ms.get_or_insert(entry.at.0);
            facts.last_ms = entry.at.0;
            for fact in &entry.facts {
                facts.take(fact, When { ms: entry.at.0, by_runner: entry.via == Via::Runner })?;
            }
        }
    }
}

impl Facts {
    fn take(&mut self, fact: &Fact, when: When) -> Result<()> {
        match fact {
            Fact::Run { id, fact } => self.run(*id, fact, when),
            Fact::Deployment { id, fact } => self.deployment(*id, fact, when),
            _ => Ok(()),
        }
    }

    fn run(&mut self, id: RunId, fact: &RunFact, when: When) -> Result<()> {
        let work = |job: &trunkline_domain::foundation::JobKey| WorkRef::Job(id, job.clone()).to_string();
        match fact {
            RunFact::JobLeased { job, epoch, .. } => return self.give(work(job), *epoch, when),
            RunFact::AttemptEnded { job, .. } => {
                self.attempts_lost += 1;
                self.end(&work(job), when);
            }
            RunFact::JobEnded(ended) => self.end(&work(&ended.job), when),
            RunFact::Ended { .. } => {
                let ends = self.runs_ended.entry(id).or_default();
                *ends += 1;
                ensure!(*ends == 1, "I8: {id} ended {ends} times");
            }
            _ => {}
        }
        Ok(())
    }

    fn deployment(&mut self, id: DeploymentId, fact: &DeploymentFact, when: When) -> Result<()> {
        let progress = self.deployments.entry(id).or_default();
        match fact {
            DeploymentFact::Requested(requested) => progress.environment = format!("{}/{}", requested.project, requested.environment),
            DeploymentFact::Begun { .. } => {
                let environment = progress.environment.clone();
                let before = self.holders.insert(environment.clone(), id);
                ensure!(before.is_none(), "I5: {id} holds {environment} together with {before:?}");
            }
            DeploymentFact::Leased { work, epoch, .. } => {
                let work = WorkRef::Piece(id, *work).to_string();
                progress.work = Some(work.clone());
                return self.give(work, *epoch, when);
            }
            DeploymentFact::CancelRequested => {}
            other => {
                let ended = matches!(other, DeploymentFact::Ended { .. });
                progress.ended += usize::from(ended);
                ensure!(progress.ended < 2, "I8: {id} ended twice");
                if ended && self.holders.get(&progress.environment) == Some(&id) {
                    self.holders.remove(&progress.environment);
                }
                self.became_unknown += usize::from(matches!(other, DeploymentFact::BecameUnknown { .. }));
                if let Some(work) = progress.work.take() {
                    self.end(&work, when);
                }
            }
        }
        Ok(())
    }

    fn give(&mut self, work: String, epoch: u64, when: When) -> Result<()> {
        let held = self.epochs.insert(work.clone(), epoch);
        ensure!(held < Some(epoch), "I3: {work} was given with epoch {epoch} after {held:?}");
        self.open.insert(work.clone(), self.given.len());
        self.given.push(Given { work, epoch, at_ms: when.ms, ended_ms: None, by_runner: false });
        Ok(())
    }

    fn end(&mut self, work: &str, when: When) {
        if let Some(index) = self.open.remove(work) {
            self.given[index].ended_ms = Some(when.ms);
            self.given[index].by_runner = when.by_runner;
        }
    }

    /// Engine time from the first entry to the last.
    pub fn span_ms(&self) -> i64 {
        self.last_ms - self.first_ms.unwrap_or(self.last_ms)
    }

    /// How a lease ended.
    pub fn find(&self, work: &str, epoch: u64) -> Option<&Given> {
        self.given.iter().find(|given| given.work == work && given.epoch == epoch)
    }
}
