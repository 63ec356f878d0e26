//! Dialects of reports, one sample each.

use super::{Mask, libtest, parse, parse_masked, place};
use trunkline_domain::pipeline::ReportFormat;
use trunkline_domain::report::{MESSAGE_BYTES_MAX, TestSummary};

fn junit(bytes: &[u8]) -> Result<TestSummary, String> {
    parse(ReportFormat::Junit, bytes)
}

fn counts(summary: &TestSummary) -> (u32, u32, u32) {
    (summary.passed, summary.failed, summary.skipped)
}

#[test]
fn junit_dialects_give_counts_names_and_places() {
    // (writer, report, counts, name, file, line)
    let samples = [
        (
            "pytest",
            r#"<?xml version="1.0"?><testsuites><testsuite name="pytest" tests="9"><testcase classname="tests.test_price" name="test_euro"><failure message="assert 1 == 2">def test_euro():
&gt;       assert 1 == 2
E       assert 1 == 2

tests/test_price.py:12: AssertionError</failure></testcase><testcase classname="tests.test_price" name="ok"/></testsuite></testsuites>"#,
            (1, 1, 0),
            "tests.test_price.test_euro",
            Some("tests/test_price.py"),
            Some(12),
        ),
        (
            "unittest",
            r#"<testsuite><testcase classname="T" name="b"><error><![CDATA[Traceback:
  File "tests/test_shop.py", line 31, in test_b
    self.assertEqual(1, 2)
  File "/usr/lib/python3.11/unittest/case.py", line 873, in assertEqual
AssertionError]]></error></testcase><testcase name="c"><skipped/></testcase></testsuite>"#,
            (0, 1, 1),
            "T.b",
            Some("tests/test_shop.py"),
            Some(31),
        ),
        (
            "nextest",
            r#"<testsuites><testsuite><testsuite name="inner"><testcase name="price::euro" classname="shop"><failure type="test failure">thread 'price::euro' panicked at src/a.rs:88:5:
assertion failed</failure><system-out>x</system-out></testcase></testsuite></testsuite></testsuites>"#,
            (0, 1, 0),
            "shop.price::euro",
            Some("src/a.rs"),
            Some(88),
        ),
        (
            "attributes",
            r#"<testsuite><testcase name="it &lt;works&gt; &#233;" file="spec/a.js" line="7"><failure message="a &amp; b"/></testcase></testsuite>"#,
            (0, 1, 0),
            "it <works> é",
            Some("spec/a.js"),
            Some(7),
        ),
        (
            "no place",
            r#"<testsuite><testcase name="x"><failure>at 127.0.0.1:8080</failure></testcase></testsuite>"#,
            (0, 1, 0),
            "x",
            None,
            None,
        ),
    ];
    for (writer, xml, expected, name, file, line) in samples {
        let summary = junit(xml.as_bytes()).unwrap_or_else(|error| panic!("{writer}: {error}"));
        assert_eq!(counts(&summary), expected, "{writer}");
        let failure = &summary.failures[0];
        assert_eq!((failure.name.as_str(), failure.file.as_deref(), failure.line), (name, file, line), "{writer}");
    }
}

#[test]
fn hostile_junit_is_bounded() {
    assert!(junit("<a>".repeat(100).as_bytes()).is_err_and(|error| error.contains("deeper")));
    assert!(junit(b"plain text").is_err());
    let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><t><testcase name="&b;"><failure>&b;</failure></testcase></t>"#;
    assert_eq!(junit(bomb.as_bytes()).unwrap().failures[0].name, "&b;", "entities are never expanded");
}

