//! One slot: the folder in which one piece of work at a time is done, and the way from assignment to outcome.

use crate::failure::{Failure, While};
use crate::group::Group;
use crate::lease::{Hold, Standing};
use crate::log::Log;
use crate::mask::Mask;
use crate::orphan::Note;
use crate::port::Port;
use crate::process_tree::{MARKER_VARIABLE, Marker};
use crate::sandbox::{Room, Sandbox, Sandboxes};
use crate::trash::{discard, empty};
use crate::workspace::{Stamp, Workspace, has_fine_times};
use crate::{check, driver, job, variables};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use trunkline_api::runner::{Assignment, LogEnd, Outcome, Subject, Work};
use trunkline_domain::deployment::{ApplyOutcome, CheckOutcome, CheckVerdict, Health, Live, Observed};
use trunkline_domain::foundation::{Millis, RunnerKey};
use trunkline_domain::pipeline::SandboxLevel;
use trunkline_domain::run::{AttemptResult, JobOutcome};

/// The slot's folder that is `HOME`.
const HOME: &str = "home";
/// The slot's file of a long log.
const SPOOL: &str = "log";
/// The slot's folder that is `TMPDIR`.
const TEMPORARY: &str = "tmp";

/// The slot's folder that is `/tmp` in a sandbox. Not the one that is `TMPDIR`: where the slot itself lies below `/tmp`, as
/// in a local run, the way to its folders is made in here.
const SHARED_TEMPORARY: &str = "shared-tmp";

/// With less room than this a job may not get far.
const SHORT_BYTES: u64 = 1 << 30;

/// A slot's folders. The workspace is kept for the next job; the rest is emptied before each piece of work.
pub struct Slot {
    /// The job's workspace.
    pub workspace: Workspace,
    /// The note of what runs, for the next start.
    pub note: Note,
    /// Where folders go to be removed.
    pub trash: PathBuf,
    folder: PathBuf,
    group: Option<Box<dyn Group>>,
    /// What its folders looked like when they were made; only where a change of them would show.
    made: RefCell<BTreeMap<String, Stamp>>,
    shows_changes: bool,
}

impl Slot {
    /// Opens the slot's folder, which holds nothing of an earlier runner any more.
    pub fn open(folder: PathBuf, note: &Path, trash: PathBuf) -> Result<Self, Failure> {
        fs::create_dir_all(&folder).doing(format!("make {}", folder.display()))?;
        let note = Note::open(note).doing(format!("open {}", note.display()))?;
        let workspace = Workspace::new(folder.join("workspace"), trash.clone());
        let shows_changes = has_fine_times(&folder);
        Ok(Self { workspace, note, trash, folder, group: None, made: RefCell::default(), shows_changes })
    }

    /// Where the disk is short, what earlier work left goes at once: moved away, it would be removed too late for work
    /// that comes right behind a job that filled the disk.
    fn make_room(&self) {
        if !is_short(&self.folder) {
            return;
        }
        empty(&self.folder);
        empty(&self.trash);
    }

    /// From here on, steps of jobs and checks are in this control group.
    pub fn join(&mut self, group: Box<dyn Group>) {
        self.group = Some(group);
    }

    /// The control group of steps.
    pub fn group(&self) -> Option<&dyn Group> {
        self.group.as_deref()
    }

    /// A folder of this slot, made anew, so that nobody who had rights to the last one has them to this one.
    ///
    /// It is used again only where no process of the last work can live, and where it is as it was made: its change time
    /// tells of every file in it, of owner, mode and access list. Making one costs more than it seems on ext4, which looks
    /// for an inode that was not freed just now.
    pub fn empty_folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.join(name);
        let has_noted = self.group.is_some() && self.shows_changes;
        let made = self.made.borrow_mut().remove(name).filter(|_| has_noted);
        let stamp = || fs::symlink_metadata(&path).map(|metadata| Stamp::of(&metadata));
        let stamp = match made {
            Some(made) if stamp().is_ok_and(|found| found == made) => Some(made),
            _ => {
                self.make_folder(&path).doing(format!("make {}", path.display()))?;
                has_noted.then(stamp).transpose().doing(format!("look at {}", path.display()))?
            }
        };
        self.made.borrow_mut().extend(stamp.map(|stamp| (name.to_owned(), stamp)));
        Ok(path)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        // An empty one goes at once, which is cheaper than by the trash.
        if fs::remove_dir(path).is_err() {
            discard(path, &self.trash)?;
        }
        fs::create_dir_all(path)
    }

    /// Where the log of the last piece of work lies, if it was long.
    pub fn spool(&self) -> PathBuf {
        self.folder.join(SPOOL)
    }

    /// The path of a file of this slot that does not exist.
    pub fn absent_file(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.join(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => discard(&path, &self.trash).doing(format!("remove {}", path.display()))?,
            Ok(_) => fs::remove_file(&path).doing(format!("remove {}", path.display()))?,
            Err(_) => {}
        }
        Ok(path)
    }
}

