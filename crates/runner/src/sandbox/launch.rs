//! The launcher: this program, started again to become a step behind a wall. It runs before the command line is read,
//! in one thread, and must stay small: each step pays for it.
//!
//! A closure between fork and exec would do the same without a second program, but takes `posix_spawn` from the
//! runner, and `fork` is slow in a large process.

use super::root::View;
use super::{filter, kernel, namespaces};
use crate::process_tree::MARKER_VARIABLE;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
    path_beneath_rules,
};
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The word that makes the program the launcher.
pub const VERB: &str = "sandbox-exec";
/// Restrict yourself, then become the step.
pub const LANDLOCK: &str = "landlock";
/// Start the step in namespaces of its own, and end as it ends.
pub const NAMESPACES: &str = "namespaces";
/// A path that may be read.
pub const READ: &str = "--read";
/// A path that may be changed.
pub const WRITE: &str = "--write";
/// A file or folder that is found empty.
pub const MASK: &str = "--mask";
/// The folder that is `/tmp`.
pub const TEMPORARY: &str = "--tmp";
/// The control group to go to.
pub const GROUP: &str = "--group";
/// Where the step starts.
pub const FOLDER: &str = "--folder";
/// The exit code where the wall could not be made; the step was not started.
const NO_WALL: u8 = 125;
/// The oldest Landlock that keeps what the level promises: before, `truncate` passed it. Linux 6.2.
const ABI_MIN: ABI = ABI::V3;
/// The newest that is used: from here on a step cannot signal who is outside. Linux 6.12.
const ABI_MAX: ABI = ABI::V6;

/// Stands before the name of each variable of the step, so that none means anything to the launcher itself, or to what
/// loads it: `LD_PRELOAD` would run code of the step outside of the wall.
const STEP: &str = "STEP.";

/// The environment that a launcher is given for a step with this one. The attempt's mark is its own too.
pub fn for_launcher(env: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let own = env.get_key_value(MARKER_VARIABLE).map(|(name, value)| (name.clone(), value.clone()));
    env.iter().map(|(name, value)| (format!("{STEP}{name}"), value.clone())).chain(own).collect()
}

/// What to run, as the runner tells it after `--`.
pub struct Order {
    text: OsString,
    /// The program and its arguments where no shell is needed.
    direct: Vec<OsString>,
}

/// Does the launcher's work if the arguments (without the program's name) ask for it, and then returns only with the
/// exit code to end with. None: they do not.
pub fn sandbox_main(arguments: impl IntoIterator<Item = OsString>) -> Option<u8> {
    let mut arguments = arguments.into_iter();
    (arguments.next()?.as_os_str() == VERB).then(|| {
        launch(arguments).unwrap_or_else(|why| {
            eprintln!("trunkline: the sandbox cannot be made: {why}");
            NO_WALL
        })
    })
}

fn launch(mut arguments: impl Iterator<Item = OsString>) -> Result<u8, String> {
    // What whoever started the server left open would be open to the step, whatever stands around it.
    kernel::close_all_but_the_first_three().map_err(|error| format!("open files stay: {error}"))?;
    // Whoever started the server at a terminal must not get typed text from a step.
    rustix::process::setsid().map_err(|error| format!("a new session: {error}"))?;
    let kind = arguments.next().unwrap_or_default();
    let (mut view, mut group) = (View::default(), None);
    loop {
        let word = arguments.next();
        let mut path = || arguments.next().map(PathBuf::from);
        match word.as_deref().and_then(OsStr::to_str) {
            Some("--") => break,
            Some(READ) => view.read.extend(path()),
            Some(WRITE) => view.write.extend(path()),
            Some(MASK) => view.masked.extend(path()),
            Some(TEMPORARY) => view.temporary = path(),
            Some(GROUP) => group = path(),
            Some(FOLDER) => view.folder = path().unwrap_or_default(),
            _ => return Err("the launcher was called wrongly".to_owned()),
        }
    }
    let text = arguments.next().ok_or("there is nothing to run")?;
    let order = Order { text, direct: arguments.collect() };
    match kind.to_str() {
        Some(LANDLOCK) => {
            if let Some(group) = group {
                // "0" is whoever writes.
                std::fs::write(group.join("cgroup.procs"), "0").map_err(|error| format!("{}: {error}", group.display()))?;
            }
            drop_capabilities().map_err(|error| format!("capabilities stay: {error}"))?;
            restrict(&view.read, &view.write).map_err(|error| format!("Landlock: {error}"))?;
            filter::install()?;
            std::env::set_current_dir(&view.folder).map_err(|error| format!("{}: {error}", view.folder.display()))?;
            Err(format!("the step cannot be started: {}", become_step(&order)))
        }
        Some(NAMESPACES) => namespaces::run(&view, group.as_deref(), &order),
        _ => Err("the launcher was called wrongly".to_owned()),
    }
}

/// Also of root, whom Landlock alone would leave the loading of modules and much else.
pub fn drop_capabilities() -> rustix::io::Result<()> {
    // Without the right to it there is nothing to take away either: with no new privileges, none come back.
    for capability in CapabilitySet::all() {
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let _ = rustix::thread::clear_ambient_capability_set();
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

fn restrict(read: &[PathBuf], write: &[PathBuf]) -> Result<(), RulesetError> {
    // A device made in a workspace would be a way around every path.
    let change: BitFlags<AccessFs> = AccessFs::from_all(ABI_MAX) & !(AccessFs::MakeBlock | AccessFs::MakeChar);
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI_MIN))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI_MAX))?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(read, AccessFs::from_read(ABI_MAX)))?
        .add_rules(path_beneath_rules(write, change))?
        .restrict_self()
        .map(drop)
}

/// Where Landlock can: no sockets with abstract names of those outside. Namespaces alone do not close them, since the network
/// is the machine's.
pub fn close_abstract_sockets() -> Result<(), RulesetError> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort).scope(Scope::AbstractUnixSocket)?;
    ruleset.create()?.restrict_self().map(drop)
}

/// Returns only where neither the program nor the shell could be started.
fn become_step(order: &Order) -> io::Error {
    if let Some(mut command) = order.direct() {
        // What cannot be executed is left to the shell, whose exit code and message it shall be.
        drop(command.exec());
    }
    order.shell().exec()
}

impl Order {
    /// The program itself, where no shell is needed.
    pub fn direct(&self) -> Option<Command> {
        let (program, arguments) = self.direct.split_first()?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(step_env());
        Some(command)
    }

    /// The shell that runs the text.
    pub fn shell(&self) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-e", "-c"]).arg(&self.text).env_clear().envs(step_env());
        command
    }
}

/// The step's own environment.
fn step_env() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.as_encoded_bytes().strip_prefix(STEP.as_bytes())?;
        Some((OsStr::from_bytes(name).to_owned(), value))
    })
}
