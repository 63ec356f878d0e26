//! The one thread that decides and records. What queues during one flush is the next batch.

use crate::clock::Clock;
use crate::room::Room;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use trunkline_domain::foundation::{Millis, Timestamp};
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
    queue: SyncSender<Asked>,
    bell: Arc<Bell>,
    room: Arc<Room>,
}

/// A call, and who waits for its answer.
type Asked = (Call, oneshot::Sender<Result<Answer, Busy>>);

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
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                // A defect must end the process, as a failed flush does: a server that answers and records nothing is worse.
                let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| write(engine, clock, &calls, &own, &own_room)));
                match written {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => fatal(error),
                    Err(_) => fatal(StoreError::Damaged("the writer met a defect".to_owned())),
                }
            })
            .expect("a thread can be started at the start");
        Self { queue, bell, room }
    }

    /// The room on the disk.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// The bell.
    pub fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    fn send(&self, call: Call) -> Result<oneshot::Receiver<Result<Answer, Busy>>, Busy> {
        self.room.admit(&call)?;
        let (sender, receiver) = oneshot::channel();
        match self.queue.try_send((call, sender)) {
            Ok(()) => Ok(receiver),
            Err(TrySendError::Full(_)) => Err(Busy::Full),
            Err(TrySendError::Disconnected(_)) => Err(Busy::Ending),
        }
    }

    /// Does a call and waits for its answer, which is durable.
    pub async fn call(&self, call: Call) -> Result<Answer, Busy> {
        self.send(call)?.await.unwrap_or(Err(Busy::Ending))
    }

    /// The same from a plain thread.
    pub fn call_blocking(&self, call: Call) -> Result<Answer, Busy> {
        self.send(call)?.blocking_recv().unwrap_or(Err(Busy::Ending))
    }
}

fn write<S: Store>(mut engine: Engine<S>, clock: Clock, calls: &Receiver<Asked>, bell: &Bell, room: &Room) -> Result<(), StoreError> {
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
            let answers: Vec<Result<Answer, Busy>> = match execute(&mut engine, calls, now, room)? {
                Some(answers) => answers.into_iter().map(Ok).collect(),
                None => senders.iter().map(|_| Err(room.full())).collect(),
            };
            for (answer, sender) in answers.into_iter().zip(senders) {
                // Who asked may have gone away; what happened has happened.
                let _ = sender.send(answer);
            }
        }
        // Deadlines are in seconds: looking at each open thing once a tick is enough, however many calls come.
        if looked.elapsed() >= TICK {
            looked = Instant::now();
            let due = engine.due(now)?;
            if !due.is_empty() {
                // What did not fit is due at the next look too.
                execute(&mut engine, due, now, room)?;
            }
            ring |= room.look();
        }
        ring |= engine.head().frontier.size() != size;
        if ring {
            bell.ring(engine.head().frontier.size());
        }
    }
}

/// Does the calls. None: the disk is full and nothing of them is kept; the reserve makes room for the next try.
fn execute<S: Store>(engine: &mut Engine<S>, calls: Vec<Call>, now: Timestamp, room: &Room) -> Result<Option<Vec<Answer>>, StoreError> {
    match engine.execute(calls, now) {
        Ok(answers) => Ok(Some(answers)),
        Err(StoreError::Full) => {
            room.ran_out();
            engine.take_back()?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
