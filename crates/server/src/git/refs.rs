//! Refs on disk. The record decides where they stand; the files follow it, so that git itself can read them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use trunkline_domain::foundation::{Revision, is_obeyed};

/// Bytes of a ref's name.
const NAME_BYTES_MAX: usize = 255;

/// Whether a full ref name is one that is kept here, that git allows (`git check-ref-format`), that is safe as a path,
/// and that shows as what it is.
pub fn is_valid_name(name: &str) -> bool {
    let forbidden = |c: char| is_obeyed(c) || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    name.len() <= NAME_BYTES_MAX
        && is_kept(name)
        && !name.contains(forbidden)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
}

/// Branches, tags, and heads of pull and merge requests. Others, such as `refs/replace/`, change what git itself says.
fn is_kept(name: &str) -> bool {
    let numbered = |rest: &str| rest.strip_suffix("/head").is_some_and(|number| number.parse::<u32>().is_ok());
    let named = |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
    named("refs/heads/")
        || named("refs/tags/")
        || ["refs/pull/", "refs/merge-requests/"].iter().any(|prefix| name.strip_prefix(prefix).is_some_and(numbered))
}

/// Writes, moves or (absent) removes a ref: new file, flush, rename.
pub fn write(repository: &Path, name: &str, revision: Option<&Revision>) -> std::io::Result<()> {
    let path = repository.join(name);
    let Some(revision) = revision else {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Empty folders would stand in the way of a ref of their name.
        let kinds = repository.join("refs");
        for folder in
            path.ancestors().skip(1).take_while(|folder| folder.parent().is_some_and(|above| above != kinds && above.starts_with(&kinds)))
        {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        return Ok(());
    };
    debug_assert!(is_valid_name(name));
    let folder = path.parent().expect("a ref lies in a folder");
    fs::create_dir_all(folder)?;
    let lock = repository.join(format!("{name}.lock"));
    let mut file = File::create(&lock)?;
    writeln!(file, "{revision}")?;
    file.sync_data()?;
    remove_empty(&path);
    fs::rename(&lock, &path)
}

/// Removes a folder that holds nothing but empty folders, as a crash may leave it.
fn remove_empty(path: &Path) {
    if path.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            remove_empty(&entry.path());
        }
        let _ = fs::remove_dir(path);
    }
}

/// Every ref on disk; a lock that a crash left shows as one, with a name that no ref can have.
pub fn list(repository: &Path) -> std::io::Result<BTreeMap<String, Revision>> {
    let mut refs = BTreeMap::new();
    collect(repository, "refs", &mut refs)?;
    Ok(refs)
}

fn collect(repository: &Path, name: &str, refs: &mut BTreeMap<String, Revision>) -> std::io::Result<()> {
    for entry in fs::read_dir(repository.join(name))? {
        let entry = entry?;
        let Some(part) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let name = format!("{name}/{part}");
        if entry.file_type()?.is_dir() {
            collect(repository, &name, refs)?;
        } else if let Ok(revision) = fs::read_to_string(entry.path())?.trim().parse() {
            refs.insert(name, revision);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for name in ["refs/heads/main", "refs/heads/a/b", "refs/tags/v1.0", "refs/pull/7/head", "refs/heads/ü"] {
            assert!(is_valid_name(name), "{name}");
        }
        for name in [
            "main",
            "refs/heads",
            "refs/heads/../../etc/passwd",
            "refs/heads/a b",
            "refs/heads/a\nb",
            "refs/heads/.hidden",
            "refs/heads/a.lock",
            "refs/heads//a",
            "refs/heads/a.",
            "refs/heads/a@{1}",
            "refs/heads/*",
            "../refs/heads/a",
            "refs/replace/0123456789012345678901234567890123456789",
            "refs/notes/commits",
            "refs/pull/7/merge",
            "refs/pull/x/head",
            "refs/heads/",
            "refs/heads/a\u{85}b",
            "refs/heads/a\u{202e}b",
            "refs/heads/a\u{61c}b",
            "refs/heads/a\u{2028}b",
        ] {
            assert!(!is_valid_name(name), "{name}");
        }
    }

    #[test]
    fn a_ref_is_written_moved_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("refs/heads")).unwrap();
        let (a, b): (Revision, Revision) = ("a".repeat(40).parse().unwrap(), "b".repeat(40).parse().unwrap());
        write(folder.path(), "refs/heads/x/y", Some(&a)).unwrap();
        write(folder.path(), "refs/heads/x/y", Some(&b)).unwrap();
        assert_eq!(list(folder.path()).unwrap(), BTreeMap::from([("refs/heads/x/y".to_owned(), b.clone())]));
        write(folder.path(), "refs/heads/x/y", None).unwrap();
        write(folder.path(), "refs/heads/x/y", None).unwrap();
        assert_eq!(list(folder.path()).unwrap(), BTreeMap::new());
        // A name that was a folder may be a ref now, even where a crash left the folder.
        assert!(!folder.path().join("refs/heads/x").exists() && folder.path().join("refs/heads").exists());
        fs::create_dir_all(folder.path().join("refs/heads/x/y")).unwrap();
        // So may the lock be that it left.
        fs::write(folder.path().join("refs/heads/z.lock"), b.to_string()).unwrap();
        assert_eq!(list(folder.path()).unwrap().into_keys().collect::<Vec<_>>(), ["refs/heads/z.lock"]);
        write(folder.path(), "refs/heads/z.lock", None).unwrap();
        write(folder.path(), "refs/heads/x", Some(&a)).unwrap();
        assert_eq!(list(folder.path()).unwrap().len(), 1);
    }
}
