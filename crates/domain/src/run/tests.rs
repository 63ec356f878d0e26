//! Given facts, when a command, then facts or a refusal.

use super::*;
use crate::change::ChangeNote;
use crate::context::Context;
use crate::expression::Expression;
use crate::foundation::{Actor, Digest, JobKey, Timestamp};
use crate::pipeline::{FailureMode, JobSkeleton, ReleaseSkeleton, Retry, RetryCause, SandboxLevel, VersionRule};
use serde_json::json;

const NOW: Timestamp = Timestamp(1_790_000_000_000);

fn context() -> Context {
    Context { now: NOW, actor: Actor::person("ana"), id: uuid::Uuid::nil(), number: 812, epoch: 7, mode: Default::default(), fence: 0 }
}

fn key(name: &str) -> JobKey {
    name.parse().unwrap()
}

fn job(name: &str, needs: &[u32]) -> JobSkeleton {
    JobSkeleton {
        key: key(name),
        needs: needs.to_vec(),
        condition: None,
        timeout: Millis::minutes(10),
        retry: Retry::default(),
        failure: FailureMode::Fail,
    }
}

fn when_true(condition: &str, job: JobSkeleton) -> JobSkeleton {
    JobSkeleton { condition: Some(Expression(condition.to_owned())), ..job }
}

/// A run in the making.
struct Life {
    run: Option<Run>,
}

impl Life {
    fn of(jobs: Vec<JobSkeleton>) -> (Self, Vec<Fact>) {
        Self::releasing(jobs, None)
    }

    fn releasing(jobs: Vec<JobSkeleton>, artifacts: Option<Vec<&str>>) -> (Self, Vec<Fact>) {
        let release = artifacts.map(|names| {
            let artifacts = Some(names.into_iter().map(str::to_owned).collect());
            Box::new(ReleaseSkeleton {
                needs: None,
                condition: None,
                version: VersionRule::Calver,
                artifacts,
                delivery_file: Digest::of(b""),
                files: Vec::new(),
                environments: Vec::new(),
            })
        });
        Self::start(Ok(PlanNote { digest: Digest::of(b"plan"), jobs, release, described: None }))
    }

    fn start(plan: Result<PlanNote, Unplanned>) -> (Self, Vec<Fact>) {
        let mut life = Self { run: None };
        let start = StartRun {
            project: "shop".parse().unwrap(),
            revision: "a".repeat(40).parse().unwrap(),
            reference: "refs/heads/main".to_owned(),
            trigger: super::Trigger::Push,
            inputs: Default::default(),
            change: ChangeNote { committed_at: NOW, pull_request: None, text: Digest::of(b"") },
            plan,
        };
        let facts = life.when(Command::Start(Box::new(start))).unwrap();
        (life, facts)
    }

    fn when(&mut self, command: Command) -> Result<Vec<Fact>, Refusal> {
        let facts = decide(self.run.as_ref(), command, &context())?;
        for fact in &facts {
            self.run = Some(evolve(self.run.take(), fact, NOW));
        }
        Ok(facts)
    }

    fn lease(&mut self, name: &str) {
        self.when(Command::Lease { job: key(name), runner: "r1".parse().unwrap() }).unwrap();
    }

    fn report(&mut self, name: &str, result: AttemptResult, code: i32) -> Vec<Fact> {
        self.lease(name);
        let outcome = JobOutcome { steps: vec![StepOutcome { code, took: Millis(1), usage: None }], ..JobOutcome::bare(result) };
        self.when(Command::Report { job: key(name), epoch: 7, outcome: Box::new(outcome), log: log() }).unwrap()
    }

    fn pass(&mut self, name: &str) -> Vec<Fact> {
        self.report(name, AttemptResult::Passed, 0)
    }
}

fn log() -> LogNote {
    LogNote { bytes: 0, digest: Digest::of(b""), sealed: true }
}

fn queued(facts: &[Fact]) -> Vec<String> {
    let names = facts.iter().filter_map(|fact| match fact {
        Fact::JobQueued { job, attempt } => Some(format!("{job} {attempt}")),
        _ => None,
    });
    names.collect()
}

