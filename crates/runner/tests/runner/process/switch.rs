//! From one release to the next, without a lost request.

use super::*;

#[test]
fn a_rollback_brings_back_what_was_released_not_what_a_service_made_of_it() {
    let target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1", 1, 1), ApplyOutcome::Applied);
    let content = supervise_list(&target.bench.folder).0[0].status.live.as_ref().unwrap().content.clone();
    fs::write(content.join("server"), "#!/bin/sh\nexec sleep 1000\n").unwrap();
    assert_eq!(target.apply(SERVICE, "2", 2, 2), ApplyOutcome::Applied);
    assert_eq!(target.apply(SERVICE, "1", 3, 3), ApplyOutcome::Applied);
    assert!(target.get().unwrap().starts_with("1 "), "the released service answers");
}

#[test]
fn a_switch_under_load_loses_no_request() {
    let target = Arc::new(Target::new(2));
    assert_eq!(target.observe().live, Live::Nothing);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let stop = Arc::new(AtomicBool::new(false));
    let (served, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (target, stop, served, failed) = (target.clone(), stop.clone(), served.clone(), failed.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    match target.get() {
                        Ok(_) => served.fetch_add(1, Ordering::SeqCst),
                        Err(error) => {
                            eprintln!("lost a request: {error}");
                            failed.fetch_add(1, Ordering::SeqCst)
                        }
                    };
                }
            })
        })
        .collect();
    for (number, version) in ["1.1", "1.2", "1.3"].into_iter().enumerate() {
        let fence = number as u64 + 2;
        assert_eq!(target.apply(SERVICE, version, fence, fence), ApplyOutcome::Applied);
        let before = served.load(Ordering::SeqCst);
        eventually("requests go on", || served.load(Ordering::SeqCst) > before + 50);
    }
    stop.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(failed.load(Ordering::SeqCst), 0, "of {} requests", served.load(Ordering::SeqCst));
    assert!(target.get().unwrap().starts_with("1.3 "), "only the new one answers");
    let observed = target.observe();
    assert_eq!((observed.live, observed.fence, observed.health), (Live::Release(Digest::of(b"1.3")), Some(4), Health::Healthy));
    assert_eq!(fs::read_dir(target.folder().join("releases")).unwrap().count(), 3, "the live release and two before it");
}

#[test]
fn a_switch_lets_the_old_instance_finish_its_requests() {
    let target = Arc::new(Target::new(1));
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let slow = std::thread::spawn({
        let target = target.clone();
        move || request(&target.address, "/slow")
    });
    eventually("the slow request is under way", || target.folder().join("home/asked").exists());
    assert_eq!(target.apply(SERVICE, "1.1", 2, 2), ApplyOutcome::Applied);
    assert!(slow.join().unwrap().unwrap().starts_with("1.0 "), "answered by the version that took it");
    assert!(target.get().unwrap().starts_with("1.1 "));
}

#[test]
fn a_stale_fence_is_refused_and_the_same_apply_again_starts_nothing() {
    let target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 5, 5), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    assert_eq!(target.apply(SERVICE, "1.0", 5, 5), ApplyOutcome::Applied);
    assert_eq!(target.get().unwrap(), before, "the same process");
    assert_eq!(target.apply(SERVICE, "0.9", 4, 4), ApplyOutcome::Stale { held: 5 });
    assert_eq!(target.apply(SERVICE, "0.9", 6, 5), ApplyOutcome::Stale { held: 5 });
    assert_eq!(target.get().unwrap(), before);
    assert_eq!((target.journal("accepted"), target.journal("repeated"), target.journal("refused")), (1, 1, 2));
}

#[test]
fn a_release_that_does_not_start_leaves_the_old_one_alone() {
    let target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    let broken = "#!/bin/sh\necho the database is missing >&2\nexit 4\n";
    let expected = "instance 1 exited with 4 before it was ready: the database is missing";
    assert_eq!(target.apply(broken, "2.0", 2, 2), ApplyOutcome::Failed(expected.to_owned()));
    assert_eq!(target.get().unwrap(), before, "the same process");
    assert_eq!(target.apply(broken, "2.0", 2, 2), ApplyOutcome::Failed(expected.to_owned()), "the same answer, no second start");
    let taken = "#!/bin/sh\necho 'OSError: Address already in use' >&2\nexit 1\n";
    let ApplyOutcome::Failed(reason) = target.apply(taken, "2.1", 3, 3) else { panic!("it cannot start") };
    assert!(reason.contains(&format!("in use; it is handed the socket of {} as LISTEN_FDS", target.address)), "{reason}");
    assert_eq!(target.observe().live, Live::Release(Digest::of(b"1.0")));
    assert_eq!(target.observe().fence, Some(3));
}

#[test]
fn what_a_service_prints_of_a_secret_is_no_part_of_the_reason() {
    let target = Target::new(1);
    let work = Work::Apply(target.work("#!/bin/sh\necho 'cannot log in with hunter2'\nexit 4\n"));
    let lease = target.bench.fake.offer(work, target.subject("1.0", 1, 1), &["hunter2"]);
    let Outcome::Apply(ApplyOutcome::Failed(reason)) = target.bench.fake.await_report(&lease).outcome else { panic!() };
    assert_eq!(reason, "instance 1 exited with 4 before it was ready: cannot log in with ***");
}
