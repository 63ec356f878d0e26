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
use crate::mask::Mask;
use crate::process_tree::{Marker, boot_id, leads_its_group, marked, pid_of, start_time};
use crate::sandbox::Sandbox;
use crate::slot::{Site, stop_reason};
use crate::step::{End, Leftovers, Output, Step};
use crate::trash::discard;
use crate::variables::shown;
use nix::sys::signal::{Signal, killpg};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use trunkline_api::runner::{LOG_BYTES_MAX, PartWork};
use trunkline_domain::deployment::{ApplyOutcome, Health, Live, Observed};
use trunkline_domain::foundation::{Digest, Millis, shortened};
use trunkline_domain::pipeline::RunPart;

/// How long a target may take to become healthy after an apply; `health` is asked each second.
const HEALTHY_WITHIN: Duration = Duration::from_secs(30);
/// Output of `observe` that is read.
const OBSERVED_BYTES_MAX: u64 = 64 << 10;
/// Bytes kept of what a target calls itself.
const NAMED_BYTES_MAX: usize = 200;

/// Bytes that what an apply left running may print until they are thrown away. Nobody reads them.
const LEFT_BYTES_MAX: u64 = 16 << 20;
/// A file of what a script prints.
const PRINTED: &str = "printed";
/// A part's note of a running apply.
const RUNNING: &str = "running.json";

/// Asks the part's `observe` and `health`.
pub fn observe(site: &mut Site<'_>, work: &PartWork, part: &RunPart, log: &mut Log) -> Result<Observed, Failure> {
    let Some(text) = &part.observe else {
        let live = Live::Unknown("the part has no observe".to_owned());
        return Ok(Observed { live, fence: None, health: Health::Unknown, source: "no observe script".to_owned() });
    };
    await_earlier(site, work)?;
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
        live: named_release(site, live(&text, site.mask)),
        fence: value(&text, "fence").and_then(|fence| fence.parse().ok()),
        health,
        source: "observe script".to_owned(),
    })
}

/// A script may name a release by its version: the one of this deployment is known by it.
fn named_release(site: &Site<'_>, live: Live) -> Live {
    match (live, &site.subject.version, site.subject.release) {
        (Live::Named(name), Some(version), Some((_, manifest))) if name == *version => Live::Release(manifest),
        (live, ..) => live,
    }
}

fn live(text: &str, mask: Mask<'_>) -> Live {
    match value(text, "release") {
        None => Live::Unknown("observe printed no line release=…".to_owned()),
        Some("" | "none" | "nothing") => Live::Nothing,
        Some(named) => match named.parse::<Digest>() {
            Ok(digest) => Live::Release(digest),
            Err(_) => Live::Named(shortened(&mask.text(named), NAMED_BYTES_MAX)),
        },
    }
}

/// The value of the last `name=value` line.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix('=').map(str::trim))
}

/// What an apply is to do, its release fetched.
pub struct Script {
    name: &'static str,
    text: String,
    stage: Stage,
}

/// Fetches what `apply` needs, or `rollback` where an earlier release comes back and the part has one. Beside what lies
/// in place, so that nothing of it is changed.
pub fn prepare(site: &mut Site<'_>, work: &PartWork, part: &RunPart, log: &mut Log) -> Result<Script, Failure> {
    let folder = part_folder(site, work)?;
    let stage = Stage::set(site, work, Place::Part(folder))?;
    let (name, text) = match &part.rollback {
        Some(text) if work.rollback => ("rollback", text),
        _ => ("apply", &part.apply),
    };
    log.open_step(name).doing("keep the log")?;
    Ok(Script { name, text: text.clone(), stage })
}

/// Runs the script, then waits for `health`.
pub fn apply(site: &mut Site<'_>, part: &RunPart, script: &Script, log: &mut Log) -> Result<ApplyOutcome, Failure> {
    let Script { name, text, stage } = script;
    if let Some(next) = &stage.next {
        next.put(&stage.content, &stage.configuration).doing("put the release's folder in place")?;
    }
    match stage.script(site, part, text, log)? {
        End::Exited(0) => {}
        end @ End::Exited(_) => return Ok(ApplyOutcome::Failed(sentence(name, end, part.timeout) + &log.said())),
        // It was ended half-way: only the target knows how far it came.
        end => return Ok(ApplyOutcome::Unknown(sentence(name, end, part.timeout))),
    }
    match &part.health {
        Some(text) => healthy(site, stage, part, text, log),
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
                let health = sentence("health", end, part.timeout);
                return Ok(ApplyOutcome::Failed(format!("applied, but not healthy: {health}{}", log.said())));
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
        End::Flooded(_) => format!("{script} printed more than {} MiB and was ended", LOG_BYTES_MAX >> 20),
    }
}