/// Whether less than a quarter of the disk is free, and that is little for a job. A large disk that is well filled is short
/// of nothing: there the workspace is kept for the next job.
fn is_short(folder: &Path) -> bool {
    nix::sys::statfs::statfs(folder).is_ok_and(|disk| {
        let free = disk.blocks_available();
        free < disk.blocks() / 4 && free.saturating_mul(disk.block_size().unsigned_abs()) < SHORT_BYTES
    })
}

/// What one piece of work is done with.
pub struct Site<'a> {
    /// This runner's name.
    pub runner: &'a RunnerKey,
    /// The server.
    pub port: &'a Arc<dyn Port>,
    /// The right, and what the server last said of it.
    pub hold: &'a Arc<Hold>,
    /// Where the work belongs.
    pub subject: &'a Subject,
    /// The slot's folders.
    pub slot: &'a mut Slot,
    /// The runner's folder.
    pub folder: &'a Path,
    /// Starts `trunkline supervise`.
    pub supervise: &'a [String],
    /// What its steps can be put behind.
    pub sandboxes: &'a Sandboxes,
    /// Between TERM and KILL.
    pub grace: Duration,
    /// The mark of this attempt's processes.
    pub marker: Marker,
    /// What it must not say.
    pub mask: Mask<'a>,
}

impl Site<'_> {
    /// The environment that every command of this piece of work gets.
    pub fn base_env(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut env = variables::base(self.subject, &self.slot.empty_folder(HOME)?, &self.slot.empty_folder(TEMPORARY)?);
        env.insert(MARKER_VARIABLE.to_owned(), self.marker.value().to_owned());
        self.slot.empty_folder(SHARED_TEMPORARY)?;
        Ok(env)
    }

    /// A sandbox of this level for commands that start in `folder`, with the environment of [`Site::base_env`]. They may
    /// change what is in `write` and read what is in `read`; all of it exists.
    pub fn sandbox(&self, level: SandboxLevel, folder: &Path, write: &[&Path], read: &[&Path]) -> Sandbox {
        let own = [HOME, TEMPORARY, SHARED_TEMPORARY].map(|name| self.slot.folder.join(name));
        let mut room = Room { folder: folder.to_owned(), temporary: own.last().cloned(), ..Room::default() };
        room.write.extend(write.iter().map(|path| path.to_path_buf()).chain(own));
        room.read.extend(read.iter().map(|path| path.to_path_buf()));
        self.sandboxes.ready(level, &room)
    }
}

/// Does an assignment's work. Every failure of the runner's own becomes the outcome that says so.
pub fn execute(site: &mut Site<'_>, assignment: &Assignment) -> Result<(Outcome, LogEnd), Failure> {
    site.slot.make_room();
    let spool = site.slot.absent_file(SPOOL)?;
    let mut log = Log::new(site.port.clone(), site.hold.clone(), spool, &assignment.masked);
    let mut outcome = match &assignment.work {
        Work::Job(work) => Outcome::Job(job::run(site, work, &mut log)),
        Work::Observe(work) => Outcome::Observe(driver::observe(site, work, &mut log)),
        Work::Apply(work) => Outcome::Apply(driver::apply(site, work, &mut log)),
        Work::Verify(work) => Outcome::Verify(check::run(site, work, &mut log)),
    };
    // A service or a script may have put anything into a reason.
    if let Some(words) = words(&mut outcome) {
        *words = site.mask.text(words);
    }
    Ok((outcome, log.finish()))
}

/// What an outcome says in words.
fn words(outcome: &mut Outcome) -> Option<&mut String> {
    match outcome {
        Outcome::Job(job) => job.reason.as_mut(),
        Outcome::Observe(Observed { live: Live::Named(text) | Live::Unknown(text), .. }) => Some(text),
        Outcome::Apply(ApplyOutcome::Failed(text) | ApplyOutcome::Unknown(text) | ApplyOutcome::Hindered { reason: text, .. }) => {
            Some(text)
        }
        Outcome::Verify(check) => Some(&mut check.evidence),
        Outcome::Observe(_) | Outcome::Apply(ApplyOutcome::Applied | ApplyOutcome::Stale { .. }) => None,
    }
}

