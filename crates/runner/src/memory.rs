//! Whether memory ran out. What to do about it is the user's to decide; here it is only named.

use std::fs;

/// The exit code of what was killed, as a shell has it.
const KILLED: i32 = 128 + 9;

/// How many processes the kernel has killed for want of memory since it booted. None where it does not count them.
pub fn kills() -> Option<u64> {
    kills_in(&fs::read_to_string("/proc/vmstat").ok()?)
}

fn kills_in(vmstat: &str) -> Option<u64> {
    vmstat.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|number| number.trim().parse().ok())
}

/// Words for a step that exited with this code, if there were so many kills before it: only both together tell.
pub fn cause(code: i32, before: Option<u64>) -> &'static str {
    match code == KILLED && before.is_some() && kills() > before {
        true => ": memory ran out meanwhile, and the kernel killed a process for it",
        false => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kill_that_came_meanwhile_is_a_cause() {
        assert_eq!(kills_in("pgfault 5\noom_kill 12\n"), Some(12));
        assert_eq!(kills_in("pgfault 5\n"), None);
        let now = kills();
        assert_eq!(cause(1, Some(0)), "", "it ended by itself");
        assert_eq!(cause(KILLED, now.map(|kills| kills + 1_000)), "", "nothing was killed since");
        assert_eq!(cause(KILLED, None), "", "nobody knows");
    }
}
