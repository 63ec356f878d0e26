//! Lost leases, killed runners, servers that are away.

use crate::fake::*;
use std::process::Command;
use std::sync::atomic::Ordering;
use trunkline_api::runner::*;
use trunkline_domain::run::AttemptResult;
use trunkline_runner::{Config, Runner};

#[test]
fn a_lost_lease_ends_the_work_and_nothing_is_reported() {
    let bench = Bench::new();
    let file = bench.folder.join("pid");
    let text = format!("echo $$ > {0}.new; mv {0}.new {0}; trap '' TERM; while :; do sleep 0.05; done", file.display());
    let lease = bench.fake.offer(Work::Job(job(&[&text])), subject(), &[]);
    eventually("the job runs", || file.exists());
    bench.fake.state().held.remove(&lease);
    let pid = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    eventually("the job is ended", || !lives(pid));
    // The slot is free again, and only the next job reports.
    let (outcome, _) = bench.fake.do_job(job(&["/bin/true"]));
    assert_eq!(outcome.result, AttemptResult::Passed);
    assert!(!bench.fake.state().reports.contains_key(&lease));
}

#[test]
fn a_report_is_sent_until_the_server_is_back() {
    let bench = Bench::new();
    let go = bench.folder.join("go");
    let text = format!("while [ ! -e {} ]; do sleep 0.01; done", go.display());
    let lease = bench.fake.offer(Work::Job(job(&[&text])), subject(), &[]);
    eventually("it is claimed", || bench.fake.state().held.contains(&lease));
    bench.fake.unreachable.store(true, Ordering::SeqCst);
    std::fs::write(&go, "").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    bench.fake.unreachable.store(false, Ordering::SeqCst);
    let Outcome::Job(outcome) = bench.fake.await_report(&lease).outcome else { panic!() };
    assert_eq!(outcome.result, AttemptResult::Passed);
}

#[test]
fn stop_ends_what_does_not_end_by_itself_and_reports_it_as_lost() {
    let mut bench = Bench::new();
    let began = bench.folder.join("began");
    let lease = bench.fake.offer(Work::Job(job(&[&format!("touch {}; sleep 600", began.display())])), subject(), &[]);
    // Claimed is not enough: what was claimed in the moment of the stop is never begun.
    eventually("it has begun", || began.exists());
    bench.restart();
    let Outcome::Job(outcome) = bench.fake.await_report(&lease).outcome else { panic!() };
    assert_eq!((outcome.result, outcome.reason.as_deref()), (AttemptResult::Lost, Some("the runner was stopped")));
}

/// Not a test of its own: a runner in a process that gets killed.
#[test]
fn doomed_runner_entry() {
    let Ok(folder) = std::env::var("TRUNKLINE_TEST_DOOMED") else { return };
    let fake = std::sync::Arc::new(Fake::default());
    let _runner = Runner::start(config(std::path::Path::new(&folder)), fake.clone()).unwrap();
    let text =
        "setsid sh -c 'echo $$ > $OUT/daemon.new; mv $OUT/daemon.new $OUT/daemon; exec sleep 600' & echo $$ > $OUT/leader; wait; sleep 600";
    let mut work = job(&[text]);
    work.env.insert("OUT".to_owned(), folder);
    let lease = fake.offer(Work::Job(work), subject(), &[]);
    fake.await_report(&lease);
}

#[test]
fn the_next_runner_ends_what_a_killed_one_left_and_nobody_else() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().canonicalize().unwrap();
    let mut doomed = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fault::doomed_runner_entry"])
        .env("TRUNKLINE_TEST_DOOMED", &folder)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = |name: &str| std::fs::read_to_string(folder.join(name)).ok().and_then(|text| text.trim().parse().ok());
    eventually("the job and its daemon run", || pid("leader").is_some() && pid("daemon").is_some());
    let (leader, daemon) = (pid("leader").unwrap(), pid("daemon").unwrap());
    doomed.kill().unwrap();
    doomed.wait().unwrap();
    assert!(lives(leader) && lives(daemon), "a killed runner cannot end anything");
    // A note of the same form that names an innocent process by number, but not by its start.
    let mut innocent = Command::new("sleep").arg("600").spawn().unwrap();
    let note = std::fs::read_to_string(folder.join("running/1.json")).unwrap();
    let boot: serde_json::Value = serde_json::from_str(&note)
        .or_else(|_| serde_json::from_str(&std::fs::read_to_string(folder.join("running/2.json")).unwrap()))
        .unwrap();
    let reused = serde_json::json!({"boot": boot["boot"], "marker": "0".repeat(32), "group": innocent.id(), "start": 1});
    std::fs::write(folder.join("running/9.json"), reused.to_string()).unwrap();
    let fake = std::sync::Arc::new(Fake::default());
    let runner = Runner::start(Config { ..config(&folder) }, fake).unwrap();
    assert!(!lives(leader) && !lives(daemon), "orphans are ended before any work is taken");
    assert!(lives(innocent.id()), "a reused number is never hit");
    innocent.kill().unwrap();
    innocent.wait().unwrap();
    assert_eq!(runner.stop(), 0);
}

#[test]
fn two_runners_cannot_share_a_folder() {
    let bench = Bench::new();
    let second = Runner::start(config(&bench.folder), bench.fake.clone());
    assert!(second.is_err_and(|failure| failure.0.contains("another runner uses")));
}
