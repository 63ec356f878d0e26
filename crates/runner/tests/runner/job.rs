//! Jobs: steps, exit codes, what they keep, what they leave behind.

use crate::fake::*;
use std::time::{Duration, Instant};
use trunkline_api::runner::*;
use trunkline_domain::foundation::*;
use trunkline_domain::pipeline::{ArtifactRule, ReportFormat, ReportRule};
use trunkline_domain::run::{ArtifactForm, AttemptResult};

#[test]
fn steps_run_in_order_until_one_fails_and_the_reason_names_it() {
    let bench = Bench::new();
    let (outcome, log) = bench.fake.do_job(job(&["echo one; echo two >&2; echo three", "sh -c 'exit 7'", "echo never"]));
    assert_eq!((outcome.result, outcome.steps.len(), outcome.steps[1].code), (AttemptResult::Failed, 2, 7));
    assert_eq!(outcome.reason.as_deref(), Some("step 2 ('sh -c 'exit 7'') exited with 7"));
    assert_eq!(log, "▸ echo one; echo two >&2; echo three\none\ntwo\nthree\n▸ sh -c 'exit 7'\n");
}

#[test]
fn a_direct_and_a_shell_step_read_the_same() {
    let bench = Bench::new();
    bench.fake.file("plain", "not a program");
    bench.fake.file("noshebang", "echo from the shell");
    bench.fake.state().tree.get_mut("noshebang").unwrap().1 = true;
    // Each pair: without and with need of a shell.
    for (direct, shell, code) in [
        ("no-such-program x", "no-such-program 'x'", 127),
        ("./plain", "./plain ''", 126),
        ("./noshebang", "./noshebang ''", 0),
        ("/bin/false", "/bin/false ''", 1),
        ("perl -e kill+9,$$", "perl -e 'kill+9,$$'", 137),
    ] {
        let outcomes = [direct, shell].map(|text| bench.fake.do_job(job(&[text])));
        for (outcome, _) in &outcomes {
            assert_eq!(outcome.steps[0].code, code, "{direct}");
        }
        let [said, also] = outcomes.map(|(_, log)| log.split_once('\n').unwrap().1.to_owned());
        // A shell says "Killed" of a child that it had to wait for.
        assert!(said == also || code == 137, "{direct}: {said} / {also}");
    }
}

#[test]
fn the_environment_is_clean_and_says_where_the_work_belongs() {
    let bench = Bench::new();
    bench.fake.file("tree.txt", "from the commit");
    let mut work = job(&["env | sort; pwd; ls -A; ls -A \"$HOME\" | wc -l"]);
    work.env.insert("USERS".to_owned(), "10".to_owned());
    let (outcome, log) = bench.fake.do_job(work);
    assert_eq!(outcome.result, AttemptResult::Passed);
    for expected in ["CI=true\n", "TRUNKLINE_PROJECT=shop\n", "TRUNKLINE_VERSION=1.42\n", "USERS=10\n", "\ntree.txt\n0\n", "/workspace\n"] {
        assert!(log.contains(expected), "{expected:?} in {log}");
    }
    assert!(!log.contains("CARGO"), "nothing of the runner's own environment: {log}");
}

#[test]
fn a_daemon_that_left_its_group_is_ended_with_the_step() {
    let bench = Bench::new();
    let file = bench.folder.join("pid");
    let text = format!(
        "setsid sh -c 'trap \"\" TERM; echo $$ > {0}; while :; do sleep 0.05; done' & while [ ! -s {0} ]; do :; done",
        file.display()
    );
    let (outcome, _) = bench.fake.do_job(job(&[&text]));
    assert_eq!(outcome.result, AttemptResult::Passed);
    let pid = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    assert!(!lives(pid), "the daemon outlived its step");
}

#[test]
fn a_job_that_ignores_term_is_killed_after_the_grace() {
    let bench = Bench::new();
    let mut work = job(&["trap '' TERM; echo ready; while :; do sleep 0.05; done"]);
    work.timeout = Millis(200);
    let (outcome, log) = bench.fake.do_job(work);
    assert_eq!((outcome.result, outcome.steps[0].code), (AttemptResult::TimedOut, 137));
    assert!(outcome.reason.unwrap().contains("still running after 200 ms"));
    assert!(log.ends_with("ready\n"));
}

