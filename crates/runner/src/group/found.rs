//! What of control groups this machine gives to this process.

use super::Limits;
use crate::process_tree::{signal_if, start_time};
use crate::sandbox::Missing;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// What a runner's groups are called, before its process id, its start time, and its number in the process.
const PREFIX: &str = "trunkline-";
/// How many runners this process has started.
static RUNNERS: AtomicU32 = AtomicU32::new(0);
/// The hierarchies of the first version that are used, in this order.
pub const FIRST: [&str; 3] = ["memory", "cpuacct", "pids"];

/// The version of the interface, and where this process is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// A hierarchy for each of [`FIRST`].
    One(Vec<PathBuf>),
    /// One for all; groups can be made in one of these.
    Two(Vec<PathBuf>),
}

impl Version {
    /// 1 or 2.
    pub fn number(&self) -> u8 {
        match self {
            Version::One(_) => 1,
            Version::Two(_) => 2,
        }
    }

    /// The second where it counts memory, else the first.
    pub fn of_machine() -> Result<Self, Missing> {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        Self::from(&read(Path::new("/proc/self/cgroup")), &read(Path::new("/proc/self/mountinfo")), &read)
    }

    fn from(own: &str, mounts: &str, read: &dyn Fn(&Path) -> String) -> Result<Self, Missing> {
        if let Some(two) = Self::second(own, mounts)
            && let Version::Two(places) = &two
            && places.iter().any(|place| read(&place.join("cgroup.controllers")).split_whitespace().any(|name| name == "memory"))
        {
            return Ok(two);
        }
        let first: Option<Vec<PathBuf>> = FIRST.iter().map(|kind| own_folder(own, mounts, kind)).collect();
        first.map(Version::One).ok_or_else(|| Missing {
            why: "no control groups that count memory are mounted".to_owned(),
            help: "mount cgroup2 at /sys/fs/cgroup, as systemd does".to_owned(),
        })
    }

    /// The second version, whatever it counts. Beside this process's own group, since a group with processes in it has no
    /// groups that count: never inside, which would also keep a service manager from starting the service again.
    pub fn second(own: &str, mounts: &str) -> Option<Self> {
        let own = own_folder(own, mounts, "")?;
        let beside = own.parent().filter(|parent| parent.join("cgroup.procs").exists()).map(Path::to_owned);
        Some(Version::Two(beside.into_iter().chain([own]).collect()))
    }

    /// Makes this runner's folders, and removes those of runners that have ended.
    pub fn make_bases(&self, limits: Limits) -> Result<Vec<PathBuf>, Missing> {
        let id = std::process::id();
        let number = RUNNERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{id}-{}-{number}-{}", start_time(id).unwrap_or_default(), numbers_of_processes());
        match self {
            Version::One(folders) => {
                folders.iter().for_each(|folder| sweep(folder));
                folders.iter().map(|folder| made(&folder.join(&name)).map_err(|why| refused(folder, &why))).collect()
            }
            Version::Two(folders) => {
                folders.iter().for_each(|folder| sweep(folder));
                let mut why = None;
                for folder in folders {
                    match second_base(folder, &name, limits) {
                        Ok(base) => return Ok(vec![base]),
                        Err(error) => why = why.or(Some(refused(folder, &error))),
                    }
                }
                Err(why.unwrap_or_else(|| refused(Path::new("/sys/fs/cgroup"), &io::ErrorKind::NotFound.into())))
            }
        }
    }
}

fn refused(folder: &Path, why: &io::Error) -> Missing {
    Missing {
        why: format!("no group can be made in {}: {why}", folder.display()),
        help: "let systemd give it some: Delegate=yes and DelegateSubgroup=server (systemd 254) for a service, or systemd-run --user --scope trunkline serve".to_owned(),
    }
}

fn second_base(folder: &Path, name: &str, limits: Limits) -> io::Result<PathBuf> {
    let counts = |folder: &Path, kind: &str| {
        fs::read_to_string(folder.join("cgroup.subtree_control")).is_ok_and(|text| text.split_whitespace().any(|word| word == kind))
    };
    let enable = |folder: &Path| {
        for kind in ["memory", "pids"] {
            if !counts(folder, kind) {
                // What is not given shows below.
                let _ = fs::write(folder.join("cgroup.subtree_control"), format!("+{kind}"));
            }
        }
    };
    enable(folder);
    let base = made(&folder.join(name))?;
    enable(&base);
    let lacks = |kind: &str, wanted: bool| wanted && !counts(&base, kind);
    if lacks("memory", limits.memory.is_some()) || lacks("pids", limits.processes.is_some()) {
        let _ = fs::remove_dir(&base);
        return Err(io::Error::other("it does not count memory and processes for groups in it"));
    }
    Ok(base)
}

