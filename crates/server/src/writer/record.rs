//! The thread that decides and records: what queues during one flush is the next batch.
//!
//! A flush costs as much as many calls. The server's own runner is answered before it, so that no slot waits for the
//! disk; and while nobody else waits and work goes on, calls gather for a moment.

use super::{Asked, Bell, Busy, Origin};
use crate::clock::Clock;
use crate::room::Room;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot::Sender;
use trunkline_api::runner::Outcome;
use trunkline_domain::foundation::{Millis, Timestamp};
use trunkline_engine::{Answer, BATCH_MAX, Call, Engine, Report, Store, StoreError, open_until};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(500);
/// The loop comes by at every [`TICK`]; a longer pause of engine time means that the machine slept or the process was stopped.
const PAUSE: Millis = Millis::seconds(10);
/// How often it is noted that the record is open, and once more at the end: see [`open_until`].
const NOTE_EVERY: Millis = Millis::days(1);
/// How long calls that were answered already may gather before they are flushed.
const GATHER: Duration = Duration::from_millis(2);

/// The loop of the thread.
pub struct Recorder<S> {
    engine: Engine<S>,
    clock: Clock,
    bell: Arc<Bell>,
    room: Arc<Room>,
    /// Reports that were answered and then did not fit on the disk: those of one batch, since none is answered early while
    /// the disk is full. They are recorded as soon as they fit.
    owed: Vec<Report>,
}

/// The calls of one transaction.
#[derive(Default)]
struct Batch {
    size: usize,
    /// Reports that were answered early.
    told: Vec<Report>,
    /// Answers that wait for the flush, each with its place in `waiting`.
    answers: Vec<Answer>,
    waiting: Vec<Sender<Result<Answer, Busy>>>,
}

impl<S: Store> Recorder<S> {
    /// The loop, not yet begun.
    pub fn new(engine: Engine<S>, clock: Clock, bell: Arc<Bell>, room: Arc<Room>) -> Self {
        Self { engine, clock, bell, room, owed: Vec::new() }
    }

    /// Runs until nobody can call any more.
    pub fn run(mut self, calls: &Receiver<Asked>) -> Result<(), StoreError> {
        let mut looked = Instant::now();
        let mut seen = self.clock.now();
        let mut noted = open_until(self.engine.store())?;
        loop {
            let first = match calls.recv_timeout(TICK) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.note(self.clock.now()),
            };
            let size = self.size();
            let now = self.clock.now();
            if now.since(seen) > PAUSE {
                self.engine.resumed(now);
            }
            seen = now;
            // Work that had to wait for its time has to be told about too.
            let mut ring = self.engine.next_after().is_some_and(|after| after <= now);
            // What was said comes before what time says: a renewal that waited in the queue is in time.
            if let Some(first) = first {
                self.batch(first, calls)?;
            }
            // Deadlines are in seconds: looking at each open thing once a tick is enough, however many calls come.
            if looked.elapsed() >= TICK {
                looked = Instant::now();
                self.pay(now)?;
                self.time(now)?;
                if now.since(noted) >= NOTE_EVERY {
                    noted = now;
                    self.note(now)?;
                }
                ring |= self.room.look();
            }
            if ring || self.size() != size {
                self.bell.ring(self.size());
            }
        }
    }

    fn size(&self) -> u64 {
        self.engine.head().frontier.size()
    }

    /// Records a call and what follows soon.
    fn batch(&mut self, first: Asked, calls: &Receiver<Asked>) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        match self.fill(&mut batch, first, calls).and_then(|()| self.engine.commit()) {
            Ok(()) => {
                for (answer, waiting) in batch.answers.into_iter().zip(batch.waiting) {
                    // Who asked may have gone away; what happened has happened.
                    let _ = waiting.send(Ok(answer));
                }
                Ok(())
            }
            Err(StoreError::Full) => {
                self.room.ran_out();
                self.engine.take_back()?;
                for waiting in batch.waiting {
                    let _ = waiting.send(Err(self.room.full()));
                }
                self.owed.extend(batch.told);
                // The reserve makes room.
                self.pay(self.clock.now())
            }
            Err(error) => Err(error),
        }
    }

    fn fill(&mut self, batch: &mut Batch, first: Asked, calls: &Receiver<Asked>) -> Result<(), StoreError> {
        self.engine.begin()?;
        let until = Instant::now() + GATHER;
        let mut next = Some(first);
        while let Some(asked) = next.take() {
            self.answer(batch, asked)?;
            if batch.size == BATCH_MAX {
                break;
            }
            next = match calls.try_recv() {
                Ok(asked) => Some(asked),
                // Whoever works will report soon.
                Err(_) if batch.waiting.is_empty() && self.engine.has_news() && self.engine.work_counts().1 > 0 => {
                    calls.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
                }
                Err(_) => None,
            };
        }
        Ok(())
    }

    fn answer(&mut self, batch: &mut Batch, asked: Asked) -> Result<(), StoreError> {
        batch.size += 1;
        let Asked { call, origin, answer: sender } = asked;
        // On a full disk an answer may have to be taken back. How a deployment went is nothing to lose.
        let early = origin == Origin::OwnRunner && !self.room.is_low() && !tells_of_a_deployment(&call);
        let report = match &call {
            Call::Report(report) if early => Some(report.as_ref().clone()),
            _ => None,
        };
        match self.engine.answer(call, self.clock.now()) {
            Ok(answer) if early && answer.may_come_early() => {
                batch.told.extend(report);
                let _ = sender.send(Ok(answer));
                Ok(())
            }
            other => {
                batch.waiting.push(sender);
                other.map(|answer| batch.answers.push(answer))
            }
        }
    }

    /// Records what was answered and then did not fit, if it fits now. No work is given out for it: the slot has gone on.
    fn pay(&mut self, now: Timestamp) -> Result<(), StoreError> {
        while let Some(mut report) = self.owed.first().cloned() {
            report.request.claim_next = false;
            match self.engine.execute(vec![Call::Report(Box::new(report))], now) {
                Ok(_) => drop(self.owed.remove(0)),
                Err(StoreError::Full) => return self.engine.take_back(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Notes that the record is open now. It is not worth room on a full disk.
    fn note(&mut self, now: Timestamp) -> Result<(), StoreError> {
        match self.engine.note_open(now) {
            Err(StoreError::Full) => self.engine.take_back(),
            noted => noted,
        }
    }

    /// What time alone brings about.
    fn time(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let due = self.engine.due(now)?;
        if due.is_empty() {
            return Ok(());
        }
        match self.engine.execute(due, now) {
            Ok(_) => Ok(()),
            // What did not fit is due at the next look too.
            Err(StoreError::Full) => {
                self.room.ran_out();
                self.engine.take_back()
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a report is of a piece of a deployment.
pub fn tells_of_a_deployment(call: &Call) -> bool {
    matches!(call, Call::Report(report) if !matches!(report.request.outcome, Outcome::Job(_)))
}
