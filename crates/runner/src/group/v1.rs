//! The first version: a hierarchy for each kind. A slot's groups stay, and its steps are born in them one
//! after the other.

use super::nursery::Nursery;
use super::{Group, KILL_WITHIN, Limits, Used, found, named, number_in};
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long a step waits for killed processes of the one before to be counted no more.
const BURY_WITHIN: Duration = Duration::from_secs(5);

/// A slot's group in each hierarchy. When too much of its memory belongs to nobody any more, such as a file that a step left
/// in `/dev/shm`, the next step has another.
pub struct Slot {
    folders: Vec<PathBuf>,
    limits: Limits,
    number: Cell<u32>,
    set: RefCell<Set>,
}

impl Slot {
    /// Makes the groups; the folders are of the hierarchies [`found::FIRST`], in that order.
    pub fn open(folders: &[PathBuf], limits: Limits) -> io::Result<Self> {
        let set = RefCell::new(Set::open(folders, limits)?);
        Ok(Self { folders: folders.to_vec(), limits, number: Cell::new(0), set })
    }

    /// Makes another set of groups. The old one is removed with the runner's: its memory is still held.
    fn renew(&self) -> io::Result<()> {
        self.number.set(self.number.get() + 1);
        let named = |folder: &PathBuf| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            folder.with_file_name(format!("{name}-{}", self.number.get()))
        };
        let folders: Vec<PathBuf> = self.folders.iter().map(named).collect();
        let old = self.set.replace(Set::open(&folders, self.limits)?);
        let left = old.folders.clone();
        drop(old);
        left.iter().for_each(|folder| found::remove(folder));
        Ok(())
    }
}

impl Group for Slot {
    fn begin(&self) -> io::Result<()> {
        let is_spent = self.set.borrow().is_spent(self.limits)?;
        if is_spent {
            self.renew()?;
        }
        self.set.borrow().begin()
    }

    fn spawn(&self, command: Command, _walled: bool) -> io::Result<Child> {
        self.set.borrow().nursery.spawn(command)
    }

    fn folder(&self) -> Option<PathBuf> {
        None
    }

    fn end(&self) -> usize {
        self.set.borrow().end()
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn used(&self) -> io::Result<Used> {
        self.set.borrow().used()
    }
}

/// One group in each hierarchy.
struct Set {
    nursery: Nursery,
    folders: Vec<PathBuf>,
    usage: File,
    peak: File,
    oom: File,
    cpu: File,
    /// How many processes there are, and how many are too many for a step to begin.
    processes: File,
    crowd: u64,
    /// How often a process was refused. Before Linux 4.8 that was not counted.
    refusals: Option<File>,
    noted: Cell<Noted>,
}

/// The counts at the beginning of a step.
#[derive(Clone, Copy, Default)]
struct Noted {
    memory: u64,
    cpu_ns: u64,
    kills: u64,
    refused: u64,
}

impl Set {
    fn open(folders: &[PathBuf], limits: Limits) -> io::Result<Self> {
        let [memory, cpu, processes] = folders else { return Err(io::Error::other("a hierarchy is missing")) };
        for folder in folders {
            fs::create_dir_all(folder)?;
        }
        if let Some(bytes) = limits.memory {
            fs::write(memory.join("memory.limit_in_bytes"), bytes.to_string())?;
            // Otherwise what is too much goes to the swap. Not every kernel counts it.
            let swap = memory.join("memory.memsw.limit_in_bytes");
            if swap.exists() {
                fs::write(swap, bytes.to_string())?;
            }
        }
        if let Some(count) = limits.processes {
            // The thread that starts them is one too.
            fs::write(processes.join("pids.max"), (count + 1).to_string())?;
        }
        let open = |name: &str| File::options().read(true).write(name.contains("max")).open(memory.join(name));
        Ok(Self {
            usage: open("memory.usage_in_bytes")?,
            peak: open("memory.max_usage_in_bytes")?,
            oom: open("memory.oom_control")?,
            cpu: File::open(cpu.join("cpuacct.usage"))?,
            processes: File::open(processes.join("pids.current"))?,
            crowd: limits.processes.map_or(u64::MAX, |count| count / 4).max(1),
            refusals: File::open(processes.join("pids.events")).ok(),
            folders: folders.to_vec(),
            noted: Cell::default(),
            nursery: Nursery::open(folders.to_vec())?,
        })
    }

    /// Who was killed counts until somebody has taken note of it, which is not ours to do.
    fn await_the_dead(&self) -> io::Result<()> {
        let deadline = Instant::now() + BURY_WITHIN;
        while number_in(&text(&self.processes)?)? > self.crowd && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Whether so much of the limit is gone, even without the cache, that a step would be ended for what others left.
    fn is_spent(&self, limits: Limits) -> io::Result<bool> {
        let Some(limit) = limits.memory else { return Ok(false) };
        let is_high = || number_in(&text(&self.usage)?).map(|usage| usage > limit / 4);
        if !is_high()? {
            return Ok(false);
        }
        // What cannot be given back stays; that is what is asked.
        let _ = fs::write(self.folders[0].join("memory.force_empty"), "0");
        is_high()
    }

    fn kills(&self) -> io::Result<u64> {
        // Before Linux 4.13 they were not counted.
        Ok(named(&text(&self.oom)?, "oom_kill").unwrap_or(0))
    }

    fn refused(&self) -> io::Result<u64> {
        let Some(file) = &self.refusals else { return Ok(0) };
        Ok(named(&text(file)?, "max").unwrap_or(0))
    }

    fn begin(&self) -> io::Result<()> {
        self.await_the_dead()?;
        self.peak.write_at(b"0", 0)?;
        let memory = number_in(&text(&self.usage)?)?;
        let cpu_ns = number_in(&text(&self.cpu)?)?;
        self.noted.set(Noted { memory, cpu_ns, kills: self.kills()?, refused: self.refused()? });
        Ok(())
    }

    fn end(&self) -> usize {
        // The thread that starts them, and the leader, whose end nobody has taken note of yet. Listing them costs more.
        if text(&self.processes).and_then(|count| number_in(&count)).is_ok_and(|count| count <= 2) {
            return 0;
        }
        let deadline = Instant::now() + KILL_WITHIN;
        loop {
            // A step that may write there may have gone deeper in one hierarchy; it is still in the others.
            let left = self.folders.iter().map(|folder| found::kill(folder)).max().unwrap_or(0);
            if left == 0 || Instant::now() >= deadline {
                return left;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn used(&self) -> io::Result<Used> {
        let noted = self.noted.get();
        // Files that earlier steps brought into the cache are still counted here.
        let peak = number_in(&text(&self.peak)?)?.saturating_sub(noted.memory);
        let cpu_us = number_in(&text(&self.cpu)?)?.saturating_sub(noted.cpu_ns) / 1_000;
        let kills = self.kills()?.saturating_sub(noted.kills);
        Ok(Used { cpu_us, peak: Some(peak), kills, refused: self.refused()?.saturating_sub(noted.refused) })
    }
}

/// What such a file says now.
fn text(file: &File) -> io::Result<String> {
    let mut bytes = [0; 256];
    let size = file.read_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes[..size]).into_owned())
}
