//! Taking in the pack of a push: into a folder of its own first, then, checked and flushed, among the others.

use super::command::{GitError, OLD_FAULTS, command, converse};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Packs with at most this many objects become loose objects, as git itself does it.
const UNPACK_OBJECTS_MAX: u32 = 100;
/// Bytes of a pack's head: `PACK`, its version, how many objects it has.
const HEAD_BYTES: usize = 12;
/// Folders of packs on their way in.
const INCOMING: &str = "incoming-";

/// Stores the objects of a pack, after checking them and their links. They are durable when it returns.
pub fn take_in(repository: &Path, pack: &mut (dyn Read + Send)) -> Result<(), GitError> {
    let mut head = Vec::new();
    let failed = |source| GitError::Failed { what: "reading the pack".to_owned(), source };
    pack.take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(failed)?;
    let count = head.get(8..HEAD_BYTES).map_or(0, |bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    if count == 0 {
        return Ok(());
    }
    let objects = repository.join("objects");
    let incoming = tempfile::Builder::new().prefix(INCOMING).tempdir_in(&objects).map_err(failed)?;
    let strict = format!("--strict={}", OLD_FAULTS.map(|fault| format!("{fault}=ignore")).join(","));
    let arguments: &[&str] =
        if count <= UNPACK_OBJECTS_MAX { &["unpack-objects", "-q", &strict] } else { &["index-pack", "--stdin", &strict, "--fix-thin"] };
    let mut command = command(repository);
    command.args(arguments).env("GIT_OBJECT_DIRECTORY", incoming.path()).env("GIT_ALTERNATE_OBJECT_DIRECTORIES", &objects);
    converse(&mut command, arguments[0], &mut head.as_slice().chain(pack), &mut io::sink())?;
    migrate(incoming.path(), &objects).map_err(|source| GitError::Failed { what: "keeping the objects".to_owned(), source })
}

/// Moves flushed files to where git looks for them, and flushes the folders: a name must outlive the power as its bytes do.
fn migrate(incoming: &Path, objects: &Path) -> io::Result<()> {
    let mut new_folder = false;
    let mut touched = Vec::new();
    for folder in fs::read_dir(incoming)? {
        let folder = folder?;
        if !folder.file_type()?.is_dir() {
            continue;
        }
        let home = objects.join(folder.file_name());
        match fs::create_dir(&home) {
            Ok(()) => new_folder = true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let mut names: Vec<_> = fs::read_dir(folder.path())?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
        // A pack counts once its index is there, so that comes last.
        names.sort_by_key(|name| Path::new(name).extension().is_some_and(|extension| extension == "idx"));
        for name in names {
            if !home.join(&name).exists() {
                fs::rename(folder.path().join(&name), home.join(&name))?;
            }
        }
        touched.push(home);
    }
    for folder in &touched {
        File::open(folder)?.sync_all()?;
    }
    if new_folder {
        File::open(objects)?.sync_all()?;
    }
    Ok(())
}

/// Removes what a crash left on its way in.
pub fn sweep(repository: &Path) {
    for entry in fs::read_dir(repository.join("objects")).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(INCOMING) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
