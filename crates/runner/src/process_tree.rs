//! Everything that a step started: who still lives, and how it is ended.
//!
//! A step's processes are its process group and whoever left the group but still carries the attempt's marker in its
//! environment (`TRUNKLINE_ATTEMPT`). The marker is found by reading `/proc`; a process that wipes its environment
//! *and* leaves the group escapes, which only a cgroup or a pid namespace could prevent (level X1).

use crate::lease::random_bytes;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// The variable that marks an attempt's processes.
pub const MARKER_VARIABLE: &str = "TRUNKLINE_ATTEMPT";
/// What outlives its step gets this long between TERM and KILL.
const LINGER: Duration = Duration::from_secs(2);
/// How long KILL may take until a process is given up (it hangs in the kernel).
const KILL_WITHIN: Duration = Duration::from_secs(5);
/// A step longer than this may have seen the process numbers wrap around.
const WRAP_AFTER: Duration = Duration::from_secs(1);
/// More candidates than this: listing `/proc` is cheaper.
const CANDIDATES_MAX: u32 = 512;

/// Looks at a process that executes another program, one a millisecond, until its environment can be read.
const EXEC_LOOKS: u32 = 1000;

/// The environment entry that marks the processes of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker(String);

impl Marker {
    /// A marker that nobody else has.
    pub fn fresh() -> Self {
        Self(random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// A marker written down earlier; none where the text is too short to be one.
    pub fn recorded(text: &str) -> Option<Self> {
        (text.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The variable's value.
    pub fn value(&self) -> &str {
        &self.0
    }

    fn is_on(&self, pid: u32) -> bool {
        let Some(environment) = environment(pid) else { return false };
        environment.split(|byte| *byte == 0).any(|entry| {
            let value = entry.strip_prefix(MARKER_VARIABLE.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            value == Some(self.0.as_bytes())
        })
    }
}

/// The environment of a living process. While it executes another program its environment reads as empty, so an empty
/// one counts only where the process's own record has none either.
fn environment(pid: u32) -> Option<Vec<u8>> {
    for _ in 0..EXEC_LOOKS {
        match fs::read(format!("/proc/{pid}/environ")) {
            Ok(environment) if !environment.is_empty() => return Some(environment),
            Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound) => return None,
            _ => {}
        }
        let stat = Stat::of(pid)?;
        if stat.is_zombie() {
            // Its first thread has ended. Others may go on, and then they have it.
            return living_threads(pid).find_map(|thread| fs::read(format!("/proc/{pid}/task/{thread}/environ")).ok());
        }
        if stat.has_no_environment() {
            return Some(Vec::new());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

/// The threads of a process that live, but for its first.
fn living_threads(pid: u32) -> impl Iterator<Item = u32> {
    let listing = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let others = listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(move |thread| *thread != pid);
    others.filter(move |thread| Stat::of_thread(pid, *thread).is_some_and(|stat| !stat.is_zombie()))
}

/// Who leads the group of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leader {
    /// The step itself.
    Step,
    /// The wall around it, with which all of it ends at once: TERM goes past it, to those inside.
    Wall,
}

/// A process group and the moment of its start.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The leader's process id, which is the group's.
    pub group: u32,
    /// The mark of its processes.
    pub marker: Marker,
    /// When the leader was started.
    pub since: Instant,
    /// Who it is.
    pub leader: Leader,
}

impl Tree {
    /// Asks everybody to end. The leader must not have been reaped yet.
    pub fn ask_to_end(&self) {
        match self.leader {
            Leader::Step => self.signal_group(Signal::SIGTERM),
            Leader::Wall => {
                let inside: Vec<u32> = marked(&self.marker).into_iter().filter(|pid| *pid != self.group).collect();
                self.signal_marked(&inside, rustix::process::Signal::TERM);
            }
        }
    }

    /// Sends a signal to the group. The leader must not have been reaped yet, or its number may be another's.
    pub fn signal_group(&self, signal: Signal) {
        // ESRCH: nobody is left, which is what was wanted.
        let _ = killpg(pid_of(self.group), signal);
    }

    /// Ends whoever is left after the leader's exit: TERM, a moment, KILL. The leader must not have been reaped yet.
    /// Returns how many would not die.
    pub fn end(&self) -> usize {
        self.end_after(LINGER)
    }

    /// As [`Tree::end`], with another moment between TERM and KILL.
    pub fn end_after(&self, linger: Duration) -> usize {
        let mut left = self.survivors();
        if !left.is_empty() {
            self.ask_to_end();
            self.signal_marked(&left, rustix::process::Signal::TERM);
            left = self.wait_until(Instant::now() + linger, |_| {});
        }
        // Even with no marked process left: a member of the group may have wiped its environment.
        self.signal_group(Signal::SIGKILL);
        if !left.is_empty() {
            left = self.wait_until(Instant::now() + KILL_WITHIN, |left| self.signal_marked(left, rustix::process::Signal::KILL));
        }
        left.len()
    }

    fn wait_until(&self, deadline: Instant, mut each: impl FnMut(&[u32])) -> Vec<u32> {
        loop {
            let left = self.survivors();
            if left.is_empty() || Instant::now() >= deadline {
                return left;
            }
            each(&left);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Living processes with the marker.
    fn survivors(&self) -> Vec<u32> {
        // Process numbers rise until they wrap, so a young step's descendants lie between its leader and the newest number.
        match newest_pid() {
            Some(newest) if self.since.elapsed() < WRAP_AFTER && newest >= self.group && newest - self.group <= CANDIDATES_MAX => {
                (self.group..=newest).filter(|pid| self.marker.is_on(*pid)).collect()
            }
            _ => marked(&self.marker),
        }
    }

    fn signal_marked(&self, pids: &[u32], signal: rustix::process::Signal) {
        pids.iter().for_each(|pid| signal_if(*pid, signal, || self.marker.is_on(*pid)));
    }
}

/// Every living process with the marker.
pub fn marked(marker: &Marker) -> Vec<u32> {
    let Ok(listing) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers.filter(|pid| marker.is_on(*pid)).collect()
}

/// Whether a process is the leader of its process group.
pub fn leads_its_group(pid: u32) -> bool {
    nix::unistd::getpgid(Some(pid_of(pid))).is_ok_and(|group| group == pid_of(pid))
}

/// Kills every process with the marker; bounded. Returns how many would not die.
pub fn kill_marked(marker: &Marker) -> usize {
    let deadline = Instant::now() + KILL_WITHIN;
    loop {
        let left = marked(marker);
        if left.is_empty() || Instant::now() >= deadline {
            return left.len();
        }
        left.iter().for_each(|pid| signal_if(*pid, rustix::process::Signal::KILL, || marker.is_on(*pid)));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to a process if `is_it` still says so once its handle is open: a reused number is never hit.
pub fn signal_if(pid: u32, signal: rustix::process::Signal, is_it: impl Fn() -> bool) {
    let Some(raw) = rustix::process::Pid::from_raw(pid as i32) else { return };
    if let Ok(handle) = pidfd_open(raw, PidfdFlags::empty())
        && is_it()
    {
        let _ = pidfd_send_signal(&handle, signal);
    }
}

/// When a living process started, in clock ticks since boot; with the boot's id this names a process for ever.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = Stat::of(pid)?;
    // A zombie is dead for every purpose here, unless only its first thread is one.
    let lives = !stat.is_zombie() || living_threads(pid).next().is_some();
    lives.then(|| stat.number(22)).flatten()
}

/// `/proc/PID/stat`, its fields numbered as in `proc_pid_stat(5)`.
struct Stat(String);

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        fs::read_to_string(format!("/proc/{pid}/stat")).ok().map(Self)
    }

    fn of_thread(pid: u32, thread: u32) -> Option<Self> {
        fs::read_to_string(format!("/proc/{pid}/task/{thread}/stat")).ok().map(Self)
    }

    /// A field after the second, which is the program's name in parentheses and may hold anything.
    fn field(&self, number: usize) -> Option<&str> {
        self.0[self.0.rfind(')')? + 2..].split(' ').nth(number - 3)
    }

    fn number(&self, number: usize) -> Option<u64> {
        self.field(number)?.parse().ok()
    }

    /// Whether the thread that the record is of has ended.
    fn is_zombie(&self) -> bool {
        matches!(self.field(3), None | Some("Z" | "X"))
    }

    /// Whether the process has none: as it was started, or as a thread of the kernel, or at its end. Not between two
    /// programs, where the bounds are zero too.
    fn has_no_environment(&self) -> bool {
        const EXITING: u64 = 0x4;
        const OF_THE_KERNEL: u64 = 0x0020_0000;
        match (self.number(50), self.number(51)) {
            (Some(0), Some(0)) => self.number(9).is_none_or(|flags| flags & (EXITING | OF_THE_KERNEL) != 0),
            (start, end) => start == end,
        }
    }
}

/// The id of this boot.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

fn newest_pid() -> Option<u32> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().nth(4)?.parse().ok()
}

/// A process id of the standard library as nix's type.
pub fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("process ids are below 2^22"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn a_process_is_found_while_it_starts_its_program() {
        for _ in 0..300 {
            let marker = Marker::fresh();
            let mut command = Command::new("sleep");
            let mut child = command.arg("60").env(MARKER_VARIABLE, marker.value()).process_group(0).spawn().unwrap();
            let found = marked(&marker);
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(found, [child.id()]);
        }
    }

    #[test]
    fn a_process_whose_first_thread_has_ended_lives() {
        let script = "import ctypes, threading, time\n\
            threading.Thread(target=time.sleep, args=[60]).start()\n\
            ctypes.CDLL(None).pthread_exit(None)";
        let marker = Marker::fresh();
        let mut child = Command::new("python3").args(["-c", script]).env(MARKER_VARIABLE, marker.value()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !Stat::of(child.id()).unwrap().is_zombie() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let (found, start) = (marked(&marker), start_time(child.id()));
        let left = kill_marked(&marker);
        assert_eq!((found, start.is_some(), left), (vec![child.id()], true, 0));
        assert_eq!(start_time(child.id()), None, "now it is dead");
        child.wait().unwrap();
    }

    #[test]
    fn a_process_without_an_environment_holds_nobody() {
        let mut child = Command::new("sleep").arg("60").env_clear().spawn().unwrap();
        let found = environment(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, Some(Vec::new()));
        assert_eq!(environment(child.id()), None);
    }
}
