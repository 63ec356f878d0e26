//! Checks after a deployment: an address that must answer so, or a script that must exit 0.

use crate::artifact;
use crate::command::Invocation;
use crate::failure::{Failure, While};
use crate::lease::Standing;
use crate::log::Log;
use crate::mask::Mask;
use crate::report;
use crate::slot::{Site, lost_check, stop_reason};
use crate::step::{End, Leftovers, Output, Step};
use crate::variables::shown;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use trunkline_api::runner::VerifyWork;
use trunkline_domain::deployment::{CheckOutcome, CheckVerdict};
use trunkline_domain::foundation::Millis;
use trunkline_domain::pipeline::{Check, HttpCheck, ReportRule, SandboxChoice};
use trunkline_domain::report::TestSummary;

/// Bytes of an answer.
const BODY_BYTES_MAX: u64 = 1 << 20;
/// Bytes kept of what a check saw.
const EVIDENCE_BYTES_MAX: usize = 2_000;
/// One question's time, so that a hanging answer is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Makes one check.
pub fn run(site: &mut Site<'_>, work: &VerifyWork, log: &mut Log) -> CheckOutcome {
    let since = Instant::now();
    let outcome = match &work.check.check {
        Check::Http(check) => http(site, check, log),
        Check::Run { run, reports, timeout, sandbox } => {
            let script = Script { text: run, reports, timeout: *timeout, sandbox: *sandbox };
            run_script(site, work, &script, log)
        }
    };
    let took = Millis::from(since.elapsed());
    match outcome {
        Ok(outcome) => {
            // Masked before it is cut: what is left of a secret would not be known as one.
            let mut evidence = site.mask.text(&outcome.evidence);
            evidence.truncate(evidence.floor_char_boundary(EVIDENCE_BYTES_MAX));
            CheckOutcome { took, evidence, ..outcome }
        }
        Err(Failure(reason)) => CheckOutcome { took, ..lost_check(&reason) },
    }
}

/// Asks until the answer is right or the time is over; the pauses grow from 100 ms to 1 s.
fn http(site: &Site<'_>, check: &HttpCheck, log: &mut Log) -> Result<CheckOutcome, Failure> {
    if !check.url.0.starts_with("http://") {
        return Err(Failure(format!("this runner can ask http:// addresses only, not '{}'", check.url.0)));
    }
    let since = Instant::now();
    let deadline = since + check.within.duration();
    let mut pause = Duration::from_millis(100);
    let mut said = String::new();
    log.open_step(&format!("GET {}", check.url.0)).doing("keep the log")?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(200));
        let seen = ask(check, left.min(ANSWER_WITHIN), site.mask);
        let (Ok(text) | Err(text)) = &seen;
        if *text != said {
            said.clone_from(text);
            log.write(format!("{text}\n").as_bytes()).doing("keep the log")?;
        }
        let after = Millis::from(since.elapsed());
        if seen.is_ok() {
            return Ok(told(CheckVerdict::Passed, format!("{said} after {after}"), None));
        }
        if site.hold.standing() != Standing::Held {
            return Err(Failure(stop_reason(site.hold.standing()).to_owned()));
        }
        if Instant::now() + pause >= deadline {
            let within = check.within;
            return Ok(told(CheckVerdict::Failed, format!("{said} (asked for {after}; 'within' of the check is {within})"), None));
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_secs(1));
    }
}

fn told(verdict: CheckVerdict, evidence: String, tests: Option<TestSummary>) -> CheckOutcome {
    CheckOutcome { verdict, evidence, tests, took: Millis(0), sandbox: None }
}

/// Asks once. Both results say what was seen; an error is not what should have come.
fn ask(check: &HttpCheck, within: Duration, mask: Mask<'_>) -> Result<String, String> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        // A redirect is an answer; what it leads to was not asked for.
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(within))
        .build();
    let agent: ureq::Agent = config.into();
    let mut answer =
        agent.get(&check.url.0).header("user-agent", "trunkline").call().map_err(|error| no_answer(&check.url.0, &error, within))?;
    let status = answer.status().as_u16();
    if status != check.status {
        return Err(format!("{status}, expected {}", check.status));
    }
    if check.json.is_empty() && check.text.is_none() {
        return Ok(status.to_string());
    }
    let body = answer.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_vec().map_err(|error| format!("{status}, but {error}"))?;
    let mut seen = vec![status.to_string()];
    if !check.json.is_empty() {
        seen.extend(members(check, (status, &body), mask)?);
    }
    if let Some(text) = &check.text {
        if !String::from_utf8_lossy(&body).contains(&text.0) {
            return Err(format!("{status}, but the answer does not contain '{}'", text.0));
        }
        seen.push(format!("contains '{}'", text.0));
    }
    Ok(seen.join(", "))
}

