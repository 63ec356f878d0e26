//! Walls around steps: what must fail behind each, and what must work.

use crate::fake::*;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use trunkline_api::runner::*;
use trunkline_domain::deployment::CheckVerdict;
use trunkline_domain::foundation::*;
use trunkline_domain::pipeline::{ArtifactRule, Check, CheckRule, SandboxChoice, SandboxLevel};
use trunkline_domain::run::AttemptResult;

static SKIPPED: AtomicUsize = AtomicUsize::new(0);

/// A runner beside a token, in a folder that stands for the server's.
pub fn bench() -> Bench {
    let bench = Bench::new();
    std::fs::write(data(&bench).join("operator.token"), "tl_secret").unwrap();
    bench
}

fn data(bench: &Bench) -> &Path {
    bench.folder.parent().unwrap()
}

/// The levels above host that this machine has. Says which it has not, and counts.
pub fn walls(bench: &Bench) -> Vec<SandboxLevel> {
    let mut walls = Vec::new();
    for level in [SandboxLevel::Landlock, SandboxLevel::Sandbox] {
        match bench.levels().missing(level) {
            None => walls.push(level),
            Some(missing) => {
                let count = SKIPPED.fetch_add(1, Ordering::SeqCst) + 1;
                // Not eprintln: a test that passes hides what that prints.
                let _ =
                    writeln!(std::io::stderr(), "SKIPPED ({count}): nothing is tested behind '{level}': {}; {}", missing.why, missing.help);
            }
        }
    }
    walls
}

pub fn job_behind(level: SandboxLevel, commands: &[&str]) -> JobWork {
    let mut work = job(commands);
    work.sandbox = SandboxChoice::Exactly(level);
    work
}

