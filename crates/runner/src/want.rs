//! Whether memory or processes ran out. What to do about it is the user's to decide; here it is only named.

use crate::group::{Group, Limits, Used, shown_size};
use std::fs;

/// The exit code of what was killed, as a shell has it.
const KILLED: i32 = 128 + 9;

/// What a step that failed may have wanted more of than it got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    memory: Starved,
    /// How many processes it may have, where it was refused one.
    processes: Option<u64>,
    /// How much memory it may have, where that is limited.
    memory_max: Option<u64>,
}

/// What is known of a step's want of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Starved {
    /// Nothing.
    #[default]
    No,
    /// The kernel killed a process of it.
    Yes,
    /// It was killed, and meanwhile the kernel killed some process for want of memory.
    Perhaps,
}

impl Want {
    /// What is said behind the exit code: what ran out, and the option of `trunkline serve` that says how much there is.
    pub fn words(self) -> String {
        let memory = match (self.memory, self.memory_max) {
            (Starved::No, _) => String::new(),
            (Starved::Yes, None) => ": memory ran out, and the kernel killed a process of it".to_owned(),
            (Starved::Yes, Some(max)) => {
                let max = shown_size(max);
                format!(
                    ": memory ran out, and the kernel killed a process of it; a step may have {max} here (--job-memory of trunkline serve)"
                )
            }
            (Starved::Perhaps, _) => ": memory ran out meanwhile, and the kernel killed a process for it".to_owned(),
        };
        let processes = self.processes.map(|max| {
            format!(": it was refused another process; a step may have {max} here, threads counted (--job-processes of trunkline serve)")
        });
        memory + &processes.unwrap_or_default()
    }
}

/// Looks at one step.
pub struct Watch {
    /// The machine's count before it, where no group counts.
    before: Option<u64>,
    limits: Limits,
}

impl Watch {
    /// Before it starts.
    pub fn begin(group: Option<&dyn Group>) -> Self {
        let before = if group.is_some() { None } else { kills() };
        Self { before, limits: group.map(Group::limits).unwrap_or_default() }
    }

    /// After it exited with this code.
    pub fn end(self, code: i32, used: Option<Used>) -> Want {
        let memory = match used {
            Some(used) if used.kills > 0 && code != 0 => Starved::Yes,
            Some(_) => Starved::No,
            None if code == KILLED && self.before.is_some() && kills() > self.before => Starved::Perhaps,
            None => Starved::No,
        };
        let refused = used.is_some_and(|used| used.refused > 0 && code != 0);
        Want { memory, processes: self.limits.processes.filter(|_| refused), memory_max: self.limits.memory }
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
        let end = |before, code, used| Watch { before, limits: Limits::default() }.end(code, used).memory;
        assert_eq!(end(Some(0), 1, None), Starved::No, "it ended by itself");
        assert_eq!(end(kills().map(|kills| kills + 1_000), KILLED, None), Starved::No, "nothing was killed since");
        assert_eq!(end(None, KILLED, None), Starved::No, "nobody knows");
        let used = |kills| Some(Used { kills, ..Used::default() });
        assert_eq!(end(Some(0), KILLED, used(0)), Starved::No, "another's process was killed");
        assert_eq!(end(None, 2, used(1)), Starved::Yes, "one of its children was killed");
    }

    #[test]
    fn what_ran_out_is_named_with_its_limit_and_the_option() {
        let limits = Limits { memory: Some(512 << 20), processes: Some(20) };
        let words = |code, kills, refused| {
            let used = Some(Used { kills, refused, ..Used::default() });
            Watch { before: None, limits }.end(code, used).words()
        };
        assert!(words(1, 1, 0).ends_with("a process of it; a step may have 512M here (--job-memory of trunkline serve)"));
        assert!(words(2, 0, 3).ends_with("a step may have 20 here, threads counted (--job-processes of trunkline serve)"));
        assert_eq!(words(0, 0, 3), "", "it went on with fewer");
        assert_eq!(words(1, 0, 0), "");
    }
}
