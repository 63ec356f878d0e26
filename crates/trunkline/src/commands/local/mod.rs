//! `trunkline run`: the jobs of the delivery file on the files as they lie here, with the same engine and the same runner
//! as a server, and nothing recorded.

mod port;
mod start;

use super::check;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::git::Repository;
use crate::globals::Globals;
use crate::interrupt;
use crate::render::Screen;
use crate::render::paint::{Mark, Style};
use crate::render::table::align;
use crate::render::text::clean;
use port::{LocalServer, Shelf};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use trunkline_domain::foundation::{RunId, Timestamp};
use trunkline_domain::pipeline::Definition;
use trunkline_domain::run::{JobResult, JobState, Run, RunResult, RunStatus};
use trunkline_engine::Request;
use trunkline_runner::{Config, Runner};

/// The workspace of the only slot.
const WORKSPACE: &str = "slots/1/workspace";
/// How often it is looked whether the run has ended or somebody wants it to.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What to run.
#[derive(clap::Args)]
pub struct Arguments {
    /// Jobs, each with what it needs; all if left out
    jobs: Vec<String>,
    /// Only show what would run, in which order
    #[arg(long)]
    plan: bool,
    /// When all jobs have ended, open a shell in the workspace of the one that failed first; one job at a time
    #[arg(long, conflicts_with = "plan")]
    shell: bool,
    /// An input of on.manual; may be given more than once
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// Jobs at a time [default: the machine's cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    slots: Option<u16>,
}

/// Runs it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let screen = globals.screen();
    let repository = Repository::required()?;
    let definition = definition(&screen)?;
    let definition = start::selected(definition, &arguments.jobs)?;
    if arguments.plan {
        return show_plan(&definition, &screen);
    }
    let inputs = super::start::inputs(&arguments.inputs)?;
    let begun = start::request(&repository, definition, &inputs)?;
    let folder = tempfile::Builder::new().prefix("trunkline-run-").tempdir()?;
    let run = Place { folder: folder.path(), root: repository.root(), screen }.run(begun, arguments);
    // Also what a job took the write permission from.
    trunkline_runner::remove_tree(folder.path())?;
    let run = run?;
    tell(&run, &screen)?;
    Ok(exit(&run))
}

/// Where a run happens.
struct Place<'a> {
    /// Its own folder.
    folder: &'a Path,
    /// The files that the jobs see.
    root: &'a Path,
    screen: Screen,
}

impl Place<'_> {
    fn run(&self, begun: (RunId, Request), arguments: &Arguments) -> anyhow::Result<Run> {
        let own = self.folder.join("runner");
        let shelf = arguments.shell.then(|| Shelf { workspace: own.join(WORKSPACE), folder: self.folder.join("failed") });
        let server = Arc::new(LocalServer::open(&self.folder.join("blobs"), self.root, shelf, self.screen)?);
        let id = server.begin(begun)?;
        // Of several slots nobody could say whose workspace is to be laid aside.
        let slots = if arguments.shell { 1 } else { slots(arguments.slots) };
        let program = std::env::current_exe()?.display().to_string();
        let config = Config::new("local".parse()?, slots, own, vec![program, "supervise".to_owned()]);
        // Behind the same wall as on a server, so that what passes here passes there.
        let launcher = super::serve::launcher()?;
        let config = Config { launcher, renew_every: Duration::from_millis(100), grace: Duration::from_secs(5), ..config };
        let runner = Runner::start(config, server.clone()).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let run = follow(&server, id);
        server.end();
        runner.stop();
        let run = run?;
        if let Some((job, shelf)) = failed(&run).zip(server.shelf()) {
            shell(job, &shelf.place(job), &self.screen)?;
        }
        Ok(run)
    }
}

fn slots(asked: Option<u16>) -> usize {
    asked.map_or_else(|| std::thread::available_parallelism().map_or(2, std::num::NonZero::get), usize::from)
}

/// The delivery file as it lies here; its problems are shown as `check` shows them.
fn definition(screen: &Screen) -> Result<Definition, Failure> {
    let path = check::default_path()?;
    let (name, text) = check::read_file(&path)?;
    let (definition, diagnostics) = trunkline_delivery_file::read(&text);
    if !diagnostics.is_empty() {
        screen.say(&check::painted(&trunkline_delivery_file::render(&name, &text, &diagnostics), screen.err.paint));
    }
    definition.ok_or_else(|| Failure::new(Code::BadDeliveryFile, format!("{name} has errors")).help("trunkline check"))
}