fn results(facts: &[Fact]) -> Vec<(String, JobResult)> {
    let ends = facts.iter().filter_map(|fact| match fact {
        Fact::JobEnded(ended) => Some((ended.job.to_string(), ended.result)),
        _ => None,
    });
    ends.collect()
}

fn end(facts: &[Fact]) -> Option<(RunResult, ReleaseVerdict)> {
    match facts.last() {
        Some(Fact::Ended { result, release }) => Some((*result, release.clone())),
        _ => None,
    }
}

#[test]
fn a_job_is_queued_when_what_it_needs_has_passed() {
    let (mut life, facts) = Life::of(vec![job("last", &[1, 2]), job("a", &[]), job("b", &[])]);
    assert_eq!(queued(&facts), ["a 1", "b 1"]);
    assert_eq!(queued(&life.pass("a")), [] as [&str; 0]);
    assert_eq!(queued(&life.pass("b")), ["last 1"]);
    assert_eq!(end(&life.pass("last")), Some((RunResult::Passed, ReleaseVerdict::NotAsked)));
}

#[test]
fn a_failure_skips_what_needs_it_and_fails_the_run() {
    let (mut life, _) = Life::of(vec![job("c", &[1]), job("b", &[2]), job("a", &[])]);
    let facts = life.report("a", AttemptResult::Failed, 1);
    let skipped = |name: &str| (name.to_owned(), JobResult::Skipped(SkipCause::Needs));
    assert_eq!(results(&facts), [("a".to_owned(), JobResult::Failed), skipped("b"), skipped("c")]);
    assert_eq!(end(&facts), Some((RunResult::Failed, ReleaseVerdict::NotAsked)));
}

#[test]
fn a_warning_stops_nothing() {
    let lint = JobSkeleton { failure: FailureMode::Warn, ..job("lint", &[]) };
    let (mut life, _) = Life::of(vec![lint, job("next", &[0])]);
    assert_eq!(queued(&life.report("lint", AttemptResult::Failed, 1)), ["next 1"]);
    assert_eq!(end(&life.pass("next")).unwrap().0, RunResult::Passed);
}

#[test]
fn a_job_that_could_not_run_has_not_passed() {
    let warn = |job: JobSkeleton| JobSkeleton { failure: FailureMode::Warn, ..job };
    let never = |job: JobSkeleton| when_true("false", job);
    let (passed, failed, lost) = (AttemptResult::Passed, AttemptResult::Failed, AttemptResult::Lost);
    let (condition, needs) = (JobResult::Skipped(SkipCause::Condition), JobResult::Skipped(SkipCause::Needs));
    for (case, jobs, first, unit, result, release) in [
        (
            "a need that only warns was lost",
            [warn(job("scan", &[])), job("unit", &[0])],
            lost,
            needs,
            RunResult::Failed,
            ReleaseVerdict::NotPassed,
        ),
        (
            "the same, where nobody minds",
            [warn(job("scan", &[])), warn(job("unit", &[0]))],
            lost,
            needs,
            RunResult::Passed,
            ReleaseVerdict::Cut,
        ),
        ("its need failed", [job("scan", &[]), job("unit", &[0])], failed, needs, RunResult::Failed, ReleaseVerdict::NotPassed),
        ("its own condition", [job("scan", &[]), never(job("unit", &[0]))], passed, condition, RunResult::Passed, ReleaseVerdict::Cut),
        ("its need's condition", [never(job("scan", &[])), job("unit", &[0])], passed, condition, RunResult::Passed, ReleaseVerdict::Cut),
    ] {
        let jobs = [&jobs[..], &[job("other", &[])]].concat();
        let (mut life, _) = Life::releasing(jobs, Some(vec![]));
        while life.run.as_ref().unwrap().job(&key("scan")).unwrap().state.ended().is_none() {
            life.report("scan", first, 1);
        }
        let facts = life.pass("other");
        let ended = life.run.as_ref().unwrap().job(&key("unit")).unwrap().state.ended().unwrap().result;
        assert_eq!((ended, end(&facts)), (unit, Some((result, release))), "{case}");
    }
}

