//! A job: a fresh workspace, its steps, what they leave behind.

use crate::artifact::{self, KeepError};
use crate::command::Invocation;
use crate::failure::{Failure, While};
use crate::lease::Standing;
use crate::log::Log;
use crate::mask::Mask;
use crate::process_tree::Marker;
use crate::report;
use crate::sandbox::Sandbox;
use crate::slot::{Site, stop_reason};
use crate::step::{End, Leftovers, Output, Ran, Step};
use crate::variables::shown;
use crate::wanted::Wanted;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;
use trunkline_api::runner::JobWork;
use trunkline_domain::foundation::Millis;
use trunkline_domain::pipeline::{self, SandboxLevel};
use trunkline_domain::run::{AttemptResult, JobOutcome, StepOutcome};

/// Bytes of the file named by `TRUNKLINE_OUTPUT`.
const OUTPUT_BYTES_MAX: u64 = 64 << 10;
/// The longest step name in a log.
const NAME_CHARS_MAX: usize = 200;

/// Runs a job to its end. The runner's own troubles end it as lost, with the reason.
pub fn run(site: &mut Site<'_>, work: &JobWork, log: &mut Log) -> JobOutcome {
    let mut outcome = JobOutcome::bare(AttemptResult::Passed);
    if let Err(Failure(reason)) = attempt(site, work, log, &mut outcome) {
        outcome.result = if site.hold.standing() == Standing::Cancelled { AttemptResult::Cancelled } else { AttemptResult::Lost };
        outcome.reason = Some(reason);
    }
    outcome
}

fn attempt(site: &mut Site<'_>, work: &JobWork, log: &mut Log, outcome: &mut JobOutcome) -> Result<(), Failure> {
    let deadline = Instant::now() + work.timeout.duration();
    let level = match site.sandboxes.choose(work.sandbox, None) {
        Ok(level) => level,
        Err(reason) => {
            outcome.result = AttemptResult::Failed;
            outcome.reason = Some(reason);
            return Ok(());
        }
    };
    let bench = Bench::set(site, work, level)?;
    outcome.sandbox = Some(level);
    steps(site, work, log, outcome, &bench, deadline)?;
    if site.hold.standing() >= Standing::Abandoned {
        return Ok(());
    }
    // A red job's reports matter most.
    let head = || log.head(report::REPORT_BYTES_MAX);
    let (tests, problems) = report::read_all(&work.reports, &bench.workspace, head, site.mask)?;
    outcome.tests = tests;
    if outcome.result == AttemptResult::Passed {
        keep_results(site, work, outcome, &bench, deadline)?;
    }
    if outcome.reason.is_none() && !problems.is_empty() {
        outcome.reason = Some(problems.join("; "));
    }
    Ok(())
}

/// What lies ready for the steps.
struct Bench {
    workspace: PathBuf,
    output: PathBuf,
    env: BTreeMap<String, String>,
    sandbox: Sandbox,
}

