//! Control groups: limits that hold, and nobody who is left.

use crate::fake::*;
use std::io::Write;
use trunkline_domain::pipeline::{SandboxChoice, SandboxLevel};
use trunkline_domain::run::{AttemptResult, UsageSource};
use trunkline_runner::{Groups, Limits};

/// Whether the runner has groups; says so where not.
fn has_groups(bench: &Bench) -> bool {
    let Some(missing) = bench.groups().missing() else { return true };
    // Not eprintln: a test that passes hides what that prints.
    let _ = writeln!(std::io::stderr(), "SKIPPED: control groups are not tested: {}; {}", missing.why, missing.help);
    false
}

fn levels(bench: &Bench) -> Vec<SandboxLevel> {
    let all = [SandboxLevel::Host, SandboxLevel::Landlock, SandboxLevel::Sandbox];
    all.into_iter().filter(|level| bench.levels().missing(*level).is_none()).collect()
}

/// Limits that this machine can keep; none where it has no groups.
fn limited(limits: Limits) -> Bench {
    let has = Groups::look(Limits::default()).unwrap().missing().is_none();
    Bench::with(|config| config.limits = if has { limits } else { Limits::default() })
}

#[test]
fn a_step_that_wants_too_much_memory_is_ended_and_the_reason_says_so() {
    let bench = limited(Limits { memory: Some(100 << 20), processes: None });
    if !has_groups(&bench) {
        return;
    }
    for level in levels(&bench) {
        let mut work = job(&["perl -e '$x = \"x\" x 50000000'", "perl -e '$x = \"x\" x 200000000'; exit 3"]);
        work.sandbox = SandboxChoice::Exactly(level);
        let (outcome, log) = bench.fake.do_job(work);
        assert_eq!((outcome.result, outcome.steps.len()), (AttemptResult::Failed, 2), "at {level}: {log}");
        let reason = outcome.reason.unwrap();
        assert!(
            reason.ends_with(
                ": memory ran out, and the kernel killed a process of it; a step may have 100M here (--job-memory of trunkline serve)"
            ),
            "at {level}: {reason}"
        );
        let used = outcome.steps[0].usage.unwrap();
        assert_eq!(used.source, UsageSource::ControlGroup, "at {level}");
        assert!(used.peak_kb.is_some_and(|peak| (45_000..102_400).contains(&peak)), "at {level}: {used:?}");
    }
}

#[test]
fn what_a_job_leaves_in_memory_is_not_charged_to_the_next() {
    let bench = Bench::with(|config| {
        config.slots = 1;
        if Groups::look(Limits::default()).unwrap().missing().is_none() {
            config.limits = Limits { memory: Some(64 << 20), processes: None };
        }
    });
    if !has_groups(&bench) {
        return;
    }
    let left = format!("/dev/shm/trunkline-test-{}", std::process::id());
    let (outcome, log) = bench.fake.do_job(job(&[&format!("head -c 48000000 /dev/zero > {left}")]));
    let (next, next_log) = bench.fake.do_job(job(&["perl -e '$x = \"x\" x 20000000'"]));
    std::fs::remove_file(&left).unwrap();
    assert_eq!(outcome.result, AttemptResult::Passed, "{log}");
    assert_eq!(next.result, AttemptResult::Passed, "{:?} {next_log}", next.reason);
}

#[test]
fn a_step_has_no_more_processes_than_it_may() {
    let bench = limited(Limits { memory: None, processes: Some(40) });
    if !has_groups(&bench) {
        return;
    }
    for level in levels(&bench) {
        let fork =
            |count: u32| format!("perl -e 'for (1..{count}) {{ my $p = fork; exit 7 unless defined $p; if (!$p) {{ sleep 5; exit }} }}'");
        let mut work = job(&[&fork(20), &fork(100)]);
        work.sandbox = SandboxChoice::Exactly(level);
        let (outcome, log) = bench.fake.do_job(work);
        let codes: Vec<i32> = outcome.steps.iter().map(|step| step.code).collect();
        assert_eq!(codes, [0, 7], "at {level}: {log}");
        let reason = outcome.reason.unwrap();
        assert!(reason.ends_with("a step may have 40 here, threads counted (--job-processes of trunkline serve)"), "at {level}: {reason}");
    }
}

#[test]
fn whoever_hides_from_the_mark_is_ended_with_the_group() {
    let bench = Bench::new();
    if !has_groups(&bench) {
        return;
    }
    let span = 2_000_000 + u64::from(std::process::id());
    // A new session, and nothing in the environment: only the group knows it.
    let hide = format!("env -i setsid sh -c 'trap \"\" TERM; echo a > one; exec sleep {span}' & while [ ! -s one ]; do sleep 0.01; done");
    let (outcome, log) = bench.fake.do_job(job(&[&hide]));
    assert_eq!(outcome.result, AttemptResult::Passed, "{log}");
    let sleeps = |entry: &std::fs::DirEntry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&span.to_string())
    };
    assert_eq!(std::fs::read_dir("/proc").unwrap().flatten().filter(sleeps).count(), 0);
}

#[test]
fn limits_that_cannot_be_kept_are_refused_at_the_start() {
    let missing = trunkline_runner::SandboxMissing { why: "there are none".to_owned(), help: "make some".to_owned() };
    let limits = Limits { memory: Some(1 << 30), processes: None };
    let failure = Groups::of(Err(missing.clone()), limits).err().unwrap();
    assert_eq!(failure.to_string(), "the limits of jobs cannot be kept: there are none; make some");
    assert_eq!(Groups::of(Err(missing.clone()), Limits::default()).unwrap().missing(), Some(&missing));
}