fn made(folder: &Path) -> io::Result<PathBuf> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(folder.to_owned()),
        other => other.map(|()| folder.to_owned()),
    }
}

/// Removes groups of runners that live no more, and ends whom they left.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let mut parts = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).unwrap_or_default().split('-');
        let id = parts.next().and_then(|id| id.parse::<u32>().ok());
        let start = parts.next().and_then(|start| start.parse::<u64>().ok());
        // Of another container that shares the folder nothing can be told by a number.
        let is_ours = parts.nth(1) == Some(&numbers_of_processes());
        if let (Some(id), Some(_)) = (id, start)
            && is_ours
            && start_time(id) != start
        {
            remove(&entry.path());
        }
    }
}

/// The namespace of process ids that this process is in.
fn numbers_of_processes() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

/// Kills who is in a group and in those that its processes made in it, and removes them all. What does not go now is tried
/// at the next start.
pub fn remove(group: &Path) {
    let mut inner = within(group);
    inner.reverse();
    for group in inner {
        kill_in(&group);
        let _ = fs::remove_dir(&group);
    }
}

/// Kills who is in a group or in one within it, but for this process. Returns how many were there.
pub fn kill(group: &Path) -> usize {
    within(group).iter().map(|group| kill_in(group)).sum()
}

fn kill_in(group: &Path) -> usize {
    let members = members(group);
    for id in &members {
        // A number is another's only if its process has left the group, and all in it are to die.
        signal_if(*id, rustix::process::Signal::KILL, || self::members(group).contains(id));
    }
    members.len()
}

/// How many groups within one are looked at.
const WITHIN_MAX: usize = 10_000;

/// A group and all within it, each before those in it.
fn within(group: &Path) -> Vec<PathBuf> {
    let mut found = vec![group.to_owned()];
    let mut looked = 0;
    while looked < found.len() && found.len() < WITHIN_MAX {
        let inner = fs::read_dir(&found[looked]).into_iter().flatten().flatten();
        found.extend(inner.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()));
        looked += 1;
    }
    found
}

fn members(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).filter(|id| *id != std::process::id() && *id != 0).collect()
}

/// This process's folder in the hierarchy of this kind; the second version's has no name.
fn own_folder(own: &str, mounts: &str, kind: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (kinds, path) = (fields.next()?, fields.next()?);
        kinds.split(',').any(|word| word == kind).then_some(path)
    })?;
    let (system, option) = if kind.is_empty() { ("cgroup2", "rw") } else { ("cgroup", kind) };
    mounts.lines().find_map(|line| {
        // See proc_pid_mountinfo(5): the fields behind the dash are the kind, the source and the options.
        let (mount, rest) = line.split_once(" - ")?;
        let mut rest = rest.split(' ');
        let is_it = rest.next()? == system && (kind.is_empty() || rest.nth(1)?.split(',').any(|word| word == option));
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let below = Path::new(path).strip_prefix(root).ok()?;
        is_it.then(|| Path::new(point).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unified_machine_has_the_second_version() {
        let own = "0::/system.slice/trunkline.service/server\n";
        let mounts = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = Version::from(own, mounts, &|_| "cpu memory pids\n".to_owned()).unwrap();
        let Version::Two(places) = found else { panic!("{found:?}") };
        assert_eq!(places.last().unwrap(), Path::new("/sys/fs/cgroup/system.slice/trunkline.service/server"));
    }

    #[test]
    fn a_hybrid_machine_has_the_first_version() {
        let own = "4:memory:/a/b\n3:pids:/\n2:cpu,cpuacct:/c\n0::/\n";
        let mounts = "1 2 0:3 / /cg/unified rw - cgroup2 cgroup2 rw\n\
                      2 2 0:3 /a /cg/memory rw - cgroup cgroup rw,memory\n\
                      3 2 0:3 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                      4 2 0:3 / /cg/pids rw - cgroup cgroup rw,pids\n";
        let found = Version::from(own, mounts, &|_| "hugetlb\n".to_owned()).unwrap();
        assert_eq!(found, Version::One(vec!["/cg/memory/b".into(), "/cg/cpu/c".into(), "/cg/pids".into()]));
        let bare = Version::from(own, "", &|_| String::new()).unwrap_err();
        assert_eq!(bare.why, "no control groups that count memory are mounted");
    }
}
