//! What runners call: claim, report, renew; and what time does to their leases.

use crate::dispatch::Engine;
use crate::request::{Answer, Call, Report, Request};
use crate::store::{Store, StoreError};
use crate::work::WorkRef;
use crate::{BATCH_MAX, assign};
use trunkline_api::runner::{Assignment, ClaimRequest, Outcome, RenewReply, RenewRequest, ReportRequest, WorkReply};
use trunkline_domain::foundation::{Actor, Digest, Millis, RunnerKey, Timestamp};
use trunkline_domain::ledger::Via;
use trunkline_domain::record::{Command, Fact, Key, Refusal, State};
use trunkline_domain::run::LogNote;
use trunkline_domain::{deployment, run};

/// Nothing expires and no lease is lost for this long after a start: runners must have had time to call.
const QUIET_AFTER_START: Millis = Millis::seconds(60);
/// The plain rows of reports that came too late.
const STALE: &str = "stale-report";
/// How many of them are kept.
const STALE_MAX: u64 = 200;

impl<S: Store> Engine<S> {
    pub(crate) fn claim(&mut self, claim: &ClaimRequest) -> Result<Answer, StoreError> {
        let next = self.give(&claim.runner)?;
        Ok(Answer::Work(Box::new(WorkReply { next })))
    }

    fn give(&mut self, runner: &RunnerKey) -> Result<Option<Assignment>, StoreError> {
        let Some(work) = self.work.next(self.now, self.footing.0) else { return Ok(None) };
        let command = match &work {
            WorkRef::Job(run, job) => Command::Run(*run, run::Command::Lease { job: job.clone(), runner: runner.clone() }),
            WorkRef::Piece(id, piece) => Command::Deployment(*id, deployment::Command::Lease { work: *piece, runner: runner.clone() }),
        };
        match self.request(Request::new(Actor::runner(runner.as_str()), Via::Runner, command))? {
            Answer::Done(receipt) => {
                let epoch = receipt.facts.iter().find_map(epoch_of);
                let epoch = epoch.ok_or_else(|| StoreError::Damaged(format!("the lease of {work} left no fact")))?;
                assign::assignment(&mut self.states, &self.store, &work, epoch).map(Some)
            }
            other => Err(StoreError::Damaged(format!("waiting work {work} was refused: {other:?}"))),
        }
    }

    pub(crate) fn report(&mut self, report: Report) -> Result<Answer, StoreError> {
        let Report { request, log_sealed } = report;
        // A lease of something that cannot be work was never given.
        let Ok(work) = request.lease.work.parse::<WorkRef>() else { return Ok(Answer::Stale) };
        let inline = request.log.inline.as_ref().map(String::as_bytes);
        let sealed = match inline {
            Some(bytes) => bytes.len() as u64 == request.log.bytes && Digest::of(bytes) == request.log.digest,
            None => log_sealed,
        };
        let log = LogNote { bytes: request.log.bytes, digest: request.log.digest, sealed };
        let Some(command) = command_of(&work, &request, log) else {
            return Ok(Answer::Invalid(format!("the outcome does not fit '{}'", request.lease.work)));
        };
        let actor = Actor::runner(request.runner.as_str());
        match self.request(Request::new(actor, Via::Runner, command))? {
            Answer::Done(_) => {
                self.keep_evidence(&request)?;
                let next = if request.claim_next { self.give(&request.runner)? } else { None };
                Ok(Answer::Work(Box::new(WorkReply { next })))
            }
            Answer::Refused(Refusal::Run(run::Refusal::Stale { .. } | run::Refusal::Ended(_) | run::Refusal::Missing))
            | Answer::Refused(Refusal::Deployment(
                deployment::Refusal::Stale { .. }
                | deployment::Refusal::Ended(_)
                | deployment::Refusal::Waiting
                | deployment::Refusal::Missing,
            )) => {
                self.keep_stale(&request)?;
                Ok(Answer::Stale)
            }
            other => Ok(other),
        }
    }

    /// A report that came too late, as evidence: the newest [`STALE_MAX`] of all.
    fn keep_stale(&mut self, request: &ReportRequest) -> Result<(), StoreError> {
        self.dirty = true;
        let number = self.store.counter(STALE)? + 1;
        self.store.counter_put(STALE, number)?;
        let bytes = serde_json::to_vec(request).expect("a report has only string keys");
        self.store.plain_put(STALE, &(number % STALE_MAX).to_string(), &bytes)
    }

    /// What is kept of a report beside its facts: the short log, and the failed tests with their messages.
    fn keep_evidence(&mut self, request: &ReportRequest) -> Result<(), StoreError> {
        let key = lease_key(request);
        if let Some(inline) = &request.log.inline {
            self.store.plain_put("log", &key, inline.as_bytes())?;
        }
        let tests = match &request.outcome {
            Outcome::Job(outcome) => outcome.tests.as_ref(),
            Outcome::Verify(outcome) => outcome.tests.as_ref(),
            Outcome::Observe(_) | Outcome::Apply(_) => None,
        };
        if let Some(tests) = tests {
            let bytes = serde_json::to_vec(&tests.within_limits()).expect("a summary has only string keys");
            self.store.plain_put("tests", &key, &bytes)?;
        }
        Ok(())
    }

