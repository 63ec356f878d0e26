//! The supervisor's control socket, from both ends.
//!
//! The socket lies in the part's folder, whose path may be longer than the 107 bytes that an address holds; so it is
//! named through a handle of the folder, `/proc/self/fd/N/control.sock`.

use super::service::Service;
use super::status::{Reply, Request};
use crate::failure::{Failure, While};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const NAME: &str = "control.sock";
/// What a supervisor itself says.
pub const LOG: &str = "supervisor.log";
const MESSAGE_BYTES_MAX: u64 = 4 << 20;
/// How often a supervisor that nobody asks looks whether its folder is still there.
const LOOK_EVERY_MS: u16 = 2_000;
/// How long a started supervisor may take until it answers.
const START_WITHIN: Duration = Duration::from_secs(10);

fn address(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()))
}

/// Asks the supervisor of a folder one question.
pub fn call(folder: &Path, request: &Request, within: Duration) -> io::Result<Reply> {
    let handle = File::open(folder)?;
    let mut stream = UnixStream::connect(address(&handle))?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(MESSAGE_BYTES_MAX)).read_line(&mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the supervisor ended before it answered"));
    }
    serde_json::from_str(&answer).map_err(io::Error::other)
}

/// Whether a supervisor listens.
pub fn listens(folder: &Path) -> bool {
    File::open(folder).is_ok_and(|handle| UnixStream::connect(address(&handle)).is_ok())
}

/// Starts a supervisor for a folder unless one listens, and waits until it does.
pub fn ensure(folder: &Path, argv: &[String]) -> Result<(), Failure> {
    if listens(folder) {
        return Ok(());
    }
    let [program, arguments @ ..] = argv else { return Err(Failure("no command is configured to start a supervisor".to_owned())) };
    fs::create_dir_all(folder).doing(format!("make {}", folder.display()))?;
    let log = OpenOptions::new().create(true).append(true).open(folder.join(LOG)).doing("open the supervisor's log")?;
    let err = log.try_clone().doing("open the supervisor's log")?;
    let mut child = Command::new(program)
        .args(arguments)
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(err))
        .spawn()
        .doing("start a supervisor")?;
    let deadline = Instant::now() + START_WITHIN;
    while !listens(folder) {
        // One that found another supervisor ends at once with success; that other one will listen soon.
        let ended = child.try_wait().doing("watch the supervisor")?.filter(|status| !status.success());
        if ended.is_some() || Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Failure(format!("the supervisor did not start; see {}", folder.join(LOG).display())));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // It outlives this process; until then its end must not leave a zombie.
    std::thread::Builder::new().name("reaper".to_owned()).spawn(move || child.wait()).doing("start a thread").map(|_| ())
}

/// Waits until a stopped supervisor has let go of its folder.
pub fn await_end(folder: &Path) -> io::Result<()> {
    let deadline = Instant::now() + START_WITHIN;
    while listens(folder) {
        if Instant::now() >= deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the supervisor stopped its instances but not itself"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Answers until told to stop, or until nothing runs and the folder is gone: then nobody can ask any more.
pub fn serve(folder: &Path, service: &Arc<Service>) -> io::Result<()> {
    let handle = File::open(folder)?;
    // The lock is held, so whoever bound this name is dead.
    let _ = fs::remove_file(folder.join(NAME));
    let listener = UnixListener::bind(address(&handle))?;
    fs::set_permissions(folder.join(NAME), std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    loop {
        if !is_asked(&listener)? {
            if is_gone(&handle)? && service.status().instances.is_empty() {
                break;
            }
            continue;
        }
        let (stream, _) = listener.accept()?;
        let service = service.clone();
        if service.is_stopped() {
            break;
        }
        let handle = handle.try_clone()?;
        std::thread::Builder::new().name("control".to_owned()).spawn(move || {
            let stopped = answer(&stream, &service).unwrap_or(false);
            if stopped {
                // Wakes the loop, which then ends the process.
                let _ = UnixStream::connect(address(&handle));
            }
        })?;
    }
    let _ = fs::remove_file(folder.join(NAME));
    Ok(())
}

/// Waits a while for somebody who asks.
fn is_asked(listener: &UnixListener) -> io::Result<bool> {
    match poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], PollTimeout::from(LOOK_EVERY_MS)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether an open folder has been removed.
fn is_gone(folder: &File) -> io::Result<bool> {
    Ok(folder.metadata()?.nlink() == 0)
}

fn answer(mut stream: &UnixStream, service: &Arc<Service>) -> io::Result<bool> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut line = String::new();
    BufReader::new(stream.take(MESSAGE_BYTES_MAX)).read_line(&mut line)?;
    if line.is_empty() {
        return Ok(false);
    }
    let reply = match serde_json::from_str(&line) {
        Ok(Request::Observe) => Reply::Status(Box::new(service.status())),
        Ok(Request::Apply(spec)) => service.apply(&spec),
        Ok(Request::GiveUp(fence)) => service.give_up(fence),
        Ok(Request::Stop) => service.stop(),
        Err(error) => Reply::Invalid(error.to_string()),
    };
    let mut bytes = serde_json::to_vec(&reply).map_err(io::Error::other)?;
    bytes.push(b'\n');
    stream.write_all(&bytes)?;
    Ok(matches!(reply, Reply::Stopped))
}
