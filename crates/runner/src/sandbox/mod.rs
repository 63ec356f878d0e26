//! What keeps a step from the rest of the machine: the levels, which of them this machine has, and the command line
//! that puts a step behind one.
//!
//! `host` is nothing. `landlock` is this program again, which restricts itself and becomes the step. `sandbox` is
//! this program again, which makes namespaces, and in them is the first process beside the step. Nothing steps down: a
//! level that was asked for by name and is not there is an error, and `auto` says which level it became.

mod filter;
mod kernel;
mod launch;
mod namespaces;
mod place;
mod probe;
mod root;

pub use kernel::keep_from_children;
pub use launch::{GROUP, VERB, for_launcher, sandbox_main};
pub use place::Places;
pub use probe::{Levels, Missing};

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use trunkline_domain::pipeline::{SandboxChoice, SandboxLevel};

/// What this runner puts its steps behind.
pub struct Sandboxes {
    /// The program and first arguments that start [`sandbox_main`].
    launcher: Vec<String>,
    places: Places,
    levels: Levels,
    /// The least that a step may have.
    floor: SandboxLevel,
}

/// One level, made ready for the steps of one piece of work.
pub struct Sandbox {
    /// The level.
    pub level: SandboxLevel,
    /// What stands before `-- TEXT [PROGRAM ARGUMENTS]`; empty: nothing does.
    pub prefix: Vec<OsString>,
}

impl Sandbox {
    /// None at all.
    pub const HOST: Sandbox = Sandbox { level: SandboxLevel::Host, prefix: Vec::new() };
}

/// Folders and files of one piece of work.
#[derive(Default)]
pub struct Room {
    /// Where it starts.
    pub folder: PathBuf,
    /// What it may change. They exist.
    pub write: Vec<PathBuf>,
    /// What it may read beside the system. They exist.
    pub read: Vec<PathBuf>,
    /// Its own folder for temporary files, one of `write`: what `/tmp` is where that can be.
    pub temporary: Option<PathBuf>,
}

impl Sandboxes {
    /// Looks once what there is; a program installed later is seen at the next start.
    pub fn look(launcher: Vec<String>, places: Places) -> Self {
        let mut sandboxes = Self { launcher, places, levels: Levels::default(), floor: SandboxLevel::Host };
        sandboxes.levels = probe::levels(&sandboxes);
        sandboxes
    }

    /// From here on no step may have less. An error where this machine has not as much.
    pub fn at_least(self, floor: SandboxLevel) -> Result<Self, String> {
        match self.levels.missing(floor) {
            None => Ok(Self { floor, ..self }),
            // Whoever has more has enough.
            Some(_) if self.levels.best() > floor => Ok(Self { floor, ..self }),
            Some(Missing { why, help }) => Err(format!("there is no level '{floor}' on this machine: {why}; {help}")),
        }
    }

    /// Which levels there are.
    pub fn levels(&self) -> &Levels {
        &self.levels
    }

    /// The level for a choice, or why there is none. `least` is what a choice of the best there is must come to.
    pub fn choose(&self, choice: SandboxChoice, least: Option<SandboxLevel>) -> Result<SandboxLevel, String> {
        let SandboxChoice::Exactly(level) = choice else { return self.best(least) };
        match self.levels.missing(level) {
            _ if level < self.floor => Err(format!("it asks for 'sandbox: {level}', and this server allows no less than '{}'", self.floor)),
            None => Ok(level),
            Some(Missing { why, help }) => Err(format!("it asks for 'sandbox: {level}', which this runner does not have: {why}; {help}")),
        }
    }

    fn best(&self, least: Option<SandboxLevel>) -> Result<SandboxLevel, String> {
        let best = self.levels.best();
        match least.filter(|least| *least > best).and_then(|least| Some((least, self.levels.missing(least)?))) {
            None => Ok(best),
            Some((least, Missing { why, help })) => Err(format!(
                "what was verified here last was checked in a sandbox of level '{least}', and this runner has no more than '{best}': \
                 {why}; {help}; or write 'sandbox: {best}' at the check"
            )),
        }
    }

    /// Makes a level ready.
    pub fn ready(&self, level: SandboxLevel, room: &Room) -> Sandbox {
        let prefix = match level {
            SandboxLevel::Host => Vec::new(),
            SandboxLevel::Landlock => self.landlock(room),
            SandboxLevel::Sandbox => self.namespaces(room),
        };
        Sandbox { level, prefix }
    }

    fn landlock(&self, room: &Room) -> Vec<OsString> {
        let mut line = self.line(launch::LANDLOCK, room);
        let mut say = |word: &str, path: &str| line.extend([word.into(), path.into()]);
        say(launch::READ, "/proc");
        place::DEVICES.iter().for_each(|path| say(launch::WRITE, path));
        line
    }

    fn namespaces(&self, room: &Room) -> Vec<OsString> {
        let mut line = self.line(launch::NAMESPACES, room);
        let mut say = |word: &str, path: &Path| line.extend([word.into(), path.as_os_str().to_owned()]);
        self.places.masked.iter().for_each(|path| say(launch::MASK, path));
        // On the disk, not in memory.
        room.temporary.iter().for_each(|path| say(launch::TEMPORARY, path));
        line
    }

    /// What both walls are told.
    fn line(&self, kind: &str, room: &Room) -> Vec<OsString> {
        let mut line: Vec<OsString> = self.launcher.iter().map(OsString::from).collect();
        line.push(kind.into());
        let mut say = |word: &str, path: &Path| line.extend([word.into(), path.as_os_str().to_owned()]);
        self.places.system.iter().chain(&self.places.tools).chain(&room.read).for_each(|path| say(launch::READ, path));
        room.write.iter().for_each(|path| say(launch::WRITE, path));
        say(launch::FOLDER, &room.folder);
        line
    }
}