/// Runs each probe as one step that goes on after a failure, and returns the names of those that succeeded.
pub fn leaks(bench: &Bench, level: SandboxLevel, probes: &[(&str, String)]) -> Vec<String> {
    let lines =
        probes.iter().map(|(name, probe)| format!("if ( {probe} ) >/dev/null 2>&1; then echo 'LEAK {name}'; else echo 'held {name}'; fi"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let (outcome, log) = bench.fake.do_job(job_behind(level, &[&text]));
    assert_eq!((outcome.result, outcome.sandbox), (AttemptResult::Passed, Some(level)), "{log}");
    let told = log.lines().filter(|line| line.starts_with("held ") || line.starts_with("LEAK "));
    assert_eq!(told.count(), probes.len(), "{log}");
    log.lines().filter_map(|line| line.strip_prefix("LEAK ")).map(str::to_owned).collect()
}

#[test]
fn a_wall_keeps_a_step_from_the_data_folder_and_from_writing_elsewhere() {
    let bench = bench();
    let data = data(&bench).display().to_string();
    let beside = tempfile::tempdir().unwrap();
    let beside = beside.path().display().to_string();
    std::fs::write(format!("{beside}/file"), "of somebody").unwrap();
    let probes = [
        ("reads the token", format!("cat {data}/operator.token")),
        ("reads it by a link", format!("ln -s {data}/operator.token link && cat link")),
        ("reads it by a hard link", format!("ln {data}/operator.token hard && cat hard")),
        ("lists the data folder", format!("ls {data}/ | grep token")),
        ("reads what runs", format!("cat {data}/runner/running/1.json")),
        ("reads its own spool", format!("cat {data}/runner/slots/1/log {data}/runner/slots/2/log")),
        ("writes into the data folder", format!("echo x > {data}/new && test -s {data}/new && ls {data}/runner/lock")),
        ("truncates the token", format!("perl -e 'truncate(\"{data}/operator.token\", 0) or exit 1'")),
        ("reads a folder of somebody", format!("cat {beside}/file")),
        ("lists a folder of somebody", format!("ls {beside}/ | grep file")),
        ("reads ssh keys", "ls /root/.ssh/ || cat /root/.bashrc || cat /root/.cargo/.crates.toml".to_owned()),
        ("writes /etc", "echo x > /etc/trunkline-probe".to_owned()),
        ("writes /usr", "echo x > /usr/trunkline-probe".to_owned()),
        ("writes beside its folders", "echo x > /trunkline-probe || mkdir /trunkline-probe || echo x > /dev/trunkline-probe".to_owned()),
        ("changes a setting of the kernel", "cat /proc/sys/vm/swappiness > /tmp/s && cat /tmp/s > /proc/sys/vm/swappiness".to_owned()),
        (
            "changes a setting of a device",
            "for file in /sys/block/*/queue/read_ahead_kb; do cat $file > /tmp/s && cat /tmp/s > $file && exit 0; done; exit 1".to_owned(),
        ),
        (
            "leaves by the first process",
            "ls /proc/1/root/ | grep trunkline; ls /proc/1/cwd/../../ | grep token || ls -l /proc/1/fd | grep -E 'pidfd|/(root|tmp)/'"
                .to_owned(),
        ),
        ("makes a disk", "mknod disk b 8 0 || mknod memory c 1 1".to_owned()),
        ("reads a disk", "dd if=/dev/vda of=/dev/null count=1 || dd if=/dev/sda of=/dev/null count=1".to_owned()),
        ("mounts", format!("mkdir m && mount --bind {data} m && cat m/operator.token")),
        ("is privileged again", "su nobody -s /bin/sh -c true || unshare --mount true && mount -t tmpfs x /mnt".to_owned()),
        ("chroots", "chroot / true".to_owned()),
    ];
    let of_root = [("reads passwords", "cat /etc/shadow /etc/gshadow | grep .".to_owned())];
    for level in walls(&bench) {
        assert_eq!(leaks(&bench, level, &probes), [""; 0], "behind {level}");
        if level == SandboxLevel::Sandbox {
            assert_eq!(leaks(&bench, level, &of_root), [""; 0]);
        }
        let kept = std::fs::read_to_string(format!("{data}/operator.token")).unwrap();
        assert_eq!(kept, "tl_secret", "behind {level}");
        assert!(!Path::new(&format!("{data}/new")).exists(), "behind {level}");
    }
    // Without a wall the token is open: the probes can succeed.
    assert!(leaks(&bench, SandboxLevel::Host, &probes[..1]).contains(&"reads the token".to_owned()));
}

#[test]
fn a_wall_keeps_a_step_from_other_processes() {
    let bench = bench();
    let mut other = std::process::Command::new("sleep");
    // Ended by itself where this test fails, and in nobody's way: it holds no pipe.
    let mut other = other.arg("60").env("SECRET", "x").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (own, pid) = (std::process::id(), other.id());
    let attach = |pid: u32| format!("python3 -c 'import ctypes; exit(0 if ctypes.CDLL(None).ptrace(16, {pid}, 0, 0) == 0 else 1)'");
    let probes = [
        ("reads an environment", format!("grep -q SECRET /proc/{pid}/environ")),
        ("reads the environment of the runner", format!("cat /proc/{own}/environ")),
        ("follows open files", format!("readlink /proc/{own}/fd/0")),
        ("goes through the root of the runner", format!("ls /proc/{own}/root/etc")),
        ("reads memory", format!("dd if=/proc/{own}/mem bs=1 count=1 skip=4194304")),
        ("traces", attach(pid)),
        ("signals", format!("kill -0 {pid} && kill -KILL {pid}")),
        ("signals the runner", format!("kill -0 {own}")),
    ];
    for level in walls(&bench) {
        assert_eq!(leaks(&bench, level, &probes), [""; 0], "behind {level}");
    }
    assert!(lives(pid));
    assert_eq!(leaks(&bench, SandboxLevel::Host, &probes[..1]), ["reads an environment"]);
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_wall_refuses_calls_that_reach_into_the_kernel() {
    let bench = bench();
    // Succeeds where the call came through, or failed for a reason of its own.
    let call = |number: u64, arguments: &str, refusal: &str| {
        let ask = format!("c = ctypes.CDLL(None, use_errno=True); r = c.syscall({number}, {arguments})");
        format!("python3 -c 'import ctypes, errno; {ask}; exit(1 if r == -1 and ctypes.get_errno() == errno.{refusal} else 0)'")
    };
    let probes = [
        ("types into a terminal", call(libc::SYS_ioctl as u64, "0, 0x5412, b\"x\"", "EPERM")),
        ("makes a user namespace", call(libc::SYS_unshare as u64, "0x10000000", "EPERM")),
        ("is born in a user namespace", call(libc::SYS_clone as u64, "0x10000011, 0, 0, 0, 0", "EPERM")),
        ("hides flags from the filter", call(libc::SYS_clone3 as u64, "0, 0", "ENOSYS")),
        ("asks for keys", call(libc::SYS_keyctl as u64, "0, -3, 0", "EPERM")),
        ("loads a program into the kernel", call(libc::SYS_bpf as u64, "0, 0, 0", "EPERM")),
        ("goes around the filter", call(libc::SYS_io_uring_setup as u64, "0, 0", "EPERM")),
        ("handles the faults of the kernel", call(libc::SYS_userfaultfd as u64, "1", "EPERM")),
        ("has other numbers for calls", call(0x4000_0000 | libc::SYS_getpid as u64, "", "ENOSYS").replace(", )", ")")),
        ("makes a namespace with a tool", "unshare --user true".to_owned()),
    ];
    for level in walls(&bench) {
        assert_eq!(leaks(&bench, level, &probes), [""; 0], "behind {level}");
    }
    assert_eq!(leaks(&bench, SandboxLevel::Host, &probes[..1]), ["types into a terminal"]);
}

#[test]
fn nothing_survives_its_step_behind_a_wall() {
    let bench = bench();
    // Found again by how long they sleep.
    let span = 1_000_000 + u64::from(std::process::id());
    for level in walls(&bench) {
        // Daemons by the book: a new session, forked twice, deaf to TERM. One also wiped its mark, which only namespaces
        // do not need.
        let marked = format!("setsid sh -c 'trap \"\" TERM; (echo a > one; exec sleep {span}) &' &");
        let wiped = format!("setsid env -i sh -c 'trap \"\" TERM; (echo b > two; exec sleep {span}) &' &");
        let (start, wait) = match level {
            SandboxLevel::Sandbox => (marked + &wiped, "while [ ! -s one ] || [ ! -s two ]; do :; done"),
            SandboxLevel::Host | SandboxLevel::Landlock => (marked, "while [ ! -s one ]; do :; done"),
        };
        let (outcome, log) = bench.fake.do_job(job_behind(level, &[&format!("{start} {wait}")]));
        assert_eq!(outcome.result, AttemptResult::Passed, "{log}");
        let sleeps = |entry: &std::fs::DirEntry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&span.to_string())
        };
        assert_eq!(std::fs::read_dir("/proc").unwrap().flatten().filter(sleeps).count(), 0, "behind {level}");
    }
}

#[test]
fn builds_work_behind_a_wall() {
    let bench = bench();
    bench.fake.file("main.c", "#include <stdio.h>\nint main(void) { puts(\"built\"); return 0; }\n");
    let home = std::env::var("HOME").unwrap();
    let commands = [
        "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git status --short | grep main.c",
        "if command -v cc; then cc -o main main.c && ./main | grep built; fi",
        "python3 -c 'import json, tempfile, multiprocessing; multiprocessing.Lock(); tempfile.TemporaryFile().write(b\"x\")'",
        "python3 -m venv --without-pip venv && venv/bin/python -c 'print(1)'",
        "if command -v cargo; then cargo --version; fi",
        "mktemp; echo x > /dev/null; head -c 4 /dev/urandom > \"$HOME/r\"; mkdir -p a/b; mv a/b c; ln main.c hard; echo err > /dev/stderr",
        "test -r /etc/passwd && getent passwd root && sleep 0.01 && test \"$(id -u)\" = \"$UID_OUTSIDE\"",
        "cat \"$TRUNKLINE_ARTIFACTS/input\"; echo a=b > new && mv new \"$TRUNKLINE_OUTPUT\"; mkdir -p out; echo kept > out/x",
    ];
    let input = bench.fake.executable("input", b"from before");
    for level in walls(&bench) {
        let mut work = job_behind(level, &commands);
        work.inputs = vec![input.clone()];
        work.artifacts = vec![ArtifactRule { name: "out".to_owned(), path: "out".to_owned() }];
        work.env.insert("RUSTUP_HOME".to_owned(), format!("{home}/.rustup"));
        work.env.insert("UID_OUTSIDE".to_owned(), nix_uid());
        let (outcome, log) = bench.fake.do_job(work);
        assert_eq!(outcome.result, AttemptResult::Passed, "behind {level}: {:?}\n{log}", outcome.reason);
        assert_eq!((outcome.outputs["a"].as_str(), outcome.artifacts.len()), ("b", 1), "behind {level}");
        assert!(log.contains("from before"), "{log}");
    }
}

fn nix_uid() -> String {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()).to_string()
}

