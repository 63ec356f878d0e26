//! The network between a runner and its server: a relay on loopback that can lose, delay and cut.

use anyhow::Result;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Trouble {
    /// Nothing.
    None,
    /// Every connection ends, and no new one is taken.
    Cut,
    /// What the runner says gets lost.
    AskedLost,
    /// What the server answers gets lost, although it has done what was asked.
    AnswersLost,
    /// Both get lost.
    BothLost,
    /// Every piece comes late.
    Late,
    /// The server seems to have said its last word on every connection; it still hears.
    HalfClosed,
}

/// Every trouble.
pub const TROUBLES: [Trouble; 6] =
    [Trouble::Cut, Trouble::AskedLost, Trouble::AnswersLost, Trouble::BothLost, Trouble::Late, Trouble::HalfClosed];

impl Trouble {
    /// For a table.
    pub fn word(self) -> &'static str {
        match self {
            Trouble::None => "none",
            Trouble::Cut => "cut",
            Trouble::AskedLost => "requests lost",
            Trouble::AnswersLost => "answers lost",
            Trouble::BothLost => "both lost",
            Trouble::Late => "late",
            Trouble::HalfClosed => "half closed",
        }
    }
}

/// A piece that is late is late by this.
const LATE: Duration = Duration::from_millis(150);

/// A relay.
pub struct Proxy {
    /// Where it listens.
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    server: String,
    trouble: AtomicU8,
    ended: AtomicBool,
    /// Both ends of each connection: the runner's, the server's.
    pairs: Mutex<Vec<(TcpStream, TcpStream)>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Asked,
    Answered,
}

impl Proxy {
    /// A relay to this server.
    pub fn start(server: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let shared = Arc::new(Shared { server, trouble: AtomicU8::new(0), ended: AtomicBool::new(false), pairs: Mutex::default() });
        let own = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if own.ended.load(Ordering::Acquire) {
                    return;
                }
                // Whom it refuses sees the connection close at once.
                let _ = own.relay(stream);
            }
        });
        Ok(Self { address, shared })
    }

    /// Begins a trouble, or ends it. What was lost is never made up for: the connections that lost it end with the trouble.
    pub fn trouble(&self, trouble: Trouble) {
        let before = self.shared.trouble.swap(trouble as u8, Ordering::AcqRel);
        let mut pairs = self.shared.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble == Trouble::HalfClosed {
            pairs.iter().for_each(|(runner, _)| drop(runner.shutdown(Shutdown::Write)));
        } else if trouble == Trouble::Cut || before != Trouble::Late as u8 && before != Trouble::None as u8 {
            for (runner, server) in pairs.drain(..) {
                let _ = (runner.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.trouble(Trouble::Cut);
        let _ = TcpStream::connect(&self.address);
    }
}

impl Shared {
    fn has(&self, troubles: &[Trouble]) -> bool {
        let now = self.trouble.load(Ordering::Acquire);
        troubles.iter().any(|trouble| *trouble as u8 == now)
    }

    fn relay(self: &Arc<Self>, runner: TcpStream) -> Result<()> {
        if self.has(&[Trouble::Cut]) {
            return Ok(());
        }
        let server = TcpStream::connect(&self.server)?;
        runner.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        pairs.push((runner.try_clone()?, server.try_clone()?));
        drop(pairs);
        let ways = [(Way::Asked, runner.try_clone()?, server.try_clone()?), (Way::Answered, server, runner)];
        for (way, from, to) in ways {
            let own = self.clone();
            std::thread::spawn(move || own.pump(way, from, to));
        }
        Ok(())
    }

    fn pump(&self, way: Way, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = vec![0; 64 << 10];
        let mut holed = false;
        while let Ok(size @ 1..) = from.read(&mut bytes) {
            if self.has(&[Trouble::Late]) {
                std::thread::sleep(LATE);
            }
            let lost = match way {
                Way::Asked => [Trouble::AskedLost, Trouble::BothLost],
                Way::Answered => [Trouble::AnswersLost, Trouble::BothLost],
            };
            // A stream with a hole is no stream: nothing after the hole is let through either.
            holed |= self.has(&lost);
            if !holed && to.write_all(&bytes[..size]).is_err() {
                break;
            }
        }
        if !holed {
            // One way has ended; the other may still have something to say, but not for ever.
            let _ = to.shutdown(if way == Way::Asked { Shutdown::Both } else { Shutdown::Write });
        }
    }
}