#[test]
fn a_release_that_names_a_skipped_job_is_not_cut() {
    let (mut life, _) = Life::releasing(vec![when_true("false", job("docs", &[])), job("a", &[])], Some(vec![]));
    let plan = std::sync::Arc::make_mut(life.run.as_mut().unwrap().plan.as_mut().unwrap());
    plan.release.as_mut().unwrap().needs = Some(vec![key("docs")]);
    assert_eq!(end(&life.pass("a")), Some((RunResult::Passed, ReleaseVerdict::NotPassed)));
}

#[test]
fn of_several_needs_the_worst_counts() {
    for order in [[0, 1], [1, 0]] {
        let jobs = vec![when_true("false", job("docs", &[])), job("a", &[]), job("both", &order)];
        let (mut life, _) = Life::of(jobs);
        let facts = life.report("a", AttemptResult::Failed, 1);
        assert!(results(&facts).contains(&("both".to_owned(), JobResult::Skipped(SkipCause::Needs))), "{facts:?}");
    }
}

#[test]
fn a_condition_that_asks_needs_decides_by_itself() {
    let cleanup = when_true("needs['a'].result == 'failed'", job("cleanup", &[0]));
    let publish = when_true("change.branch == 'main'", job("publish", &[0]));
    let elsewhere = when_true("change.branch == 'other'", job("elsewhere", &[]));
    let (mut life, facts) = Life::of(vec![job("a", &[]), cleanup, publish, elsewhere]);
    assert_eq!(results(&facts), [("elsewhere".to_owned(), JobResult::Skipped(SkipCause::Condition))]);
    let facts = life.report("a", AttemptResult::Failed, 1);
    assert_eq!(queued(&facts), ["cleanup 1"]);
    assert_eq!(results(&facts)[1], ("publish".to_owned(), JobResult::Skipped(SkipCause::Needs)));
}

#[test]
fn attempts_follow_the_rule_of_their_cause() {
    let retry = |max, on: &[RetryCause]| Retry { max, on: on.to_vec() };
    for (rule, result, code, again) in [
        (Retry::default(), AttemptResult::Failed, 1, false),
        (Retry::default(), AttemptResult::Lost, 0, true),
        (retry(1, &[RetryCause::Failed]), AttemptResult::Failed, 1, true),
        (retry(1, &[RetryCause::ExitCode(75)]), AttemptResult::Failed, 75, true),
        (retry(1, &[RetryCause::ExitCode(75)]), AttemptResult::Failed, 1, false),
        (retry(1, &[RetryCause::Failed]), AttemptResult::Cancelled, 0, false),
    ] {
        let (mut life, _) = Life::of(vec![JobSkeleton { retry: rule.clone(), ..job("a", &[]) }]);
        let facts = life.report("a", result, code);
        assert_eq!(!queued(&facts).is_empty(), again, "{rule:?} after {result:?} with {code}");
        if again {
            assert!(end(&life.report("a", result, code)).is_some(), "the second time is the last for {rule:?}");
        }
    }
}

#[test]
fn writes_under_another_lease_are_refused() {
    let (mut life, _) = Life::of(vec![job("a", &[])]);
    life.lease("a");
    assert_eq!(life.when(Command::Lose { job: key("a"), epoch: 6 }), Err(Refusal::Stale { job: key("a"), epoch: 6 }));
    let again = life.when(Command::Lease { job: key("a"), runner: "r2".parse().unwrap() });
    assert_eq!(again, Err(Refusal::NotQueued(key("a"))));
    let nobody = life.when(Command::Lease { job: key("x"), runner: "r2".parse().unwrap() });
    assert_eq!(nobody, Err(Refusal::NoSuchJob(key("x"))));
}