#[test]
fn a_step_ends_behind_a_wall_as_it_would_without() {
    let bench = bench();
    for level in walls(&bench) {
        for (text, code) in [("false", 1), ("exit 7", 7), ("no-such-program x", 127), ("/etc/passwd x", 126), ("perl -e kill+9,$$", 137)] {
            let (outcome, log) = bench.fake.do_job(job_behind(level, &[text]));
            assert_eq!(outcome.steps[0].code, code, "{text} behind {level}: {log}");
        }
        let (_, log) =
            bench.fake.do_job(job_behind(level, &["echo one; echo two >&2; echo three; env | grep -v =trunkline | sort | tail -1"]));
        assert!(log.contains("\none\ntwo\nthree\n"), "{log}");
        let mut work = job_behind(level, &["trap '' TERM; while :; do sleep 0.05; done"]);
        work.timeout = Millis(300);
        let (outcome, _) = bench.fake.do_job(work);
        assert_eq!((outcome.result, outcome.steps[0].code), (AttemptResult::TimedOut, 137), "behind {level}");
    }
}

#[test]
fn a_cancelled_step_gets_term_and_its_grace_behind_a_wall() {
    let bench = Bench::with(|config| config.grace = PATIENCE);
    for level in walls(&bench) {
        let text = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.02; done";
        let lease = bench.fake.offer(Work::Job(job_behind(level, &[text])), subject(), &[]);
        eventually("the job says that it is ready", || bench.fake.state().logs.get(&lease).is_some_and(|log| log.ends_with(b"ready\n")));
        bench.fake.state().cancel.insert(lease.clone());
        let report = bench.fake.await_report(&lease);
        let Outcome::Job(outcome) = &report.outcome else { panic!() };
        assert_eq!((outcome.result, outcome.steps[0].code), (AttemptResult::Cancelled, 3), "behind {level}");
        assert!(bench.fake.log_text(&report).ends_with("bye\n"), "behind {level}");
    }
}

