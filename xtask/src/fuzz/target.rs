//! The readers.

use super::wire;
use std::cell::RefCell;
use trunkline_api::runner::{ClaimRequest, RenewRequest, ReportRequest};
use trunkline_domain::expression::{Expression, Place, Scope, Type, Value, check, check_template};
use trunkline_domain::ledger::{Entry, Frontier, leaf_hash};
use trunkline_domain::pipeline::ReportFormat;
use trunkline_domain::record::Fact;
use trunkline_engine::{Head, Store as _, StoredEntry, WorkRef, verify};
use trunkline_store::{LogStore, MemoryStore};

/// Something that reads bytes of others.
pub struct Target {
    pub name: &'static str,
    /// Folders of inputs, from the repository's root.
    pub corpora: &'static [&'static str],
    /// Inputs.
    pub seeds: &'static [&'static str],
    /// Words that lead further in.
    pub words: &'static [&'static str],
    /// Whether the input was taken; an error where what comes out cannot be right.
    pub read: fn(&[u8]) -> Result<bool, String>,
}

const JOB: &str = r#"{"runner":"r1","lease":{"work":"run_01a2120db2e37570973505a8249f400f/build","epoch":4294967297},"outcome":{"job":{"result":"passed","reason":null,"steps":[{"code":0,"took":5}],"outputs":{"a":"b"},"artifacts":[],"tests":null}},"log":{"bytes":3,"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","inline":"abc","dropped":0},"claim_next":true}"#;
const ENTRY: &str = r#"{"v":1,"seq":1,"at":1790000000000,"project":"shop","project-seq":1,"actor":{"kind":"person","name":"ana"},"via":"api","command-key":null,"facts":[{"project":{"id":"shop","fact":{"added":{"repository":"shop"}}}}]}"#;

/// Every reader.
pub const TARGETS: [Target; 10] = [
    Target {
        name: "delivery-file",
        corpora: &["crates/delivery-file/tests/corpus/good", "crates/delivery-file/tests/corpus/bad"],
        seeds: &["on: push\njobs: { a: { run: x } }\n"],
        words: &[
            "jobs:",
            "needs:",
            "- ",
            "  ",
            "&a ",
            "*a",
            "<<: ",
            "!!str ",
            "{",
            "[",
            "${{ ",
            "change.branch",
            "? ",
            "|\n",
            "on:",
            "environments:",
        ],
        read: delivery_file,
    },
    Target {
        name: "expression",
        corpora: &[],
        seeds: &[
            "change.branch == 'main' && needs['build'].result == 'passed'",
            "[1, 2].map(x, x * 2).exists(x, x > 3) ? inputs.who : 'a' + \"b\"",
            "has(needs['build'].outputs.a) || !('x' in ['x']) && size('abc') % 2 - 1 < 3",
            "v${{ change.tag }} and ${{ event }}",
        ],
        words: &[
            "(",
            ")",
            "!",
            "-",
            ".map(x, ",
            ".all(y, ",
            "change.",
            "needs['build']",
            "'",
            "? 1 : ",
            "[",
            "{'a': ",
            "9223372036854775807",
            " in ",
        ],
        read: expression,
    },
    Target {
        name: "report",
        corpora: &[],
        seeds: &[
            "<testsuites><testsuite><testcase classname=\"a\" name=\"b\"><failure message=\"m &amp; n\">src/a.rs:88</failure></testcase></testsuite></testsuites>",
            "test a::b ... ok\ntest c ... FAILED\n\n---- c stdout ----\nthread 'c' panicked at src/a.rs:1:2:\nno\n",
        ],
        words: &["<testcase ", "<failure>", "]]>", "<![CDATA[", "&#x41;", "&", "<!--", "test ", " ... FAILED\n", "---- ", " stdout ----\n"],
        read: report,
    },
    Target {
        name: "runner-protocol",
        corpora: &[],
        seeds: &[
            JOB,
            r#"{"runner":"r1","wait_ms":30000}"#,
            r#"{"runner":"r1","leases":[{"work":"dep_01a2120db2e37570973505a8249f400f/apply/0","epoch":1}]}"#,
        ],
        words: &["\"job\":", "\"apply\":", "\"failed\"", "null", "{\"a\":", "18446744073709551616", "sha256:", "/verify/0", "\\u0000"],
        read: runner_protocol,
    },
    Target {
        name: "api-body",
        corpora: &[],
        seeds: &[
            r#"{"name":"shop","git":"https://example.com/x.git","token":"t","folder":"a/b"}"#,
            r#"{"reference":"main","revision":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","inputs":{"a":"b"}}"#,
            r#"{"environment":"production"}"#,
            r#"{"runs":"live"}"#,
        ],
        words: &["null", "[]", "\"environment\":", "\"to\":", "\"again\":", "\\ud800", "-0", "1e999", "{\"a\":", "\"name\":\"x\","],
        read: wire::body,
    },
    Target {
        name: "api-question",
        corpora: &[],
        seeds: &["after=7", "before=18446744073709551616&limit=20", "work=run_01/a&from=-1", "to=1.42", "runs=live", "runner=r1&wait_ms=0"],
        words: &["&", "=", "limit=", "before=", "+7", "-0", "99999999999999999999", "\u{202e}", "to=", "runs=old"],
        read: wire::question,
    },
    Target {
        name: "git-push",
        corpora: &[],
        seeds: &[
            "00940000000000000000000000000000000000000000 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa refs/heads/main\0 report-status side-band-64k agent=git/2\n0000PACK",
            "0068aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0000000000000000000000000000000000000000 refs/heads/old\n0000",
            "0000",
        ],
        words: &[
            "0000",
            "0001",
            "0004",
            "fff0",
            "ffff",
            "refs/heads/",
            "refs/tags/",
            "refs/pull/7/head",
            " ",
            "\0",
            ".lock",
            "/..",
            "@{",
            "side-band-64k",
        ],
        read: wire::push,
    },
    Target {
        name: "git-pack",
        corpora: &[],
        seeds: &["PACK\0\0\0\u{2}\0\0\0\0", "PACK\0\0\0\u{2}\0\0\0\u{1}"],
        words: &["PACK", "\0\0\0\u{2}", "\0\0\0\u{7f}", "\u{78}\u{1}"],
        read: wire::pack,
    },
    Target {
        name: "ledger",
        corpora: &[],
        seeds: &[ENTRY],
        words: &["\"facts\":", "\"run\":", "\"started\":", "\"release\":", "null", "\"at\":"],
        read: ledger,
    },
    Target {
        name: "log-frames",
        corpora: &[],
        seeds: &["\0\0\0\0\0\0\0\0", "\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}"],
        words: &["\0\0\0\0", "\u{1}\0\0\0"],
        read: log_frames,
    },
];