/// Where a script's folder is: with the slot, or, to outlive the runner, with the part.
enum Place {
    Slot,
    Part(PathBuf),
}

/// A release's folder on its way to where scripts find it. What did not get there is thrown away.
struct Next {
    path: PathBuf,
    trash: PathBuf,
}

/// How the names of such folders begin. The rest is the attempt's own: another attempt must never write into it.
const NEXT: &str = "next-";

impl Next {
    fn of(site: &Site<'_>, folder: &Path) -> io::Result<Self> {
        // What killed runners left.
        for entry in fs::read_dir(folder)?.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(NEXT)) {
            discard(&entry.path(), &site.slot.trash)?;
        }
        let next = Self { path: folder.join(format!("{NEXT}{}", site.marker.value())), trash: site.slot.trash.clone() };
        fs::create_dir_all(next.content())?;
        Ok(next)
    }

    fn content(&self) -> PathBuf {
        self.path.join("content")
    }

    fn configuration(&self) -> PathBuf {
        self.path.join("configuration")
    }

    /// Puts it where the scripts find it.
    fn put(&self, content: &Path, configuration: &Path) -> io::Result<()> {
        discard(content, &self.trash)?;
        fs::rename(self.content(), content)?;
        fs::rename(self.configuration(), configuration)
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        let _ = discard(&self.path, &self.trash);
    }
}

/// A fresh folder of the release with its environment.
struct Stage {
    content: PathBuf,
    configuration: PathBuf,
    /// Where both are until the first effect is allowed; none for scripts that change nothing.
    next: Option<Next>,
    output: PathBuf,
    /// Where a running apply is noted; none for scripts that change nothing.
    note: Option<PathBuf>,
    env: BTreeMap<String, String>,
}

impl Stage {
    fn set(site: &mut Site<'_>, work: &PartWork, place: Place) -> Result<Self, Failure> {
        let slot = &site.slot;
        let (content, configuration, output, next, note) = match place {
            Place::Slot => (slot.empty_folder("content")?, slot.absent_file("configuration")?, slot.absent_file(PRINTED)?, None, None),
            Place::Part(folder) => {
                let next = Next::of(site, &folder).doing("make a fresh folder")?;
                let place = |name: &str| folder.join(name);
                (place("content"), place("configuration"), place(PRINTED), Some(next), Some(place(RUNNING)))
            }
        };
        let (into, beside) = next.as_ref().map_or((content.clone(), configuration.clone()), |next| (next.content(), next.configuration()));
        artifact::place_contents(&**site.port, site.hold, &work.contents, &into, &beside)?;
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
        Ok(Self { content, configuration, next, output, note, env })
    }

    fn script(&self, site: &Site<'_>, part: &RunPart, text: &str, log: &mut Log) -> Result<End, Failure> {
        let step = Step {
            invocation: Invocation { text, folder: &self.content, env: &self.env, sandbox: &Sandbox::HOST, group: None },
            marker: &site.marker,
            output: Output::File { path: &self.output, bytes_max: LOG_BYTES_MAX },
            leftovers: Leftovers::Keep,
            deadline: Instant::now() + part.timeout.duration(),
            grace: site.grace,
        };
        // Before and after: an apply that starts in the moment of the runner's death is found by its mark.
        self.note_start(&site.marker, None, part.timeout).doing("note the apply")?;
        let ran = step.run(site.hold, log, |pid| drop(self.note_start(&site.marker, Some(pid), part.timeout)));
        if let Some(note) = &self.note {
            let _ = fs::remove_file(note);
            // All of it is in the log. What the script started goes on from the beginning, as it appends.
            let _ = OpenOptions::new().write(true).truncate(true).open(&self.output);
        }
        Ok(ran?.end)
    }

