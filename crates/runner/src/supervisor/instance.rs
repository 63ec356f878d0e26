//! One instance of a service: how it is started with the socket, watched and ended.

use super::durable::service_log_open;
use super::notify::Notify;
use super::status::{InstanceRecord, Spec};
use crate::command::{Invocation, simple_words};
use crate::process_tree::{Leader, MARKER_VARIABLE, Marker, Tree, start_time};
use crate::sandbox::Sandbox;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Moves the socket from standard input to descriptor 3, where `LISTEN_FDS` has it, and becomes the service. A shell
/// does it because the number must be 3 and `LISTEN_PID` the service's own, and nothing else may run between fork and
/// exec in a program with threads.
const HAND_ON: &str = r#"exec 3<&0 0</dev/null; LISTEN_PID=$$; export LISTEN_PID; exec "$@""#;

/// A started or adopted instance.
pub struct Instance {
    /// What is on record of it.
    pub record: InstanceRecord,
    /// Since when it lives, as far as this supervisor knows.
    pub since: Instant,
    tree: Tree,
    /// None where an earlier supervisor started it.
    child: Option<Child>,
}

impl Instance {
    /// Starts an instance under a mark that is on record already.
    pub fn start(folder: &Path, spec: &Spec, socket: Option<&OwnedFd>, marker: &Marker, notify: Option<&Notify>) -> io::Result<Self> {
        let mut env: BTreeMap<String, String> = spec.env.clone();
        env.insert(MARKER_VARIABLE.to_owned(), marker.value().to_owned());
        if let Some(notify) = notify {
            env.insert("NOTIFY_SOCKET".to_owned(), notify.address.clone());
        }
        let since = Instant::now();
        let log = || -> io::Result<(Stdio, Stdio)> {
            let file = service_log_open(folder)?;
            Ok((Stdio::from(file.try_clone()?), Stdio::from(file)))
        };
        let child = match socket {
            None => Invocation { text: &spec.run, folder: &spec.content, env: &env, sandbox: &Sandbox::HOST, group: None }.start(log)?,
            Some(socket) => {
                env.insert("LISTEN_FDS".to_owned(), "1".to_owned());
                let words = simple_words(&spec.run).unwrap_or_else(|| vec!["/bin/sh", "-e", "-c", &spec.run]);
                let (out, err) = log()?;
                let mut command = Command::new("/bin/sh");
                command.args(["-c", HAND_ON, "trunkline"]).args(words).current_dir(&spec.content).env_clear().envs(&env).process_group(0);
                command.stdin(Stdio::from(socket.try_clone()?)).stdout(out).stderr(err).spawn()?
            }
        };
        let pid = child.id();
        let record = InstanceRecord { marker: marker.value().to_owned(), fence: spec.fence, pid: Some(pid), start: start_time(pid) };
        Ok(Self { record, since, tree: Tree { group: pid, marker: marker.clone(), since, leader: Leader::Step }, child: Some(child) })
    }

    /// Takes over an instance that an earlier supervisor started, if it still lives.
    pub fn adopt(record: &InstanceRecord) -> Option<Self> {
        let (pid, marker) = (record.pid?, Marker::recorded(&record.marker)?);
        // Without a start time on record nothing tells it from another process of that number.
        record.start.filter(|start| start_time(pid) == Some(*start))?;
        let now = Instant::now();
        // Old enough that its descendants are looked for everywhere.
        let tree = Tree { group: pid, marker, leader: Leader::Step, since: now.checked_sub(Duration::from_secs(5)).unwrap_or(now) };
        Some(Self { record: record.clone(), since: now, tree, child: None })
    }

    /// How it ended, once it has. A child is not reaped by this, so its number stays its own.
    pub fn ended(&self) -> Option<String> {
        if self.child.is_none() {
            let lives = start_time(self.tree.group) == self.record.start;
            return (!lives).then(|| "ended".to_owned());
        }
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(crate::process_tree::pid_of(self.tree.group)), flags) {
            Ok(WaitStatus::Exited(_, code)) => Some(format!("exited with {code}")),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(format!("was ended by {signal}")),
            Ok(_) => None,
            Err(error) => Some(format!("cannot be watched: {error}")),
        }
    }

    /// Ends it: TERM, time for its requests, KILL, and whatever it leaves behind. Returns how many would not die.
    pub fn end(mut self, grace: Duration) -> usize {
        if self.ended().is_none() {
            self.tree.signal_group(Signal::SIGTERM);
            let deadline = Instant::now() + grace;
            while self.ended().is_none() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // An adopted one that has ended may have given its number to another group: only marked processes are hit then.
        let left = match (&self.child, self.ended()) {
            (None, Some(_)) => crate::process_tree::kill_marked(&self.tree.marker),
            _ => self.tree.end_after(Duration::from_millis(200)),
        };
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
        left
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.tree.group
    }
}
