//! Constructed views that the tests of the pages share, and that `samples` writes to files to be looked at.

use trunkline_api::view::*;
use trunkline_domain::deployment::{DeploymentResult, FailureCause};
use trunkline_domain::foundation::{Digest, Millis, Timestamp};
use trunkline_domain::pipeline::Tier;
use trunkline_domain::report::{TestFailure, TestSummary};
use trunkline_domain::run::{Artifact, ArtifactForm, JobResult, ReleaseVerdict, RunResult};

/// 2026-11-25T14:32:07Z.
pub const NOW: Timestamp = Timestamp(1_795_617_127_000);
pub const MINUTE: u64 = 60;
pub const HOUR: u64 = 3_600;

pub fn before(seconds: u64) -> Timestamp {
    NOW - Millis::seconds(seconds)
}

/// An id that is the same for the same project and number.
fn id<T: std::str::FromStr>(prefix: &str, of: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    format!("{prefix}_{}", &Digest::of(of.as_bytes()).hex()[..32]).parse().unwrap()
}

pub fn commit(of: &str) -> CommitView {
    CommitView {
        revision: Digest::of(of.as_bytes()).hex()[..40].parse().unwrap(),
        subject: Some("Add coupon field to checkout".to_owned()),
        author: Some("mira".to_owned()),
        committed_at: before(3 * HOUR),
        pull_request: Some(PullRequestView { number: 482, evidence: "from git: merge message".to_owned() }),
    }
}

pub fn release(project: &str, number: u32) -> ReleaseRef {
    let name = format!("{project} release {number}");
    ReleaseRef {
        id: id("rel", &name),
        number,
        version: format!("2026.11.{number}"),
        alias: trunkline_domain::foundation::alias_of(&Digest::of(name.as_bytes())),
        digest: Digest::of(name.as_bytes()),
        vetoed_from: Vec::new(),
    }
}

/// A passed run that made the release of its number, less than an hour ago.
pub fn run(project: &str, number: u32) -> RunView {
    let started = before(2 * HOUR);
    let tests = TestSummary { passed: 1_203, failed: 0, skipped: 2, failures: Vec::new() };
    RunView {
        id: id("run", &format!("{project} run {number}")),
        project: project.parse().unwrap(),
        number,
        commit: commit(&format!("{project} {number}")),
        reference: "refs/heads/main".to_owned(),
        trigger: trunkline_domain::run::Trigger::Push,
        inputs: Default::default(),
        version: Some(release(project, number).version),
        plan: Some(Digest::of(b"plan")),
        result: Some(RunResult::Passed),
        cancelling: false,
        started_at: started,
        ended_at: Some(started + Millis::seconds(401)),
        jobs: vec![
            job("build", started + Millis::seconds(3), 130, None),
            job("unit", started + Millis::seconds(134), 260, Some(tests.clone())),
            job("lint", started + Millis::seconds(134), 21, None),
        ],
        tests: Some(tests),
        refused: Vec::new(),
        refused_beyond_file: false,
        verdict: Some(ReleaseVerdict::Cut),
        release: Some(release(project, number)),
    }
}

fn job(key: &str, began: Timestamp, seconds: u64, tests: Option<TestSummary>) -> JobView {
    JobView {
        key: key.parse().unwrap(),
        needs: Vec::new(),
        status: JobStatus::Ended(JobResult::Passed),
        reason: None,
        attempt: 1,
        since: Some(began),
        began: Some(began),
        ended_at: Some(began + Millis::seconds(seconds)),
        runner: None,
        sandbox: None,
        steps: Vec::new(),
        tests,
        artifacts: Vec::new(),
        log_bytes: Some(4_096),
        log_sealed: None,
        work: format!("run/{key}"),
    }
}

pub fn environment(project: &str, name: &str, after: &str, runs: u32, seconds: u64) -> EnvironmentView {
    let revision = commit(&format!("{project} {runs}")).revision;
    let runs = RunningView {
        release: release(project, runs),
        deployment: 40 + runs,
        undoes: None,
        by: None,
        since: before(seconds),
        revision,
        run: 800 + runs,
        reference: "refs/heads/main".to_owned(),
    };
    EnvironmentView {
        project: project.parse().unwrap(),
        name: name.parse().unwrap(),
        tier: if name.starts_with("production") { Tier::Production } else { Tier::Testing },
        after: after.parse().into_iter().collect(),
        retired: false,
        accepted: true,
        runs: Some(runs),
        last_failed: None,
        hindered_since: None,
        rolled_back: None,
        incoming: None,
        queue: Vec::new(),
        fence: 3,
        back_to: Vec::new(),
    }
}

