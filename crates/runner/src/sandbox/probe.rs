//! Which levels this machine has: each is tried once, with a step that must not see the private folder.

use super::{Room, Sandboxes, for_launcher};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use trunkline_domain::pipeline::SandboxLevel;

/// What the trial runs. It must fail to look into the private folder.
const TRIAL: &str = r#"! ls "$PRIVATE" >/dev/null 2>&1 || { echo "the folder $PRIVATE can be read in it" >&2; exit 1; }"#;

/// Why a level is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What is wrong, in a sentence.
    pub why: String,
    /// What to do.
    pub help: String,
}

/// The levels above `host`, and why one is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Why there is no `landlock`.
    pub landlock: Option<Missing>,
    /// Why there is no `sandbox`.
    pub sandbox: Option<Missing>,
}

impl Levels {
    /// The most that there is.
    pub fn best(&self) -> SandboxLevel {
        let levels = [SandboxLevel::Sandbox, SandboxLevel::Landlock];
        levels.into_iter().find(|level| self.missing(*level).is_none()).unwrap_or(SandboxLevel::Host)
    }

    /// Why a level is missing; none where it is there.
    pub fn missing(&self, level: SandboxLevel) -> Option<&Missing> {
        match level {
            SandboxLevel::Host => None,
            SandboxLevel::Landlock => self.landlock.as_ref(),
            SandboxLevel::Sandbox => self.sandbox.as_ref(),
        }
    }
}

/// Tries every level.
pub fn levels(sandboxes: &Sandboxes) -> Levels {
    let landlock = attempt(sandboxes, SandboxLevel::Landlock).err().map(|why| Missing { why, help: landlock_help() });
    let sandbox = attempt(sandboxes, SandboxLevel::Sandbox).err().map(|why| Missing { help: namespaces_help(&why), why });
    Levels { landlock, sandbox }
}

fn attempt(sandboxes: &Sandboxes, level: SandboxLevel) -> Result<(), String> {
    let line = sandboxes.ready(level, &Room { folder: PathBuf::from("/"), ..Room::default() }).prefix;
    let (program, arguments) = line.split_first().filter(|_| !sandboxes.launcher.is_empty()).ok_or("the runner has no launcher")?;
    let mut command = Command::new(program);
    command.args(arguments).args(["--", TRIAL]).current_dir("/").env_clear().stdin(Stdio::null());
    // A folder that is not there yet cannot be looked into anyway.
    let private = sandboxes.places.private.to_string_lossy().into_owned();
    let env = [("PRIVATE".to_owned(), private), ("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    command.envs(for_launcher(&BTreeMap::from(env)));
    let output = command.output().map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().last().map(|line| line.trim().chars().take(300).collect::<String>());
    Err(said.filter(|line| !line.is_empty()).unwrap_or_else(|| format!("a trial ended with {}", output.status)))
}

fn landlock_help() -> String {
    "it needs Linux 6.2 or newer with 'landlock' among the kernel's lsm= modules, and a data folder outside /usr, /etc and /opt".to_owned()
}

/// What most likely keeps the launcher from making namespaces.
fn namespaces_help(why: &str) -> String {
    // The kernel lets nobody mount all of what is in part hidden from them.
    if why.contains(": a new proc: ") {
        return "something is mounted over a part of /proc, as ProtectHostname and ProtectKernelTunables of a systemd unit do".to_owned();
    }
    let is = |path: &str, value: &str| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    let command = if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "sysctl -w kernel.unprivileged_userns_clone=1"
    } else if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    } else if is("/proc/sys/user/max_user_namespaces", "0") {
        "sysctl -w user.max_user_namespaces=10000"
    } else {
        return "it needs Linux 5.12 or newer, and user namespaces allowed on this machine or in this container".to_owned();
    };
    format!("{command}, then start the server again")
}
