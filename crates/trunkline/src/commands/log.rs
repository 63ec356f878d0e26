//! `trunkline log`: the logs of a run's jobs, of a deployment's parts and checks, or of what runs in an environment.

mod asking;
mod escape;
mod service;

pub use escape::Filter;

use super::which::{self, Work};
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::{Globals, Remote};
use crate::reference;
use crate::render::paint::{Mark, Style};
use crate::render::words;
use asking::Asking;
use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;
use trunkline_api::request::Position;
use trunkline_api::view::{DeploymentStatus, DeploymentView, JobStatus, JobView, RunView};
use trunkline_domain::deployment::DeploymentResult;
use trunkline_domain::foundation::ProjectKey;
use trunkline_domain::run::{JobResult, RunResult};

/// How often an open log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(400);
const CHUNK_BYTES: usize = 64 << 10;

/// Which logs.
#[derive(clap::Args)]
pub struct Arguments {
    /// A run, a commit, pr-N, deployment/N, or environment/NAME for what its services print; the run of the commit that is checked out if left out
    run: Option<String>,
    /// A job of the run, or a part of the environment; all if left out
    job: Option<String>,
    /// Go on until the work has ended; with environment/NAME until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only what failed
    #[arg(long)]
    failed: bool,
}

/// One log.
struct Piece {
    title: String,
    mark: Mark,
    word: &'static str,
    work: String,
    /// Why it ended so, which the log itself need not say: a step that printed nothing failed for a reason too.
    reason: Option<String>,
}

/// Prints them.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    if let Some(environment) = arguments.run.as_deref().and_then(reference::environment_of) {
        let Arguments { job, follow, failed, .. } = arguments;
        return service::run(&service::Wanted { environment, part: job.as_deref(), follow: *follow, failed: *failed }, globals);
    }
    let remote = globals.connect()?;
    let project = remote.project_of(arguments.run.as_deref())?;
    let run = match which::work(&remote, &project, arguments.run.as_deref())? {
        Work::Deployment(number) => return deployment(&remote, &project, &which::deployment(&remote, &project, number)?, arguments),
        Work::Run(run) => run,
    };
    if run.result == Some(RunResult::Refused) && arguments.job.is_none() {
        return Ok(refused(&remote, &run));
    }
    let jobs = chosen(&run, arguments)?;
    if jobs.is_empty() && arguments.failed {
        return failed_deployments(&remote, &project, &run, arguments);
    }
    if jobs.is_empty() {
        remote.screen.note(&format!("run {} has no log", run.number));
        return Ok(Exit::Good);
    }
    let titled = jobs.len() > 1;
    let mut asking = Asking::new(&remote, arguments.follow);
    let mut exit = Exit::Good;
    for key in jobs {
        let Some(job) = begun(&mut asking, &project, run.number, &key)? else { continue };
        let (mark, word) = words::job(&job);
        let reason = job.reason.filter(|_| mark == Mark::Failed);
        print(&mut asking, &project, &Piece { title: key, mark, word, work: job.work, reason }, titled)?;
    }
    if arguments.follow && asking.ask(|_| which::run_numbered(&remote, &project, run.number))?.jobs.iter().any(is_red) {
        exit = Exit::Failed;
    }
    Ok(exit)
}

/// A refused run has no job and no log: why it was refused is all there is.
fn refused(remote: &Remote, run: &RunView) -> Exit {
    let words = crate::follow::refused(run);
    remote.screen.note(&remote.screen.err.paint.mark(Mark::Failed, &words[0]));
    for words in &words[1..] {
        remote.screen.note(words);
    }
    Exit::Good
}

/// The jobs that are wanted, by name.
fn chosen(run: &RunView, arguments: &Arguments) -> Result<Vec<String>, Failure> {
    if let Some(name) = &arguments.job {
        let found = run.jobs.iter().find(|job| job.key.as_str() == name.as_str());
        let names: Vec<&str> = run.jobs.iter().map(|job| job.key.as_str()).collect();
        return found.map(|job| vec![job.key.to_string()]).ok_or_else(|| {
            Failure::new(Code::NoSuchJob, format!("run {} has no job '{name}'", run.number)).why(format!("it has {}", names.join(", ")))
        });
    }
    Ok(run.jobs.iter().filter(|job| !arguments.failed || is_red(job)).map(|job| job.key.to_string()).collect())
}

fn is_red(job: &JobView) -> bool {
    matches!(job.status, JobStatus::Ended(JobResult::Failed | JobResult::Lost))
}

/// The job once it has begun. None where it has not, or never will.
fn begun(asking: &mut Asking<'_>, project: &ProjectKey, run: u32, key: &str) -> Result<Option<JobView>, Failure> {
    let remote = asking.remote;
    loop {
        let position: Position = asking.ask(|client| client.get("ledger/head"))?;
        let view = asking.ask(|_| which::run_numbered(remote, project, run))?;
        let Some(job) = view.jobs.into_iter().find(|job| job.key.as_str() == key) else { return Ok(None) };
        let waits = matches!(job.status, JobStatus::Blocked | JobStatus::Queued);
        if !waits {
            return Ok(Some(job).filter(|job| job.began.is_some()));
        }
        if !asking.follow {
            remote.screen.note(&format!(
                "{key} has not begun: {}",
                job.reason.as_deref().map_or_else(|| words::job(&job).1.to_owned(), crate::render::text::clean)
            ));
            return Ok(None);
        }
        asking.ask(|client| client.wait(position.seq))?;
    }
}

