//! Whether memory ran out. What to do about it is the user's to decide; here it is only named.

use crate::group::{Group, Used};
use std::fs;

/// The exit code of what was killed, as a shell has it.
const KILLED: i32 = 128 + 9;

/// What is known of a step's want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starved {
    /// Nothing.
    No,
    /// The kernel killed a process of it.
    Yes,
    /// It was killed, and meanwhile the kernel killed some process for want of memory.
    Perhaps,
}

impl Starved {
    /// What is said behind the exit code.
    pub fn words(self) -> &'static str {
        match self {
            Starved::No => "",
            Starved::Yes => ": memory ran out, and the kernel killed a process of it",
            Starved::Perhaps => ": memory ran out meanwhile, and the kernel killed a process for it",
        }
    }
}

/// Looks at one step.
pub struct Watch {
    /// The machine's count before it, where no group counts.
    before: Option<u64>,
}

impl Watch {
    /// Before it starts.
    pub fn begin(group: Option<&dyn Group>) -> Self {
        Self { before: if group.is_some() { None } else { kills() } }
    }

    /// After it exited with this code.
    pub fn end(self, code: i32, used: Option<Used>) -> Starved {
        match used {
            Some(used) if used.kills > 0 && code != 0 => Starved::Yes,
            Some(_) => Starved::No,
            None if code == KILLED && self.before.is_some() && kills() > self.before => Starved::Perhaps,
            None => Starved::No,
        }
    }
}

/// How many processes the kernel has killed for want of memory since it booted. None where it does not count them.
fn kills() -> Option<u64> {
    kills_in(&fs::read_to_string("/proc/vmstat").ok()?)
}

fn kills_in(vmstat: &str) -> Option<u64> {
    vmstat.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|number| number.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kill_that_came_meanwhile_is_a_cause() {
        assert_eq!(kills_in("pgfault 5\noom_kill 12\n"), Some(12));
        assert_eq!(kills_in("pgfault 5\n"), None);
        let watch = |before| Watch { before };
        assert_eq!(watch(Some(0)).end(1, None), Starved::No, "it ended by itself");
        assert_eq!(watch(kills().map(|kills| kills + 1_000)).end(KILLED, None), Starved::No, "nothing was killed since");
        assert_eq!(watch(None).end(KILLED, None), Starved::No, "nobody knows");
        let used = |kills| Some(Used { kills, ..Used::default() });
        assert_eq!(watch(Some(0)).end(KILLED, used(0)), Starved::No, "another's process was killed");
        assert_eq!(watch(None).end(2, used(1)), Starved::Yes, "one of its children was killed");
    }
}
