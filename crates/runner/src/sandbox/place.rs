//! What every step may read behind a wall: the system, and tools that people keep in their home folder. Everything
//! else is invisible or closed, so that nobody has to think of what must be hidden.

use std::os::unix::fs::PermissionsExt;
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

/// What of the kernel only root may look into. A runner that is root owns it in a sandbox too.
const KERNEL: [&str; 18] = [
    "/proc/acpi",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/slabinfo",
    "/proc/timer_list",
    "/proc/vmallocinfo",
    "/sys/firmware",
    "/sys/fs/bpf",
    "/sys/fs/pstore",
    "/sys/kernel/debug",
    "/sys/kernel/tracing",
];
/// How many entries of `/etc` are looked at, and how deep.
const ETC_ENTRIES_MAX: usize = 5_000;
const ETC_DEPTH_MAX: u32 = 5;

/// What may be read in any sandbox, and what must never be.
#[derive(Clone, Debug)]
pub struct Places {
    /// The system's.
    pub system: Vec<PathBuf>,
    /// Tools elsewhere.
    pub tools: Vec<PathBuf>,
    /// The folder with the server's keys and data.
    pub private: PathBuf,
    /// What of the system is found empty in a sandbox.
    pub masked: Vec<PathBuf>,
}

impl Places {
    /// Those of this machine that there are. `extra` are the operator's own. None of them holds `private`.
    pub fn of_machine(private: &Path, extra: &[PathBuf]) -> Self {
        let private = private.canonicalize().unwrap_or_else(|_| private.to_owned());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let homes = homes();
        let open = |path: &PathBuf| why_closed(path, &private, &homes).is_none();
        let system: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).filter(open).collect();
        let named = homes.iter().flat_map(|home| TOOLS.iter().map(|tool| home.join(tool)));
        let mut tools: Vec<PathBuf> = Vec::new();
        for tool in named.chain(std::env::split_paths(&path).map(whole)).chain(extra.iter().cloned()).filter(open) {
            if !system.iter().chain(&tools).any(|known| tool.starts_with(known)) {
                tools.push(tool);
            }
        }
        Self { system, tools, private, masked: masked() }
    }
}

impl Places {
    /// Why a step behind a wall may not read a folder, in words; of one that it may read, that nobody knows.
    pub fn why_closed(&self, path: &Path) -> &'static str {
        why_closed(path, &self.private, &homes()).unwrap_or("nobody knows why")
    }

    /// Whether a step behind a wall may read this.
    pub fn holds(&self, path: &Path) -> bool {
        self.system.iter().chain(&self.tools).any(|place| path.starts_with(place))
    }
}

fn why_closed(path: &Path, private: &Path, homes: &[PathBuf]) -> Option<&'static str> {
    if !path.is_absolute() {
        return Some("its path is not absolute");
    }
    let Ok(real) = path.canonicalize() else { return Some("it is not there, or cannot be looked at") };
    if private.starts_with(&real) || real.starts_with(private) {
        return Some("the data folder with the server's token is in it, or it is in the data folder");
    }
    let holds_home = homes.iter().any(|home| home.starts_with(&real));
    holds_home.then_some("a home folder with its keys is in it; name the folder of the tool alone")
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

/// What only root may read; nothing for any other user, to whom it is closed anyway. By real names, since a link is not
/// followed where it is masked.
fn masked() -> Vec<PathBuf> {
    if !nix::unistd::geteuid().is_root() {
        return Vec::new();
    }
    let mut found: Vec<PathBuf> = KERNEL.iter().map(PathBuf::from).filter(|path| path.exists()).collect();
    closed_to_others(Path::new("/etc"), 0, &mut 0, &mut found);
    found
}

/// Files that others may not read and folders that they may not enter.
fn closed_to_others(folder: &Path, depth: u32, seen: &mut usize, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        *seen += 1;
        let Ok(metadata) = entry.metadata() else { continue };
        if *seen > ETC_ENTRIES_MAX || metadata.is_symlink() {
            continue;
        }
        let open = metadata.permissions().mode() & if metadata.is_dir() { 0o001 } else { 0o004 } != 0;
        if !open {
            found.push(entry.path());
        } else if metadata.is_dir() && depth < ETC_DEPTH_MAX {
            closed_to_others(&entry.path(), depth + 1, seen, found);
        }
    }
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
    fn each_cause_of_a_closed_folder_has_words_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let made = |name: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        let (data, home, tool) = (made("srv/data"), made("home/ana"), made("tool"));
        let why = |path: &Path| why_closed(path, &data, std::slice::from_ref(&home)).unwrap_or_default().to_owned();
        assert!(why(Path::new("tool")).contains("not absolute"));
        assert!(why(&root.join("nowhere")).contains("not there"));
        assert!(why(&root.join("srv")).contains("data folder") && why(&made("srv/data/x")).contains("data folder"));
        assert!(why(&root.join("home")).contains("home folder"));
        assert_eq!(why(&tool), "");
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
