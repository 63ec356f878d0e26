//! Constructed views that the tests of the renderers share.

use super::Look;
use super::paint::Paint;
use super::time::Clock;
use trunkline_api::view::*;
use trunkline_domain::deployment::{CheckVerdict, DeploymentResult};
use trunkline_domain::foundation::{DeploymentId, Digest, Millis, ReleaseId, Revision, RunId, Timestamp};
use trunkline_domain::pipeline::{SandboxLevel, Tier};
use trunkline_domain::report::{TestFailure, TestSummary};
use trunkline_domain::run::{Artifact, ArtifactForm, JobResult, ReleaseVerdict, RunResult, StepOutcome, Usage, UsageSource};

/// 2026-11-25T11:00:00Z.
pub const NOW: i64 = 1_795_604_400_000;

pub fn look(paint: Paint) -> Look {
    Look { paint, clock: Clock { now: Timestamp(NOW), utc: false }, columns: None }
}

pub fn before(seconds: i64) -> Timestamp {
    Timestamp(NOW - seconds * 1_000)
}

pub fn revision(digit: char) -> Revision {
    digit.to_string().repeat(40).parse().unwrap()
}

pub fn commit() -> CommitView {
    CommitView {
        revision: "4f2a91c0000000000000000000000000000000aa".parse().unwrap(),
        subject: Some("Add coupon field".to_owned()),
        author: Some("ana".to_owned()),
        committed_at: before(3_900),
        pull_request: Some(PullRequestView { number: 482, evidence: "from git: merge message".to_owned() }),
    }
}

fn id<T: std::str::FromStr>(prefix: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    format!("{prefix}_0190163d8694739bb6a1{:012}", 7).parse().unwrap()
}

pub fn release_ref(number: u32, version: &str, alias: &str) -> ReleaseRef {
    ReleaseRef {
        id: id::<ReleaseId>("rel"),
        number,
        version: version.to_owned(),
        alias: alias.to_owned(),
        digest: Digest::of(version.as_bytes()),
        vetoed_from: Vec::new(),
    }
}

fn new_release() -> ReleaseRef {
    release_ref(12, "1.42", "amber-heron")
}

fn old_release() -> ReleaseRef {
    release_ref(11, "1.41", "quiet-otter")
}

fn job(key: &str, began: i64, took: i64) -> JobView {
    JobView {
        key: key.parse().unwrap(),
        needs: Vec::new(),
        status: JobStatus::Ended(JobResult::Passed),
        reason: None,
        attempt: 1,
        since: Some(before(began)),
        began: Some(before(began)),
        ended_at: Some(before(began - took)),
        runner: Some("here".to_owned()),
        sandbox: None,
        steps: Vec::new(),
        tests: None,
        artifacts: Vec::new(),
        log_bytes: Some(2_000),
        log_sealed: None,
        work: format!("run_x/{key}"),
    }
}

fn tests(passed: u32) -> TestSummary {
    TestSummary { passed, ..TestSummary::default() }
}

pub fn run() -> RunView {
    let mut build = job("build", 3_600, 130);
    build.artifacts.push(Artifact { name: "shop".to_owned(), digest: Digest::of(b"shop"), size: 84_000, form: ArtifactForm::File });
    let usage = Usage { cpu_ms: 421_000, peak_kb: Some(1_200_000), source: UsageSource::Rusage };
    let steps = vec![StepOutcome { code: 0, took: Millis::seconds(271), usage: Some(usage) }];
    let unit = JobView { tests: Some(tests(1_203)), sandbox: Some(SandboxLevel::Sandbox), steps, ..job("unit", 3_470, 271) };
    RunView {
        id: id::<RunId>("run"),
        project: "shop".parse().unwrap(),
        number: 812,
        commit: commit(),
        reference: "refs/heads/main".to_owned(),
        trigger: trunkline_domain::run::Trigger::Push,
        inputs: Default::default(),
        version: Some("1.42".to_owned()),
        plan: Some(Digest::of(b"plan")),
        result: Some(RunResult::Passed),
        cancelling: false,
        started_at: before(3_600),
        ended_at: Some(before(3_199)),
        jobs: vec![build, unit],
        tests: Some(tests(1_203)),
        refused: Vec::new(),
        refused_beyond_file: false,
        verdict: Some(ReleaseVerdict::Cut),
        release: Some(new_release()),
    }
}

pub fn red_run() -> RunView {
    let failure = TestFailure {
        name: "cart::coupon_expired".to_owned(),
        file: Some("src/cart.rs".to_owned()),
        line: Some(88),
        message: "assertion failed\n  left: 0".to_owned(),
    };
    let summary = TestSummary { passed: 1_201, failed: 2, skipped: 0, failures: vec![failure] };
    let mut run = run();
    run.jobs[1].status = JobStatus::Ended(JobResult::Failed);
    run.jobs[1].reason = Some("step 1 exited with 101".to_owned());
    run.jobs[1].tests = Some(summary.clone());
    run.tests = Some(summary);
    run.result = Some(RunResult::Failed);
    run.verdict = Some(ReleaseVerdict::NotPassed);
    run.release = None;
    run
}

fn environment(name: &str, tier: Tier, runs: ReleaseRef, deployment: u32, since: i64) -> EnvironmentView {
    EnvironmentView {
        project: "shop".parse().unwrap(),
        name: name.parse().unwrap(),
        tier,
        after: Vec::new(),
        retired: false,
        accepted: true,
        runs: Some(RunningView {
            release: runs,
            deployment,
            undoes: None,
            by: None,
            since: before(since),
            revision: revision('b'),
            run: 811,
            reference: "refs/heads/main".to_owned(),
        }),
        last_failed: None,
        hindered_since: None,
        rolled_back: None,
        incoming: None,
        queue: Vec::new(),
        fence: 7,
        back_to: vec![old_release()],
    }
}

