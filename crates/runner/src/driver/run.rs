//! Kind `run`: the user's own scripts.
//!
//! Scripts append to a file that is followed into the log: when the runner is killed, an apply goes on instead of
//! dying half-way of a broken pipe. The next observe or apply of the part waits for such an apply to end (its time
//! limit holds) and then sees one state, not two writers. What a successful apply leaves running stays running.

use crate::artifact;
use crate::command::Invocation;
use crate::failure::{Failure, While};
use crate::lease::{Standing, boottime_ms};
use crate::log::Log;
use crate::process_tree::{boot_id, pid_of, start_time};
use crate::slot::{Site, stop_reason};
use crate::step::{End, Leftovers, Output, Step};
use crate::variables::shown;
use crate::workspace::discard;
use nix::sys::signal::{Signal, killpg};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use trunkline_api::runner::PartWork;
use trunkline_domain::deployment::{ApplyOutcome, Health, Live, Observed};
use trunkline_domain::foundation::{Digest, Millis};
use trunkline_domain::pipeline::RunPart;

/// How long a target may take to become healthy after an apply; `health` is asked each second.
const HEALTHY_WITHIN: Duration = Duration::from_secs(30);
/// Output of `observe` that is read.
const OBSERVED_BYTES_MAX: u64 = 64 << 10;
/// Bytes kept of what a target calls itself.
const NAMED_BYTES_MAX: usize = 200;

/// Asks the part's `observe` and `health`.
pub fn observe(site: &mut Site<'_>, work: &PartWork, part: &RunPart, log: &mut Log) -> Result<Observed, Failure> {
    let Some(text) = &part.observe else {
        let live = Live::Unknown("the part has no observe".to_owned());
        return Ok(Observed { live, fence: None, health: Health::Unknown, source: "no observe script".to_owned() });
    };
    await_earlier(site, &part_folder(site, work)?)?;
    let stage = Stage::set(site, work, Place::Slot)?;
    let output = stage.output.clone();
    let end = stage.script(site, part, text, log)?;
    if end != End::Exited(0) {
        return Err(Failure(sentence("observe", end, part.timeout)));
    }
    let mut bytes = Vec::new();
    File::open(&output).and_then(|file| file.take(OBSERVED_BYTES_MAX).read_to_end(&mut bytes)).doing("read what observe printed")?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let health = match &part.health {
        None => Health::Unknown,
        Some(text) if stage.script(site, part, text, log)? == End::Exited(0) => Health::Healthy,
        Some(_) => Health::Degraded,
    };
    Ok(Observed {
        live: live(&text),
        fence: value(&text, "fence").and_then(|fence| fence.parse().ok()),
        health,
        source: "observe script".to_owned(),
    })
}

fn live(text: &str) -> Live {
    match value(text, "release") {
        None => Live::Unknown("observe printed no line release=…".to_owned()),
        Some("" | "none" | "nothing") => Live::Nothing,
        Some(named) => match named.parse::<Digest>() {
            Ok(digest) => Live::Release(digest),
            Err(_) => Live::Named(named[..named.floor_char_boundary(NAMED_BYTES_MAX.min(named.len()))].to_owned()),
        },
    }
}

/// The value of the last `name=value` line.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix('=').map(str::trim))
}

/// Runs `apply`, or `rollback` where an earlier release comes back and the part has one, then waits for `health`.
pub fn apply(site: &mut Site<'_>, work: &PartWork, part: &RunPart, log: &mut Log) -> Result<ApplyOutcome, Failure> {
    let nothing = |failure: Failure| Failure(format!("nothing was started: {failure}"));
    let folder = part_folder(site, work).map_err(nothing)?;
    await_earlier(site, &folder).map_err(nothing)?;
    let stage = Stage::set(site, work, Place::Part(folder)).map_err(nothing)?;
    let (name, text) = match &part.rollback {
        Some(text) if work.rollback => ("rollback", text),
        _ => ("apply", &part.apply),
    };
    log.open_step(name).doing("keep the log").map_err(nothing)?;
    match stage.script(site, part, text, log)? {
        End::Exited(0) => {}
        end @ End::Exited(_) => return Ok(ApplyOutcome::Failed(sentence(name, end, part.timeout))),
        // It was ended half-way: only the target knows how far it came.
        end => return Ok(ApplyOutcome::Unknown(sentence(name, end, part.timeout))),
    }
    match &part.health {
        Some(text) => healthy(site, &stage, part, text, log),
        None => Ok(ApplyOutcome::Applied),
    }
}

fn healthy(site: &mut Site<'_>, stage: &Stage, part: &RunPart, text: &str, log: &mut Log) -> Result<ApplyOutcome, Failure> {
    let deadline = Instant::now() + HEALTHY_WITHIN.min(part.timeout.duration());
    log.open_step("health").doing("keep the log")?;
    loop {
        let end = stage.script(site, part, text, log)?;
        match end {
            End::Exited(0) => return Ok(ApplyOutcome::Applied),
            End::Stopped(..) => return Ok(ApplyOutcome::Unknown(sentence("health", end, part.timeout))),
            _ if Instant::now() + Duration::from_secs(1) >= deadline => {
                return Ok(ApplyOutcome::Failed(format!("applied, but not healthy: {}", sentence("health", end, part.timeout))));
            }
            _ => std::thread::sleep(Duration::from_secs(1)),
        }
    }
}