#[test]
fn a_cancelled_job_gets_term_and_ends_as_cancelled() {
    let bench = Bench::new();
    let text = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.02; done";
    let lease = bench.fake.offer(Work::Job(job(&[text])), subject(), &[]);
    // Small logs are shown live after a second.
    eventually("the job says that it is ready", || bench.fake.state().logs.get(&lease).is_some_and(|log| log.ends_with(b"ready\n")));
    bench.fake.state().cancel.insert(lease.clone());
    let report = bench.fake.await_report(&lease);
    let Outcome::Job(outcome) = &report.outcome else { panic!() };
    assert_eq!((outcome.result, outcome.steps[0].code), (AttemptResult::Cancelled, 3));
    let log = bench.fake.log_text(&report);
    assert!(log.ends_with("bye\n"), "{log}");
}

#[test]
fn artifacts_travel_to_the_next_job_and_a_folder_packs_reproducibly() {
    let bench = Bench::new();
    let rules = [("server", "out/server"), ("site", "out/site"), ("notes", "notes.txt")];
    let rules = rules.map(|(name, path)| ArtifactRule { name: name.to_owned(), path: path.to_owned() }).to_vec();
    let mut work = job(&[
        "mkdir -p out/site/b out/site/a; echo hi > out/site/b/x; ln -s ../b/x out/site/a/link; printf '#!/bin/sh\\necho served' > out/server; chmod +x out/server; date +%N > noise; echo notes > notes.txt",
        "echo version=1.2 >> $TRUNKLINE_OUTPUT",
    ]);
    work.artifacts = rules;
    let (first, _) = bench.fake.do_job(work.clone());
    let (second, _) = bench.fake.do_job(work);
    assert_eq!(first.result, AttemptResult::Passed, "{:?}", first.reason);
    assert_eq!(first.artifacts, second.artifacts, "equal content, equal digests");
    assert_eq!(
        first.artifacts.iter().map(|a| a.form).collect::<Vec<_>>(),
        [ArtifactForm::Executable, ArtifactForm::Folder, ArtifactForm::File]
    );
    assert_eq!(first.outputs["version"], "1.2");
    let mut next = job(&["$TRUNKLINE_ARTIFACTS/server; cat $TRUNKLINE_ARTIFACTS/site/a/link $TRUNKLINE_ARTIFACTS/notes"]);
    next.inputs = first.artifacts;
    let (_, log) = bench.fake.do_job(next);
    assert!(log.ends_with("served\nhi\nnotes\n"), "{log}");
}

#[test]
fn a_missing_or_escaping_artifact_fails_with_its_name_and_what_is_there() {
    let bench = Bench::new();
    let mut work =
        job(&["mkdir -p target/debug; touch target/debug/shop target/debug/shop.d; ln -s /etc out; mkdir site; ln -s ../../x site/up"]);
    for (path, expected) in [
        ("target/debug/shopp", "artifact 'it' is missing: no 'target/debug/shopp'; 'target/debug' holds shop, shop.d"),
        ("out/passwd", "artifact 'it': 'out/passwd' lies outside the workspace"),
        ("site", "artifact 'it' cannot be kept: 'site' holds the link 'up', which leaves it for '../../x'"),
    ] {
        work.artifacts = vec![ArtifactRule { name: "it".to_owned(), path: path.to_owned() }];
        let (outcome, _) = bench.fake.do_job(work.clone());
        assert_eq!((outcome.result, outcome.reason.as_deref()), (AttemptResult::Failed, Some(expected)));
    }
}

