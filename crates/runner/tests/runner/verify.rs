//! Checks: what they say of what they saw.

use crate::fake::*;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use trunkline_api::runner::*;
use trunkline_domain::deployment::{CheckOutcome, CheckVerdict};
use trunkline_domain::expression::Template;
use trunkline_domain::foundation::*;
use trunkline_domain::pipeline::{Check, CheckRule, FrozenFile, HttpCheck, ReportFormat, ReportRule};

fn check(bench: &Bench, check: Check, contents: Contents) -> CheckOutcome {
    let work = VerifyWork { check: CheckRule { name: "smoke".to_owned(), check }, contents, least: None };
    match bench.fake.do_work(Work::Verify(work), subject()).outcome {
        Outcome::Verify(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

/// Answers each connection with the next of these bodies, then with the last one.
fn serve(bodies: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/version", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut bodies = bodies.iter();
        let mut body = "";
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            body = bodies.next().unwrap_or(&body);
            let _ = stream.read(&mut [0; 4096]);
            let status = if body.is_empty() { "503 Busy" } else { "200 OK" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        }
    });
    url
}

fn http(url: &str, within: u64) -> Check {
    let json = BTreeMap::from([("version".to_owned(), Template("1.42".to_owned()))]);
    Check::Http(HttpCheck { url: Template(url.to_owned()), status: 200, json, text: None, within: Millis(within) })
}

#[test]
fn an_address_is_asked_until_it_answers_right() {
    let bench = Bench::new();
    let url = serve(&["", r#"{"version":"1.41"}"#, r#"{"version":"1.42","n":1}"#]);
    let outcome = check(&bench, http(&url, 10_000), Contents::default());
    assert_eq!(outcome.verdict, CheckVerdict::Passed);
    assert!(outcome.evidence.starts_with("200, version 1.42 after "), "{}", outcome.evidence);
}

#[test]
fn the_evidence_says_what_was_seen_last() {
    let bench = Bench::new();
    for (bodies, expected) in [
        (&[r#"{"version":"1.41"}"#][..], "200, but version is '1.41', expected '1.42'"),
        (&[r#"{"v":1}"#], "200, but there is no 'version', expected '1.42'"),
        (&["hello"], "200, but the answer is not a JSON object"),
        (&[""], "503, expected 200"),
    ] {
        let outcome = check(&bench, http(&serve(bodies), 300), Contents::default());
        assert_eq!(outcome.verdict, CheckVerdict::Failed);
        assert!(outcome.evidence.starts_with(expected), "{} / {expected}", outcome.evidence);
    }
    let outcome = check(&bench, http("http://127.0.0.1:1/", 300), Contents::default());
    assert!(outcome.evidence.starts_with("no answer: "), "{}", outcome.evidence);
}

#[test]
fn an_answer_is_masked_before_it_is_cut() {
    let bench = Bench::new();
    // Ninety-seven characters, of which a hundred are told.
    let body = Box::leak(format!(r#"{{"version":"{}hunter2"}}"#, "x".repeat(97)).into_boxed_str());
    let url = serve(Box::leak(Box::new([&*body])));
    let check = CheckRule { name: "smoke".to_owned(), check: http(&url, 300) };
    let work = Work::Verify(VerifyWork { check, contents: Contents::default(), least: None });
    let lease = bench.fake.offer(work, subject(), &["hunter2"]);
    let Outcome::Verify(outcome) = bench.fake.await_report(&lease).outcome else { panic!("a check's") };
    assert!(outcome.evidence.contains("xx***', expected") && !outcome.evidence.contains("hun"), "{}", outcome.evidence);
}

#[test]
fn an_open_socket_that_nobody_serves_is_told_with_the_limit_that_ran_out() {
    let bench = Bench::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let outcome = check(&bench, http(&format!("http://{}/", silent.local_addr().unwrap()), 300), Contents::default());
    assert!(outcome.evidence.starts_with("no answer within ") && outcome.evidence.contains("LISTEN_FDS"), "{}", outcome.evidence);
    assert!(outcome.evidence.contains("'within' of the check is 300 ms"), "{}", outcome.evidence);
}

#[test]
fn a_script_that_fails_is_told_by_its_last_words_without_a_secret() {
    let bench = Bench::new();
    let digest = bench.fake.put(b"#!/bin/sh\necho begins; echo 'no answer for hunter2'; echo; exit 3\n");
    let files = vec![FrozenFile { path: "smoke.sh".to_owned(), digest, executable: true }];
    let run =
        |run: &str| Check::Run { run: run.to_owned(), reports: Vec::new(), timeout: Millis::seconds(30), sandbox: Default::default() };
    let evidence = |run: Check, files: Vec<FrozenFile>| {
        let contents = Contents { files, ..Contents::default() };
        let work = Work::Verify(VerifyWork { check: CheckRule { name: "smoke".to_owned(), check: run }, contents, least: None });
        let lease = bench.fake.offer(work, subject(), &["hunter2"]);
        match bench.fake.await_report(&lease).outcome {
            Outcome::Verify(CheckOutcome { verdict: CheckVerdict::Failed, evidence, .. }) => evidence,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(evidence(run("./smoke.sh"), files), "exit 3: no answer for ***");
    assert_eq!(evidence(run("exit 4"), Vec::new()), "exit 4", "its own line in the log is no word of the script");
    let told = evidence(http(&serve(&[r#"{"version":"hunter2"}"#]), 300), Vec::new());
    assert!(told.starts_with("200, but version is '***', expected '1.42'"), "{told}");
}

#[test]
fn a_script_runs_in_a_folder_of_the_release_and_its_report_is_counted() {
    let bench = Bench::new();
    let script = "#!/bin/sh\ncat $TRUNKLINE_CONFIG; ls; echo '<testsuite><testcase name=\"ok\"/><testcase name=\"price\" file=\"smoke.py\" line=\"12\"><failure/></testcase></testsuite>' > smoke.xml; exit 1\n";
    let digest = bench.fake.put(script.as_bytes());
    let contents = Contents {
        artifacts: vec![bench.fake.executable("server", b"#!/bin/sh\n")],
        files: vec![FrozenFile { path: "checks/smoke.sh".to_owned(), digest, executable: true }],
        configuration: Some(bench.fake.put(b"PORT=1\n")),
    };
    let reports = vec![ReportRule { format: ReportFormat::Junit, path: "smoke.xml".to_owned() }];
    let outcome = check(
        &bench,
        Check::Run { run: "checks/smoke.sh".to_owned(), reports, timeout: Millis::seconds(30), sandbox: Default::default() },
        contents,
    );
    assert_eq!(outcome.verdict, CheckVerdict::Failed);
    assert_eq!(outcome.evidence, "exit 1, 1 of 2 tests failed: price (smoke.py:12)");
}