    pub(crate) fn renew(&mut self, renew: &RenewRequest) -> Result<Answer, StoreError> {
        let mut reply = RenewReply::default();
        for lease in &renew.leases {
            match self.work.renew(lease, self.now) {
                None => reply.lost.push(lease.clone()),
                Some(work) => {
                    if self.shall_end(&work)? {
                        reply.cancel.push(lease.clone());
                    }
                }
            }
        }
        Ok(Answer::Renewed(reply))
    }

    fn shall_end(&mut self, work: &WorkRef) -> Result<bool, StoreError> {
        let key = match work {
            WorkRef::Job(run, _) => Key::Run(*run),
            WorkRef::Piece(deployment, _) => Key::Deployment(*deployment),
        };
        Ok(match self.states.get(&self.store, &key)? {
            Some(State::Run(run)) => run.status == run::RunStatus::Cancelling,
            Some(State::Deployment(deployment)) => deployment.progress().is_some_and(|progress| progress.cancelling),
            _ => false,
        })
    }

    /// Commands that time alone brings about: lost leases and passed deadlines. To be executed by the caller.
    pub fn due(&self, now: Timestamp) -> Result<Vec<Call>, StoreError> {
        let now = self.now.max(now);
        if now.since(self.started) < QUIET_AFTER_START {
            return Ok(Vec::new());
        }
        let lost = self.work.lost(now).into_iter().map(|(work, epoch)| lose(work, epoch));
        let mut calls: Vec<Call> = lost.collect();
        calls.extend(self.deadlines.passed(now).filter_map(expire).take(BATCH_MAX));
        calls.truncate(BATCH_MAX);
        Ok(calls)
    }

    /// The engine was not asked for long: the machine slept, or the process was stopped. As after a start, runners get
    /// time to call before anything is lost or expires.
    pub fn resumed(&mut self, now: Timestamp) {
        self.started = self.now.max(now);
        self.work.renew_all(self.started);
    }

    /// When waiting work that may not be given out yet may be.
    pub fn next_after(&self) -> Option<Timestamp> {
        self.work.next_after(self.now)
    }

    /// The commands that take all leases from a runner that is known to be dead.
    pub fn lose_runner(&self, runner: &RunnerKey) -> Vec<Call> {
        self.work.held_by(runner).into_iter().map(|(work, epoch)| lose(work, epoch)).collect()
    }
}

fn lease_key(request: &ReportRequest) -> String {
    format!("{}/{}", request.lease.work, request.lease.epoch)
}

fn lose(work: WorkRef, epoch: u64) -> Call {
    let command = match work {
        WorkRef::Job(run, job) => Command::Run(run, run::Command::Lose { job, epoch }),
        WorkRef::Piece(id, work) => Command::Deployment(id, deployment::Command::Lose { work, epoch }),
    };
    Call::Command(Box::new(Request::new(Actor::system(), Via::Timer, command)))
}

fn expire(key: &Key) -> Option<Call> {
    let command = match key {
        Key::Run(run) => Command::Run(*run, run::Command::Expire),
        Key::Deployment(id) => Command::Deployment(*id, deployment::Command::Expire),
        Key::Restoration(_) | Key::Repository(_) | Key::Project(_) | Key::Release(_) | Key::Environment(_) => return None,
    };
    Some(Call::Command(Box::new(Request::new(Actor::system(), Via::Timer, command))))
}

fn epoch_of(fact: &Fact) -> Option<u64> {
    match fact {
        Fact::Run { fact: run::Fact::JobLeased { epoch, .. }, .. } => Some(*epoch),
        Fact::Deployment { fact: deployment::Fact::Leased { epoch, .. }, .. } => Some(*epoch),
        _ => None,
    }
}

fn command_of(work: &WorkRef, request: &ReportRequest, log: LogNote) -> Option<Command> {
    let epoch = request.lease.epoch;
    Some(match (work, request.outcome.clone()) {
        (WorkRef::Job(run, job), Outcome::Job(outcome)) => {
            Command::Run(*run, run::Command::Report { job: job.clone(), epoch, outcome: Box::new(outcome), log })
        }
        (WorkRef::Piece(id, work), outcome) => {
            let work = *work;
            let command = match (work, outcome) {
                (deployment::WorkKey::Observe(_), Outcome::Observe(observed)) => {
                    deployment::Command::ReportObserved { work, epoch, observed: Box::new(observed) }
                }
                (deployment::WorkKey::Apply(_), Outcome::Apply(outcome)) => {
                    deployment::Command::ReportApplied { work, epoch, outcome, log }
                }
                (deployment::WorkKey::Verify(_), Outcome::Verify(outcome)) => {
                    deployment::Command::ReportChecked { work, epoch, outcome: Box::new(outcome), log }
                }
                _ => return None,
            };
            Command::Deployment(*id, command)
        }
        (WorkRef::Job(..), _) => return None,
    })
}