#[test]
fn a_red_jobs_reports_are_read() {
    let bench = Bench::new();
    bench.fake.file(
        "junit.xml",
        r#"<testsuite><testcase name="a"/><testcase name="b" file="t.py" line="3"><failure message="no"/></testcase></testsuite>"#,
    );
    let mut work = job(&["echo 'test x::y ... FAILED'; exit 1"]);
    work.reports = vec![
        ReportRule { format: ReportFormat::Junit, path: "junit.xml".to_owned() },
        ReportRule { format: ReportFormat::Libtest, path: "log".to_owned() },
    ];
    let (outcome, _) = bench.fake.do_job(work);
    let tests = outcome.tests.unwrap();
    assert_eq!((tests.passed, tests.failed), (1, 2));
    assert_eq!((tests.failures[0].file.as_deref(), tests.failures[0].line), (Some("t.py"), Some(3)));
    assert_eq!(tests.failures[1].name, "x::y");
}

#[test]
fn an_untouched_workspace_is_used_again_and_a_touched_one_is_not() {
    let bench = Bench::with(|config| config.slots = 1);
    bench.fake.file("src/a.txt", "one");
    let reuse_works = {
        bench.fake.do_job(job(&["cat src/a.txt"]));
        bench.fake.do_job(job(&["cat src/a.txt"]));
        bench.fake.state().checkouts == 1
    };
    let before = bench.fake.state().checkouts;
    // Same length, straight after the checkout: only the times tell.
    bench.fake.do_job(job(&["printf two > src/a.txt"]));
    let (_, log) = bench.fake.do_job(job(&["cat src/a.txt"]));
    assert!(log.ends_with("one"), "{log}");
    let (_, log) = bench.fake.do_job(job(&["cat src/a.txt; touch new"]));
    assert!(log.ends_with("one"), "{log}");
    let (_, log) = bench.fake.do_job(job(&["ls"]));
    assert!(log.ends_with("ls\nsrc\n"), "{log}");
    assert!(!reuse_works || bench.fake.state().checkouts == before + 2, "{} checkouts", bench.fake.state().checkouts);
}

/// A job whose whole work is a file with one large hole.
fn sparse(size: &str, folder: &str, timeout: Millis) -> JobWork {
    let mut work = job(&[&format!("mkdir out && truncate -s {size} out/hole")]);
    work.artifacts = vec![ArtifactRule { name: "hole".to_owned(), path: folder.to_owned() }];
    work.timeout = timeout;
    work
}

#[test]
fn an_artifact_beyond_the_limit_is_refused_before_it_is_read() {
    let bench = Bench::new();
    let began = Instant::now();
    for (path, what) in [
        ("out/hole", "'out/hole' has 16492674416640 bytes, more than 8589934592"),
        ("out", "'out' holds 16492674418176 bytes, more than 8589934592; most of it is 'hole' with 16492674416640"),
    ] {
        let (outcome, _) = bench.fake.do_job(sparse("15T", path, Millis::seconds(60)));
        assert_eq!(outcome.reason, Some(format!("artifact 'hole' cannot be kept: {what}")));
        assert_eq!(outcome.result, AttemptResult::Failed);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn keeping_an_artifact_ends_with_the_time_of_the_job_or_its_cancel() {
    let bench = Bench::new();
    let began = Instant::now();
    let (outcome, _) = bench.fake.do_job(sparse("4G", "out/hole", Millis::seconds(1)));
    assert_eq!(outcome.result, AttemptResult::TimedOut);
    assert_eq!(outcome.reason.as_deref(), Some("artifact 'hole' was still being kept after 1.0 s"));
    for path in ["out/hole", "out"] {
        let lease = bench.fake.offer(Work::Job(sparse("4G", path, Millis::seconds(60))), subject(), &[]);
        let hole = |slot: u32| bench.folder.join(format!("slots/{slot}/workspace/out/hole"));
        eventually("the file is there", || (1..=2).any(|slot| std::fs::metadata(hole(slot)).is_ok_and(|file| file.len() == 4 << 30)));
        bench.fake.state().cancel.insert(lease.clone());
        let Outcome::Job(outcome) = bench.fake.await_report(&lease).outcome else { panic!("a job's") };
        assert_eq!(outcome.result, AttemptResult::Cancelled, "{path}: {:?}", outcome.reason);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
