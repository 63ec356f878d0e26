//! Logs: byte for byte, masked, sent while the server comes and goes.

use crate::fake::*;
use std::sync::atomic::Ordering;
use trunkline_api::runner::*;
use trunkline_domain::foundation::*;
use trunkline_domain::pipeline::{ReportFormat, ReportRule};

/// 5 MB with NUL bytes and invalid UTF-8, the same each time.
const NOISE: &str = "import sys,random\nr=random.Random(7)\nsys.stdout.buffer.write(r.randbytes(5_000_000))\nsys.stdout.flush()\n";

fn expected() -> Vec<u8> {
    let output = std::process::Command::new("python3").args(["-c", NOISE]).output().expect("python3");
    output.stdout
}

#[test]
fn five_megabytes_of_noise_arrive_byte_for_byte_although_the_server_goes_away() {
    let bench = Bench::new();
    bench.fake.file("noise.py", NOISE);
    bench.fake.file("again.py", "import time\ntime.sleep(0.2)\nprint('end')");
    let lease = bench.fake.offer(Work::Job(job(&["python3 noise.py", "python3 again.py"])), subject(), &[]);
    eventually("the first chunk is there", || bench.fake.state().logs.contains_key(&lease));
    bench.fake.unreachable.store(true, Ordering::SeqCst);
    std::thread::sleep(std::time::Duration::from_millis(300));
    bench.fake.unreachable.store(false, Ordering::SeqCst);
    let report = bench.fake.await_report(&lease);
    let log = bench.fake.log_bytes(&report);
    let expected = [b"\xe2\x96\xb8 python3 noise.py\n", &expected()[..], b"\n\xe2\x96\xb8 python3 again.py\nend\n"].concat();
    // The noise may itself end in a newline.
    assert!(log == expected || log.len() + 1 == expected.len(), "{} bytes, expected {}", log.len(), expected.len());
    assert_eq!((report.log.bytes, report.log.digest), (log.len() as u64, Digest::of(&log)));
    assert_eq!((report.log.inline, report.log.dropped), (None, 0));
}

#[test]
fn what_a_killed_server_lost_of_a_log_is_sent_again_before_the_outcome_is_taken() {
    let bench = Bench::new();
    bench.fake.file("noise.py", NOISE);
    bench.fake.forgetful.store(true, Ordering::SeqCst);
    let report = bench.fake.do_work(Work::Job(job(&["python3 noise.py"])), subject());
    let log = bench.fake.log_bytes(&report);
    assert!(!bench.fake.forgetful.load(Ordering::SeqCst), "it forgot");
    assert_eq!((report.log.bytes, report.log.digest, report.log.spent), (log.len() as u64, Digest::of(&log), false));
}

#[test]
fn a_short_log_that_is_not_text_is_streamed_and_exact() {
    let bench = Bench::new();
    let report = bench.fake.do_work(Work::Job(job(&[r"printf '\377\000x'"])), subject());
    let log = bench.fake.log_bytes(&report);
    assert!(report.log.inline.is_none());
    assert!(log.ends_with(b"\xff\x00x"));
    assert_eq!(report.log.digest, Digest::of(&log));
}

#[test]
fn secrets_are_masked_in_every_way_a_write_can_be_cut() {
    let bench = Bench::new();
    let text = "for i in 1 2 3; do printf hun; sleep 0.02; printf 'ter2 '; done; printf 'step hunter2'";
    let lease = bench.fake.offer(Work::Job(job(&[text])), subject(), &["hunter2"]);
    let report = bench.fake.await_report(&lease);
    let log = bench.fake.log_text(&report);
    assert!(log.ends_with("*** *** *** step ***"), "{log}");
    assert!(!log.contains("hunter2"), "not even in the step's own line: {log}");
    assert_eq!(report.log.digest, Digest::of(log.as_bytes()), "masked before hashed");
}

#[test]
fn secrets_are_masked_in_tests_outputs_and_reasons() {
    let bench = Bench::new();
    let report = "<testsuite><testcase name='hunter2' file='hunter2.py'><failure message='it was hunter2'/></testcase></testsuite>";
    bench.fake.file("report.xml", report);
    let mut work = job(&["echo name=a-hunter2-b > \"$TRUNKLINE_OUTPUT\"", "echo hunter2=c >> \"$TRUNKLINE_OUTPUT\""]);
    work.reports = vec![ReportRule { format: ReportFormat::Junit, path: "report.xml".to_owned() }];
    let lease = bench.fake.offer(Work::Job(work), subject(), &["hunter2"]);
    let reported = bench.fake.await_report(&lease);
    let said = format!("{reported:?}");
    // A name of an output that would be a secret is none, and is said to be none.
    let Outcome::Job(outcome) = reported.outcome else { panic!("{said}") };
    assert!(outcome.reason.as_deref().is_some_and(|reason| reason.contains("'***=c'")), "{said}");
    assert_eq!(outcome.tests.as_ref().map(|tests| tests.failures[0].name.as_str()), Some("***"));
    assert!(!said.contains("hunter"), "{said}");

    let work = job(&["echo name=a-hunter2-b > \"$TRUNKLINE_OUTPUT\""]);
    let lease = bench.fake.offer(Work::Job(work), subject(), &["hunter2"]);
    let Outcome::Job(outcome) = bench.fake.await_report(&lease).outcome else { panic!("a job's") };
    assert_eq!(outcome.outputs.into_iter().collect::<Vec<_>>(), [("name".to_owned(), "a-***-b".to_owned())]);
    let line = format!("echo '{}hunter2' > \"$TRUNKLINE_OUTPUT\"", "x".repeat(77));
    let lease = bench.fake.offer(Work::Job(job(&[&line])), subject(), &["hunter2"]);
    let Outcome::Job(outcome) = bench.fake.await_report(&lease).outcome else { panic!("a job's") };
    assert!(outcome.reason.as_deref().is_some_and(|reason| reason.ends_with("x***'")), "{outcome:?}");
}