#[test]
fn a_report_that_was_cut_off_is_a_problem_and_not_one_passed_test() {
    for cut in [r#"<testsuite><testcase name="a"/>"#, r#"<testsuite><testcase name="a"/><testcase name="b">"#] {
        let problem = junit(cut.as_bytes()).unwrap_err();
        assert!(problem.starts_with("ends before it is complete (cases read: 1)"), "{cut}: {problem}");
    }
    assert!(junit(br#"<testsuite><testcase name="a"/><testca"#).is_err());
    assert!(junit(br#"<testsuite><testcase name="a"></testsuite>"#).is_err(), "an element is not closed");
    assert!(junit(br#"<testsuite><testcase name="a"/></testsuite>"#).is_ok());
}

#[test]
fn libtest_text_gives_counts_and_the_place_of_the_panic() {
    let text = "running 3 tests\ntest a::ok ... ok\ntest a::no ... FAILED\ntest a::later ... ignored, slow\n\nfailures:\n\n---- a::no stdout ----\n\nthread 'a::no' panicked at src/lib.rs:5:9:\nassertion `left == right` failed\n\n\nfailures:\n    a::no\n";
    let summary = libtest::parse(text);
    assert_eq!(counts(&summary), (1, 1, 1));
    assert_eq!((summary.failures[0].file.as_deref(), summary.failures[0].line), (Some("src/lib.rs"), Some(5)));
}

#[test]
fn the_own_frame_is_the_place_not_the_librarys() {
    let text = "File \"app/a.py\", line 3, in f\nFile \"app/b.py\", line 9, in g\nFile \"/x/site-packages/lib.py\", line 1, in h";
    assert_eq!(place::in_text(text), Some(("app/b.py".to_owned(), 9)));
    assert_eq!(place::in_text("at Object.<anonymous> (src/price.test.js:14:3)"), Some(("src/price.test.js".to_owned(), 14)));
    assert_eq!(place::in_text("took 12:30 at 10.0.0.1:80, see https://a.b:1"), None);
}

#[test]
fn a_text_full_of_ampersands_is_read_in_time() {
    // Without a bound each '&' would look through all that follows it: this would take minutes.
    let message = "&".repeat(4 << 20);
    let report = format!("<testsuite><testcase name=\"a\"><failure message=\"{message}\"/></testcase></testsuite>");
    let since = std::time::Instant::now();
    let summary = junit(report.as_bytes()).unwrap();
    assert_eq!(summary.failed, 1);
    assert!(since.elapsed().as_secs() < 20, "{:?}", since.elapsed());
}

#[test]
fn secrets_are_masked_before_anything_is_cut() {
    let texts = ["hunter2 & co".to_owned()];
    // Each text once where XML writes the secret otherwise, and once where a limit would cut it.
    let long = "x".repeat(MESSAGE_BYTES_MAX - 4);
    let report = format!(
        "<testsuite>\
         <testcase name=\"a hunter2 &amp; co\" file=\"hunter2 &#38; co/a.py\"><failure message=\"{long}hunter2 &amp; co\"/></testcase>\
         <testcase name=\"b\"><failure>hunter2 <![CDATA[& co]]> said</failure></testcase>\
         <testcase name=\"c\"><failure>{}hunter2</failure></testcase>\
         </testsuite>",
        "hunter2 &amp; co".repeat(5_461)
    );
    let summary = parse_masked(ReportFormat::Junit, report.as_bytes(), Mask(&texts)).unwrap();
    let [a, b, c] = &summary.failures[..] else { panic!("{summary:?}") };
    assert_eq!((a.name.as_str(), a.file.as_deref()), ("a ***", Some("***/a.py")));
    assert_eq!(a.message, format!("{long}***"));
    assert_eq!(b.message, "*** said");
    assert!(c.message.starts_with("***") && !c.message.contains("hunter"), "{}", c.message);
    let text = "test hunter2 & co ... FAILED\n\n---- hunter2 & co stdout ----\nsaid hunter2 & co\n\n";
    let summary = parse_masked(ReportFormat::Libtest, text.as_bytes(), Mask(&texts)).unwrap();
    assert_eq!((summary.failures[0].name.as_str(), summary.failures[0].message.as_str()), ("***", "said ***"));
}
