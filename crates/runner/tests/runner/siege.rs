//! Ways out of a wall that were found once, here or in other programs of this kind.

use crate::fake::*;
use crate::sandbox::{bench, job_behind, leaks, walls};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use trunkline_domain::pipeline::SandboxLevel;
use trunkline_domain::run::AttemptResult;

#[test]
fn nothing_of_a_steps_environment_reaches_the_launcher() {
    let bench = bench();
    for level in walls(&bench) {
        // Each program that is loaded with it complains once, and loads the same folder's library if there is one.
        let mut work = job_behind(level, &["env"]);
        work.env.insert("LD_PRELOAD".to_owned(), "./nothing.so".to_owned());
        let (outcome, log) = bench.fake.do_job(work);
        assert_eq!(outcome.result, AttemptResult::Passed, "{log}");
        assert_eq!(log.matches("object './nothing.so'").count(), 1, "behind {level}: {log}");
        assert!(log.contains("\nLD_PRELOAD=./nothing.so\n") && !log.contains("STEP."), "behind {level}: {log}");
    }
}

#[test]
fn the_first_process_is_no_way_out() {
    let bench = bench();
    let python = |text: &str| format!("python3 -c '{text}'");
    let probes = [
        ("changes the program", "chmod 755 /proc/1/exe".to_owned()),
        ("touches the program", "touch /proc/1/exe".to_owned()),
        ("reads its memory", python("open(\"/proc/1/mem\", \"r+b\")")),
        ("traces it", python("import ctypes; exit(0 if ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0 else 1)")),
        ("sees its files", "ls /proc/1/fd /proc/1/root/ /proc/1/cwd/".to_owned()),
    ];
    if walls(&bench).contains(&SandboxLevel::Sandbox) {
        assert_eq!(leaks(&bench, SandboxLevel::Sandbox, &probes), [""; 0]);
    }
}

#[test]
fn what_whoever_started_the_server_left_open_is_closed() {
    // As a shell would, or a manager that gives sockets.
    let bench = Bench::with(|config| {
        let leave_open = "exec 7</etc/passwd; exec \"$0\" \"$@\"";
        let mut launcher = vec!["/bin/sh".to_owned(), "-c".to_owned(), leave_open.to_owned()];
        launcher.append(&mut config.launcher);
        config.launcher = launcher;
    });
    for level in walls(&bench) {
        assert_eq!(leaks(&bench, level, &[("reads an open file", "cat <&7".to_owned())]), [""; 0], "behind {level}");
    }
}

#[test]
fn a_pipe_as_a_program_holds_nobody() {
    let bench = bench();
    for level in walls(&bench).into_iter().chain([SandboxLevel::Host]) {
        let (outcome, log) = bench.fake.do_job(job_behind(level, &["mkfifo x && chmod +x x", "./x"]));
        let codes: Vec<i32> = outcome.steps.iter().map(|step| step.code).collect();
        assert_eq!(codes, [0, 126], "behind {level}: {log}");
    }
}

#[test]
fn a_sandbox_reaches_no_abstract_socket_and_follows_no_mount() {
    let bench = bench();
    let name = format!("trunkline-siege-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let connect = format!("python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"\\0{name}\")'");
    let probes = [
        ("connects to an abstract socket", connect),
        ("follows mounts of the machine", "grep -E '(master|shared):' /proc/self/mountinfo".to_owned()),
        ("types into a terminal by a longer number", type_by("0x100005412")),
    ];
    // The listener's backlog is all it needs to be connected to.
    assert_eq!(leaks(&bench, SandboxLevel::Host, &probes[..1]).len(), 1);
    for level in walls(&bench) {
        let open = leaks(&bench, level, if level == SandboxLevel::Sandbox { &probes } else { &probes[2..] });
        assert_eq!(open, [""; 0], "behind {level}");
    }
}

/// Succeeds where the call came through, or failed for a reason of its own.
fn type_by(request: &str) -> String {
    let ask = format!("c = ctypes.CDLL(None, use_errno=True); r = c.syscall({}, 0, {request}, b\"x\")", libc::SYS_ioctl);
    format!("python3 -c 'import ctypes, errno; {ask}; exit(1 if r == -1 and ctypes.get_errno() == errno.EPERM else 0)'")
}

#[test]
fn a_data_folder_in_var_tmp_has_its_sandboxes_too() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let bench = Bench::with(|config| {
        config.folder = folder.path().join("runner");
        config.private = folder.path().to_owned();
    });
    for level in walls(&bench) {
        let (outcome, log) = bench.fake.do_job(job_behind(level, &["echo x > /tmp/x || echo x > \"$TMPDIR/x\"; pwd; ls -d /var/tmp"]));
        assert_eq!(outcome.result, AttemptResult::Passed, "behind {level}: {log}");
    }
}
