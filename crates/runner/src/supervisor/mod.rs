//! `trunkline supervise DIR`: one small process for each part of kind `process`, which outlives server and runner.
//!
//! It owns the listening socket and hands it on (`LISTEN_FDS`), so that old and new instances accept side by side
//! while it switches and no request is lost; it starts crashed instances again (after 100 ms, doubling to 30 s; reset
//! by 30 s of life); it obeys only a fence higher than the one it holds. Everything that it must remember is in DIR,
//! written before it acts: `status.json` (the last accepted apply, what is live, every instance), `journal.jsonl` (one
//! line for each answer to an apply), `service.log` (what instances print; cut at 16 MiB, the cut part kept as
//! `service.log.1`), `releases/` (content of the live release and the two before it), `control.sock`.
//!
//! **Ready** means: an instance sent `READY=1` to `NOTIFY_SOCKET`, or, where the part has no `ready-within`, was alive for
//! 500 ms, whichever is first; with that key nothing but `READY=1` within its time counts. A service that takes longer to
//! know whether it can serve should notify and have the key. **Ending** means TERM to the instance's group, 10 s to
//! finish its requests, then KILL.
//!
//! A service is executed directly where its text is a simple command; otherwise by `sh -e -c`, and then `exec` before
//! the server is the user's to write, or `LISTEN_PID` will not be the server's process.

mod durable;
mod instance;
mod kept;
mod notify;
mod ready;
mod recover;
mod service;
mod setback;
mod socket;
mod status;

pub use durable::{release_folders as releases, service_log, status_read as recorded};
pub use socket::{call, ensure};
pub use status::{Reply, Request, Spec, Status};

use crate::failure::{Failure, While};
use crate::process_tree::{Marker, kill_marked};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an instance may take to finish its requests.
pub const STOP_GRACE: Duration = Duration::from_secs(10);
/// Hex digits of a release's digest that name its folder.
pub const RELEASE_NAME_CHARS: usize = 16;

/// Whether a release was ever put there.
pub fn was_used(folder: &Path) -> bool {
    durable::status_path(folder).exists()
}

/// Whether a runner has begun a part there: it makes the log before it starts the supervisor.
pub fn is_begun(folder: &Path) -> bool {
    was_used(folder) || folder.join(socket::LOG).exists()
}

/// The body of `trunkline supervise DIR`. Returns when it was told to stop, or at once where DIR has a supervisor.
pub fn supervise_main(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(durable::release_folders(folder))?;
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    let Ok(_lock) = Flock::lock(lock, FlockArg::LockExclusiveNonblock) else {
        // Two starters at once: the other one's supervisor serves both.
        return Ok(());
    };
    // A session of its own: a terminal's hang-up or Ctrl-C is not meant for the service. Fails where it is a leader already.
    let _ = nix::unistd::setsid();
    let service = service::Service::open(folder)?;
    socket::serve(folder, &service)
}

/// Ends a part's instances and its supervisor. The release counts as not live afterwards, until the next apply. Gives what
/// was there before; None where no release was ever put.
pub fn supervise_stop(folder: &Path) -> io::Result<Option<Status>> {
    if !was_used(folder) {
        return Ok(None);
    }
    let before = durable::status_read(folder)?;
    stop(folder, before.clone()).map(|()| Some(before))
}

fn stop(folder: &Path, mut status: Status) -> io::Result<()> {
    match socket::call(folder, &Request::Stop, STOP_GRACE * 3) {
        Ok(Reply::Stopped) => return socket::await_end(folder),
        Ok(other) => return Err(io::Error::other(format!("the supervisor answered {other:?}"))),
        // One that lives would start again what is killed here.
        Err(error) if socket::listens(folder) => return Err(error),
        Err(_) => {}
    }
    // No supervisor: its instances may live, and their marks are on record.
    let left: usize =
        status.instances.iter().filter_map(|instance| Marker::recorded(&instance.marker)).map(|marker| kill_marked(&marker)).sum();
    status.stop();
    durable::status_write(folder, &status)?;
    if left > 0 { Err(io::Error::other(format!("{left} processes cannot be killed"))) } else { Ok(()) }
}

/// Starts the supervisors that should run and do not, as after a reboot: each starts its instances again. What was
/// told to stop stays stopped. Returns what could not be started.
pub fn supervise_revive(runner_folder: &Path, argv: &[String]) -> Vec<Failure> {
    let (found, mut failures) = supervise_list(runner_folder);
    let gone = found.into_iter().filter(|found| !found.answers && !found.status.stopped && found.status.release.is_some());
    failures.extend(gone.filter_map(|found| socket::ensure(&found.folder, argv).err()));
    failures
}

/// Where what the instances of an environment's parts print is, by the names of the parts.
pub fn service_logs(runner_folder: &Path, project: &str, environment: &str) -> Vec<(String, PathBuf)> {
    let parts = fs::read_dir(runner_folder.join("process").join(project).join(environment)).into_iter().flatten().flatten();
    let named = parts.map(|part| (part.file_name().to_string_lossy().into_owned(), service_log(&part.path())));
    let mut logs: Vec<(String, PathBuf)> = named.filter(|(_, log)| log.exists()).collect();
    logs.sort();
    logs
}

/// A supervised part found under a runner's folder.
#[derive(Debug, Clone)]
pub struct Supervised {
    /// Its folder.
    pub folder: PathBuf,
    /// What its status file says.
    pub status: Status,
    /// Whether a supervisor answers.
    pub answers: bool,
}

/// Every part that was ever supervised under a runner's folder, and why one could not be read: it must not hide the others.
pub fn supervise_list(runner_folder: &Path) -> (Vec<Supervised>, Vec<Failure>) {
    let mut folders = vec![runner_folder.join("process")];
    // project / environment / part
    for _ in 0..3 {
        folders =
            folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten()).map(|entry| entry.path()).collect();
    }
    folders.sort();
    let (mut supervised, mut failures) = (Vec::new(), Vec::new());
    for folder in folders.into_iter().filter(|folder| was_used(folder)) {
        match durable::status_read(&folder).doing(format!("read the status in {}", folder.display())) {
            Ok(status) => {
                let answers = socket::call(&folder, &Request::Observe, Duration::from_secs(2)).is_ok();
                supervised.push(Supervised { folder, status, answers });
            }
            Err(failure) => failures.push(failure),
        }
    }
    (supervised, failures)
}