/// A project in which one release runs everywhere.
pub fn project(name: &str, number: u32, environments: &[&str]) -> ProjectView {
    let mut after = "";
    let mut views = Vec::new();
    for (at, environment) in environments.iter().enumerate() {
        views.push(self::environment(name, environment, after, number, HOUR - at as u64 * 10 * MINUTE));
        after = environment;
    }
    ProjectView {
        name: name.parse().unwrap(),
        git: format!("/git/{name}.git"),
        folder: None,
        source: None,
        repository_gone: false,
        last_run: Some(run(name, number)),
        environments: views,
    }
}

pub fn status(projects: Vec<ProjectView>) -> StatusView {
    StatusView { as_of: 1_214, at: NOW, projects, safe_mode: None, disk_full: None }
}

pub fn deployment(project: &str, number: u32, status: DeploymentStatus, reason: Option<&str>, seconds: u64) -> DeploymentRef {
    DeploymentRef {
        number: 40 + number,
        release: release(project, number),
        undoes: None,
        status,
        reason: reason.map(str::to_owned),
        not_in_place: false,
        since: before(seconds),
    }
}

/// The run fails at a unit test.
pub fn fail(run: &mut RunView) {
    let failure = TestFailure {
        name: "cart::coupon_expired".to_owned(),
        file: Some("src/cart.rs".to_owned()),
        line: Some(88),
        message: "assertion `left == right` failed: expired coupon still gives a discount\n  left: 10\n right: 0".to_owned(),
    };
    let tests = TestSummary { passed: 1_205, failed: 1, skipped: 0, failures: vec![failure] };
    run.result = Some(RunResult::Failed);
    run.verdict = Some(ReleaseVerdict::NotPassed);
    run.release = None;
    run.tests = Some(tests.clone());
    run.jobs[1].status = JobStatus::Ended(JobResult::Failed);
    run.jobs[1].reason = Some("exit status 101 in step 2".to_owned());
    run.jobs[1].tests = Some(tests);
    run.commit.subject = Some("Coupons expire at midnight local time".to_owned());
    run.commit.author = Some("tomas".to_owned());
}

pub fn failed_deployment(project: &str, number: u32) -> DeploymentRef {
    let status = DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Verify));
    deployment(project, number, status, Some("smoke: 2 of 14 tests failed: checkout answers"), 12 * MINUTE)
}

/// Production has 2026.11.3, qa went back from 2026.11.4 to it.
pub fn rolled_back(name: &str) -> ProjectView {
    let mut project = project(name, 3, &["test", "qa", "production"]);
    let mut run = run(name, 4);
    run.release.as_mut().unwrap().vetoed_from = vec!["qa".parse().unwrap()];
    project.last_run = Some(run);
    project.environments[0] = environment(name, "test", "", 4, 14 * MINUTE);
    project.environments[1].runs.as_mut().unwrap().since = before(11 * MINUTE);
    project.environments[1].rolled_back = project.last_run.as_ref().unwrap().release.clone();
    project
}

pub fn deploying(name: &str) -> ProjectView {
    let mut project = project(name, 3, &["test", "qa", "production"]);
    project.last_run = Some(run(name, 4));
    project.environments[0] = environment(name, "test", "", 4, 5 * MINUTE);
    project.environments[1].incoming = Some(deployment(name, 4, DeploymentStatus::Deploying, None, 42));
    project
}

