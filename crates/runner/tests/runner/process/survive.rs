//! What becomes of a service when instances, supervisor, runner or machine end.

use super::*;

#[test]
fn a_crashed_instance_comes_back() {
    let target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    assert!(request(&target.address, "/crash").is_err());
    eventually("another process answers", || target.get().is_ok_and(|now| now.starts_with("1.0 ") && now != before));
    eventually("it is well again", || target.observe().health == Health::Healthy);
    assert_eq!(supervise_list(&target.bench.folder).0[0].status.restarts, 1);
}

#[test]
fn the_service_survives_its_runner_and_its_supervisor() {
    let mut target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    let first = target.supervisor();
    target.bench.restart();
    assert_eq!(target.observe().live, Live::Release(Digest::of(b"1.0")));
    assert_eq!(target.supervisor(), first, "found again, not started again");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first as i32), nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("the supervisor is dead", || !lives(first));
    assert_eq!(target.get().unwrap(), before, "instances live without a supervisor");
    let observed = target.observe();
    assert_eq!((observed.live, observed.fence), (Live::Release(Digest::of(b"1.0")), Some(1)));
    assert_ne!(target.supervisor(), first);
    assert_eq!(target.get().unwrap(), before, "adopted with its socket, not started again");
    assert_eq!(target.apply(SERVICE, "1.1", 2, 2), ApplyOutcome::Applied, "the new supervisor can switch");
    assert!(target.get().unwrap().starts_with("1.1 "));
}

#[test]
fn after_a_reboot_the_service_comes_back_without_a_deployment() {
    let mut target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let before = target.get().unwrap();
    // As a reboot does it: supervisor and instances are gone at once, nobody was told to stop.
    for pid in [vec![target.supervisor()], target.pids()].concat() {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL).unwrap();
        eventually("it is dead", || !lives(pid));
    }
    assert!(target.get().is_err());
    target.bench.restart();
    eventually("it answers again", || target.get().is_ok_and(|now| now.starts_with("1.0 ") && now != before));
    assert_eq!(target.journal("accepted"), 1, "it was not deployed again");
}

#[test]
fn a_killed_supervisor_is_started_again_while_the_runner_lives() {
    let target = Target::new(1);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    for pid in [vec![target.supervisor()], target.pids()].concat() {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL).unwrap();
        eventually("it is dead", || !lives(pid));
    }
    eventually("it answers again", || target.get().is_ok_and(|now| now.starts_with("1.0 ")));
}

#[test]
fn stop_ends_instances_and_supervisor_and_counts_as_nothing_live() {
    let target = Target::new(2);
    assert_eq!(target.apply(SERVICE, "1.0", 1, 1), ApplyOutcome::Applied);
    let (pids, supervisor) = (target.pids(), target.supervisor());
    assert_eq!(pids.len(), 2);
    assert!(supervise_stop(&target.folder().join("elsewhere")).unwrap().is_none(), "nothing was ever there");
    let before = supervise_stop(&target.folder()).unwrap().unwrap();
    assert_eq!((before.live.unwrap().version.as_str(), before.instances.len(), before.stopped), ("1.0", 2, false));
    assert!(supervise_stop(&target.folder()).unwrap().unwrap().stopped, "it had been ended before");
    assert!(pids.iter().all(|pid| !lives(*pid)));
    eventually("the supervisor has ended", || !lives(supervisor));
    assert!(target.get().is_err());
    assert_eq!(target.observe().live, Live::Nothing);
    assert_eq!(target.apply(SERVICE, "1.1", 2, 2), ApplyOutcome::Applied, "an apply starts it again");
    let deadline = Instant::now() + Duration::from_secs(5);
    assert!(target.get().unwrap().starts_with("1.1 ") && Instant::now() < deadline);
}

#[test]
fn a_supervisor_of_nothing_ends_with_its_folder() {
    let target = Target::new(1);
    assert!(!matches!(target.apply("#!/bin/sh\nexit 3\n", "1.0", 1, 1), ApplyOutcome::Applied));
    let supervisor = target.supervisor();
    fs::remove_dir_all(target.folder()).unwrap();
    eventually("nobody can reach it, and it has nothing to keep up", || !lives(supervisor));
}
