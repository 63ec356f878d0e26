//! Kind `run`: scripts as a target.

use crate::fake::*;
use std::collections::BTreeMap;
use std::time::Duration;
use trunkline_api::runner::*;
use trunkline_domain::deployment::{ApplyOutcome, Health, Live, Observed};
use trunkline_domain::foundation::*;
use trunkline_domain::pipeline::{Part, PartKind, RunPart};

fn part(target: &std::path::Path) -> RunPart {
    let target = target.display();
    RunPart {
        apply: format!(
            "echo applying $TRUNKLINE_RELEASE_DIGEST; printf '%s' $TRUNKLINE_RELEASE_DIGEST > {target}; printf '%s' $TRUNKLINE_FENCE > {target}.fence"
        ),
        observe: Some(format!("[ -e {target} ] || exec echo release=none; echo release=$(cat {target}); echo fence=$(cat {target}.fence)")),
        health: Some(format!("test -e {target}")),
        rollback: None,
        idempotent: true,
        env: BTreeMap::new(),
        timeout: Millis::seconds(20),
    }
}

fn work(part: RunPart) -> PartWork {
    let part = Part { name: "main".to_owned(), kind: PartKind::Run(part) };
    PartWork { part, env: BTreeMap::new(), contents: Contents::default(), rollback: false }
}

fn deployment(fence: u64) -> Subject {
    Subject {
        release: Some((ReleaseId::new(uuid::Uuid::from_u128(7)), Digest::of(b"seven"))),
        environment: Some("test".parse().unwrap()),
        deployment: Some(DeploymentId::new(uuid::Uuid::from_u128(u128::from(fence)))),
        fence: Some(fence),
        ..subject()
    }
}

fn observe(bench: &Bench, part: RunPart) -> Observed {
    match bench.fake.do_work(Work::Observe(work(part)), deployment(1)).outcome {
        Outcome::Observe(observed) => observed,
        other => panic!("{other:?}"),
    }
}

