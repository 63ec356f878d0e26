//! Kind `process`: instances under a supervisor of their own on this machine.
//!
//! The driver unpacks the release, finds or starts the part's supervisor, and asks it; the supervisor compares fences,
//! owns the socket and switches (`crate::supervisor`). Both kinds of restart, of the runner and of the supervisor, end
//! in the same place: the next call finds the folder, and the supervisor in it or starts one.

use crate::artifact;
use crate::failure::{Failure, While};
use crate::lease::Standing;
use crate::log::Log;
use crate::process_tree::MARKER_VARIABLE;
use crate::slot::Site;
use crate::supervisor::{self, Reply, Request, Spec, Status};
use crate::trash::{discard, remove_tree};
use crate::variables::{self, shown};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use trunkline_api::runner::PartWork;
use trunkline_domain::deployment::{ApplyOutcome, Health, Live, Observed};
use trunkline_domain::pipeline::ProcessPart;

/// What the service printed during an apply, as far as the deployment's log shows it.
const SHOWN_BYTES_MAX: u64 = 16 << 10;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked whether a deployment was cancelled while its supervisor is at work.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Asks the part's supervisor; starts it again where a release was put but no supervisor answers.
pub fn observe(site: &mut Site<'_>, work: &PartWork) -> Result<Observed, Failure> {
    let source = "supervisor status".to_owned();
    let folder = super::part_path(site, work, "process")?;
    if !supervisor::was_used(&folder) {
        return Ok(Observed { live: Live::Nothing, fence: None, health: Health::Unknown, source });
    }
    let recorded = supervisor::recorded(&folder).doing("read the supervisor's status")?;
    if recorded.stopped {
        return Ok(Observed {
            live: Live::Nothing,
            fence: recorded.fence,
            health: Health::Unknown,
            source: "supervisor's last status: stopped".to_owned(),
        });
    }
    let Status { release, fence, healthy, stopped, .. } = match ask(site.supervise, &folder, &Request::Observe, ANSWER_WITHIN)? {
        Reply::Status(status) => *status,
        other => return Err(Failure(format!("the supervisor answered {other:?}"))),
    };
    let (live, health) = match release {
        Some(_) if stopped => (Live::Nothing, Health::Unknown),
        None => (Live::Nothing, Health::Unknown),
        Some(release) => (Live::Release(release), if healthy { Health::Healthy } else { Health::Degraded }),
    };
    Ok(Observed { live, fence, health, source })
}

/// What a supervisor is to be told, its release unpacked.
pub struct Order {
    folder: PathBuf,
    spec: Spec,
    listen: Option<String>,
    within: Duration,
}

/// Unpacks the release, which changes nothing of what runs.
pub fn prepare(site: &mut Site<'_>, work: &PartWork, part: &ProcessPart, log: &mut Log) -> Result<Order, Failure> {
    let folder = super::part_path(site, work, "process")?;
    let spec = spec(site, work, part, &folder)?;
    log.open_step(&format!("switch '{}' to {}", work.part.name, spec.version)).doing("keep the log")?;
    Ok(Order { folder, spec, listen: part.listen.clone(), within: apply_within(part) })
}

/// Has the supervisor switch to the release.
pub fn switch(site: &mut Site<'_>, order: Order, log: &mut Log) -> Result<ApplyOutcome, Failure> {
    let Order { folder, spec, listen, within } = order;
    let (instances, version) = (spec.instances, spec.version.clone());
    let printed = supervisor::service_log(&folder);
    let from = fs::metadata(&printed).map(|metadata| metadata.len()).unwrap_or(0);
    let answer = tell(site, &folder, &Request::Apply(Box::new(spec)), within);
    show(&printed, from, log).doing("keep the log")?;
    match answer? {
        Reply::Applied { again } => {
            let place = listen.map(|address| format!(" on {address}")).unwrap_or_default();
            let how = if again { "already in place" } else { "in place" };
            let line = format!("{version} is {how}: {instances} instance{}{place}\n", if instances == 1 { "" } else { "s" });
            log.write(line.as_bytes()).doing("keep the log")?;
            Ok(ApplyOutcome::Applied)
        }
        Reply::Failed(reason) => {
            let reason = explained(reason, listen.as_deref());
            log.write(format!("{version} is not in place: {reason}\n").as_bytes()).doing("keep the log")?;
            Ok(ApplyOutcome::Failed(reason))
        }
        Reply::Hindered { reason, touched } => {
            log.write(format!("{version} is not in place: {reason}\n").as_bytes()).doing("keep the log")?;
            Ok(ApplyOutcome::Hindered { reason, touched })
        }
        Reply::Stale { held } => Ok(ApplyOutcome::Stale { held }),
        other => {
            let failure = Failure(format!("the supervisor answered {other:?}"));
            log.write(format!("{failure}\n").as_bytes()).doing("keep the log")?;
            Err(failure)
        }
    }
}

/// As [`ask`]. A supervisor may wait for long until a release is ready: it is told where that is not wanted any more.
fn tell(site: &Site<'_>, folder: &Path, apply: &Request, within: Duration) -> Result<Reply, Failure> {
    let (supervise, fence) = (site.supervise, site.subject.fence);
    std::thread::scope(|scope| {
        let (answer, told) = mpsc::channel();
        scope.spawn(move || answer.send(ask(supervise, folder, apply, within)));
        let mut fence = fence;
        loop {
            match told.recv_timeout(LOOK_EVERY) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Disconnected) => return Err(Failure("a defect of the runner ended its question".to_owned())),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(given_up) = fence.take_if(|_| site.hold.standing() == Standing::Cancelled) {
                // A supervisor of an earlier version does not know the word, and goes on.
                let _ = supervisor::call(folder, &Request::GiveUp(given_up), ANSWER_WITHIN);
            }
        }
    })
}

