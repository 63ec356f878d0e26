//! The system calls that a step behind a wall cannot make: those that no build needs and that reach far into the kernel.
//!
//! A step has no capabilities, so most of them would fail anyway, unless it makes a user namespace of its own and has them
//! all in there: that is where most ways out of a sandbox began. What is not named here is allowed, since a list of all
//! that a build may need is never complete. Docker's list was the model.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
    sock_filter,
};
use std::collections::BTreeMap;

/// Refused with `EPERM`, whatever their arguments.
const REFUSED: &[i64] = &[
    // The kernel's keys know no namespaces.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Programs inside of the kernel, and its insides seen from outside.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_kcmp,
    libc::SYS_syslog,
    // Calls that no filter sees.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    // The machine itself.
    libc::SYS_acct,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_settimeofday,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_vhangup,
];

/// The same, where there are such calls.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[libc::SYS_ioperm, libc::SYS_iopl, libc::SYS_modify_ldt, libc::SYS_uselib, libc::SYS_sysfs];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[];

/// From here on this process and all that it starts are refused these calls. Needs that no new privileges can be gained.
pub fn install() -> Result<(), String> {
    let fail = |error: seccompiler::Error| format!("the filter of system calls: {error}");
    for program in programs().map_err(|error| format!("the filter of system calls: {error}"))? {
        apply_filter(&program).map_err(fail)?;
    }
    Ok(())
}

fn programs() -> Result<[BpfProgram; 3], seccompiler::BackendError> {
    let user_namespace = libc::CLONE_NEWUSER as u64;
    let flag = |argument| condition(argument, SeccompCmpOp::MaskedEq(user_namespace), user_namespace);
    // The kernel reads the lower half alone.
    let types_for = |request: u64| SeccompRule::new(vec![SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, request)?]);
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().chain(REFUSED_HERE).map(|call| (*call, Vec::new())).collect();
    refused.insert(libc::SYS_unshare, vec![flag(0)?]);
    refused.insert(libc::SYS_clone, vec![flag(0)?]);
    // These put characters into a terminal's input, as if the user had typed them.
    refused.insert(libc::SYS_ioctl, vec![types_for(libc::TIOCSTI)?, types_for(libc::TIOCLINUX)?]);
    // Its flags lie in memory, where no filter looks. Whoever is told that it is not there takes `clone`.
    let unknown = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    Ok([filter(refused, libc::EPERM)?, filter(unknown, libc::ENOSYS)?, no_other_numbers()])
}

/// Refuses the second set of numbers that some kernels have on x86-64 (x32): every call again, with this bit.
fn no_other_numbers() -> BpfProgram {
    const X32: u32 = 0x4000_0000;
    let instruction = |code: u32, jump_if_not: u8, k: u32| sock_filter { code: code as u16, jt: 0, jf: jump_if_not, k };
    vec![
        // The call's number is the first word of what a filter sees.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 1, X32),
        instruction(libc::BPF_RET | libc::BPF_K, 0, SeccompAction::Errno(libc::ENOSYS as u32).into()),
        instruction(libc::BPF_RET | libc::BPF_K, 0, SeccompAction::Allow.into()),
    ]
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value)?])
}

fn filter(calls: BTreeMap<i64, Vec<SeccompRule>>, error: i32) -> Result<BpfProgram, seccompiler::BackendError> {
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(calls, SeccompAction::Allow, SeccompAction::Errno(error as u32), machine)?.try_into()
}
