//! Three calls of the kernel that no library offers, and the only unsafe code of this crate.
#![allow(unsafe_code)]

use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::process::Pid;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};

/// `struct clone_args` of Linux 5.7.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// `struct mount_attr` of Linux 5.12.
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Splits this process, as `fork` does; the child is in new namespaces of these kinds (`CLONE_NEW…`), and where a control
/// group is given, in that from its first instruction on. Returns the child's id, and none in the child. Only for a
/// process of one thread.
pub fn split(namespaces: i32, group: Option<&File>) -> Result<Option<Pid>, Errno> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut arguments = CloneArgs { flags: namespaces as u64, exit_signal: libc::SIGCHLD as u64, ..CloneArgs::default() };
    if let Some(group) = group {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = group.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM both sides have memory of their own, and with one thread no lock is held by another that
    // the child does not have. The kernel reads exactly the given size of a structure that outlives the call.
    let answer = unsafe { libc::syscall(libc::SYS_clone3, &arguments, size_of::<CloneArgs>()) };
    match answer {
        -1 => Err(last_error()),
        0 => Ok(None),
        child => Ok(Pid::from_raw(child as i32)),
    }
}

/// Adds attributes to a mount, or to it and all that is mounted in it.
pub fn restrict(mount: impl AsFd, attributes: MountAttrFlags, with_all_in_it: bool) -> Result<(), Errno> {
    let arguments = MountAttr { attr_set: u64::from(attributes.bits()), ..MountAttr::default() };
    let recursive = if with_all_in_it { rustix::mount::OpenTreeFlags::AT_RECURSIVE.bits() } else { 0 };
    let flags = libc::AT_EMPTY_PATH as u32 | recursive;
    // SAFETY: the path is a constant, empty and ended by zero; the kernel reads exactly the given size of a structure
    // that outlives the call, and writes nothing.
    let answer = unsafe {
        libc::syscall(libc::SYS_mount_setattr, mount.as_fd().as_raw_fd(), c"".as_ptr(), flags, &arguments, size_of::<MountAttr>())
    };
    if answer == 0 { Ok(()) } else { Err(last_error()) }
}

/// Closes everything that this process was given but input, output and errors. Only before it has opened anything itself.
pub fn close_all_but_the_first_three() -> Result<(), Errno> {
    // SAFETY: nothing in this process owns any of them yet; whoever uses a number after this gets an error.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    // Before Linux 5.9 there is no such call, and no level that needs it.
    if answer == 0 { Ok(()) } else { Err(last_error()) }
}

/// Keeps what this process was given from all that it starts: a lock that whoever started it holds would be held for as
/// long as a service runs. Only before it has opened anything that a child shall have.
pub fn keep_from_children() {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    // SAFETY: nothing is closed; only a mark is set on what is open.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, CLOSE_RANGE_CLOEXEC) };
    if answer == 0 {
        return;
    }
    // Before Linux 5.11.
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    for number in open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok()).filter(|number| *number > 2) {
        // SAFETY: as above; a number that was closed meanwhile is an error that changes nothing.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

fn last_error() -> Errno {
    Errno::from_raw_os_error(nix::errno::Errno::last_raw())
}