#[test]
fn auto_is_the_best_there_is_and_says_so() {
    let bench = bench();
    let best = walls(&bench).last().copied().unwrap_or(SandboxLevel::Host);
    assert_eq!(bench.levels().best(), best);
    let mut work = job(&["true"]);
    work.sandbox = SandboxChoice::Auto;
    assert_eq!(bench.fake.do_job(work).0.sandbox, Some(best));
    assert_eq!(bench.fake.do_job(job(&["true"])).0.sandbox, Some(SandboxLevel::Host));
}

#[test]
fn a_level_that_is_asked_for_and_missing_fails_the_job_and_loses_the_check() {
    let bench = Bench::with(|config| config.launcher.clear());
    for level in [SandboxLevel::Landlock, SandboxLevel::Sandbox] {
        let (outcome, log) = bench.fake.do_job(job_behind(level, &["echo never"]));
        let reason = outcome.reason.unwrap();
        assert_eq!((outcome.result, outcome.sandbox, log.as_str()), (AttemptResult::Failed, None, ""));
        assert!(reason.starts_with(&format!("it asks for 'sandbox: {level}', which this runner does not have: ")), "{reason}");
        let run =
            Check::Run { run: "true".to_owned(), reports: Vec::new(), timeout: Millis::seconds(9), sandbox: SandboxChoice::Exactly(level) };
        let work = VerifyWork { check: CheckRule { name: "c".to_owned(), check: run }, contents: Contents::default(), least: None };
        let Outcome::Verify(outcome) = bench.fake.do_work(Work::Verify(work), subject()).outcome else { panic!() };
        assert_eq!((outcome.verdict, outcome.evidence.as_str()), (CheckVerdict::Lost, reason.as_str()));
    }
    let mut work = job(&["true"]);
    work.sandbox = SandboxChoice::Auto;
    assert_eq!(bench.fake.do_job(work).0.sandbox, Some(SandboxLevel::Host), "auto is what there is");
    let run = Check::Run { run: "true".to_owned(), reports: Vec::new(), timeout: Millis::seconds(9), sandbox: SandboxChoice::Auto };
    let check = CheckRule { name: "c".to_owned(), check: run };
    let work = VerifyWork { check, contents: Contents::default(), least: Some(SandboxLevel::Landlock) };
    let Outcome::Verify(outcome) = bench.fake.do_work(Work::Verify(work), subject()).outcome else { panic!() };
    let reason = "what was verified here last was checked in a sandbox of level 'landlock', and this runner has no more than 'host': ";
    assert!(outcome.verdict == CheckVerdict::Lost && outcome.evidence.starts_with(reason), "but nothing steps down: {}", outcome.evidence);
}

