//! The one thread that decides and records. What queues during one flush is the next batch.

use crate::clock::Clock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use trunkline_domain::foundation::Millis;
use trunkline_engine::{Answer, BATCH_MAX, Call, Engine, Store, StoreError};

/// Calls that may queue; one more is answered with "busy".
const QUEUE_MAX: usize = 2_048;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(500);

/// The loop comes by at every [`TICK`]; a longer pause of engine time means that the machine slept or the process was stopped.
const PAUSE: Millis = Millis::seconds(10);

/// Rings after every commit, and carries no data but the ledger's size.
#[derive(Debug)]
pub struct Bell {
    seq: watch::Sender<u64>,
    rung: Mutex<u64>,
    condition: Condvar,
    ending: AtomicBool,
}

impl Bell {
    fn new(seq: u64) -> Self {
        Self { seq: watch::Sender::new(seq), rung: Mutex::new(0), condition: Condvar::new(), ending: AtomicBool::new(false) }
    }

    fn ring(&self, seq: u64) {
        self.seq.send_replace(seq);
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.condition.notify_all();
    }

    /// For asynchronous waiting: the ledger's size.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.seq.subscribe()
    }

    /// Ends all waiting, now and later: the server is ending.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
        // The borrow must end before the ring, which writes what is borrowed.
        let seq = *self.seq.borrow();
        self.ring(seq);
    }

    /// Whether the server is ending.
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// How often it rang.
    pub fn count(&self) -> u64 {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it has rung more often than `seen`, or the time is over.
    pub fn wait(&self, seen: u64, time: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.condition.wait_timeout_while(rung, time, |rung| *rung <= seen));
    }
}

/// Hands calls to the writer's thread.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: SyncSender<(Call, oneshot::Sender<Answer>)>,
    bell: Arc<Bell>,
}

/// The writer takes no call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// Too many wait.
    #[error("the server has {QUEUE_MAX} calls waiting: try again")]
    Full,
    /// It is ending.
    #[error("the server is ending")]
    Ending,
}

impl Writer {
    /// Starts the thread. `fatal` is called once if the store fails; it should end the process.
    pub fn start<S: Store + 'static>(engine: Engine<S>, clock: Clock, fatal: impl FnOnce(StoreError) + Send + 'static) -> Self {
        let (queue, calls) = sync_channel(QUEUE_MAX);
        let bell = Arc::new(Bell::new(engine.head().frontier.size()));
        let own = bell.clone();
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                // A defect must end the process, as a failed flush does: a server that answers and records nothing is worse.
                let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| write(engine, clock, &calls, &own)));
                match written {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => fatal(error),
                    Err(_) => fatal(StoreError::Damaged("the writer met a defect".to_owned())),
                }
            })
            .expect("a thread can be started at the start");
        Self { queue, bell }
    }

    /// The bell.
    pub fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    fn send(&self, call: Call) -> Result<oneshot::Receiver<Answer>, Busy> {
        let (sender, receiver) = oneshot::channel();
        match self.queue.try_send((call, sender)) {
            Ok(()) => Ok(receiver),
            Err(TrySendError::Full(_)) => Err(Busy::Full),
            Err(TrySendError::Disconnected(_)) => Err(Busy::Ending),
        }
    }

    /// Does a call and waits for its answer, which is durable.
    pub async fn call(&self, call: Call) -> Result<Answer, Busy> {
        self.send(call)?.await.map_err(|_| Busy::Ending)
    }

    /// The same from a plain thread.
    pub fn call_blocking(&self, call: Call) -> Result<Answer, Busy> {
        self.send(call)?.blocking_recv().map_err(|_| Busy::Ending)
    }
}

fn write<S: Store>(
    mut engine: Engine<S>,
    clock: Clock,
    calls: &Receiver<(Call, oneshot::Sender<Answer>)>,
    bell: &Bell,
) -> Result<(), StoreError> {
    let mut looked = Instant::now();
    let mut seen = clock.now();
    loop {
        let mut batch = Vec::new();
        match calls.recv_timeout(TICK) {
            Ok(first) => {
                batch.push(first);
                batch.extend(calls.try_iter().take(BATCH_MAX - 1));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        let size = engine.head().frontier.size();
        let now = clock.now();
        if now.since(seen) > PAUSE {
            engine.resumed(now);
        }
        seen = now;
        // Work that had to wait for its time has to be told about too.
        let mut ring = engine.next_after().is_some_and(|after| after <= now);
        // What was said comes before what time says: a renewal that waited in the queue is in time.
        if !batch.is_empty() {
            let (calls, senders): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            for (answer, sender) in engine.execute(calls, now)?.into_iter().zip(senders) {
                // Who asked may have gone away; what happened has happened.
                let _ = sender.send(answer);
            }
        }
        // Deadlines are in seconds: looking at each open thing once a tick is enough, however many calls come.
        if looked.elapsed() >= TICK {
            looked = Instant::now();
            let due = engine.due(now)?;
            if !due.is_empty() {
                engine.execute(due, now)?;
            }
        }
        ring |= engine.head().frontier.size() != size;
        if ring {
            bell.ring(engine.head().frontier.size());
        }
    }
}