fn show_plan(definition: &Definition, screen: &Screen) -> anyhow::Result<Exit> {
    if screen.json() {
        let jobs = definition.jobs.iter().map(|job| serde_json::json!({ "job": job.key, "needs": job.needs, "steps": job.steps }));
        screen.print_json(&jobs.collect::<Vec<_>>())?;
        return Ok(Exit::Good);
    }
    for job in start::in_order(&definition.jobs) {
        let needs: Vec<&str> = job.needs.iter().map(|need| need.as_str()).collect();
        let after = if needs.is_empty() { String::new() } else { format!("  after {}", needs.join(", ")) };
        let condition = job.condition.as_ref().map(|condition| format!("  if {}", clean(&condition.0))).unwrap_or_default();
        screen.print(&format!("{}{after}{condition}", screen.out.paint.text(Style::Strong, job.key.as_str())))?;
        for step in &job.steps {
            let name = step.name.as_deref().unwrap_or_else(|| step.run.trim().lines().next().unwrap_or_default());
            screen.print(&format!("  {}", clean(name)))?;
        }
    }
    Ok(Exit::Good)
}

/// Waits for the end; Ctrl-C cancels.
fn follow(server: &LocalServer, id: RunId) -> anyhow::Result<Run> {
    let (sender, interrupted) = channel();
    interrupt::listen(sender);
    let mut cancelled = false;
    loop {
        let run = server.run(id)?;
        if matches!(run.status, RunStatus::Ended { .. }) {
            return Ok(run);
        }
        if !cancelled && interrupted.try_recv().is_ok() {
            cancelled = true;
            server.cancel(id)?;
        }
        server.due()?;
        server.rest(Instant::now() + LOOK_EVERY);
    }
}

/// The job that failed first.
fn failed(run: &Run) -> Option<&str> {
    let ends = run.jobs().filter_map(|job| Some((job.state.ended()?, job.skeleton.key.as_str())));
    let failed = ends.filter(|(ended, _)| ended.result == JobResult::Failed);
    failed.min_by_key(|(ended, _)| ended.at).map(|(_, job)| job)
}

fn shell(job: &str, workspace: &Path, screen: &Screen) -> anyhow::Result<()> {
    let program = std::env::var_os("SHELL").unwrap_or_else(|| "sh".into());
    screen.note(&format!("a shell in the workspace of {job}, which failed; it is gone when you leave: {}", workspace.display()));
    // Ctrl-C in the shell must not end this program before it has removed its folder.
    let (sender, _interrupted) = channel();
    interrupt::listen(sender);
    let status = Command::new(program).current_dir(workspace).env("TRUNKLINE_WORKSPACE", workspace).status();
    status.map(drop).map_err(|error| Failure::new(Code::Unexpected, "the shell cannot be started").why(error).into())
}

/// What became of each job.
fn tell(run: &Run, screen: &Screen) -> anyhow::Result<()> {
    if screen.json() {
        let jobs = run.jobs().map(|job| serde_json::json!({ "job": job.skeleton.key, "end": job.state.ended() }));
        let result = match &run.status {
            RunStatus::Ended { result, .. } => Some(result),
            RunStatus::Running | RunStatus::Cancelling => None,
        };
        return screen.print_json(&serde_json::json!({ "result": result, "jobs": jobs.collect::<Vec<_>>() }));
    }
    let paint = screen.err.paint;
    let rows = run.jobs().map(|job| {
        let (mark, word) = word(job.state);
        let took = job.state.ended().and_then(|ended| Some(ended.at.since(ended.began?).to_string())).unwrap_or_default();
        let ended = job.state.ended();
        let mut facts: Vec<String> = ended.and_then(|ended| ended.reason.as_deref()).map(clean).into_iter().collect();
        facts.extend(ended.and_then(|ended| ended.tests.as_ref()).map(crate::render::words::tests));
        vec![paint.mark(mark, job.skeleton.key.as_str()), word.to_owned(), took, facts.join("; ")]
    });
    screen.note(&align(&rows.collect::<Vec<_>>(), screen.err.columns));
    for failure in run.tests().into_iter().flat_map(|tests| tests.failures).take(10) {
        let place = failure.file.map(|file| format!(" {}:{}", file, failure.line.unwrap_or(0))).unwrap_or_default();
        screen.note(&paint.mark(Mark::Failed, &clean(&format!("{}{place}", failure.name))));
    }
    Ok(())
}

fn word(state: &JobState) -> (Mark, &'static str) {
    match state.ended().map(|ended| ended.result) {
        Some(JobResult::Passed) => (Mark::Passed, "passed"),
        Some(JobResult::Failed) => (Mark::Failed, "failed"),
        Some(JobResult::Skipped(_)) => (Mark::Skipped, "skipped"),
        Some(JobResult::Cancelled) => (Mark::Cancelled, "cancelled"),
        Some(JobResult::Lost) => (Mark::Failed, "lost"),
        None => (Mark::Ahead, "not run"),
    }
}

fn exit(run: &Run) -> Exit {
    match run.status {
        RunStatus::Ended { result: RunResult::Passed, .. } => Exit::Good,
        RunStatus::Ended { result: RunResult::Cancelled, .. } => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

/// The wall clock.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
