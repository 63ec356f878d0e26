//! The files that a step in namespaces sees: a root in memory, into which what it may read and change is mounted.

use super::kernel::restrict;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, mount_change, move_mount, open_tree, unmount,
};
use rustix::process::{fchdir, pivot_root};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Devices that every step has.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// Names in `/dev` that lead elsewhere.
const LINKS: [(&str, &str); 6] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
    // What builds leave there goes where their own temporary files go.
    ("/tmp", "/var/tmp"),
];
/// Settings of the whole machine. Who is root outside owns them in here too, and needs no capability to change them.
const SETTINGS: [&str; 5] = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"];
/// Where the new root stands while it is made; every machine that has processes has this folder.
const SCAFFOLD: &str = "/proc";

/// What a step sees beside processes and devices. All paths are absolute.
#[derive(Default)]
pub struct View {
    /// What it may read; what is not there is left out, since tools come and go while a server runs.
    pub read: Vec<PathBuf>,
    /// What it may change.
    pub write: Vec<PathBuf>,
    /// Files and folders that it finds empty.
    pub masked: Vec<PathBuf>,
    /// The folder that is its `/tmp`; without one it has one in memory.
    pub temporary: Option<PathBuf>,
    /// Where it starts.
    pub folder: PathBuf,
}

/// A mount that stands nowhere yet, and what it covers.
struct Tree {
    mount: OwnedFd,
    is_folder: bool,
}

/// Makes the view the root of this process, and its folder the current one. Needs new mount and process namespaces, and
/// to be the first process in them. Returns what went wrong, with the path.
pub fn enter(view: &View) -> Result<(), String> {
    // Not even as followers: what somebody mounts outside meanwhile would arrive here as it is.
    let apart = mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC);
    apart.map_err(|why| failed("a namespace of mounts", why))?;
    let proc = filesystem("proc", &[], MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
    let root = Root::on_scaffold()?;
    root.put(proc, Path::new("/proc"))?;
    if rustix::process::geteuid().is_root() {
        SETTINGS.iter().try_for_each(|path| root.close(Path::new(path)))?;
    }
    root.devices()?;
    let private = match &view.temporary {
        Some(folder) => bind(folder, WRITABLE)?.ok_or_else(|| format!("{} is not there", folder.display()))?,
        None => filesystem("tmpfs", &[("mode", "1777")], MountAttrFlags::empty())?,
    };
    root.put(private, Path::new("/tmp"))?;
    // After `/tmp`, in which some of it may lie.
    for path in &view.read {
        root.show(path, &view.read)?;
    }
    view.masked.iter().try_for_each(|path| root.mask(path))?;
    for path in &view.write {
        root.put(bind(path, WRITABLE)?.ok_or_else(|| format!("{} is not there", path.display()))?, path)?;
    }
    // Last: where something of the step's lies in such a place, it stays.
    for (target, path) in LINKS {
        root.link(Path::new(target), Path::new(path))?;
    }
    root.become_it()?;
    rustix::process::chdir(&view.folder).map_err(|why| failed(&view.folder.display().to_string(), why))
}

const EMPTY_PATHS: MoveMountFlags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH.union(MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH);
const READABLE: MountAttrFlags = WRITABLE.union(MountAttrFlags::MOUNT_ATTR_RDONLY);
const WRITABLE: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);
const DEVICE: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

fn failed(what: &str, why: Errno) -> String {
    format!("{what}: {why}")
}

/// A copy of what is mounted at a path and in it, with these attributes on all of it. None: there is nothing.
fn bind(path: &Path, attributes: MountAttrFlags) -> Result<Option<Tree>, String> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let shown = || path.display().to_string();
    let mount = match open_tree(CWD, path, flags) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        other => other.map_err(|why| failed(&shown(), why))?,
    };
    restrict(&mount, attributes, true).map_err(|why| failed(&shown(), why))?;
    let kind = rustix::fs::fstat(&mount).map_err(|why| failed(&shown(), why))?;
    Ok(Some(Tree { mount, is_folder: rustix::fs::FileType::from_raw_mode(kind.st_mode).is_dir() }))
}

/// A new file system of the kernel's own.
fn filesystem(kind: &str, settings: &[(&str, &str)], attributes: MountAttrFlags) -> Result<Tree, String> {
    let make = || {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        settings.iter().try_for_each(|(key, value)| fsconfig_set_string(&context, *key, *value))?;
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, WRITABLE | attributes)
    };
    let mount = make().map_err(|why| failed(&format!("a new {kind}"), why))?;
    Ok(Tree { mount, is_folder: true })
}

/// The root as it is made.
struct Root(OwnedFd);

impl Root {
    fn on_scaffold() -> Result<Self, String> {
        // Only folders and links lie in it.
        let root = filesystem("tmpfs", &[("mode", "0755"), ("size", "1m")], MountAttrFlags::empty())?.mount;
        let attached = move_mount(&root, "", CWD, SCAFFOLD, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH);
        attached.map_err(|why| failed("a new root", why))?;
        Ok(Self(root))
    }

