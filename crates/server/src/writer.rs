//! The way to the one thread that decides and records.

mod record;
#[cfg(test)]
mod tests;

use crate::clock::Clock;
use crate::room::Room;
use record::Recorder;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use trunkline_engine::{Answer, Call, Engine, Store, StoreError};

/// Calls that may queue; one more is answered with "busy".
const QUEUE_MAX: usize = 2_048;

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

/// Says when the writer's thread has closed the record, which it does once nobody can call any more.
#[derive(Clone, Debug, Default)]
pub struct Closed(Arc<(Mutex<bool>, Condvar)>);

impl Closed {
    fn say(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Waits for it, so that the end of the process does not cut it short; nothing would be lost by that either. Whether it
    /// came in time.
    pub fn wait(&self, time: Duration) -> bool {
        let closed = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        *self.0.1.wait_timeout_while(closed, time, |closed| !*closed).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Hands calls to the writer's thread.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: SyncSender<Asked>,
    closed: Closed,
    bell: Arc<Bell>,
    room: Arc<Room>,
}

/// A call, and who waits for its answer.
struct Asked {
    call: Call,
    origin: Origin,
    answer: oneshot::Sender<Result<Answer, Busy>>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody outside of this process: an answer is durable.
    Outside,
    /// The runner in this process, which dies with it: an answer may come before it is durable, where
    /// [`Answer::may_come_early`] says so.
    OwnRunner,
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
    /// The disk is full.
    #[error("the disk of the data folder is full ({} MiB are free): nothing new begins until there is room", .0 >> 20)]
    NoRoom(u64),
}

impl Writer {
    /// Starts the thread. `fatal` is called once if the store fails; it should end the process.
    pub fn start<S: Store + 'static>(
        engine: Engine<S>,
        clock: Clock,
        room: Arc<Room>,
        fatal: impl FnOnce(StoreError) + Send + 'static,
    ) -> Self {
        let (queue, calls) = sync_channel(QUEUE_MAX);
        let bell = Arc::new(Bell::new(engine.head().frontier.size()));
        let (own, own_room) = (bell.clone(), room.clone());
        let closed = Closed::default();
        let say_closed = closed.clone();
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                // A defect must end the process, as a failed flush does: a server that answers and records nothing is worse.
                let recorder = Recorder::new(engine, clock, own, own_room);
                // The recorder is gone when this returns, and its store with it.
                let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| recorder.run(&calls)));
                match written {
                    Ok(Ok(())) => say_closed.say(),
                    Ok(Err(error)) => fatal(error),
                    Err(_) => fatal(StoreError::Damaged("the writer met a defect".to_owned())),
                }
            })
            .expect("a thread can be started at the start");
        Self { queue, closed, bell, room }
    }

    /// Says when the record is closed.
    pub fn closed(&self) -> Closed {
        self.closed.clone()
    }

    /// The room on the disk.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// The bell.
    pub fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    fn send(&self, call: Call, origin: Origin) -> Result<oneshot::Receiver<Result<Answer, Busy>>, Busy> {
        self.room.admit(&call)?;
        let (answer, receiver) = oneshot::channel();
        match self.queue.try_send(Asked { call, origin, answer }) {
            Ok(()) => Ok(receiver),
            Err(TrySendError::Full(_)) => Err(Busy::Full),
            Err(TrySendError::Disconnected(_)) => Err(Busy::Ending),
        }
    }

    /// Does a call and waits for its answer, which is durable.
    pub async fn call(&self, call: Call) -> Result<Answer, Busy> {
        self.send(call, Origin::Outside)?.await.unwrap_or(Err(Busy::Ending))
    }

    /// The same from a plain thread.
    pub fn call_blocking(&self, call: Call) -> Result<Answer, Busy> {
        self.call_as(Origin::Outside, call)
    }

    /// The same for a caller from here.
    pub fn call_as(&self, origin: Origin, call: Call) -> Result<Answer, Busy> {
        self.send(call, origin)?.blocking_recv().unwrap_or(Err(Busy::Ending))
    }
}