    fn note_start(&self, marker: &Marker, pid: Option<u32>, timeout: Millis) -> io::Result<()> {
        let Some(note) = &self.note else { return Ok(()) };
        let leader = pid.and_then(|pid| Some((pid, start_time(pid)?)));
        let until_ms = boottime_ms().saturating_add(timeout.0);
        let earlier = Earlier { boot: boot_id(), marker: marker.value().to_owned(), leader, until_ms };
        let fresh = note.with_extension("new");
        fs::write(&fresh, serde_json::to_vec(&earlier).map_err(io::Error::other)?)?;
        fs::rename(fresh, note)
    }
}

/// An apply that a killed runner left running.
#[derive(Serialize, Deserialize)]
struct Earlier {
    boot: String,
    marker: String,
    /// The leader's process id and start time, once known.
    leader: Option<(u32, u64)>,
    until_ms: u64,
}

impl Earlier {
    /// The one that is noted in a part's folder.
    fn noted(folder: &Path) -> Option<Self> {
        fs::read(folder.join(RUNNING)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
    }

    /// The leader, if it lives. Where its id was never noted, it is the one with the mark that leads its own group.
    fn living(&self) -> Option<u32> {
        if self.boot != boot_id() {
            return None;
        }
        match self.leader {
            Some((pid, start)) => (start_time(pid) == Some(start)).then_some(pid),
            None => marked(&Marker::recorded(&self.marker)?).into_iter().find(|pid| leads_its_group(*pid)),
        }
    }
}

/// What became of an apply that an earlier runner left running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// There was none, or it has ended by itself, or its time was over.
    Over,
    /// Somebody wanted it to end, and it was ended: only the target knows how far it came.
    CutOff,
}

/// Waits for an apply that an earlier runner left running; ends it when its time is over, or when it is not wanted any more.
pub fn await_earlier(site: &Site<'_>, work: &PartWork) -> Result<Past, Failure> {
    let folder = part_folder(site, work)?;
    let Some(earlier) = Earlier::noted(&folder) else { return Ok(Past::Over) };
    let mut past = Past::Over;
    while let Some(leader) = earlier.living() {
        trim(&folder.join(PRINTED), LOG_BYTES_MAX);
        if boottime_ms() >= earlier.until_ms {
            // Its leader lives, so the group's number is its own.
            let _ = killpg(pid_of(leader), Signal::SIGKILL);
        }
        match site.hold.standing() {
            Standing::Held => std::thread::sleep(Duration::from_millis(50)),
            // Somebody wants it to end, and nobody else could: it must not change the target when all believe it over.
            Standing::Cancelled => {
                end_earlier(&earlier, leader, site.grace);
                past = Past::CutOff;
            }
            standing => return Err(Failure(format!("an earlier apply is still running, and {}", stop_reason(standing)))),
        }
    }
    match fs::remove_file(folder.join(RUNNING)) {
        // It ended just now, with its own runner to clean up.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(past),
        other => other.doing("remove the note of an earlier apply").map(|()| past),
    }
}

/// Throws away what services that applies left running have printed meanwhile: they hold the file of their apply.
/// A running apply's is followed, and has its own limit.
pub fn trim_left(runner_folder: &Path) {
    let inside = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    // deploy/<project>/<environment>/<part>
    for part in inside(runner_folder.join("deploy")).flat_map(inside).flat_map(inside) {
        if Earlier::noted(&part).and_then(|earlier| earlier.living()).is_none() {
            trim(&part.join(PRINTED), LEFT_BYTES_MAX);
        }
    }
}

/// Empties a file that is larger than this.
fn trim(file: &Path, bytes_max: u64) {
    if fs::symlink_metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.len() > bytes_max) {
        let _ = OpenOptions::new().write(true).truncate(true).open(file);
    }
}

/// TERM to the group, time to finish, KILL.
fn end_earlier(earlier: &Earlier, leader: u32, grace: Duration) {
    let _ = killpg(pid_of(leader), Signal::SIGTERM);
    let deadline = Instant::now() + grace;
    while earlier.living() == Some(leader) {
        if Instant::now() >= deadline {
            let _ = killpg(pid_of(leader), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Where a part's applies run.
fn part_folder(site: &Site<'_>, work: &PartWork) -> Result<PathBuf, Failure> {
    let folder = super::part_path(site, work, "deploy")?;
    fs::create_dir_all(&folder).doing(format!("make {}", folder.display()))?;
    Ok(folder)
}