/// The outcome of work that was never begun, for this reason.
pub fn not_begun(work: &Work, reason: &str) -> Outcome {
    match work {
        Work::Job(_) => Outcome::Job(JobOutcome { reason: Some(reason.to_owned()), ..JobOutcome::bare(AttemptResult::Lost) }),
        Work::Observe(_) => Outcome::Observe(unknown(reason)),
        // Not "failed": nothing is known of the release itself, so nothing must be undone because of it.
        Work::Apply(_) => Outcome::Apply(ApplyOutcome::Unknown(format!("nothing was started: {reason}"))),
        Work::Verify(_) => Outcome::Verify(lost_check(reason)),
    }
}

/// An observation that found out nothing, for this reason.
pub fn unknown(reason: &str) -> Observed {
    Observed { live: Live::Unknown(reason.to_owned()), fence: None, health: Health::Unknown, source: "runner".to_owned() }
}

/// A check that the runner could not make, for this reason.
pub fn lost_check(reason: &str) -> CheckOutcome {
    CheckOutcome { verdict: CheckVerdict::Lost, evidence: reason.to_owned(), tests: None, took: Millis(0), sandbox: None }
}

/// A sentence for a stop.
pub fn stop_reason(standing: Standing) -> &'static str {
    match standing {
        Standing::Cancelled => "it was cancelled",
        Standing::Abandoned => "the runner was stopped",
        Standing::Lost => "the lease was lost",
        Standing::Held => "its time ran out",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::group::{Limits, Used};
    use std::fs::{File, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::process::{Child, Command};

    /// A group whose processes have all ended.
    struct Over;

    impl Group for Over {
        fn begin(&self) -> io::Result<()> {
            Ok(())
        }
        fn spawn(&self, mut command: Command, _: bool) -> io::Result<Child> {
            command.spawn()
        }
        fn folder(&self) -> Option<PathBuf> {
            None
        }
        fn end(&self) -> usize {
            0
        }
        fn limits(&self) -> Limits {
            Limits::default()
        }
        fn used(&self) -> io::Result<Used> {
            Ok(Used::default())
        }
    }

    fn slot(root: &Path) -> Slot {
        Slot::open(root.join("slot"), &root.join("note"), root.join("trash")).unwrap()
    }

    /// Whether the folder stays the same one over what is done to it between two pieces of work.
    fn stays(slot: &Slot, between: impl FnOnce(&Path)) -> bool {
        let path = slot.empty_folder(HOME).unwrap();
        // Open, so that its inode is nobody else's.
        let before = File::open(&path).unwrap();
        between(&path);
        let after = fs::metadata(slot.empty_folder(HOME).unwrap()).unwrap();
        assert_eq!((after.mode() & 0o700, fs::read_dir(&path).unwrap().count()), (0o700, 0));
        after.ino() == before.metadata().unwrap().ino()
    }

    #[test]
    fn a_folder_is_given_on_only_where_nobody_lives_who_has_rights_to_it() {
        let root = tempfile::tempdir().unwrap();
        let mut slot = slot(root.path());
        assert!(!stays(&slot, |_| {}), "a process of the last work may live");
        slot.join(Box::new(Over));
        assert_eq!(stays(&slot, |_| {}), has_fine_times(root.path()));
    }

    #[test]
    fn a_folder_that_was_changed_is_made_anew_even_where_it_looks_the_same() {
        let root = tempfile::tempdir().unwrap();
        let mut slot = slot(root.path());
        slot.join(Box::new(Over));
        let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        assert!(!stays(&slot, |path| mode(path, 0o500)));
        assert!(!stays(&slot, |path| mode(path, 0o755)), "an access list may be among what was changed");
        assert!(!stays(&slot, |path| fs::write(path.join("left"), b"").unwrap()));
        assert!(!stays(&slot, |path| fs::write(path.join("gone"), b"").and_then(|()| fs::remove_file(path.join("gone"))).unwrap()));
        assert!(!stays(&slot, |path| fs::remove_dir(path).and_then(|()| std::os::unix::fs::symlink("/", path)).unwrap()));
    }
}