pub fn eight() -> StatusView {
    let mut billing = project("billing", 9, &["test", "qa", "stage", "production"]);
    let qa = &mut billing.environments[1];
    (qa.runs, qa.last_failed, qa.back_to) = (None, Some(failed_deployment("billing", 10)), vec![release("billing", 9)]);
    let mut shop = rolled_back("shop");
    fail(shop.last_run.as_mut().unwrap());
    let mut infra = project("infra", 40, &["stage", "production"]);
    infra.environments[1].incoming = Some(deployment(
        "infra",
        41,
        DeploymentStatus::Asking,
        Some("the part has no way to be observed: look, then say `trunkline settle`"),
        4 * MINUTE,
    ));
    let mut search = deploying("search");
    search.environments[2].queue.push(deployment("search", 4, DeploymentStatus::Waiting, None, 9));
    let mut accounts = project("accounts", 5, &["test", "production-eu", "production-us"]);
    accounts.environments[2].accepted = false;
    accounts.environments[2].runs = None;
    let mut docs = project("docs", 118, &["stage", "production"]);
    docs.last_run.as_mut().unwrap().result = None;
    let catalog = project("catalog", 2, &["test", "qa", "stage", "production"]);
    let media = ProjectView {
        name: "media".parse().unwrap(),
        git: "/git/media.git".to_owned(),
        folder: None,
        source: None,
        repository_gone: false,
        last_run: None,
        environments: Vec::new(),
    };
    status(vec![accounts, billing, catalog, docs, infra, media, search, shop])
}

fn station(name: &str, kind: StationKind, state: StationState) -> StationView {
    StationView { name: name.to_owned(), kind, state, at: None, took: None, reason: None, seen: false, deployment: None, status: None }
}

fn passed_in(name: &str, ended: u64, seconds: u64) -> StationView {
    StationView {
        at: Some(before(ended)),
        took: Some(Millis::seconds(seconds)),
        reason: Some("http: 200, runs 2026.11.4; 14 tests passed".to_owned()),
        seen: true,
        deployment: Some(44),
        ..station(name, StationKind::Environment, StationState::Passed)
    }
}

/// A change that is live in production.
pub fn live() -> WhereView {
    let run = run("shop", 4);
    let mut stations = vec![StationView { at: Some(run.started_at), ..station("pushed", StationKind::Push, StationState::Passed) }];
    for job in &run.jobs {
        let took = job.ended_at.unwrap().since(job.began.unwrap());
        let reason = job.tests.as_ref().map(|_| "1,203 tests passed".to_owned());
        stations.push(StationView {
            at: job.ended_at,
            took: Some(took),
            reason,
            ..station(job.key.as_str(), StationKind::Job, StationState::Passed)
        });
    }
    let name = &run.release.as_ref().unwrap();
    let named = Some(format!("{} \"{}\"", name.version, name.alias));
    stations.push(StationView { at: run.ended_at, reason: named, ..station("release", StationKind::Release, StationState::Passed) });
    stations.push(passed_in("test", 110 * MINUTE, 48));
    stations.push(passed_in("qa", 105 * MINUTE, 190));
    stations.push(passed_in("production", 98 * MINUTE, 64));
    let release = release_view(&run);
    WhereView { project: run.project.clone(), revision: run.commit.revision.clone(), release: Some(release), run, stations, newer: None }
}

fn release_view(run: &RunView) -> ReleaseView {
    let environments: Vec<_> = ["test", "qa", "production"].iter().map(|name| name.parse().unwrap()).collect();
    ReleaseView {
        project: run.project.clone(),
        release: run.release.clone().unwrap(),
        at: run.ended_at.unwrap(),
        run: run.number,
        commit: run.commit.clone(),
        statement: Digest::of(b"statement"),
        delivery_file: Digest::of(b"file"),
        artifacts: vec![Artifact { name: "app".to_owned(), digest: Digest::of(b"app"), size: 8_412_000, form: ArtifactForm::Executable }],
        files: vec!["deploy.sh".to_owned()],
        configuration: environments
            .iter()
            .map(|name: &trunkline_domain::foundation::EnvironmentName| (name.clone(), Digest::of(name.as_str().as_bytes())))
            .collect(),
        verified: environments.clone(),
        forbidden: Vec::new(),
        environments,
    }
}

fn stand(view: &mut WhereView, name: &str, state: StationState, reason: Option<&str>, seconds: u64) {
    let station = view.stations.iter_mut().find(|station| station.name == name).unwrap();
    (station.state, station.reason, station.at, station.took) = (state, reason.map(str::to_owned), Some(before(seconds)), None);
    station.status = station.deployment.and(match state {
        StationState::Waiting => Some(DeploymentStatus::Asking),
        StationState::Running => Some(DeploymentStatus::Deploying),
        _ => None,
    });
}