impl Bench {
    fn set(site: &mut Site<'_>, work: &JobWork, level: SandboxLevel) -> Result<Self, Failure> {
        site.slot.workspace.prepare(&**site.port, site.hold, &site.subject.project, &site.subject.revision)?;
        let artifacts = site.slot.empty_folder("artifacts")?;
        for input in &work.inputs {
            artifact::place(&**site.port, site.hold, input, &artifacts)?;
        }
        // In a folder of its own, so that it may be made, and replaced, from behind a wall.
        let outputs = site.slot.empty_folder("output")?;
        let output = outputs.join("output");
        let mut env = site.base_env()?;
        env.insert("TRUNKLINE_ARTIFACTS".to_owned(), shown(&artifacts));
        env.insert("TRUNKLINE_OUTPUT".to_owned(), shown(&output));
        env.extend(work.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        // The mark is how leftovers are found; a job's own variable must not hide them.
        env.insert(crate::process_tree::MARKER_VARIABLE.to_owned(), site.marker.value().to_owned());
        let root = site.slot.workspace.path();
        let workspace = folder_of(root, &work.folder)?;
        let sandbox = site.sandbox(level, &workspace, &[root, &artifacts, &outputs], &[]);
        Ok(Self { workspace, output, env, sandbox })
    }
}

/// The project's folder in the workspace.
fn folder_of(workspace: &Path, folder: &str) -> Result<PathBuf, Failure> {
    let path = workspace.join(folder);
    // A link would lead out of the workspace.
    let inside = path.canonicalize().is_ok_and(|real| workspace.canonicalize().is_ok_and(|root| real.starts_with(root)));
    if inside && path.is_dir() { Ok(path) } else { Err(Failure(format!("the revision has no folder '{folder}'"))) }
}

/// Runs the steps in order until one does not exit 0.
fn steps(
    site: &Site<'_>,
    work: &JobWork,
    log: &mut Log,
    outcome: &mut JobOutcome,
    bench: &Bench,
    deadline: Instant,
) -> Result<(), Failure> {
    site.slot.note.will_start(&site.marker).doing("note the attempt")?;
    for (index, step) in work.steps.iter().enumerate() {
        if site.hold.standing() != Standing::Held {
            stopped(outcome, site.hold.standing());
            return Ok(());
        }
        log.open_step(&shown_name(step)).doing("keep the log")?;
        let since = Instant::now();
        let Ran { end, usage, want } =
            one_step(site, &step.run, bench, deadline).run(site.hold, log, |group| note_start(site, &site.marker, group))?;
        outcome.steps.push(StepOutcome { code: end.code(), took: Millis::from(since.elapsed()), usage: Some(usage) });
        match end {
            End::Exited(0) => {}
            // Only a file floods, and a job prints into a pipe.
            End::Exited(code) | End::Flooded(code) => {
                outcome.result = AttemptResult::Failed;
                outcome.reason = Some(format!("step {} ('{}') exited with {code}{}", index + 1, shown_name(step), want.words()));
                return Ok(());
            }
            End::TimedOut(_) => {
                outcome.result = AttemptResult::TimedOut;
                outcome.reason = Some(format!("step {} ('{}') was still running after {}", index + 1, shown_name(step), work.timeout));
                return Ok(());
            }
            End::Stopped(_, standing) => {
                stopped(outcome, standing);
                return Ok(());
            }
        }
    }
    Ok(())
}

fn one_step<'a>(site: &'a Site<'_>, text: &'a str, bench: &'a Bench, deadline: Instant) -> Step<'a> {
    Step {
        invocation: Invocation { text, folder: &bench.workspace, env: &bench.env, sandbox: &bench.sandbox, group: site.slot.group() },
        marker: &site.marker,
        output: Output::Pipe,
        leftovers: Leftovers::End,
        deadline,
        grace: site.grace,
    }
}

fn note_start(site: &Site<'_>, marker: &Marker, group: u32) {
    // The mark alone, noted before, is enough to find the step again.
    let _ = site.slot.note.started(marker, group);
}

fn stopped(outcome: &mut JobOutcome, standing: Standing) {
    outcome.result = if standing == Standing::Cancelled { AttemptResult::Cancelled } else { AttemptResult::Lost };
    outcome.reason = (standing != Standing::Cancelled).then(|| stop_reason(standing).to_owned());
}

/// The step's name, or the first line of its text.
fn shown_name(step: &pipeline::Step) -> String {
    let text = step.name.as_deref().unwrap_or_else(|| step.run.trim().lines().next().unwrap_or_default());
    text.chars().take(NAME_CHARS_MAX).collect()
}

/// Reads the outputs and stores the artifacts of a job whose steps all passed.
fn keep_results(site: &Site<'_>, work: &JobWork, outcome: &mut JobOutcome, bench: &Bench, deadline: Instant) -> Result<(), Failure> {
    let wanted = Wanted { hold: site.hold, deadline: Some(deadline) };
    match outputs(&bench.output, site.mask) {
        Ok(outputs) => outcome.outputs = outputs,
        Err(problem) => {
            outcome.result = AttemptResult::Failed;
            outcome.reason = Some(problem);
            return Ok(());
        }
    }
    for rule in &work.artifacts {
        // Beside the workspace, where no artifact rule can reach.
        let scratch = site.slot.empty_folder("packed")?;
        match artifact::keep(&**site.port, wanted, rule, &bench.workspace, &scratch) {
            Ok(kept) => outcome.artifacts.push(kept),
            Err(KeepError::Missing(reason)) => {
                outcome.result = AttemptResult::Failed;
                outcome.reason = Some(reason);
                return Ok(());
            }
            Err(KeepError::Late) => {
                outcome.result = AttemptResult::TimedOut;
                outcome.reason = Some(format!("artifact '{}' was still being kept after {}", rule.name, work.timeout));
                return Ok(());
            }
            Err(KeepError::Failure(failure)) => return Err(failure),
        }
        site.slot.empty_folder("packed")?;
    }
    Ok(())
}

/// `name=value` lines, masked; a later line wins. A line of another form is the job's mistake.
fn outputs(path: &Path, mask: Mask<'_>) -> Result<BTreeMap<String, String>, String> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    let Some(file) = is_file.then(|| File::open(path).ok()).flatten() else { return Ok(BTreeMap::new()) };
    let mut text = String::new();
    let read = file.take(OUTPUT_BYTES_MAX + 1).read_to_string(&mut text);
    match read {
        Err(error) => return Err(format!("the file of outputs cannot be read: {error}")),
        Ok(size) if size as u64 > OUTPUT_BYTES_MAX => {
            return Err(format!("the file of outputs is larger than {} KiB", OUTPUT_BYTES_MAX >> 10));
        }
        Ok(_) => {}
    }
    let mut outputs = BTreeMap::new();
    for line in mask.text(&text).lines().filter(|line| !line.trim().is_empty()) {
        let is_name = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        match line.split_once('=').map(|(name, value)| (name.trim(), value)).filter(|(name, _)| is_name(name)) {
            Some((name, value)) => outputs.insert(name.to_owned(), value.to_owned()),
            None => return Err(format!("an output line is not name=value: '{}'", line.chars().take(80).collect::<String>())),
        };
    }
    Ok(outputs)
}