fn delivery_file(input: &[u8]) -> Result<bool, String> {
    let (definition, diagnostics) = trunkline_delivery_file::read(input);
    for diagnostic in &diagnostics {
        let span = diagnostic.span;
        if span.start > span.end || span.end > input.len() {
            return Err(format!("a diagnostic points to {}..{} of {} bytes", span.start, span.end, input.len()));
        }
    }
    let words = trunkline_delivery_file::render("trunkline.yaml", input, &diagnostics);
    let errors = words.contains("error[");
    match &definition {
        Some(_) if errors => Err("a file with errors gave a definition".to_owned()),
        None if !errors => Err("a file without a definition has no error".to_owned()),
        Some(definition) => {
            trunkline_delivery_file::outline(definition);
            let written = serde_json::to_vec(definition).map_err(|error| error.to_string())?;
            let again = serde_json::from_slice(&written).map_err(|error| format!("the definition does not come back: {error}"))?;
            if *definition == again { Ok(true) } else { Err("the definition comes back otherwise".to_owned()) }
        }
        None => Ok(false),
    }
}

fn expression(input: &[u8]) -> Result<bool, String> {
    let text = String::from_utf8_lossy(input);
    let (needs, inputs) = (["build".parse().map_err(|_| "a job's name".to_owned())?], ["who".to_owned()]);
    let place = Place::JobCondition { needs: &needs, inputs: &inputs };
    let problem = check(&text, place, &Type::Any);
    let _ = check_template(&text, place);
    // Evaluated even where the check said no: a record of an earlier version may hold anything.
    let expression = Expression(text.clone().into_owned());
    let _ = (expression.evaluate(&Scope::default()), expression.evaluate(&scope()));
    match problem {
        Ok(_) => Ok(true),
        Err(problem) if problem.span.end > text.len() || problem.span.start > problem.span.end => {
            Err(format!("a problem points to {:?} of {} bytes", problem.span, text.len()))
        }
        Err(_) => Ok(false),
    }
}

