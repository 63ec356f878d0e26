//! The wall of level `sandbox`: namespaces of users, mounts, processes, messages, names and control groups.
//!
//! The launcher stays outside and ends as the step ended. Its child is the first process of the new process numbers:
//! whoever loses a parent inside becomes its child, and when it ends, the kernel ends all of them.

use super::filter;
use super::kernel;
use super::launch::{Order, close_abstract_sockets, drop_capabilities};
use super::root::{self, View};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpid, pidfd_open, set_dumpable_behavior,
    set_parent_process_death_signal, setsid, waitpid,
};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Runs the step in there. The exit code, in both processes that return from this.
pub fn run(view: &View, group: Option<&Path>, order: &Order) -> Result<u8, String> {
    let group = group.map(|group| File::open(group).map_err(|why| format!("{}: {why}", group.display()))).transpose()?;
    own_users().map_err(|why| format!("a user namespace: {why}"))?;
    // After the change of users, which would have undone it.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|why| why.to_string())?;
    let outside = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|why| why.to_string())?;
    let kinds = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    let kinds = kinds | CloneFlags::CLONE_NEWCGROUP;
    match kernel::split(kinds.bits(), group.as_ref()).map_err(|why| format!("namespaces: {why}"))? {
        Some(child) => ended(child, Whom::It).map_err(|why| why.to_string()),
        None => {
            drop(group);
            inside(view, order, outside)
        }
    }
}

/// A user namespace in which this user is who it is outside, and has the right to make the rest.
fn own_users() -> io::Result<()> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    // Without this, a group could be left to reach what is closed to it.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

fn inside(view: &View, order: &Order, outside: OwnedFd) -> Result<u8, String> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|why| why.to_string())?;
    // It may have ended before that was said.
    let mut gone = [PollFd::new(outside.as_fd(), PollFlags::POLLIN)];
    if poll(&mut gone, PollTimeout::ZERO) != Ok(0) {
        return Err("the runner has ended".to_owned());
    }
    // Nothing of the outside stays within reach.
    drop(outside);
    setsid().map_err(|why| why.to_string())?;
    root::enter(view)?;
    drop_capabilities().map_err(|why| format!("capabilities stay: {why}"))?;
    close_abstract_sockets().map_err(|why| format!("Landlock: {why}"))?;
    filter::install()?;
    // This is the machine's own program: through `/proc/1` the step could reach its file, its memory and it.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|why| why.to_string())?;
    first(order).map_err(|why| format!("the step cannot be started: {why}"))
}

/// Whose end is taken on the way.
enum Whom {
    It,
    Any,
}

/// The life of the first process.
fn first(order: &Order) -> io::Result<u8> {
    let child = match order.direct().map(|mut command| command.spawn()) {
        Some(Ok(child)) => child,
        // What cannot be executed is left to the shell, whose exit code and message it shall be.
        Some(Err(_)) | None => order.shell().spawn()?,
    };
    ended(Pid::from_child(&child), Whom::Any)
}

/// Waits until the awaited child has ended; where `Any` is waited for, every other that ends before is taken too.
fn ended(child: Pid, whom: Whom) -> io::Result<u8> {
    let whom = match whom {
        Whom::Any => None,
        Whom::It => Some(child),
    };
    loop {
        match waitpid(whom, WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => return Ok(code(status)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(why) => return Err(why.into()),
        }
    }
}

/// As a shell has it.
fn code(status: WaitStatus) -> u8 {
    let signal = || 128 + status.terminating_signal().unwrap_or_default() as u8;
    status.exit_status().map_or_else(signal, |code| code as u8)
}