fn sentence(script: &str, end: End, timeout: Millis) -> String {
    match end {
        End::Exited(code) => format!("{script} exited with {code}"),
        End::TimedOut(_) => format!("{script} was still running after {timeout} and was ended"),
        End::Stopped(_, standing) => format!("{script} was ended because {}", stop_reason(standing)),
    }
}

/// Where a script's folder is: with the slot, or, to outlive the runner, with the part.
enum Place {
    Slot,
    Part(PathBuf),
}

/// A fresh folder of the release with its environment.
struct Stage {
    content: PathBuf,
    output: PathBuf,
    /// Where a running apply is noted; none for scripts that change nothing.
    note: Option<PathBuf>,
    env: BTreeMap<String, String>,
}

impl Stage {
    fn set(site: &mut Site<'_>, work: &PartWork, place: Place) -> Result<Self, Failure> {
        let (content, configuration, output, note) = match place {
            Place::Slot => {
                (site.slot.empty_folder("content")?, site.slot.absent_file("configuration")?, site.slot.absent_file("printed")?, None)
            }
            Place::Part(folder) => {
                let content = folder.join("content");
                discard(&content, &site.slot.trash).and_then(|()| fs::create_dir_all(&content)).doing("make a fresh folder")?;
                (content, folder.join("configuration"), folder.join("printed"), Some(folder.join("running.json")))
            }
        };
        artifact::place_contents(&**site.port, site.hold, &work.contents, &content, &configuration)?;
        let mut env = site.base_env()?;
        if let Some(folder) = note.as_ref().and_then(|note| note.parent()) {
            // The slot's own folders may be given to other work while an orphaned apply still runs.
            for (variable, name) in [("HOME", "home"), ("TMPDIR", "tmp")] {
                let path = folder.join(name);
                fs::create_dir_all(&path).doing(format!("make {}", path.display()))?;
                env.insert(variable.to_owned(), shown(&path));
            }
        }
        env.insert("TRUNKLINE_CONFIG".to_owned(), shown(&configuration));
        env.insert("TRUNKLINE_PART".to_owned(), work.part.name.clone());
        env.extend(work.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(Self { content, output, note, env })
    }

    fn script(&self, site: &Site<'_>, part: &RunPart, text: &str, log: &mut Log) -> Result<End, Failure> {
        let step = Step {
            invocation: Invocation { text, folder: &self.content, env: &self.env },
            marker: &site.marker,
            output: Output::File(&self.output),
            leftovers: Leftovers::Keep,
            deadline: Instant::now() + part.timeout.duration(),
            grace: site.grace,
        };
        let end = step.run(site.hold, log, |pid| self.note_start(pid, part.timeout));
        if let Some(note) = &self.note {
            let _ = fs::remove_file(note);
        }
        end
    }

    fn note_start(&self, pid: u32, timeout: Millis) {
        let (Some(note), Some(start)) = (&self.note, start_time(pid)) else { return };
        let earlier = Earlier { boot: boot_id(), pid, start, until_ms: boottime_ms().saturating_add(timeout.0) };
        // Written in one go and read only after this runner's death; without it the next apply would merely not wait.
        let _ = serde_json::to_vec(&earlier).map(|bytes| fs::write(note, bytes));
    }
}

/// An apply that a killed runner left running.
#[derive(Serialize, Deserialize)]
struct Earlier {
    boot: String,
    pid: u32,
    start: u64,
    until_ms: u64,
}

/// Waits for an apply that an earlier runner left running; ends it when its time is over.
fn await_earlier(site: &Site<'_>, folder: &Path) -> Result<(), Failure> {
    let note = folder.join("running.json");
    let Some(earlier) = fs::read(&note).ok().and_then(|bytes| serde_json::from_slice::<Earlier>(&bytes).ok()) else { return Ok(()) };
    let lives = || earlier.boot == boot_id() && start_time(earlier.pid) == Some(earlier.start);
    while lives() {
        if boottime_ms() >= earlier.until_ms {
            // Its leader lives, so the group's number is its own.
            let _ = killpg(pid_of(earlier.pid), Signal::SIGKILL);
        }
        if site.hold.standing() != Standing::Held {
            return Err(Failure(format!("an earlier apply is still running, and {}", stop_reason(site.hold.standing()))));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    match fs::remove_file(&note) {
        // It ended just now, with its own runner to clean up.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.doing("remove the note of an earlier apply"),
    }
}

/// Where a part's applies run.
fn part_folder(site: &Site<'_>, work: &PartWork) -> Result<PathBuf, Failure> {
    let folder = super::part_path(site, work, "deploy")?;
    fs::create_dir_all(&folder).doing(format!("make {}", folder.display()))?;
    Ok(folder)
}