fn apply(bench: &Bench, part: RunPart) -> ApplyOutcome {
    match bench.fake.do_work(Work::Apply(work(part)), deployment(1)).outcome {
        Outcome::Apply(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn apply_then_observe_tells_the_release_and_its_fence() {
    let bench = Bench::new();
    let target = bench.folder.join("target");
    assert_eq!(observe(&bench, part(&target)).live, Live::Nothing);
    assert_eq!(apply(&bench, part(&target)), ApplyOutcome::Applied);
    let observed = observe(&bench, part(&target));
    assert_eq!((observed.live, observed.fence, observed.health), (Live::Release(Digest::of(b"seven")), Some(1), Health::Healthy));
    assert!(bench.fake.state().calls.contains(&"renew"), "the right is confirmed before the first effect");
}

#[test]
fn failures_say_what_is_known() {
    let bench = Bench::new();
    let target = bench.folder.join("target");
    let without = RunPart { observe: None, ..part(&target) };
    assert_eq!(observe(&bench, without).live, Live::Unknown("the part has no observe".to_owned()));
    let red = RunPart { apply: "echo no route >&2; echo; exit 4".to_owned(), ..part(&target) };
    assert_eq!(apply(&bench, red), ApplyOutcome::Failed("apply exited with 4: no route".to_owned()));
    let slow = RunPart { apply: "sleep 600".to_owned(), timeout: Millis(200), ..part(&target) };
    assert_eq!(apply(&bench, slow), ApplyOutcome::Unknown("apply was still running after 200 ms and was ended".to_owned()));
    let ill = RunPart { apply: "echo there".to_owned(), health: Some("exit 9".to_owned()), timeout: Millis(900), ..part(&target) };
    assert_eq!(apply(&bench, ill), ApplyOutcome::Failed("applied, but not healthy: health exited with 9".to_owned()));
}

#[test]
fn what_a_target_calls_itself_is_masked_before_it_is_cut() {
    let bench = Bench::new();
    let name = format!("{}hunter2", "x".repeat(197));
    let part = RunPart { observe: Some(format!("echo release={name}")), ..part(&bench.folder) };
    let lease = bench.fake.offer(Work::Observe(work(part)), deployment(1), &["hunter2"]);
    let Outcome::Observe(observed) = bench.fake.await_report(&lease).outcome else { panic!("an observation's") };
    assert_eq!(observed.live, Live::Named(format!("{}***", "x".repeat(197))));
}

#[test]
fn an_observe_waits_for_an_apply_that_outlived_its_runner() {
    outlives(true);
    // Killed between the start and the note of its process id.
    outlives(false);
}

fn outlives(noted: bool) {
    use std::os::unix::process::CommandExt;
    let bench = Bench::new();
    let target = bench.folder.join("target");
    let folder = bench.folder.join("deploy/shop/test/main");
    std::fs::create_dir_all(&folder).unwrap();
    // What a killed runner leaves: a note, and a script that finishes later.
    let script = format!("sleep 0.4; printf sha256:{} > {}; printf 1 > {}.fence", "a".repeat(64), target.display(), target.display());
    let marker = "0123456789abcdef".repeat(2);
    let mut command = std::process::Command::new("sh");
    let mut orphan = command.args(["-c", &script]).env("TRUNKLINE_ATTEMPT", &marker).process_group(0).spawn().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", orphan.id())).unwrap();
    let start: u64 = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let leader = noted.then(|| (orphan.id(), start));
    let note = serde_json::json!({"boot": boot.trim(), "marker": marker, "leader": leader, "until_ms": u64::MAX});
    std::fs::write(folder.join("running.json"), note.to_string()).unwrap();
    let observed = observe(&bench, part(&target));
    assert_eq!(observed.live, Live::Release(format!("sha256:{}", "a".repeat(64)).parse().unwrap()));
    orphan.wait().unwrap();
}

#[test]
fn a_cancelled_deployment_ends_the_apply_that_outlived_its_runner() {
    ends(Work::Observe);
    ends(Work::Apply);
}

fn ends(begun: fn(PartWork) -> Work) {
    use std::os::unix::process::CommandExt;
    let bench = Bench::new();
    let target = bench.folder.join("target");
    let folder = bench.folder.join("deploy/shop/test/main");
    std::fs::create_dir_all(&folder).unwrap();
    let marker = "fedcba9876543210".repeat(2);
    let script = format!("trap '' TERM; sleep 300; printf late > {}", target.display());
    let mut command = std::process::Command::new("sh");
    let mut orphan = command.args(["-c", &script]).env("TRUNKLINE_ATTEMPT", &marker).process_group(0).spawn().unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let note = serde_json::json!({"boot": boot.trim(), "marker": marker, "leader": null, "until_ms": u64::MAX});
    std::fs::write(folder.join("running.json"), note.to_string()).unwrap();
    let kind = PartKind::Run(part(&target));
    let work =
        PartWork { part: Part { name: "main".to_owned(), kind }, env: Default::default(), contents: Contents::default(), rollback: false };
    let lease = bench.fake.offer(begun(work), deployment(1), &[]);
    bench.fake.state().cancel.insert(lease.clone());
    let outcome = bench.fake.await_report(&lease).outcome;
    if let Outcome::Apply(outcome) = outcome {
        let cut_off = ApplyOutcome::Unknown("an earlier apply was ended half-way".to_owned());
        assert_eq!(outcome, cut_off, "only the target knows how far that one came");
    }
    assert!(orphan.try_wait().unwrap().is_some(), "nobody may change the target once all believe that it is over");
}

/// An apply whose deployment is cancelled while its release is fetched: before its first effect.
#[test]
fn an_apply_that_was_cancelled_while_its_release_came_does_not_begin() {
    let bench = Bench::with(|config| config.renew_every = Duration::from_secs(10));
    let (target, folder) = (bench.folder.join("target"), bench.folder.join("deploy/shop/test/main"));
    let work = |name: &str| {
        let artifacts = vec![bench.fake.executable(name, name.as_bytes())];
        PartWork { contents: Contents { artifacts, ..Contents::default() }, ..work(part(&target)) }
    };
    assert_eq!(bench.fake.do_work(Work::Apply(work("old")), deployment(1)).outcome, Outcome::Apply(ApplyOutcome::Applied));
    std::fs::remove_file(&target).unwrap();
    let report = bench.fake.cancel_while_fetching(|| bench.fake.offer(Work::Apply(work("new")), deployment(2), &[]));
    let expected = ApplyOutcome::Hindered { reason: "nothing was started: it was cancelled".to_owned(), touched: false };
    assert_eq!(report.outcome, Outcome::Apply(expected));
    assert!(!target.exists(), "the script did not run");
    assert!(folder.join("content/old").exists() && !folder.join("content/new").exists(), "what lies in place stays");
    let left = std::fs::read_dir(&folder).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("next-"));
    assert_eq!(left.count(), 0);
    let calls = bench.fake.state().calls.clone();
    assert_eq!(calls, ["blob_get", "renew"], "asked once, and right before the first effect");
}

#[test]
fn what_a_service_prints_that_an_apply_left_running_does_not_fill_the_disk() {
    let bench = Bench::with(|config| config.watch_every = Duration::from_millis(100));
    let printed = bench.folder.join("deploy/shop/test/main/printed");
    let size = || std::fs::metadata(&printed).unwrap().len();
    let (pid, goes_on) = (bench.folder.join("pid"), bench.folder.join("goes-on"));
    let service = format!("while :; do [ -e {} ] && head -c 20000000 /dev/zero; sleep 0.3; done", goes_on.display());
    let text = format!("echo begun; sh -c '{service}' & echo $! > {}; exit 0", pid.display());
    let report = bench.fake.do_work(Work::Apply(work(RunPart { apply: text, health: None, ..part(&pid) })), deployment(1));
    assert_eq!(report.outcome, Outcome::Apply(ApplyOutcome::Applied));
    assert!(bench.fake.log_text(&report).contains("begun\n"));
    assert_eq!(size(), 0, "it is in the log");
    std::fs::write(&goes_on, "").unwrap();
    eventually("it prints", || size() >= 20_000_000);
    std::fs::remove_file(&goes_on).unwrap();
    eventually("it is thrown away", || size() == 0);
    let pid: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
}
