//! The example repository, delivered: built, tested, put into qa, checked; and its two ways to break.

use crate::fake::*;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use trunkline_api::runner::*;
use trunkline_domain::deployment::{ApplyOutcome, CheckOutcome, CheckVerdict};
use trunkline_domain::expression::Template;
use trunkline_domain::foundation::*;
use trunkline_domain::pipeline::*;
use trunkline_domain::run::{Artifact, AttemptResult, JobOutcome};

/// Makes the example the commit's tree, with one text of `shop/price.py` replaced.
fn commit(fake: &Fake, change: Option<(&str, &str)>) -> Revision {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop");
    let mut tree = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.extend(Some(path).filter(|path| !path.ends_with("__pycache__") && !path.ends_with("out")));
                continue;
            }
            let mut text = std::fs::read_to_string(&path).unwrap();
            if let Some((from, to)) = change.filter(|_| path.ends_with("shop/price.py")) {
                assert!(text.contains(from), "{from:?} is in {}", path.display());
                text = text.replace(from, to);
            }
            let executable = text.starts_with("#!");
            tree.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), (text.into_bytes(), executable));
        }
    }
    let revision = Digest::of(format!("{change:?}").as_bytes()).hex().parse().unwrap();
    fake.state().tree = tree;
    revision
}

fn run(bench: &Bench, work: JobWork, revision: &Revision) -> JobOutcome {
    match bench.fake.do_work(Work::Job(work), Subject { revision: revision.clone(), ..subject() }).outcome {
        Outcome::Job(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

fn build(bench: &Bench, revision: &Revision) -> Artifact {
    let mut work = job(&["./build.sh"]);
    work.artifacts = vec![ArtifactRule { name: "shop".to_owned(), path: "out/shop".to_owned() }];
    let outcome = run(bench, work, revision);
    assert_eq!(outcome.result, AttemptResult::Passed, "{:?}", outcome.reason);
    outcome.artifacts[0].clone()
}

fn contents(bench: &Bench, shop: Artifact) -> Contents {
    let tree = bench.fake.state().tree.clone();
    let digest = |path: &str| bench.fake.put(&tree[path].0);
    let files = ["smoke.sh", "tests/run.py", "tests/smoke.py"];
    let files = files.map(|path| FrozenFile { path: path.to_owned(), digest: digest(path), executable: path.ends_with(".sh") }).to_vec();
    Contents { artifacts: vec![shop], files, configuration: Some(digest("config/qa.env")) }
}

fn qa(fence: u64) -> Subject {
    Subject {
        release: Some((ReleaseId::new(uuid::Uuid::from_u128(7)), Digest::of(&fence.to_le_bytes()))),
        environment: Some("qa".parse().unwrap()),
        deployment: Some(DeploymentId::new(uuid::Uuid::from_u128(u128::from(fence)))),
        fence: Some(fence),
        ..subject()
    }
}

/// Puts a release into qa and makes both checks.
fn deliver(bench: &Bench, revision: &Revision, address: &str, fence: u64) -> [CheckOutcome; 2] {
    let contents = contents(bench, build(bench, revision));
    let kind = PartKind::Process(ProcessPart {
        artifact: Some("shop".to_owned()),
        run: "./shop/server".to_owned(),
        listen: Some(address.to_owned()),
        instances: 1,
        env: BTreeMap::new(),
        ready_within: Some(Millis::seconds(10)),
    });
    let part = Part { name: "main".to_owned(), kind };
    let work = PartWork { part, env: BTreeMap::new(), contents: contents.clone(), rollback: false };
    let report = bench.fake.do_work(Work::Apply(work), qa(fence));
    assert_eq!(report.outcome, Outcome::Apply(ApplyOutcome::Applied));
    assert!(bench.fake.log_text(&report).contains("shop 1.42 serves qa\n1.42 is in place: 1 instance on "), "{report:?}");
    let json = BTreeMap::from([("version".to_owned(), Template("1.42".to_owned()))]);
    let http = HttpCheck { url: Template(format!("http://{address}/version")), status: 200, json, text: None, within: Millis::seconds(10) };
    let reports = vec![ReportRule { format: ReportFormat::Junit, path: "smoke.xml".to_owned() }];
    let smoke =
        Check::Run { run: format!("./smoke.sh http://{address}"), reports, timeout: Millis::seconds(30), sandbox: Default::default() };
    [Check::Http(http), smoke].map(|check| {
        let work = VerifyWork { check: CheckRule { name: "check".to_owned(), check }, contents: contents.clone(), least: None };
        match bench.fake.do_work(Work::Verify(work), qa(fence)).outcome {
            Outcome::Verify(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn the_shop_is_delivered_and_its_broken_changes_are_caught_where_they_should_be() {
    let bench = Bench::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut unit = job(&["python3 tests/run.py unit junit.xml"]);
    unit.reports = vec![ReportRule { format: ReportFormat::Junit, path: "junit.xml".to_owned() }];

    let good = commit(&bench.fake, None);
    let outcome = run(&bench, unit.clone(), &good);
    assert_eq!((outcome.result, outcome.tests.unwrap().passed), (AttemptResult::Passed, 5));
    let [http, smoke] = deliver(&bench, &good, &address, 1);
    assert_eq!((http.verdict, smoke.verdict), (CheckVerdict::Passed, CheckVerdict::Passed), "{} / {}", http.evidence, smoke.evidence);
    assert_eq!(smoke.evidence, "exit 0, 3 tests passed");

    let dear = commit(&bench.fake, Some(("DISCOUNT_FROM = 10", "DISCOUNT_FROM = 11")));
    let outcome = run(&bench, unit.clone(), &dear);
    let failure = outcome.tests.unwrap().failures.remove(0);
    assert_eq!((outcome.result, failure.file.as_deref(), failure.line), (AttemptResult::Failed, Some("tests/test_price.py"), Some(17)));

    let foreign = commit(&bench.fake, Some(("\"EUR\"", "\"USD\"")));
    assert_eq!(run(&bench, unit, &foreign).result, AttemptResult::Passed);
    let [http, smoke] = deliver(&bench, &foreign, &address, 2);
    assert_eq!((http.verdict, smoke.verdict), (CheckVerdict::Passed, CheckVerdict::Failed));
    assert_eq!(smoke.evidence, "exit 1, 1 of 3 tests failed: smoke.Smoke.test_prices_are_in_euro (tests/smoke.py:24)");
}