    /// Shows a path as it is outside, to be read only: a link as a link where it leads to what is shown too, else what lies
    /// at its end.
    fn show(&self, path: &Path, shown: &[PathBuf]) -> Result<(), String> {
        let leads_to_shown = |real: PathBuf| shown.iter().any(|place| place != path && real.starts_with(place));
        match path.read_link() {
            Ok(target) if path.canonicalize().is_ok_and(leads_to_shown) => self.link(&target, path),
            _ => bind(path, READABLE)?.map_or(Ok(()), |tree| self.put(tree, path)),
        }
    }

    /// Shows nothing at a path, if there is something.
    fn mask(&self, path: &Path) -> Result<(), String> {
        let is_folder = match self.found(path).and_then(|place| rustix::fs::fstat(&place)) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => rustix::fs::FileType::from_raw_mode(other.map_err(|why| failed(&path.display().to_string(), why))?.st_mode).is_dir(),
        };
        let nothing = match is_folder {
            true => filesystem("tmpfs", &[("mode", "0755"), ("size", "4k")], MountAttrFlags::MOUNT_ATTR_RDONLY)?,
            false => bind(Path::new("/dev/null"), DEVICE)?.ok_or("there is no /dev/null")?,
        };
        self.put(nothing, path)
    }

    /// Makes what is at a path already readable only.
    fn close(&self, path: &Path) -> Result<(), String> {
        let place = match self.found(path) {
            // Not every kernel has all of them.
            Err(Errno::NOENT) => return Ok(()),
            other => other.map_err(|why| failed(&path.display().to_string(), why))?,
        };
        let close = || {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
            let copy = open_tree(&place, "", flags | OpenTreeFlags::AT_RECURSIVE)?;
            restrict(&copy, READABLE, true)?;
            move_mount(&copy, "", &place, "", EMPTY_PATHS)
        };
        close().map_err(|why| failed(&path.display().to_string(), why))
    }

    /// Mounts a tree at a path, which is made where it is missing.
    fn put(&self, tree: Tree, path: &Path) -> Result<(), String> {
        let moved = self.made(path, tree.is_folder).and_then(|place| move_mount(&tree.mount, "", &place, "", EMPTY_PATHS));
        moved.map_err(|why| failed(&path.display().to_string(), why))
    }

    /// Makes a link where nothing is.
    fn link(&self, target: &Path, path: &Path) -> Result<(), String> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        let made = self.made(parent, true).and_then(|parent| match symlinkat(target, &parent, path.file_name().unwrap_or_default()) {
            // In a folder of the machine that is only shown, it is there already or it is not ours to make.
            Err(Errno::EXIST | Errno::ROFS) => Ok(()),
            other => other,
        });
        made.map_err(|why| failed(&path.display().to_string(), why))
    }

    /// The place of a path. Step by step, and never through a link, which could lead out. (`openat2` would do it in one
    /// call, but a filter that has to know what is opened cannot let it pass: systemd's `RestrictSUIDSGID`.)
    fn found(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let step = |from: &OwnedFd, name: &OsStr| openat(from, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let inside = path.strip_prefix("/").unwrap_or(path);
        inside.iter().try_fold(step(&self.0, OsStr::new("."))?, |place, name| step(&place, name))
    }

    /// The place of a path, made if it is missing.
    fn made(&self, path: &Path, is_folder: bool) -> Result<OwnedFd, Errno> {
        match self.found(path) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let parent = self.made(path.parent().unwrap_or(Path::new("/")), true)?;
        let name = path.file_name().ok_or(Errno::INVAL)?;
        if is_folder {
            mkdirat(&parent, name, Mode::from_raw_mode(0o755))?;
        } else {
            openat(&parent, name, OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))?;
        }
        openat(&parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    }

    fn devices(&self) -> Result<(), String> {
        for path in DEVICES.map(Path::new) {
            if let Some(device) = bind(path, DEVICE)? {
                self.put(device, path)?;
            }
        }
        let exec = MountAttrFlags::MOUNT_ATTR_NOEXEC;
        self.put(filesystem("tmpfs", &[("mode", "1777")], exec)?, Path::new("/dev/shm"))?;
        let terminals = Tree { mount: terminals()?, is_folder: true };
        self.put(terminals, Path::new("/dev/pts"))
    }

    /// Makes it the root of this process; the old one is gone for it.
    fn become_it(self) -> Result<(), String> {
        let turn = || {
            fchdir(&self.0)?;
            pivot_root(".", ".")?;
            unmount(".", UnmountFlags::DETACH)
        };
        turn().map_err(|why| failed("a new root", why))?;
        // What a step makes beside its own folders would lie in memory, where nobody has limited it.
        restrict(&self.0, MountAttrFlags::MOUNT_ATTR_RDONLY, false).map_err(|why| failed("a new root", why))
    }
}

/// Terminals of its own: nobody outside can be typed to.
fn terminals() -> Result<OwnedFd, String> {
    let make = || {
        let context = fsopen("devpts", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "ptmxmode", "0666")?;
        fsconfig_set_string(&context, "mode", "0620")?;
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, DEVICE)
    };
    make().map_err(|why| failed("a new devpts", why))
}
