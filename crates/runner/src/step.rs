//! One command run to its end: output into the log, time and cancel kept, nothing left behind.

use crate::command::Invocation;
use crate::failure::{Failure, While};
use crate::group::Used;
use crate::lease::{Hold, Standing};
use crate::log::Log;
use crate::process_tree::{Leader, Marker, Tree};
use crate::want::{self, Want};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use rustix::process::{PidfdFlags, pidfd_open};
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use trunkline_domain::pipeline::SandboxLevel;
use trunkline_domain::run::{Usage, UsageSource};
use wait4::{ResourceUsage, Wait4};

const PIPE_BYTES: i32 = 1 << 20;
const READ_BYTES: usize = 256 << 10;
/// How often time, cancel and a followed file are looked at.
const LOOK_EVERY_MS: u16 = 50;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code (128 and the signal's number where a signal ended it).
    Exited(i32),
    /// Its time ran out.
    TimedOut(i32),
    /// The lease said so.
    Stopped(i32, Standing),
    /// The file of its output grew too large.
    Flooded(i32),
}

impl End {
    /// The exit code in any case.
    pub fn code(self) -> i32 {
        match self {
            End::Exited(code) | End::TimedOut(code) | End::Stopped(code, _) | End::Flooded(code) => code,
        }
    }
}

/// A command that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// How.
    pub end: End,
    /// What it used of the machine.
    pub usage: Usage,
    /// What it may have wanted more of.
    pub want: Want,
}

/// Where a command's output goes on its way into the log.
pub enum Output<'a> {
    /// One pipe for both streams, which keeps their exact order. The command dies with its reader.
    Pipe,
    /// Appended to a file that is followed. The command outlives its reader; for deployments.
    File {
        /// Which.
        path: &'a Path,
        /// More ends the command: nobody holds a writer back as a pipe does.
        bytes_max: u64,
    },
}

/// Why a command is ended.
#[derive(Clone, Copy)]
enum Stop {
    Lease(Standing),
    Time,
    Flood,
}

/// What becomes of processes that the command leaves running when it exits by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftovers {
    /// They are ended: a job leaves nothing behind.
    End,
    /// They stay: a deployment's script may have started the very service.
    Keep,
}

/// A command and its limits.
pub struct Step<'a> {
    /// What to run.
    pub invocation: Invocation<'a>,
    /// The mark in its environment.
    pub marker: &'a Marker,
    /// Where its output goes.
    pub output: Output<'a>,
    /// What becomes of what it leaves running.
    pub leftovers: Leftovers,
    /// When its time is over.
    pub deadline: Instant,
    /// Between TERM and KILL.
    pub grace: Duration,
}

