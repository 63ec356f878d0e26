//! A thread in whose groups children are born. Moving a process waits for the whole machine; being born costs nothing.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc::{SyncSender, sync_channel};

/// A thread that does nothing but start commands.
pub struct Nursery(SyncSender<Order>);

type Order = (Command, SyncSender<io::Result<Child>>);

impl Nursery {
    /// Starts the thread in these groups; it ends with this value.
    pub fn open(groups: Vec<PathBuf>) -> io::Result<Self> {
        let (orders, queue) = sync_channel::<Order>(1);
        let (ready, is_ready) = sync_channel(1);
        std::thread::Builder::new().name("nursery".to_owned()).spawn(move || {
            // "0" is the thread that writes.
            let entered = groups.iter().try_for_each(|group| fs::write(group.join("tasks"), "0"));
            let goes_on = entered.is_ok();
            let _ = ready.send(entered);
            while goes_on && let Ok((mut command, answer)) = queue.recv() {
                // Who asked waits for it.
                let _ = answer.send(command.spawn());
            }
        })?;
        is_ready.recv().map_err(io::Error::other)??;
        Ok(Self(orders))
    }

    /// Starts a command there.
    pub fn spawn(&self, command: Command) -> io::Result<Child> {
        let (answer, is_answered) = sync_channel(1);
        self.0.send((command, answer)).map_err(|_| io::Error::other("the thread that starts commands has ended"))?;
        is_answered.recv().map_err(io::Error::other)?
    }
}