/// Where no job failed, a check or a part of one of its deployments may have.
fn failed_deployments(remote: &Remote, project: &ProjectKey, run: &RunView, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut failed = which::deployments(remote, project, run)?;
    failed.retain(|view| matches!(view.status, DeploymentStatus::Ended(DeploymentResult::Failed(_))));
    if failed.is_empty() {
        remote.screen.note(&format!("no job of run {} failed, and no deployment of its release", run.number));
    }
    for view in &failed {
        remote.screen.note(&format!("deployment/{} to {}", view.number, view.environment));
        deployment(remote, project, view, arguments)?;
    }
    Ok(Exit::Good)
}

fn deployment(remote: &Remote, project: &ProjectKey, view: &DeploymentView, arguments: &Arguments) -> anyhow::Result<Exit> {
    let parts = view.parts.iter().map(|part| {
        let (mark, word) = words::part(part, view.status);
        Piece { title: format!("part {}", part.name), mark, word, work: part.work.clone(), reason: None }
    });
    let checks = view.checks.iter().map(|check| {
        let (mark, word) = words::check(check, view.status);
        Piece { title: format!("check {}", check.name), mark, word, work: check.work.clone(), reason: None }
    });
    for piece in parts.chain(checks).filter(|piece| !arguments.failed || piece.mark != Mark::Passed) {
        print(&mut Asking::new(remote, false), project, &piece, true)?;
    }
    if let DeploymentStatus::Ended(result) = view.status {
        let (mark, word) = words::ended(result);
        conclude(remote, mark, &format!("deployment {} {word}", view.number), view.reason.as_deref());
    }
    Ok(Exit::Good)
}

/// Says under a log why its work ended so. On standard error, so that standard output holds the logs alone.
fn conclude(remote: &Remote, mark: Mark, what: &str, reason: Option<&str>) {
    let screen = remote.screen;
    if let Some(reason) = reason.filter(|_| !screen.json()) {
        screen.note(&screen.err.paint.mark(mark, &format!("{what}: {}", crate::render::text::clean(reason))));
    }
}

/// Prints one log, to its end where it is followed.
fn print(asking: &mut Asking<'_>, project: &ProjectKey, piece: &Piece, titled: bool) -> anyhow::Result<()> {
    let (remote, screen) = (asking.remote, asking.remote.screen);
    let title = format!("{} {}", crate::render::text::clean(&piece.title), piece.word);
    let mut filter = Filter::new(screen.out.paint.colour);
    let (mut from, mut headed) = (0, !titled || screen.json());
    let open = loop {
        let part = match asking.ask(|client| client.log(project, &piece.work, from)) {
            Ok(part) => part,
            // A part that was never reached has no log.
            Err(failure) if failure.exit == Exit::NotFound && titled => return Ok(()),
            Err(failure) => return Err(failure.into()),
        };
        let mut bytes = BufReader::new(part.bytes);
        let ends = match bytes.fill_buf() {
            Ok(first) => first.is_empty(),
            Err(error) => {
                asking.broken(&error)?;
                continue;
            }
        };
        // What was never reached printed nothing, and its heading would promise a log.
        let unreached = ends && matches!(piece.mark, Mark::Ahead | Mark::Skipped);
        if !headed && !unreached {
            screen.note(&format!("{} {}", screen.err.paint.text(Style::Muted, "==>"), screen.err.paint.mark(piece.mark, &title)));
            headed = true;
        }
        let copied = if screen.json() { json(bytes, piece, &screen)? } else { copy(bytes, &mut filter)? };
        from += copied.bytes;
        if let Some(error) = copied.broken {
            asking.broken(&error)?;
            continue;
        }
        // One answer holds a part of a long log: only an empty one is its end for now.
        if !ends {
            continue;
        }
        if !part.open || !asking.follow {
            break part.open;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    if from == 0 && headed && !screen.json() {
        screen.note(&format!("    {}", screen.err.paint.text(Style::Muted, if open { "printed nothing yet" } else { "printed nothing" })));
    }
    conclude(remote, piece.mark, &title, piece.reason.as_deref());
    Ok(())
}

/// What was printed of a log, and why no more could be read of it.
struct Copied {
    bytes: u64,
    broken: Option<std::io::Error>,
}

fn copy(mut bytes: impl Read, filter: &mut Filter) -> anyhow::Result<Copied> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut total = 0;
    let mut out = std::io::stdout().lock();
    loop {
        let (count, broken) = match bytes.read(&mut chunk) {
            Ok(count) => (count, None),
            Err(error) => (0, Some(error)),
        };
        if count == 0 {
            out.flush()?;
            return Ok(Copied { bytes: total, broken });
        }
        total += count as u64;
        out.write_all(&filter.pass(&chunk[..count]))?;
    }
}

/// One line of JSON for each chunk.
fn json(mut bytes: impl Read, piece: &Piece, screen: &crate::render::Screen) -> anyhow::Result<Copied> {
    let mut chunk = Vec::new();
    let broken = bytes.by_ref().take(64 << 20).read_to_end(&mut chunk).err();
    if !chunk.is_empty() {
        screen.print_json_line(&serde_json::json!({ "name": piece.title, "work": piece.work, "text": String::from_utf8_lossy(&chunk) }))?;
    }
    Ok(Copied { bytes: chunk.len() as u64, broken })
}
