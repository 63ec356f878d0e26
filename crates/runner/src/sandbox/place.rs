//! What every step may read behind a wall: the system, and tools that people keep in their home folder. Everything
//! else is invisible or closed, so that nobody has to think of what must be hidden.

use std::path::{Path, PathBuf};

/// Programs, libraries and settings of the system. Not `/var`, `/srv`, `/run`, `/home`, `/root`, `/mnt`.
const SYSTEM: [&str; 16] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix/store",
    "/gnu/store",
    "/sys",
    "/var/lib/dpkg",
    "/var/lib/texmf",
    "/var/cache/fontconfig",
    "/run/systemd/resolve",
];

/// Tools in a home folder. Of `~/.cargo` only the programs: beside them lie credentials.
const TOOLS: [&str; 12] = [
    ".cargo/bin",
    ".rustup",
    ".pyenv",
    ".rbenv",
    ".nvm",
    ".volta",
    ".sdkman",
    ".asdf",
    ".local/bin",
    ".local/share/mise",
    ".local/share/uv",
    ".local/share/pipx",
];

/// Devices that harm nobody. No terminal: text could be typed into it.
pub const DEVICES: [&str; 8] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/ptmx", "/dev/pts", "/dev/shm"];

/// Files that only root may read, for the runner that is root; they are empty in a sandbox.
const SECRETS: [&str; 4] = ["/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-"];

/// What may be read in any sandbox, and what must never be.
#[derive(Clone, Debug)]
pub struct Places {
    /// The system's.
    pub system: Vec<PathBuf>,
    /// Tools elsewhere.
    pub tools: Vec<PathBuf>,
    /// The folder with the server's keys and data.
    pub private: PathBuf,
}

impl Places {
    /// Those of this machine that there are. `extra` are the operator's own. None of them holds `private`.
    pub fn of_machine(private: &Path, extra: &[PathBuf]) -> Self {
        let private = private.canonicalize().unwrap_or_else(|_| private.to_owned());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let homes = homes();
        let closed = |path: &Path| {
            let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            private.starts_with(&real) || real.starts_with(&private) || homes.iter().any(|home| home.starts_with(&real))
        };
        let open = |path: &PathBuf| path.is_absolute() && path.exists() && !closed(path);
        let system: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).filter(open).collect();
        let named = homes.iter().flat_map(|home| TOOLS.iter().map(|tool| home.join(tool)));
        let mut tools: Vec<PathBuf> = Vec::new();
        for tool in named.chain(std::env::split_paths(&path).map(whole)).chain(extra.iter().cloned()).filter(open) {
            if !system.iter().chain(&tools).any(|known| tool.starts_with(known)) {
                tools.push(tool);
            }
        }
        Self { system, tools, private }
    }
}

impl Places {
    /// Whether a step behind a wall may read this.
    pub fn holds(&self, path: &Path) -> bool {
        self.system.iter().chain(&self.tools).any(|place| path.starts_with(place))
    }
}

/// The user's home folders: as the environment and as the system has it. A service may have no `HOME`.
fn homes() -> Vec<PathBuf> {
    let own = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.dir);
    let mut homes: Vec<PathBuf> = std::env::var_os("HOME").map(PathBuf::from).into_iter().chain(own).collect();
    homes.retain(|home| home.is_absolute() && home.parent().is_some());
    homes.dedup();
    homes
}

/// The tool that an entry of `PATH` belongs to, which needs more than its programs: `~/.pyenv` for `~/.pyenv/shims`.
fn whole(entry: PathBuf) -> PathBuf {
    let named = |folder: &&Path| TOOLS.iter().any(|tool| !tool.ends_with("/bin") && folder.ends_with(tool));
    entry.ancestors().find(named).map(Path::to_owned).unwrap_or(entry)
}

/// Files that a sandbox shows empty, by their real names.
pub fn masked() -> impl Iterator<Item = PathBuf> {
    let is_root = nix::unistd::geteuid().is_root();
    SECRETS.iter().filter(move |_| is_root).filter_map(|path| Path::new(path).canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_holds_the_private_folder_or_a_home() {
        let places = Places::of_machine(Path::new("/usr/share"), &["/".into(), "/root".into(), "/home".into(), "relative".into()]);
        let all: Vec<&PathBuf> = places.system.iter().chain(&places.tools).collect();
        assert!(!all.iter().any(|path| Path::new("/usr/share").starts_with(path)), "{all:?}");
        assert!(!all.iter().any(|path| homes().iter().any(|home| home.starts_with(path)) || path.parent().is_none()), "{all:?}");
        assert!(places.system.contains(&PathBuf::from("/etc")));
    }

    #[test]
    fn a_tool_is_more_than_its_programs() {
        assert_eq!(whole("/home/a/.pyenv/shims".into()), Path::new("/home/a/.pyenv"));
        assert_eq!(whole("/home/a/.nvm/versions/node/v24/bin".into()), Path::new("/home/a/.nvm"));
        // Beside the programs of cargo lie its credentials.
        assert_eq!(whole("/home/a/.cargo/bin".into()), Path::new("/home/a/.cargo/bin"));
        assert_eq!(whole("/usr/bin".into()), Path::new("/usr/bin"));
    }
}
