//! What a killed runner left running: written down before each step, ended at the next start.
//!
//! Each slot has one small file, overwritten in place (no flush: it has to outlive the process, not the power). It
//! holds the boot's id, the attempt's marker and, once known, the step's group with its leader's start time, so that
//! a reused process number is never signalled.

use crate::process_tree::{Marker, boot_id, kill_marked, pid_of, signal_if, start_time};
use nix::sys::signal::{Signal, killpg};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

#[derive(Serialize, Deserialize)]
struct Record {
    boot: String,
    marker: String,
    group: Option<u32>,
    start: Option<u64>,
}

/// A slot's note of what it runs.
pub struct Note {
    file: File,
    boot: String,
}

impl Note {
    /// Opens the note of a slot.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        Ok(Self { file, boot: boot_id() })
    }

    /// A step with this mark is about to start.
    pub fn will_start(&self, marker: &Marker) -> io::Result<()> {
        self.write(&Record { boot: self.boot.clone(), marker: marker.value().to_owned(), group: None, start: None })
    }

    /// It has started.
    pub fn started(&self, marker: &Marker, group: u32) -> io::Result<()> {
        let start = start_time(group);
        self.write(&Record { boot: self.boot.clone(), marker: marker.value().to_owned(), group: Some(group), start })
    }

    fn write(&self, record: &Record) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(record).map_err(io::Error::other)?;
        // Padded, because the file is overwritten in place and never shortened.
        bytes.resize(bytes.len().max(255), b' ');
        bytes.push(b'\n');
        self.file.write_all_at(&bytes, 0)
    }
}

/// Ends what the note at `path` names, if this boot started it. Returns how many processes would not die.
pub fn end_noted(path: &Path) -> usize {
    let Some(record) = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok()) else { return 0 };
    if record.boot != boot_id() {
        return 0;
    }
    if let (Some(group), Some(start)) = (record.group, record.start)
        && start_time(group) == Some(start)
    {
        // The leader lives, so the group's number is its own; the handle closes the gap for the leader itself.
        let _ = killpg(pid_of(group), Signal::SIGKILL);
        signal_if(group, rustix::process::Signal::KILL, || start_time(group) == Some(start));
    }
    Marker::recorded(&record.marker).map_or(0, |marker| kill_marked(&marker))
}
