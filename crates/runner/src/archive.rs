//! Packing folders reproducibly, and unpacking archives beneath a root and nowhere else.
//!
//! An archive is hostile until proven otherwise: absolute paths, `..`, devices, hard links, links that leave the
//! root, entries behind a link, and anything beyond the limits are refused (threat T11).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use tar::{EntryType, Header, HeaderMode};

/// Bytes that an archive may unpack to.
pub const BYTES_MAX: u64 = 16 << 30;
/// Entries of an archive.
pub const ENTRIES_MAX: usize = 500_000;
/// Components of a path.
const DEPTH_MAX: usize = 128;

/// Why an archive was not packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It holds what it must not; says what.
    #[error("{0}")]
    Hostile(String),
    /// Reading or writing failed.
    #[error(transparent)]
    Broken(#[from] io::Error),
}

fn hostile<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::Hostile(what.into()))
}

/// Unpacks a tar stream into an existing folder that nobody else writes to.
pub fn extract(from: impl Read, root: &Path) -> Result<(), Error> {
    let mut archive = tar::Archive::new(from);
    let mut entries = 0;
    let mut bytes: u64 = 0;
    for entry in archive.entries()? {
        let mut entry = entry?;
        entries += 1;
        bytes = bytes.saturating_add(entry.size());
        if entries > ENTRIES_MAX || bytes > BYTES_MAX {
            return hostile(format!("more than {ENTRIES_MAX} entries or {BYTES_MAX} bytes"));
        }
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
            continue;
        }
        let shown = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let relative = contained(&entry.path()?)?;
        if relative.as_os_str().is_empty() {
            continue;
        }
        let path = beneath(root, &relative)?;
        match kind {
            EntryType::Directory => folder(&path)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let executable = entry.header().mode()? & 0o100 != 0;
                file(&mut entry, &path, executable)?;
            }
            EntryType::Symlink => {
                let target = entry.link_name()?.map(|name| name.into_owned()).unwrap_or_default();
                link_stays(&relative, &target)?;
                symlink(&target, &path)?;
            }
            other => return hostile(format!("'{shown}', which is neither file, folder nor link ({other:?})")),
        }
    }
    Ok(())
}

/// The path without `.`; refuses what could leave the root.
fn contained(path: &Path) -> Result<PathBuf, Error> {
    let mut relative = PathBuf::new();
    for (depth, component) in path.components().enumerate() {
        match component {
            Component::Normal(name) if depth < DEPTH_MAX => relative.push(name),
            Component::CurDir => {}
            _ => return hostile(format!("the path '{}'", path.display())),
        }
    }
    Ok(relative)
}

/// Makes the parents as real folders; a link among them would lead elsewhere.
fn beneath(root: &Path, relative: &Path) -> Result<PathBuf, Error> {
    let mut path = root.to_owned();
    if let Some(parent) = relative.parent() {
        for component in parent.components() {
            path.push(component);
            folder(&path)?;
        }
    }
    path.push(relative.file_name().unwrap_or_default());
    Ok(path)
}

fn folder(path: &Path) -> Result<(), Error> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(path)?.is_dir() {
                Ok(())
            } else {
                hostile(format!("'{}' twice, once as a folder", path.display()))
            }
        }
        other => Ok(other?),
    }
}

fn file(from: &mut impl Read, path: &Path, executable: bool) -> Result<(), Error> {
    let mode = if executable { 0o755 } else { 0o644 };
    // create_new never follows a link and never overwrites.
    match OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        Ok(mut file) => Ok(io::copy(from, &mut file).map(|_| ())?),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => hostile(format!("'{}' twice", path.display())),
        Err(error) => Err(error.into()),
    }
}

/// Whether a link at `place` (relative to the root) stays beneath the root, whatever other such links exist.
///
/// `..` may only lead: after a name it would be resolved where that name leads, which a lexical check cannot see.
pub fn link_stays(place: &Path, target: &Path) -> Result<(), Error> {
    let depth = place.components().count().saturating_sub(1);
    let mut up = 0;
    let mut named = false;
    for component in target.components() {
        match component {
            Component::ParentDir if !named && up < depth => up += 1,
            Component::CurDir => {}
            Component::Normal(_) => named = true,
            _ => return hostile(format!("the link '{}', which leaves it for '{}'", place.display(), target.display())),
        }
    }
    if target.as_os_str().is_empty() { hostile(format!("the empty link '{}'", place.display())) } else { Ok(()) }
}

/// Packs a folder: sorted, owner 0, time 0, modes 644 and 755, so that equal content gives equal bytes.
pub fn pack(root: &Path, into: impl Write) -> Result<(), Error> {
    pack_within(BYTES_MAX, root, into)
}