pub fn incoming(status: DeploymentStatus) -> DeploymentRef {
    DeploymentRef { number: 30, release: new_release(), undoes: None, status, reason: None, not_in_place: false, since: before(30) }
}

/// The deployment that undoes number 30.
pub fn rollback(status: DeploymentStatus) -> DeploymentRef {
    DeploymentRef { number: 31, release: old_release(), undoes: Some(30), ..incoming(status) }
}

pub fn status() -> StatusView {
    let mut qa = environment("qa", Tier::Staging, old_release(), 28, 90_000);
    qa.incoming = Some(incoming(DeploymentStatus::Deploying));
    let shop = ProjectView {
        name: "shop".parse().unwrap(),
        git: "/git/shop.git".to_owned(),
        folder: None,
        source: None,
        repository_gone: false,
        last_run: Some(run()),
        environments: vec![
            environment("test", Tier::Testing, new_release(), 29, 3_000),
            qa,
            environment("production", Tier::Production, old_release(), 27, 80_000),
        ],
    };
    let mut red = red_run();
    (red.number, red.commit.revision) = (33, "77be01a000000000000000000000000000000000".parse().unwrap());
    let mut test = environment("test", Tier::Testing, release_ref(3, "0.9", "calm-mole"), 5, 500);
    test.project = "billing".parse().unwrap();
    let billing = ProjectView {
        name: "billing".parse().unwrap(),
        git: "/git/billing.git".to_owned(),
        folder: None,
        source: None,
        repository_gone: false,
        last_run: Some(red),
        environments: vec![test],
    };
    StatusView { as_of: 4_812, at: Timestamp(NOW), projects: vec![billing, shop], safe_mode: None, disk_full: None }
}

pub fn release() -> ReleaseView {
    ReleaseView {
        project: "shop".parse().unwrap(),
        release: new_release(),
        at: before(3_199),
        run: 812,
        commit: commit(),
        statement: Digest::of(b"statement"),
        delivery_file: Digest::of(b"file"),
        artifacts: run().jobs[0].artifacts.clone(),
        files: vec!["smoke.sh".to_owned()],
        configuration: [("test".parse().unwrap(), Digest::of(b"config"))].into(),
        environments: vec!["test".parse().unwrap(), "production".parse().unwrap()],
        verified: vec!["test".parse().unwrap()],
        forbidden: Vec::new(),
    }
}

pub fn deployment() -> DeploymentView {
    DeploymentView {
        id: id::<DeploymentId>("dep"),
        project: "shop".parse().unwrap(),
        number: 31,
        environment: "production".parse().unwrap(),
        release: new_release(),
        cause: "asked by ana".to_owned(),
        rollback: false,
        undoes: None,
        status: DeploymentStatus::Ended(DeploymentResult::Succeeded),
        reason: None,
        cancelling: false,
        requested_at: before(400),
        began: Some(before(399)),
        ended_at: Some(before(390)),
        fence: Some(8),
        before: Vec::new(),
        parts: vec![PartView { name: "shop".to_owned(), applied_at: Some(before(395)), found: false, work: "dep_x/apply/0".to_owned() }],
        checks: vec![CheckView {
            name: "http".to_owned(),
            verdict: Some(CheckVerdict::Passed),
            evidence: Some("200, version 1.42".to_owned()),
            tests: Some(tests(4)),
            at: Some(before(391)),
            sandbox: None,
            work: "dep_x/verify/0".to_owned(),
        }],
        configuration: Some(Digest::of(b"config")),
        tests: tests(4),
    }
}

pub fn trace() -> TraceView {
    TraceView {
        environment: environment("production", Tier::Production, new_release(), 31, 390),
        release: release(),
        deployment: deployment(),
        run: run(),
        configuration: Some(Digest::of(b"config")),
        as_of: 4_812,
        root: Digest::of(b"root"),
    }
}

fn station(name: &str, kind: StationKind, state: StationState, at: i64, took: Option<u64>) -> StationView {
    StationView {
        name: name.to_owned(),
        kind,
        state,
        at: Some(before(at)),
        took: took.map(Millis::seconds),
        reason: None,
        seen: false,
        deployment: None,
        status: None,
    }
}

pub fn change() -> WhereView {
    use StationKind::{Environment, Job, Push, Release};
    use StationState::{Ahead, Passed, Running};
    let mut test = station("test", Environment, Passed, 3_600, Some(4));
    test.reason = Some("http: 200, version 1.42".to_owned());
    test.seen = true;
    test.deployment = Some(29);
    let mut qa = station("qa", Environment, Running, 30, None);
    qa.reason = Some("checks run".to_owned());
    qa.deployment = Some(30);
    let production = StationView { at: None, ..station("production", Environment, Ahead, 0, None) };
    WhereView {
        project: "shop".parse().unwrap(),
        revision: commit().revision,
        run: run(),
        release: Some(release()),
        stations: vec![
            station("pushed", Push, Passed, 3_600, None),
            station("build", Job, Passed, 3_420, Some(130)),
            station("unit", Job, Passed, 3_199, Some(271)),
            station("release", Release, Passed, 3_199, None),
            test,
            qa,
            production,
        ],
        newer: None,
    }
}