/// What a job's condition sees, names of every kind of value.
fn scope() -> Scope {
    let outputs = Value::map([("a", "sha256:1".into()), ("empty", "".into())]);
    let change = [("revision", "0123abc".into()), ("branch", "main".into()), ("tag", "v1.2".into()), ("pull_request", 7.into())];
    Scope::default()
        .with("change", Value::map(change))
        .with("event", "push")
        .with("inputs", Value::map([("who", "Ana \u{e9}\u{1f600}".into())]))
        .with("needs", Value::map([("build", Value::map([("result", "passed".into()), ("outputs", outputs)]))]))
        .with("release", Value::map([("version", "2026.11.3".into())]))
        .with("target", Value::List(vec![i64::MAX.into(), true.into(), Value::Null, Value::List(Vec::new())]))
}

fn report(input: &[u8]) -> Result<bool, String> {
    let junit = trunkline_runner::parse_report(ReportFormat::Junit, input);
    let libtest = trunkline_runner::parse_report(ReportFormat::Libtest, input);
    for summary in [&junit, &libtest].into_iter().flatten() {
        if summary.failures.len() > trunkline_domain::report::FAILURES_MAX || summary.failures.len() > summary.failed as usize {
            return Err("more failures are kept than may be".to_owned());
        }
    }
    Ok(junit.is_ok())
}

fn runner_protocol(input: &[u8]) -> Result<bool, String> {
    let report = serde_json::from_slice::<ReportRequest>(input);
    if let Ok(report) = &report {
        let _ = report.lease.work.parse::<WorkRef>();
    }
    let others = serde_json::from_slice::<ClaimRequest>(input).is_ok() || serde_json::from_slice::<RenewRequest>(input).is_ok();
    Ok(report.is_ok() || others)
}

/// A ledger of one entry whose hashes are right: only its sense is in question.
fn ledger(input: &[u8]) -> Result<bool, String> {
    let mut store = MemoryStore::default();
    let leaf = leaf_hash(input);
    let mut frontier = Frontier::default();
    frontier.append(leaf);
    let failed = |error: trunkline_engine::StoreError| error.to_string();
    store.begin().map_err(failed)?;
    store.entry_append(&StoredEntry { seq: 1, bytes: input.to_vec(), leaf }, None).map_err(failed)?;
    store.head_put(&Head { frontier, ..Head::default() }).map_err(failed)?;
    store.commit().map_err(failed)?;
    let quiet = std::panic::take_hook();
    // A forged entry may break what rooms rely on; verify answers that, and need not print it a thousand times.
    std::panic::set_hook(Box::new(|_| {}));
    let verified = verify(&store, None);
    std::panic::set_hook(quiet);
    if verified.is_ok() {
        return Err("a ledger without states was verified".to_owned());
    }
    Ok(serde_json::from_slice::<Entry<Fact>>(input).is_ok())
}

fn log_frames(input: &[u8]) -> Result<bool, String> {
    thread_local! {
        static FOLDER: RefCell<Option<(tempfile::TempDir, std::path::PathBuf)>> = const { RefCell::new(None) };
    }
    FOLDER.with_borrow_mut(|kept| {
        let failed = |error: std::io::Error| error.to_string();
        if kept.is_none() {
            let folder = tempfile::tempdir().map_err(failed)?;
            let logs = LogStore::open(folder.path()).map_err(failed)?;
            logs.append("a/1", 0, b"x").map_err(|error| error.to_string())?;
            logs.finish("a/1").map_err(|error| error.to_string())?;
            let path = find(folder.path()).ok_or("the log has no file")?;
            *kept = Some((folder, path));
        }
        let Some((folder, path)) = kept else { return Ok(false) };
        std::fs::write(&*path, input).map_err(failed)?;
        let logs = LogStore::open(folder.path()).map_err(failed)?;
        let read = logs.read("a/1", 0, 1 << 20);
        match &read {
            Ok(Some(bytes)) if bytes.len() > 1 << 20 => Err("more bytes than were asked for".to_owned()),
            Ok(_) => Ok(true),
            Err(_) => Ok(false),
        }
    })
}

/// The first file below a folder.
fn find(folder: &std::path::Path) -> Option<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    entries.into_iter().find_map(|entry| if entry.path().is_dir() { find(&entry.path()) } else { Some(entry.path()) })
}