impl Step<'_> {
    /// Runs it. `started` learns the process id at once.
    pub fn run(&self, hold: &Hold, log: &mut Log, started: impl FnOnce(u32)) -> Result<Ran, Failure> {
        log.begin_command();
        let since = Instant::now();
        if let Some(group) = self.invocation.group {
            group.begin().doing("make the control group ready")?;
        }
        let watch = want::Watch::begin(self.invocation.group);
        let (child, mut source) = self.start().doing("start the command")?;
        started(child.id());
        let tree = Tree { group: child.id(), marker: self.marker.clone(), since, leader: self.leader() };
        let watched = self.watch(&tree, hold, &mut source, log);
        // Whatever went wrong while watching, nobody may be left behind.
        let stop = watched.as_ref().map_or(Some(Stop::Lease(Standing::Abandoned)), |stop| *stop);
        let left = if stop.is_some() || self.leftovers == Leftovers::End { self.end(&tree) } else { 0 };
        if left > 0 {
            // Not waited for: it may hang in the kernel for ever.
            return Err(Failure(format!("{left} processes of a step could not be killed")));
        }
        let drained = source.drain(log);
        let ended = child.wait4().doing("learn how the command ended")?;
        let stop = watched?;
        drained?;
        let code = exit_code(ended.status);
        let end = match stop {
            None => End::Exited(code),
            Some(Stop::Time) => End::TimedOut(code),
            Some(Stop::Flood) => End::Flooded(code),
            Some(Stop::Lease(standing)) => End::Stopped(code, standing),
        };
        let used = self.invocation.group.and_then(|group| group.used().ok());
        Ok(Ran { end, usage: used.map_or_else(|| usage(&ended.rusage), of_group), want: watch.end(code, used) })
    }

    /// Ends whoever is left; the control group knows them all. Returns how many would not die.
    fn end(&self, tree: &Tree) -> usize {
        let left = tree.end();
        self.invocation.group.map_or(left, |group| group.end())
    }

    fn leader(&self) -> Leader {
        if self.invocation.sandbox.level == SandboxLevel::Sandbox { Leader::Wall } else { Leader::Step }
    }

    fn start(&self) -> io::Result<(Child, Source)> {
        match self.output {
            Output::Pipe => {
                let (reader, writer) = io::pipe()?;
                // A smaller pipe only means more waiting.
                let _ = fcntl(&reader, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
                fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
                let child = self.invocation.start(|| Ok((Stdio::from(writer.try_clone()?), Stdio::from(writer.try_clone()?))))?;
                Ok((child, Source::new(Some(reader), None, u64::MAX)))
            }
            Output::File { path, bytes_max } => {
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                file.set_len(0)?;
                let child = self.invocation.start(|| Ok((Stdio::from(file.try_clone()?), Stdio::from(file.try_clone()?))))?;
                let follow = OpenOptions::new().read(true).write(true).open(path)?;
                Ok((child, Source::new(None, Some(follow), bytes_max)))
            }
        }
    }

    /// Watches until the leader has exited (and is not reaped). Says whether it was stopped, and why.
    fn watch(&self, tree: &Tree, hold: &Hold, source: &mut Source, log: &mut Log) -> Result<Option<Stop>, Failure> {
        let raw = rustix::process::Pid::from_raw(tree.group as i32).expect("a child's id is positive");
        let handle = pidfd_open(raw, PidfdFlags::empty()).map_err(io::Error::from).doing("watch the command")?;
        let mut stop: Option<(Stop, Instant)> = None;
        loop {
            let exited = source.wait(&handle).doing("watch the command")?;
            source.pump(log)?;
            if exited {
                return Ok(stop.map(|(why, _)| why));
            }
            log.tick().doing("keep the log")?;
            let floods = source.cut().doing("bound the command's output")?;
            let standing = hold.standing();
            let why = match standing {
                Standing::Held if Instant::now() >= self.deadline => Some(Stop::Time),
                Standing::Held => floods.then_some(Stop::Flood),
                standing => Some(Stop::Lease(standing)),
            };
            match stop {
                None => {
                    let Some(why) = why else { continue };
                    tree.ask_to_end();
                    // A lost lease means that somebody else may start the same work any moment.
                    let grace = if standing == Standing::Lost { Duration::ZERO } else { self.grace };
                    stop = Some((why, Instant::now() + grace));
                }
                Some((_, kill_at)) if Instant::now() >= kill_at || standing == Standing::Lost => tree.signal_group(Signal::SIGKILL),
                _ => {}
            }
        }
    }
}

/// What a control group counted.
fn of_group(used: Used) -> Usage {
    // Rounded: many steps of less than a millisecond would add up to nothing.
    Usage { cpu_ms: (used.cpu_us + 500) / 1_000, peak_kb: used.peak.map(|bytes| bytes >> 10), source: UsageSource::ControlGroup }
}

