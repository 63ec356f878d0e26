//! Control groups: what the processes of a step use together, how much they may, and who of them is left.
//!
//! Each slot has a group of its own for the steps of jobs and checks. The scripts of deployments are never in one, since
//! what they start has to outlive them. Where the machine gives no groups, the kernel's count for the processes that were
//! waited for remains (`wait4`), and the mark in their environment.

mod found;
mod nursery;
mod v1;
mod v2;

pub use found::Version;

use crate::failure::Failure;
use crate::sandbox::Missing;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// How long KILL may take until a process is given up (it hangs in the kernel).
const KILL_WITHIN: Duration = Duration::from_secs(5);

/// Processes and threads of one step where nobody said another number: half of what many machines have.
const PROCESSES_MAX: u64 = 16_384;

/// What the processes of one step may have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, the files in the cache on its behalf included.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
}

/// What the processes of a step used together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Time of processors, in microseconds.
    pub cpu_us: u64,
    /// The most memory at a time, in bytes, the files in the cache on their behalf included. None: not known.
    pub peak: Option<u64>,
    /// How many of them the kernel killed for want of memory.
    pub kills: u64,
    /// How often one more was refused.
    pub refused: u64,
}

/// A number of bytes as the options that limit it are written: `512M`.
pub fn shown_size(bytes: u64) -> String {
    let units = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
    let unit = units.iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

/// The group of a slot.
pub trait Group: Send {
    /// Makes it ready for a step: nobody is in it, and counting begins.
    fn begin(&self) -> io::Result<()>;
    /// Starts a command in it; `walled` where it is the launcher, which enters [`Group::folder`] itself.
    fn spawn(&self, command: Command, walled: bool) -> io::Result<Child>;
    /// Where the launcher has to go, if it does not begin there.
    fn folder(&self) -> Option<PathBuf>;
    /// Kills everybody in it. Returns how many would not die.
    fn end(&self) -> usize;
    /// What its processes may have together.
    fn limits(&self) -> Limits;
    /// What was used since `begin`.
    fn used(&self) -> io::Result<Used>;
}

/// The control groups of a runner.
pub struct Groups {
    found: Result<Found, Missing>,
}

struct Found {
    version: Version,
    /// The runner's folder in each hierarchy that is used; its slots' folders are in them.
    bases: Vec<PathBuf>,
    limits: Limits,
    /// Whether somebody asked for limits, so that nothing runs without them.
    must_keep: bool,
}

impl Groups {
    /// Looks what there is, and makes the runner's own. Groups of runners that have ended are removed, with whom is left in
    /// them. Limits that cannot be kept are an error.
    pub fn look(limits: Limits) -> Result<Self, Failure> {
        Self::of(found::Version::of_machine(), limits)
    }

    /// The same for one version.
    pub fn of(version: Result<Version, Missing>, limits: Limits) -> Result<Self, Failure> {
        let found = version.and_then(|version| {
            let bases = version.make_bases(limits)?;
            let processes = limits.processes.or(Some(PROCESSES_MAX));
            Ok(Found { version, bases, limits: Limits { processes, ..limits }, must_keep: limits != Limits::default() })
        });
        match &found {
            Err(Missing { why, help }) if limits != Limits::default() => {
                Err(Failure(format!("the limits of jobs cannot be kept: {why}; {help}")))
            }
            _ => Ok(Self { found }),
        }
    }

    /// What the processes of a step may have together, where that is kept.
    pub fn limits(&self) -> Option<Limits> {
        self.found.as_ref().ok().map(|found| found.limits)
    }

    /// Why there are none; none where there are.
    pub fn missing(&self) -> Option<&Missing> {
        self.found.as_ref().err()
    }

    /// Which version of the kernel's interface is used.
    pub fn version(&self) -> Option<&Version> {
        self.found.as_ref().ok().map(|found| &found.version)
    }

    /// The group of a slot. A slot that cannot have one does without, and says so; an error where limits were asked for.
    pub fn slot(&self, number: usize) -> Result<Option<Box<dyn Group>>, Failure> {
        let Ok(found) = &self.found else { return Ok(None) };
        match found.open(number) {
            Ok(group) => Ok(Some(group)),
            Err(error) if found.must_keep => {
                Err(Failure(format!("slot {number} has no control group to keep the limits of jobs: {error}")))
            }
            Err(error) => {
                eprintln!("slot {number} has no control group: {error}");
                Ok(None)
            }
        }
    }
}

impl Found {
    fn open(&self, number: usize) -> io::Result<Box<dyn Group>> {
        let folders: Vec<PathBuf> = self.bases.iter().map(|base| base.join(format!("slot-{number}"))).collect();
        Ok(match &self.version {
            Version::One(_) => Box::new(v1::Slot::open(&folders, self.limits)?),
            Version::Two(_) => Box::new(v2::Slot::new(folders.into_iter().next().unwrap_or_default(), self.limits)),
        })
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        if let Ok(found) = &self.found {
            found.bases.iter().for_each(|base| found::remove(base));
        }
    }
}

/// A file of the kernel's that holds one number.
fn number(path: &Path) -> io::Result<u64> {
    number_in(&std::fs::read_to_string(path)?)
}

fn number_in(text: &str) -> io::Result<u64> {
    text.trim().parse().map_err(|_| io::Error::other(format!("'{}' is no number", text.trim())))
}

/// A number behind its name, in a file of such lines.
fn named(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// A test that could not run says so, and passes.
#[cfg(test)]
fn skipped(why: &str) {
    use std::io::Write;
    // Not eprintln: a test that passes hides what that prints.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_does_without_a_group_only_where_nobody_asked_for_limits() {
        // The folders of the first version's hierarchies have to be there.
        let without = |must_keep| {
            let found =
                Found { version: Version::One(Vec::new()), bases: vec!["/nonexistent".into()], limits: Limits::default(), must_keep };
            Groups { found: Ok(found) }.slot(3).map(|group| group.is_none()).map_err(|failure| failure.0)
        };
        assert_eq!(without(false), Ok(true));
        let why = without(true).unwrap_err();
        assert!(why.starts_with("slot 3 has no control group to keep the limits of jobs: "), "{why}");
    }
}