#[test]
fn cancelling_ends_what_waits_and_gives_what_runs_a_deadline() {
    let (mut life, _) = Life::of(vec![job("a", &[]), job("b", &[]), job("c", &[0])]);
    life.lease("a");
    let facts = life.when(Command::Cancel).unwrap();
    let cancelled = |name: &str| (name.to_owned(), JobResult::Cancelled);
    assert_eq!(results(&facts), [cancelled("b")]);
    assert!(life.run.as_ref().unwrap().due().unwrap() <= NOW + REPORT_GRACE);
    let facts = life.when(Command::Lose { job: key("a"), epoch: 7 }).unwrap();
    assert_eq!(results(&facts), [cancelled("a"), cancelled("c")]);
    assert_eq!(end(&facts).unwrap().0, RunResult::Cancelled);
    assert_eq!(life.when(Command::Cancel), Err(Refusal::Ended(RunResult::Cancelled)));
}

#[test]
fn every_open_job_has_a_deadline_that_ends_it() {
    for leased in [false, true] {
        let (mut life, _) = Life::of(vec![job("a", &[])]);
        if leased {
            life.lease("a");
        }
        let run = life.run.clone().unwrap();
        let due = run.due().unwrap();
        let expire = |now| decide(Some(&run), Command::Expire, &Context { now, ..context() }).unwrap();
        assert_eq!(expire(Timestamp(due.0 - 1)), [], "not before");
        assert!(end(&expire(due)).is_some(), "leased: {leased}");
    }
}

#[test]
fn a_release_needs_its_artifacts() {
    let (mut life, _) = Life::releasing(vec![job("a", &[])], Some(vec![]));
    assert_eq!(end(&life.pass("a")).unwrap().1, ReleaseVerdict::Cut);
    assert_eq!(life.run.as_ref().unwrap().version.as_deref(), Some("2026.9.812"));
    let (mut life, _) = Life::releasing(vec![job("a", &[])], Some(vec!["server"]));
    assert!(matches!(end(&life.pass("a")).unwrap().1, ReleaseVerdict::Impossible(why) if why.contains("'server'")));
    let (mut life, _) = Life::releasing(vec![job("a", &[])], Some(vec![]));
    assert_eq!(end(&life.report("a", AttemptResult::Failed, 1)).unwrap().1, ReleaseVerdict::NotPassed);
}