fn unreached(view: &mut WhereView, from: usize, state: StationState, reason: Option<&str>) {
    for station in &mut view.stations[from..] {
        *station = StationView { reason: reason.map(str::to_owned), ..self::station(&station.name, station.kind, state) };
    }
}

/// A unit test failed.
pub fn failed_test() -> WhereView {
    let mut view = live();
    fail(&mut view.run);
    view.release = None;
    view.stations[2].state = StationState::Failed;
    view.stations[2].reason = Some("1 of 1206 tests failed: cart::coupon_expired".to_owned());
    unreached(&mut view, 4, StationState::Stopped, None);
    view.stations[4].reason = Some("the run did not pass".to_owned());
    view
}

/// Brought back from qa and vetoed.
pub fn vetoed() -> WhereView {
    let mut view = live();
    unreached(&mut view, 7, StationState::Stopped, Some("vetoed from qa onwards, since its deployment there failed"));
    stand(&mut view, "qa", StationState::Failed, Some("smoke: 2 of 14 tests failed: checkout answers"), 12 * MINUTE);
    view.release.as_mut().unwrap().release.vetoed_from = vec!["qa".parse().unwrap()];
    view
}

/// Verified in production, where somebody put the release before it back.
pub fn put_back() -> WhereView {
    let mut view = live();
    let reason = Some("ana put 2026.11.3 back there by deployment/45");
    stand(&mut view, "production", StationState::RolledBack, reason, 12 * MINUTE);
    view
}

/// On its way into qa.
pub fn moving() -> WhereView {
    let mut view = live();
    stand(&mut view, "qa", StationState::Running, None, 42);
    unreached(&mut view, 7, StationState::Ahead, Some("comes when it is verified in qa"));
    view
}

/// More jobs than one row holds.
pub fn many() -> WhereView {
    let mut view = moving();
    for number in 1..=9 {
        let at = Some(before(2 * HOUR - number * MINUTE));
        let took = Some(Millis::seconds(number * 7));
        view.stations
            .insert(4, StationView { at, took, ..station(&format!("test-{}", 10 - number), StationKind::Job, StationState::Passed) });
    }
    view
}

/// A person must say what runs in production.
pub fn asking() -> WhereView {
    let mut view = live();
    let reason = "the old release was seen, but a second apply of this part is not declared harmless";
    stand(&mut view, "production", StationState::Waiting, Some(reason), 4 * MINUTE);
    view
}

/// The delivery file was refused.
pub fn refused() -> WhereView {
    let mut view = live();
    view.run.result = Some(RunResult::Refused);
    view.run.refused = vec!["TL0142 trunkline.yaml:3:1: Unknown key".to_owned(), "TL0117 trunkline.yaml:21:5".to_owned()];
    (view.run.jobs, view.run.tests, view.run.release, view.release) = (Vec::new(), None, None, None);
    view.run.verdict = Some(ReleaseVerdict::NotAsked);
    view.run.ended_at = Some(view.run.started_at);
    view.stations.drain(1..4);
    unreached(&mut view, 1, StationState::Stopped, None);
    view.stations[1].reason = Some("the delivery file has errors".to_owned());
    view
}

/// Words that somebody chose to break pages with.
pub fn hostile() -> WhereView {
    let mut view = asking();
    view.run.commit.subject =
        Some("<script>alert(1)</script> & \"quotes\" 'too' <img src=x onerror=alert(2)> \u{202e}terces\x1b[2J".to_owned());
    view.run.commit.author = Some("<b>eve</b>".to_owned());
    view.stations[7].reason = Some("</p><script>alert(3)</script>".to_owned());
    view
}

/// A subject far too long, one word of it without a break.
pub fn long() -> WhereView {
    let mut view = moving();
    let word = "checkout_coupon_field_validation_".repeat(5);
    view.run.commit.subject = Some(format!(
        "Let the checkout accept coupons that were issued before the price change of last summer, and say why one is refused {word}"
    ));
    view
}