#[test]
fn nothing_is_run_with_less_than_the_operator_allows() {
    let best = bench().levels().best();
    let bench = Bench::with(|config| config.floor = best);
    let (outcome, log) = bench.fake.do_job(job_behind(SandboxLevel::Host, &["echo never"]));
    if best > SandboxLevel::Host {
        let reason = format!("it asks for 'sandbox: host', and this server allows no less than '{best}'");
        assert_eq!((outcome.result, outcome.reason, log.as_str()), (AttemptResult::Failed, Some(reason), ""));
    }
    let mut work = job(&["true"]);
    work.sandbox = SandboxChoice::Auto;
    assert_eq!(bench.fake.do_job(work).0.sandbox, Some(best));
    // A machine that has not as much starts no runner.
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder.path().join("runner"));
    config.launcher.clear();
    config.floor = SandboxLevel::Landlock;
    let failure = trunkline_runner::Runner::start(config, bench.fake.clone()).err().expect("it is refused");
    assert!(failure.to_string().starts_with("there is no level 'landlock' on this machine: "), "{failure}");
}

#[test]
fn a_check_script_stands_behind_a_wall_too() {
    let bench = bench();
    let token = data(&bench).join("operator.token").display().to_string();
    for level in walls(&bench) {
        let run = format!("! cat {token} && echo x > made && test -n \"$TRUNKLINE_CONFIG\"");
        let check = Check::Run { run, reports: Vec::new(), timeout: Millis::seconds(30), sandbox: SandboxChoice::Exactly(level) };
        let work = VerifyWork { check: CheckRule { name: "c".to_owned(), check }, contents: Contents::default(), least: None };
        let Outcome::Verify(outcome) = bench.fake.do_work(Work::Verify(work), subject()).outcome else { panic!() };
        assert_eq!((outcome.verdict, outcome.evidence.as_str()), (CheckVerdict::Passed, "exit 0"), "behind {level}");
        assert_eq!(outcome.sandbox, Some(level), "it is told what it stood behind");
    }
}

#[test]
fn what_a_step_used_is_counted_at_every_level() {
    let bench = bench();
    let mut levels = walls(&bench);
    levels.push(SandboxLevel::Host);
    for level in levels {
        let burn = "perl -e '$x = \"x\" x 300000000; while ((times)[0] < 0.3) { $i++ }' & wait; perl -e 1";
        let (outcome, log) = bench.fake.do_job(job_behind(level, &[burn, "true"]));
        assert_eq!(outcome.result, AttemptResult::Passed, "{log}");
        let usage = outcome.steps[0].usage.unwrap();
        assert!((300..20_000).contains(&usage.cpu_ms), "{usage:?} at {level}");
        assert!(usage.peak_kb.is_some_and(|peak| (290_000..2_000_000).contains(&peak)), "{usage:?} at {level}");
        let small = outcome.steps[1].usage.unwrap();
        // Without a group, less than this process has used itself cannot be told.
        let is_small =
            if bench.groups().missing().is_none() { small.peak_kb.is_some_and(|peak| peak < 50_000) } else { small.peak_kb.is_none() };
        assert!(is_small && small.cpu_ms < 300, "{small:?} at {level}");
    }
}

#[test]
fn a_folder_of_the_operators_is_opened_or_refused_at_the_start() {
    let tools = tempfile::tempdir().unwrap();
    std::fs::write(tools.path().join("tool"), "of the operator").unwrap();
    // People also name tools by a link to where they are; only the link is opened then, not the place.
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("tool"), "behind a link").unwrap();
    let beside = tempfile::tempdir().unwrap();
    let link = beside.path().join("link");
    std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();
    let bench = Bench::with(|config| config.readable = vec![tools.path().to_owned(), link.clone()]);
    for level in walls(&bench) {
        let command = format!("cat {0}/tool {1}/tool && ! touch {0}/new {1}/new", tools.path().display(), link.display());
        let (outcome, log) = bench.fake.do_job(job_behind(level, &[&command]));
        assert_eq!(outcome.result, AttemptResult::Passed, "{log}");
    }
    let folder = tempfile::tempdir().unwrap();
    for closed in [folder.path().to_owned(), "/".into(), "/no/such/folder".into(), "relative".into()] {
        let mut config = config(&folder.path().join("runner"));
        config.readable = vec![closed.clone()];
        let failure = trunkline_runner::Runner::start(config, bench.fake.clone()).err().expect("it is refused");
        assert!(failure.to_string().starts_with(&format!("{} cannot be opened", closed.display())), "{failure}");
    }
}

/// The bench lies below `/tmp`, as a local run does.
#[test]
fn the_private_folders_of_a_job_are_empty() {
    let bench = bench();
    for level in walls(&bench) {
        let (outcome, log) =
            bench.fake.do_job(job_behind(level, &["ls -A \"$TMPDIR\" \"$HOME\"; test -z \"$(ls -A \"$TMPDIR\" \"$HOME\" | grep -v :)\""]));
        assert_eq!(outcome.result, AttemptResult::Passed, "behind {level}: {log}");
    }
}