/// What the kernel counted for the leader and all that was waited for in its tree.
fn usage(counted: &ResourceUsage) -> Usage {
    let peak_kb = counted.maxrss >> 10;
    // A process begins with the peak of the one that it was started from: only what is above the runner's own peak is
    // surely the step's.
    let own_kb = getrusage(UsageWho::RUSAGE_SELF).map_or(u64::MAX, |own| own.max_rss().unsigned_abs());
    Usage {
        cpu_ms: ((counted.utime + counted.stime).as_micros() as u64 + 500) / 1_000,
        peak_kb: (peak_kb > own_kb).then_some(peak_kb),
        source: UsageSource::Rusage,
    }
}

/// 128 and the signal's number where there is no exit code, as a shell has it.
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Where output is read from: a pipe until all its writers are gone, or a growing file.
struct Source {
    pipe: Option<PipeReader>,
    file: Option<File>,
    /// Of the file.
    bytes_max: u64,
    buffer: Vec<u8>,
}

impl Source {
    fn new(pipe: Option<PipeReader>, file: Option<File>, bytes_max: u64) -> Self {
        Self { pipe, file, bytes_max, buffer: vec![0; READ_BYTES] }
    }

    /// Waits for output or the leader's exit, a short while at most. Says whether the leader has exited.
    fn wait(&self, handle: &OwnedFd) -> io::Result<bool> {
        let mut watched = vec![PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
        watched.extend(self.pipe.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        match poll(&mut watched, PollTimeout::from(LOOK_EVERY_MS)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(watched[0].any().unwrap_or(false)),
            Err(error) => Err(error.into()),
        }
    }

    /// Cuts off what the file has beyond its limit, and says whether it had. Writers append, and go on where it was cut.
    fn cut(&self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let floods = file.metadata()?.len() > self.bytes_max;
        if floods {
            file.set_len(self.bytes_max)?;
        }
        Ok(floods)
    }

    /// Copies one buffer into the log. Says whether there may be more.
    fn pump(&mut self, log: &mut Log) -> Result<bool, Failure> {
        let read = match (&mut self.pipe, &mut self.file) {
            (Some(pipe), _) => pipe.read(&mut self.buffer),
            (None, Some(file)) => file.read(&mut self.buffer),
            (None, None) => return Ok(false),
        };
        match read {
            // All writers are gone; a file has no more for now.
            Ok(0) => {
                self.pipe = None;
                Ok(false)
            }
            Ok(size) => log.write(&self.buffer[..size]).doing("keep the log").map(|()| true),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error).doing("read the command's output"),
        }
    }

    /// Copies what is there.
    fn drain(&mut self, log: &mut Log) -> Result<(), Failure> {
        // Bounded: a process that cannot be killed must not write for ever into a job that is over.
        for _ in 0..4096 {
            if !self.pump(log)? {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sandbox::Sandbox;
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use trunkline_api::runner::Lease;

    #[test]
    fn a_script_that_prints_without_end_is_ended_and_its_file_stays_small() {
        const BYTES_MAX: u64 = 64 << 10;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("printed");
        let hold = Hold::new(Lease { work: "dep/1".to_owned(), epoch: 1 });
        let port = Arc::new(crate::http::HttpPort::new("http://127.0.0.1:1", "none"));
        let mut log = Log::new(port, hold.clone(), folder.path().join("log"), &[]);
        let env = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        // It does not listen either.
        let text = "trap '' TERM; while :; do head -c 100000 /dev/zero; sleep 0.02; done";
        let step = Step {
            invocation: Invocation { text, folder: folder.path(), env: &env, sandbox: &Sandbox::HOST, group: None },
            marker: &Marker::fresh(),
            output: Output::File { path: &path, bytes_max: BYTES_MAX },
            leftovers: Leftovers::Keep,
            deadline: Instant::now() + Duration::from_secs(20),
            grace: Duration::from_secs(1),
        };
        let ran = step.run(&hold, &mut log, |_| {}).unwrap();
        assert_eq!(ran.end, End::Flooded(137));
        let left = std::fs::metadata(&path).unwrap().len();
        assert!(left < BYTES_MAX + 5_000_000, "{left} bytes are left of some that were printed for a second");
        hold.worsen(Standing::Lost);
    }
}