#[test]
fn a_version_is_a_name_that_fits_everywhere() {
    let (mut life, _) = Life::releasing(vec![job("a", &[])], Some(vec![]));
    life.pass("a");
    let mut plan = PlanNote::clone(&life.run.unwrap().plan.unwrap());
    let long = "x".repeat(101);
    for (text, good) in
        [("1.0", true), ("v1.0-rc.1+b~2", true), ("../../x y", false), ("", false), ("-1", false), ("a/b", false), (long.as_str(), false)]
    {
        plan.release.as_mut().unwrap().version = VersionRule::Expression(Expression(format!("\"{text}\"")));
        let (mut life, _) = Life::start(Ok(plan.clone()));
        let version = life.run.as_ref().unwrap().version.clone();
        assert_eq!(version.as_deref(), good.then_some(text));
        match end(&life.pass("a")).unwrap().1 {
            ReleaseVerdict::Cut => assert!(good, "{text}"),
            ReleaseVerdict::Impossible(why) => {
                assert!(!good && why.contains("1 to 100") && why.starts_with("release.version gives"), "{why}")
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refused_delivery_file_is_a_run_that_ended() {
    let (life, facts) = Life::start(Err(Unplanned::File(vec!["TL0142 trunkline.yaml:3:1".to_owned()])));
    assert_eq!(end(&facts), Some((RunResult::Refused, ReleaseVerdict::NotAsked)));
    assert_eq!(life.run.unwrap().due(), None);
}

#[test]
fn a_wide_pipeline_makes_one_fact_for_each_job() {
    let mut jobs = vec![job("first", &[])];
    jobs.extend((0..2_000).map(|index| job(&format!("job{index}"), &[0])));
    let (mut life, facts) = Life::of(jobs);
    assert_eq!(facts.len(), 2);
    assert_eq!(life.pass("first").len(), 2_001);
}

#[test]
fn what_a_runner_says_is_kept_within_limits() {
    let endless = || "ü".repeat(100_000);
    let failure = crate::report::TestFailure { name: endless(), file: Some(endless()), line: None, message: endless() };
    let tests = crate::report::TestSummary { failed: 1_000, failures: vec![failure; 1_000], ..Default::default() };
    let (mut life, _) = Life::of(vec![job("a", &[])]);
    life.lease("a");
    let outcome = JobOutcome { reason: Some(endless()), tests: Some(tests), ..JobOutcome::bare(AttemptResult::Failed) };
    let facts = life.when(Command::Report { job: key("a"), epoch: 7, outcome: Box::new(outcome), log: log() }).unwrap();
    assert!(serde_json::to_string(&facts).unwrap().len() < 50_000);
}

#[test]
fn what_kept_the_steps_and_what_they_used_is_written_into_the_run() {
    let (mut life, _) = Life::of(vec![job("a", &[])]);
    life.lease("a");
    let usage = Usage { cpu_ms: 12, peak_kb: Some(3_000), source: UsageSource::Rusage };
    let step = StepOutcome { code: 0, took: Millis(7), usage: Some(usage) };
    let outcome = JobOutcome {
        result: AttemptResult::Passed,
        reason: None,
        sandbox: Some(SandboxLevel::Landlock),
        // More than any plan has: a broken runner must not fill the record.
        steps: vec![step.clone(); 5_000],
        outputs: Default::default(),
        artifacts: Vec::new(),
        tests: None,
    };
    life.when(Command::Report { job: key("a"), epoch: 7, outcome: Box::new(outcome), log: log() }).unwrap();
    let ended = life.run.as_ref().unwrap().job(&key("a")).unwrap().state.ended().unwrap().clone();
    assert_eq!((ended.sandbox, ended.steps.len(), &ended.steps[0]), (Some(SandboxLevel::Landlock), 100, &step));
    // Whoever proves how a release was built proves this too.
    let id = crate::foundation::RunId::new(uuid::Uuid::nil());
    let statement = crate::release::BuildStatement::of(id, life.run.as_ref().unwrap()).unwrap();
    let stated =
        crate::release::StatedJob { job: "a".to_owned(), result: JobResult::Passed, sandbox: ended.sandbox, log: Some(log().digest) };
    assert_eq!(statement.jobs, [stated]);
}

#[test]
fn why_a_run_has_no_plan_is_a_list_or_a_sentence_and_nothing_is_an_empty_list() {
    let place = "TL0142 trunkline.yaml:3:1".to_owned();
    let why = "there is no trunkline.yaml at this commit".to_owned();
    let (mut life, _) = Life::start(Err(Unplanned::File(vec![place.clone()])));
    for (written, refused) in [
        (json!([]), None),
        (json!([place]), Some(Unplanned::File(vec![place.clone()]))),
        (json!(why), Some(Unplanned::Beyond(why.clone()))),
    ] {
        let run = life.run.as_mut().unwrap();
        run.refused = refused;
        let state = serde_json::to_value(&*run).unwrap();
        assert_eq!(state["refused"], written, "as states have always had it");
        assert_eq!(&serde_json::from_value::<Run>(state).unwrap(), run);
    }
}

#[test]
fn a_job_is_tried_as_often_as_its_cause_allows() {
    let retry = |max, on: &[RetryCause]| Retry { max, on: on.to_vec() };
    for (rule, result, attempts) in [
        (retry(1, &[RetryCause::ExitCode(75)]), AttemptResult::TimedOut, 1),
        (retry(1, &[RetryCause::Lost]), AttemptResult::Failed, 1),
        (retry(3, &[RetryCause::Failed]), AttemptResult::Failed, 4),
        (retry(3, &[RetryCause::Failed]), AttemptResult::Lost, 2),
        (retry(3, &[RetryCause::Lost]), AttemptResult::Lost, 4),
    ] {
        // A lost runner is said by itself, when it comes back, or by who misses it.
        for missed in [false, true].into_iter().filter(|missed| !missed || result == AttemptResult::Lost) {
            let (mut life, _) = Life::of(vec![JobSkeleton { retry: rule.clone(), ..job("a", &[]) }]);
            for attempt in 1..=attempts {
                let facts = if missed {
                    life.lease("a");
                    life.when(Command::Lose { job: key("a"), epoch: 7 }).unwrap()
                } else {
                    life.report("a", result, 75)
                };
                let next = if attempt < attempts { vec![format!("a {}", attempt + 1)] } else { vec![] };
                assert_eq!(queued(&facts), next, "{rule:?} after {result:?}");
                assert_eq!(end(&facts).is_some(), attempt == attempts, "{rule:?} after {result:?}");
            }
        }
    }
}

#[test]
fn what_is_being_cancelled_is_not_tried_again_and_releases_nothing() {
    let retry = Retry { max: 1, on: vec![RetryCause::Failed] };
    let (mut life, _) = Life::releasing(vec![JobSkeleton { retry, ..job("a", &[]) }], Some(vec![]));
    life.lease("a");
    life.when(Command::Cancel).unwrap();
    assert_eq!(life.when(Command::Cancel), Ok(Vec::new()), "it is under way");
    let outcome = Box::new(JobOutcome::bare(AttemptResult::Failed));
    let facts = life.when(Command::Report { job: key("a"), epoch: 7, outcome, log: log() }).unwrap();
    assert_eq!((queued(&facts), end(&facts)), (vec![], Some((RunResult::Cancelled, ReleaseVerdict::NotPassed))));
}

#[test]
fn a_release_wants_all_that_it_names_and_asks_for_the_jobs_results() {
    let two = || vec![when_true("false", job("docs", &[])), job("a", &[])];
    for (needs, condition, verdict) in [
        (Some(vec![key("docs"), key("a")]), None, ReleaseVerdict::NotPassed),
        (Some(vec![key("a")]), Some("needs['a'].result == 'passed'"), ReleaseVerdict::Cut),
        (None, Some("needs['docs'].result == 'passed'"), ReleaseVerdict::ConditionFalse),
    ] {
        let (mut life, _) = Life::releasing(two(), Some(vec![]));
        let plan = std::sync::Arc::make_mut(life.run.as_mut().unwrap().plan.as_mut().unwrap());
        let release = plan.release.as_mut().unwrap();
        (release.needs, release.condition) = (needs, condition.map(|text| Expression(text.to_owned())));
        assert_eq!(end(&life.pass("a")), Some((RunResult::Passed, verdict)), "{condition:?}");
    }
    let (mut life, _) = Life::releasing(vec![job("a", &[])], Some(vec!["server"]));
    life.lease("a");
    let made = Artifact { name: "client".to_owned(), digest: Digest::of(b""), size: 0, form: ArtifactForm::File };
    let outcome = Box::new(JobOutcome { artifacts: vec![made], ..JobOutcome::bare(AttemptResult::Passed) });
    let facts = life.when(Command::Report { job: key("a"), epoch: 7, outcome, log: log() }).unwrap();
    assert!(matches!(end(&facts).unwrap().1, ReleaseVerdict::Impossible(why) if why.contains("'server'")), "another one was made");
}

#[test]
fn a_skipped_job_names_the_first_need_that_did_not_pass() {
    let (mut life, _) = Life::of(vec![job("a", &[]), job("b", &[]), job("last", &[0, 1])]);
    life.report("a", AttemptResult::Failed, 1);
    let facts = life.report("b", AttemptResult::Failed, 1);
    let reason = facts.iter().find_map(|fact| match fact {
        Fact::JobEnded(ended) if ended.job == key("last") => ended.reason.clone(),
        _ => None,
    });
    assert_eq!(reason.as_deref(), Some("'a', which it needs, did not pass"));
}
