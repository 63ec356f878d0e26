//! The supervisor's files: written so that a crash at any instruction leaves the old or the new state.

use super::status::{Spec, Status};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// When the service's log is cut.
const SERVICE_LOG_BYTES_MAX: u64 = 16 << 20;

/// Where releases are unpacked.
pub fn release_folders(folder: &Path) -> PathBuf {
    folder.join("releases")
}

/// What instances print.
pub fn service_log(folder: &Path) -> PathBuf {
    folder.join("service.log")
}

/// The status file.
pub fn status_path(folder: &Path) -> PathBuf {
    folder.join("status.json")
}

/// Reads the status; the default where none was ever written.
pub fn status_read(folder: &Path) -> io::Result<Status> {
    match fs::read(status_path(folder)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Status::default()),
        Err(error) => Err(error),
    }
}

/// Writes the status: a temporary file, flushed, renamed, the folder flushed. Only the owner may read it, because a
/// service's environment may hold secrets.
pub fn status_write(folder: &Path, status: &Status) -> io::Result<()> {
    let fresh = folder.join("status.json.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec_pretty(status).map_err(io::Error::other)?)?;
    file.sync_all()?;
    fs::rename(&fresh, status_path(folder))?;
    File::open(folder)?.sync_all()
}

/// Appends one line to the journal and flushes it.
pub fn journal(folder: &Path, spec: &Spec, verdict: &str, held: Option<u64>) -> io::Result<()> {
    let line = json!({
        "at_ms": wall_ms(), "verdict": verdict, "deployment": spec.deployment, "fence": spec.fence, "held": held,
        "release": spec.release, "version": spec.version,
    });
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join("journal.jsonl"))?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

/// Opens the service's log for an instance.
pub fn service_log_open(folder: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(service_log(folder))
}

/// Cuts a service log that grew too long. Instances append, so they go on at the new end.
pub fn service_log_cut(folder: &Path) -> io::Result<()> {
    let path = service_log(folder);
    if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > SERVICE_LOG_BYTES_MAX) {
        fs::copy(&path, folder.join("service.log.1"))?;
        OpenOptions::new().write(true).open(&path)?.set_len(0)?;
    }
    Ok(())
}

/// Wall time for people and files; nothing is decided by it.
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_millis() as u64).unwrap_or(0)
}

/// The last line that the service printed since, for the reason of a failure.
pub fn last_line(folder: &Path, since: u64) -> String {
    let bytes = fs::read(service_log(folder)).unwrap_or_default();
    let printed = bytes.get(usize::try_from(since).unwrap_or(0)..).unwrap_or_default();
    let text = String::from_utf8_lossy(printed);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.is_empty() { String::new() } else { format!(": {}", line.chars().take(300).collect::<String>()) }
}
