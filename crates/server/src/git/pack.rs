//! Taking in the pack of a push.

use super::command::{GitError, command};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

/// Packs with at most this many objects become loose objects, as git itself does it.
const UNPACK_OBJECTS_MAX: u32 = 100;

/// Stores the objects of a pack, flushed, after checking them and their links.
pub fn take_in(repository: &Path, pack: &[u8]) -> Result<(), GitError> {
    let count = pack.get(8..12).map_or(0, |bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    if count == 0 {
        return Ok(());
    }
    let arguments: &[&str] = if count <= UNPACK_OBJECTS_MAX {
        &["unpack-objects", "-q", "--strict"]
    } else {
        &["index-pack", "--stdin", "--strict", "--fix-thin"]
    };
    let what = arguments[0].to_owned();
    let fail = |source| GitError::Failed { what: what.clone(), source };
    let mut child = command(repository).args(arguments).stdin(Stdio::piped()).spawn().map_err(fail)?;
    let mut stdin = child.stdin.take().expect("stdin was asked for");
    // A git that says no stops reading; its own words matter more than our broken pipe.
    let written = stdin.write_all(pack);
    drop(stdin);
    let output = child.wait_with_output().map_err(fail)?;
    if !output.status.success() {
        return Err(GitError::Refused { what, said: String::from_utf8_lossy(&output.stderr).trim().to_owned() });
    }
    written.map_err(fail)
}