/// As [`pack`], to an archive of that many bytes at most. More is refused before any file is read.
pub fn pack_within(bytes_max: u64, root: &Path, into: impl Write) -> Result<(), Error> {
    let mut found = BTreeMap::new();
    gather(root, Path::new(""), &mut found)?;
    check_size(&found, bytes_max)?;
    let mut builder = tar::Builder::new(into);
    builder.mode(HeaderMode::Deterministic);
    for (relative, kind) in &found {
        let mut header = Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        match kind {
            Kind::Folder => {
                header.set_entry_type(EntryType::Directory);
                header.set_mode(0o755);
                header.set_size(0);
                builder.append_data(&mut header, relative, io::empty())?;
            }
            Kind::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                builder.append_link(&mut header, relative, target)?;
            }
            Kind::File { executable, size } => {
                header.set_entry_type(EntryType::Regular);
                header.set_mode(if *executable { 0o755 } else { 0o644 });
                header.set_size(*size);
                // Exactly the announced size: a file that grows meanwhile must not shift what follows.
                let mut content = File::open(root.join(relative))?.take(*size);
                builder.append_data(&mut header, relative, &mut content)?;
                if content.limit() != 0 {
                    return Err(io::Error::other(format!("'{}' shrank while it was packed", relative.display())).into());
                }
            }
        }
    }
    builder.into_inner()?.flush()?;
    Ok(())
}

enum Kind {
    Folder,
    Link(PathBuf),
    File { executable: bool, size: u64 },
}

/// What it will be packed: a header and whole blocks for each entry, two more headers' worth at the end.
fn check_size(found: &BTreeMap<PathBuf, Kind>, bytes_max: u64) -> Result<(), Error> {
    let mut bytes: u64 = 2 * BLOCK_BYTES;
    let mut largest = (Path::new(""), 0);
    for (path, kind) in found {
        let size = if let Kind::File { size, .. } = kind { *size } else { 0 };
        let target = if let Kind::Link(target) = kind { long_name(target) } else { 0 };
        bytes = bytes.saturating_add(BLOCK_BYTES + blocks(size) + long_name(path) + target);
        largest = if size > largest.1 { (path, size) } else { largest };
    }
    let (path, size) = largest;
    if bytes <= bytes_max {
        return Ok(());
    }
    hostile(format!("{bytes} bytes, more than {bytes_max}; most of it is '{}' with {size}", path.display()))
}

/// Bytes of tar's blocks.
const BLOCK_BYTES: u64 = 512;

/// Bytes of the blocks that hold so many.
fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES)
}

/// What a name takes that does not fit into its header: an entry of its own, ended by a zero.
fn long_name(path: &Path) -> u64 {
    const NAME_BYTES: usize = 100;
    let bytes = path.as_os_str().len();
    if bytes > NAME_BYTES { BLOCK_BYTES + blocks(bytes as u64 + 1) } else { 0 }
}

fn gather(root: &Path, relative: &Path, found: &mut BTreeMap<PathBuf, Kind>) -> Result<(), Error> {
    let is_deep = relative.components().count() > DEPTH_MAX;
    for entry in fs::read_dir(root.join(relative))? {
        // Looked at for each entry: one folder may hold more than memory does.
        if is_deep || found.len() > ENTRIES_MAX {
            return hostile(format!("more than {ENTRIES_MAX} entries or {DEPTH_MAX} levels"));
        }
        let entry = entry?;
        let place = relative.join(entry.file_name());
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            gather(root, &place, found)?;
            found.insert(place, Kind::Folder);
        } else if metadata.is_symlink() {
            let target = fs::read_link(entry.path())?;
            link_stays(&place, &target)?;
            found.insert(place, Kind::Link(target));
        } else if metadata.is_file() {
            found.insert(place, Kind::File { executable: metadata.permissions().mode() & 0o100 != 0, size: metadata.len() });
        } else {
            return hostile(format!("'{}', which is neither file, folder nor link", place.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_folder_packs_to_is_known_to_the_byte() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["short", &"l".repeat(100), &"m".repeat(101), &"d/".repeat(60), &format!("{}/{}", "e".repeat(200), "f".repeat(250))] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if name.ends_with('/') { fs::create_dir_all(&path).unwrap() } else { fs::write(&path, vec![b'x'; name.len() * 3]).unwrap() }
        }
        std::os::unix::fs::symlink("d/".repeat(59), folder.path().join("link")).unwrap();
        let mut packed = Vec::new();
        pack(folder.path(), &mut packed).unwrap();
        let bytes = packed.len() as u64;
        pack_within(bytes, folder.path(), io::sink()).unwrap();
        assert!(pack_within(bytes - 1, folder.path(), io::sink()).unwrap_err().to_string().contains(&format!("{bytes} bytes")));
    }
}
