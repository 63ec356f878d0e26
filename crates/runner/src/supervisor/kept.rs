//! Which releases' content stays on disk: the live one and two before it, and what was accepted last.

use super::status::{Spec, Status};
use crate::trash::remove_tree;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Releases whose content is kept.
const RELEASES_KEPT: usize = 3;
/// The folder of a release that nobody kept is removed when it is older.
const YOUNG: Duration = Duration::from_secs(60 * 60);

/// The folder of an unpacked release.
fn name_of(spec: &Spec) -> Option<String> {
    spec.content.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned())
}

/// Notes that the release is live, so that it is the last to go.
pub fn keep(status: &mut Status, spec: &Spec) {
    if let Some(name) = name_of(spec) {
        status.kept.retain(|kept| *kept != name);
        status.kept.push(name);
    }
}

/// Names of folders that stay, and of those that were kept until now.
pub fn choose(status: &mut Status) -> (Vec<String>, Vec<String>) {
    let excess = status.kept.len().saturating_sub(RELEASES_KEPT);
    let dropped = status.kept.drain(..excess).collect();
    let own = status.live.iter().chain(status.accepted.iter().map(|accepted| &accepted.spec)).filter_map(name_of);
    (status.kept.iter().cloned().chain(own).collect(), dropped)
}

/// Removes the content of releases that are not kept any more.
pub fn prune(releases: &Path, wanted: &[String], dropped: &[String]) {
    for entry in fs::read_dir(releases).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let age = || entry.metadata().and_then(|metadata| metadata.modified()).ok()?.elapsed().ok();
        // One that nobody kept failed; a young one may be on its way in.
        let goes = !wanted.contains(&name) && (dropped.contains(&name) || age().is_some_and(|age| age > YOUNG));
        if goes && let Err(error) = remove_tree(&entry.path()) {
            eprintln!("release {name} could not be removed: {error}");
        }
    }
}