/// The supervisor's reason, with what helps where a service that is given a socket wanted to open one itself.
fn explained(reason: String, listen: Option<&str>) -> String {
    let said = reason.to_ascii_lowercase();
    let taken = said.contains("before it was ready") && (said.contains("in use") || said.contains("eaddrinuse"));
    match listen.filter(|_| taken) {
        Some(address) => format!("{reason}; it is handed the socket of {address} as LISTEN_FDS, and must not open that address itself"),
        None => reason,
    }
}

/// Longer than any apply that the supervisor itself bounds: starts, and the grace of what is replaced.
fn apply_within(part: &ProcessPart) -> Duration {
    part.ready_within.unwrap_or_default().duration() + supervisor::STOP_GRACE * 2 + Duration::from_secs(30)
}

fn ask(supervise: &[String], folder: &Path, request: &Request, within: Duration) -> Result<Reply, Failure> {
    let mut tries_left = 3;
    loop {
        supervisor::ensure(folder, supervise)?;
        let reply = supervisor::call(folder, request, within);
        // One that was just killed may still take a call. A question can be asked again; an order may have been heard.
        let died = matches!(&reply, Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof));
        if !died || !matches!(request, Request::Observe) || tries_left == 0 {
            return reply.doing("ask the supervisor");
        }
        tries_left -= 1;
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the supervisor is asked for, its content in place.
fn spec(site: &mut Site<'_>, work: &PartWork, part: &ProcessPart, folder: &Path) -> Result<Spec, Failure> {
    let missing = |what: &str| Failure(format!("the assignment names no {what}"));
    let (_, release) = site.subject.release.ok_or_else(|| missing("release"))?;
    let fence = site.subject.fence.ok_or_else(|| missing("fence"))?;
    let deployment = site.subject.deployment.ok_or_else(|| missing("deployment"))?;
    let unpacked = unpack(site, work, folder, &format!("{}-{fence}", &release.hex()[..supervisor::RELEASE_NAME_CHARS]))?;
    Ok(Spec {
        release,
        version: site.subject.version.clone().unwrap_or_else(|| release.short()),
        deployment: deployment.to_string(),
        fence,
        run: part.run.clone(),
        listen: part.listen.clone(),
        instances: part.instances.max(1),
        env: service_env(site, work, folder, &unpacked)?,
        content: unpacked.join("content"),
        ready_within: part.ready_within,
        start_within: part.ready_within.unwrap_or_default(),
    })
}

fn service_env(site: &Site<'_>, work: &PartWork, folder: &Path, unpacked: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let (home, temporary) = (folder.join("home"), folder.join("tmp"));
    for path in [&home, &temporary] {
        fs::create_dir_all(path).doing(format!("make {}", path.display()))?;
    }
    let mut env = variables::base(site.subject, &home, &temporary);
    // A service is no job: tools must not behave as in one, and its processes get marks of their own.
    env.remove("CI");
    env.remove(MARKER_VARIABLE);
    env.insert("TRUNKLINE_CONFIG".to_owned(), shown(&unpacked.join("configuration")));
    env.insert("TRUNKLINE_PART".to_owned(), work.part.name.clone());
    env.extend(work.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(env)
}

/// Unpacks the release into `releases/<digest>-<fence>`, durable before its name appears. Each deployment unpacks anew: a
/// service may have changed the files that it ran in, and a rollback must bring back what was released. Only the same
/// deployment, asked again, uses its own.
fn unpack(site: &mut Site<'_>, work: &PartWork, folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    let releases = supervisor::releases(folder);
    let place = releases.join(name);
    if place.is_dir() {
        return Ok(place);
    }
    let fresh = releases.join(".new");
    discard(&fresh, &site.slot.trash).and_then(|()| fs::create_dir_all(fresh.join("content"))).doing("make a folder for the release")?;
    artifact::place_contents(&**site.port, site.hold, &work.contents, &fresh.join("content"), &fresh.join("configuration"))?;
    sync_tree(&fresh).doing("flush the release")?;
    match fs::rename(&fresh, &place) {
        // Another slot was quicker; both hold the same bytes.
        Err(_) if place.is_dir() => remove_tree(&fresh).doing("remove a second copy")?,
        other => other.doing("put the release in place")?,
    }
    File::open(&releases).and_then(|folder| folder.sync_all()).doing("flush the releases")?;
    Ok(place)
}

/// Flushes every file and folder. However deep a release is, one listing is open at a time.
fn sync_tree(path: &Path) -> io::Result<()> {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                File::open(entry.path())?.sync_all()?;
            }
        }
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Copies what the service printed meanwhile into the deployment's log.
fn show(printed: &Path, from: u64, log: &mut Log) -> io::Result<()> {
    let Ok(mut file) = File::open(printed) else { return Ok(()) };
    // Shorter than before: it was cut, and all of it is new.
    let from = if file.metadata()?.len() < from { 0 } else { from };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(SHOWN_BYTES_MAX).read_to_end(&mut bytes)?;
    log.write(&bytes)
}