/// Why there was no answer. Where a connection of this machine is taken and nothing comes, the socket of a service may be
/// open although the service does not know of it.
fn no_answer(url: &str, error: &ureq::Error, within: Duration) -> String {
    if !matches!(error, ureq::Error::Timeout(_)) {
        return format!("no answer: {error}");
    }
    let host = url.strip_prefix("http://").unwrap_or_default();
    let here = ["127.", "localhost", "[::1]"].iter().any(|start| host.starts_with(start));
    let hint = "; with 'listen' a service has to take its connections from the socket that it is handed as LISTEN_FDS";
    format!("no answer within {}{}", Millis::from(within), if here { hint } else { "" })
}

/// Compares the members that a check names, as text.
fn members(check: &HttpCheck, (status, body): (u16, &[u8]), mask: Mask<'_>) -> Result<Vec<String>, String> {
    let json: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).map_err(|_| format!("{status}, but the answer is not a JSON object"))?;
    let mut seen = Vec::new();
    for (name, expected) in &check.json {
        let found = match json.get(name) {
            None => return Err(format!("{status}, but there is no '{name}', expected '{}'", expected.0)),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        if found != expected.0 {
            let found: String = mask.text(&found).chars().take(100).collect();
            return Err(format!("{status}, but {name} is '{found}', expected '{}'", expected.0));
        }
        seen.push(format!("{name} {found}"));
    }
    Ok(seen)
}

/// A check of kind `run`.
struct Script<'a> {
    text: &'a str,
    reports: &'a [ReportRule],
    timeout: Millis,
    sandbox: SandboxChoice,
}

/// Runs a script in a fresh folder of the release.
fn run_script(site: &mut Site<'_>, work: &VerifyWork, script: &Script<'_>, log: &mut Log) -> Result<CheckOutcome, Failure> {
    let Script { text, reports, timeout, sandbox } = *script;
    let level = site.sandboxes.choose(sandbox, work.least).map_err(Failure)?;
    let folder = site.slot.empty_folder("content")?;
    let configuration = site.slot.absent_file("configuration")?;
    artifact::place_contents(&**site.port, site.hold, &work.contents, &folder, &configuration)?;
    let mut env: BTreeMap<String, String> = site.base_env()?;
    env.insert("TRUNKLINE_CONFIG".to_owned(), shown(&configuration));
    let read: Vec<&Path> = [configuration.as_path()].into_iter().filter(|path| path.exists()).collect();
    let sandbox = site.sandbox(level, &folder, &[&folder], &read);
    site.slot.note.will_start(&site.marker).doing("note the check")?;
    log.open_step(&work.check.name).doing("keep the log")?;
    let step = Step {
        invocation: Invocation { text, folder: &folder, env: &env, sandbox: &sandbox, group: site.slot.group() },
        marker: &site.marker,
        output: Output::Pipe,
        leftovers: Leftovers::End,
        deadline: Instant::now() + timeout.duration(),
        grace: site.grace,
    };
    let ran = step.run(site.hold, log, |group| drop(site.slot.note.started(&site.marker, group)))?;
    let (tests, problems) = report::read_all(reports, &folder, || log.head(report::REPORT_BYTES_MAX), site.mask)?;
    let evidence = |start: String| evidence(start, tests.as_ref(), &problems);
    // A test's name says more.
    let said = if tests.as_ref().is_some_and(|tests| tests.failed > 0) { String::new() } else { log.said() };
    let outcome = match ran.end {
        End::Exited(0) => told(CheckVerdict::Passed, evidence("exit 0".to_owned()), tests.clone()),
        // Only a file floods, and a check prints into a pipe.
        End::Exited(code) | End::Flooded(code) => {
            told(CheckVerdict::Failed, evidence(format!("exit {code}{}{said}", ran.want.words())), tests.clone())
        }
        End::TimedOut(_) => told(CheckVerdict::Failed, evidence(format!("still running after {timeout}{said}")), tests.clone()),
        End::Stopped(_, standing) => return Err(Failure(stop_reason(standing).to_owned())),
    };
    Ok(CheckOutcome { sandbox: Some(level), ..outcome })
}

/// "exit 1, 1 of 4 tests failed: test_price (smoke.py:12)".
fn evidence(mut text: String, tests: Option<&TestSummary>, problems: &[String]) -> String {
    if let Some(tests) = tests {
        let all = tests.passed + tests.failed;
        if tests.failed == 0 {
            text += &format!(", {all} tests passed");
        } else {
            text += &format!(", {} of {all} tests failed", tests.failed);
        }
        if let Some(first) = tests.failures.first() {
            let place = match (&first.file, first.line) {
                (Some(file), Some(line)) => format!(" ({file}:{line})"),
                (Some(file), None) => format!(" ({file})"),
                _ => String::new(),
            };
            text += &format!(": {}{place}", first.name);
        }
    }
    problems.iter().for_each(|problem| text += &format!("; {problem}"));
    text
}
