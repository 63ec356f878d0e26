//! The second version: one hierarchy. Each step has a new group, so that its counts begin at nothing.

use super::{Group, KILL_WITHIN, Limits, Used, named, number};
use std::cell::Cell;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How many groups that cannot be removed a slot leaves behind.
const STUCK_MAX: u32 = 100;

/// A slot's group; it is made for each step.
pub struct Slot {
    folder: PathBuf,
    /// Behind its name: how many earlier groups could not be removed.
    number: Cell<u32>,
    limits: Limits,
}

impl Slot {
    /// Not yet made.
    pub fn new(folder: PathBuf, limits: Limits) -> Self {
        Self { folder, number: Cell::new(0), limits }
    }

    fn here(&self) -> PathBuf {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        self.folder.with_file_name(format!("{name}-{}", self.number.get()))
    }

    fn is_empty(&self) -> bool {
        fs::read_to_string(self.here().join("cgroup.events")).map_or(true, |events| named(&events, "populated") == Some(0))
    }
}

impl Group for Slot {
    fn begin(&self) -> io::Result<()> {
        // With the groups that the last step may have made in it.
        super::found::remove(&self.here());
        while let Err(error) = fs::create_dir(self.here()) {
            // Somebody in there cannot be killed: he shall not hold the slot up.
            if error.kind() != io::ErrorKind::AlreadyExists || self.number.get() >= STUCK_MAX {
                return Err(error);
            }
            self.number.set(self.number.get() + 1);
        }
        if let Some(bytes) = self.limits.memory {
            fs::write(self.here().join("memory.max"), bytes.to_string())?;
            // Otherwise what is too much goes to the swap. Without swap there is no such file.
            let swap = self.here().join("memory.swap.max");
            if swap.exists() {
                fs::write(swap, "0")?;
            }
        }
        match self.limits.processes {
            Some(count) => fs::write(self.here().join("pids.max"), count.to_string()),
            None => Ok(()),
        }
    }

    fn spawn(&self, mut command: Command, walled: bool) -> io::Result<Child> {
        let mut child = command.spawn()?;
        if !walled {
            // What it starts before is counted elsewhere, and found by its mark.
            let moved = fs::write(self.here().join("cgroup.procs"), child.id().to_string());
            let has_ended = moved.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH));
            if let Err(error) = moved
                && !has_ended
            {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        }
        Ok(child)
    }

    fn folder(&self) -> Option<PathBuf> {
        Some(self.here())
    }

    fn end(&self) -> usize {
        let deadline = Instant::now() + KILL_WITHIN;
        while !self.is_empty() {
            if fs::write(self.here().join("cgroup.kill"), "1").is_err() {
                // Linux before 5.14.
                super::found::kill(&self.here());
            }
            if Instant::now() >= deadline {
                return 1;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        0
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn used(&self) -> io::Result<Used> {
        let read = |name: &str| fs::read_to_string(self.here().join(name)).unwrap_or_default();
        Ok(Used {
            cpu_us: named(&read("cpu.stat"), "usage_usec").unwrap_or(0),
            // From Linux 5.19.
            peak: number(&self.here().join("memory.peak")).ok(),
            kills: named(&read("memory.events"), "oom_kill").unwrap_or(0),
            refused: named(&read("pids.events"), "max").unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::Version;
    use std::process::Stdio;

    /// Works on any mounted second version, also on one that counts no memory.
    #[test]
    fn a_step_is_counted_and_nobody_of_it_is_left() {
        let read = |path: &str| fs::read_to_string(path).unwrap();
        let version = Version::second(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
        let Some(Ok(bases)) = version.map(|version| version.make_bases(Limits::default())) else {
            return crate::group::skipped("nobody may make groups of the second version here");
        };
        let slot = Slot::new(bases[0].join("slot-1"), Limits::default());
        for _ in 0..2 {
            slot.begin().unwrap();
            let mut command = Command::new("/bin/sh");
            // Gone from its session and its environment, and burning a little.
            let text = "sleep 0.2; (env -i setsid sh -c 'trap \"\" TERM; sleep 1000' &); i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
            command.args(["-c", text]).stdout(Stdio::null());
            let mut child = slot.spawn(command, false).unwrap();
            child.wait().unwrap();
            assert!(!slot.is_empty(), "the daemon lives");
            assert_eq!(slot.end(), 0);
            assert!(slot.is_empty());
            let used = slot.used().unwrap();
            assert!((5_000..20_000_000).contains(&used.cpu_us), "{used:?}");
            assert_eq!(used.kills, 0, "nobody died for want of memory");
        }
        bases.iter().for_each(|base| crate::group::found::remove(base));
        assert!(!bases[0].exists());
    }
}
