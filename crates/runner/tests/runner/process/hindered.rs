//! What stands in the way of an apply, and who is waited for meanwhile.

use super::*;

#[test]
fn a_service_that_must_say_that_it_is_ready_is_waited_for() {
    let mut target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    target.ready_within = Some(Millis::seconds(2));
    let late = "instance 1 did not say READY=1 to NOTIFY_SOCKET within 2.0 s (ready-within)";
    assert_eq!(target.apply(SERVICE, "2.0", 2, 2), ApplyOutcome::Failed(late.to_owned()));
    assert_eq!(target.get().unwrap(), before, "the same process");
    let says = "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n";
    let slow = SERVICE.replace("server = Server()\n", &format!("server = Server()\ntime.sleep(1)\n{says}"));
    let asked = Instant::now();
    assert_eq!(target.apply(&slow, "3.0", 3, 3), ApplyOutcome::Applied);
    assert!(asked.elapsed() >= Duration::from_secs(1), "the old one served until the new one was ready");
}

#[test]
fn a_port_that_another_program_has_says_nothing_against_the_release() {
    let target = Target::new(1);
    let other = TcpListener::bind(&target.address).unwrap();
    let expected = format!("cannot listen on {}: Address already in use (os error 98)", target.address);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), hindered(&expected, false));
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), hindered(&expected, false), "the same answer, no second try");
    drop(other);
    assert_eq!(target.apply(SERVICE, "1.0", 2, 2), ApplyOutcome::Applied);
}

fn hindered(reason: &str, touched: bool) -> ApplyOutcome {
    ApplyOutcome::Hindered { reason: reason.to_owned(), touched }
}

#[test]
fn while_a_release_is_waited_for_the_old_one_is_kept_up_and_a_newer_one_goes_first() {
    let mut target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    target.ready_within = Some(Millis::seconds(60));
    let asked = Instant::now();
    std::thread::scope(|scope| {
        // Never says that it is ready, and leaves the socket to the old one.
        let silent = scope.spawn(|| target.apply("#!/bin/sh\nexec sleep 100\n", "2.0", 2, 2));
        eventually("the new one has started", || target.pids().len() == 2);
        assert!(request(&target.address, "/crash").is_err());
        eventually("another process of the old one", || target.get().is_ok_and(|now| now.starts_with("1.0 ") && now != before));
        let newer = "#!/bin/sh\necho broken\nexit 4\n";
        let failed = target.apply(newer, "3.0", 3, 3);
        assert_eq!(failed, ApplyOutcome::Failed("instance 1 exited with 4 before it was ready: broken".to_owned()));
        assert_eq!(silent.join().unwrap(), hindered("it was cancelled, or a newer deployment came, before it was ready", true));
    });
    assert!(asked.elapsed() < Duration::from_secs(30), "nobody waited for the whole minute");
    assert!(target.get().unwrap().starts_with("1.0 "));
}

#[test]
fn a_stop_does_not_wait_for_what_is_not_ready() {
    let mut target = Target::new(1);
    target.ready_within = Some(Millis::seconds(60));
    let asked = Instant::now();
    std::thread::scope(|scope| {
        let silent = scope.spawn(|| target.apply("#!/bin/sh\nexec sleep 100\n", "1.0", 1, 1));
        eventually("it has started", || target.folder().join("status.json").exists() && target.pids().len() == 1);
        supervise_stop(&target.folder()).unwrap();
        assert_eq!(silent.join().unwrap(), hindered("the supervisor was told to stop", false));
    });
    assert!(asked.elapsed() < Duration::from_secs(30));
    assert_eq!(target.observe().live, Live::Nothing);
}

#[test]
fn what_a_stop_interrupts_is_not_brought_back_by_a_rollback() {
    const SILENT: &str = "#!/bin/sh\nexec sleep 100\n";
    let mut target = Target::new(1);
    target.listens = false;
    assert_eq!(target.apply(SILENT, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.pids();
    target.ready_within = Some(Millis::seconds(60));
    std::thread::scope(|scope| {
        let silent = scope.spawn(|| target.apply(SILENT, "2.0", 2, 2));
        eventually("the old one has made room for the new one", || target.pids().len() == 1 && target.pids() != before);
        supervise_stop(&target.folder()).unwrap();
        assert_eq!(silent.join().unwrap(), hindered("the supervisor was told to stop", false));
    });
    assert_eq!(target.observe().live, Live::Nothing);
}

#[test]
fn an_apply_without_a_record_changed_nothing_unless_it_is_resumed() {
    let target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let journal = target.folder().join("journal.jsonl");
    fs::remove_file(&journal).unwrap();
    fs::create_dir(&journal).unwrap();
    let unrecorded = |touched| hindered("the supervisor cannot write its record: Is a directory (os error 21)", touched);
    assert_eq!(target.apply(SERVICE, "2.0", 2, 2), unrecorded(false));
    assert!(target.get().unwrap().starts_with("1.0 "));
    fs::remove_dir(&journal).unwrap();
    assert_eq!(target.apply(SERVICE, "2.0", 3, 3), ApplyOutcome::Applied);
    supervise_stop(&target.folder()).unwrap();
    fs::remove_file(&journal).unwrap();
    fs::create_dir(&journal).unwrap();
    assert_eq!(target.apply(SERVICE, "2.0", 3, 3), unrecorded(true), "it ran once");
}

#[test]
fn what_was_cancelled_is_not_waited_for() {
    let mut target = Target::new(1);
    target.ready_within = Some(Millis::seconds(60));
    let asked = Instant::now();
    let work = Work::Apply(target.work("#!/bin/sh\nexec sleep 100\n"));
    let lease = target.bench.fake.offer(work, target.subject("1.0", 1, 1), &[]);
    eventually("it has started", || target.folder().join("status.json").exists() && target.pids().len() == 1);
    target.bench.fake.state().cancel.insert(lease.clone());
    let Outcome::Apply(outcome) = target.bench.fake.await_report(&lease).outcome else { panic!() };
    assert_eq!(outcome, hindered("it was cancelled, or a newer deployment came, before it was ready", true));
    assert!(asked.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_release_that_was_cancelled_on_its_way_does_not_replace_what_runs() {
    let target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    let fake = &target.bench.fake;
    let report = fake.cancel_while_fetching(|| fake.offer(Work::Apply(target.work(SERVICE)), target.subject("2.0", 2, 2), &[]));
    assert_eq!(report.outcome, Outcome::Apply(hindered("nothing was started: it was cancelled", false)));
    assert_eq!(target.get().unwrap(), before, "the same process");
}
