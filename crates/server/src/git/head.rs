//! HEAD of a repository that is kept here: it names the branch that is meant where nobody names one.

use super::refs::is_valid_name;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const FILE: &str = "HEAD";
/// What the file says before the name.
const TO: &str = "ref: ";
const BRANCHES: &str = "refs/heads/";
/// Bytes of the file that are read; a name has at most 255.
const BYTES_MAX: u64 = 1024;
/// Of two first pushes at once one names the branch, and the other finds it named.
static NAMING: Mutex<()> = Mutex::new(());

/// The branch that it names, in full, if that branch is there.
pub fn usual_branch(repository: &Path) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    File::open(repository.join(FILE))?.take(BYTES_MAX).read_to_end(&mut text)?;
    // What is no text names no branch, and is no reason to refuse a push.
    let text = String::from_utf8_lossy(&text);
    let name = text.trim_end().strip_prefix(TO).filter(|name| name.starts_with(BRANCHES) && is_valid_name(name));
    Ok(name.filter(|name| repository.join(name).is_file()).map(str::to_owned))
}

/// Lets it name a branch, as `git symbolic-ref` does; what is no branch that is there is left alone.
pub fn set_usual_branch(repository: &Path, name: &str) -> io::Result<()> {
    let _naming = NAMING.lock().unwrap_or_else(PoisonError::into_inner);
    name_it(repository, name)
}

/// The same where the branch that it names is not there; the first one stays until it goes.
pub fn set_first_branch(repository: &Path, name: &str) -> io::Result<()> {
    let _naming = NAMING.lock().unwrap_or_else(PoisonError::into_inner);
    if usual_branch(repository)?.is_some() { Ok(()) } else { name_it(repository, name) }
}

fn name_it(repository: &Path, name: &str) -> io::Result<()> {
    let is_branch = name.starts_with(BRANCHES) && is_valid_name(name) && repository.join(name).is_file();
    if !is_branch || usual_branch(repository)?.as_deref() == Some(name) {
        return Ok(());
    }
    let lock = repository.join("HEAD.lock");
    let mut file = File::create(&lock)?;
    writeln!(file, "{TO}{name}")?;
    file.sync_data()?;
    fs::rename(&lock, repository.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_pushes_at_once_name_one_branch() {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path();
        fs::create_dir_all(repository.join("refs/heads")).unwrap();
        fs::write(repository.join(FILE), "ref: refs/heads/main\n").unwrap();
        let names: Vec<String> = (0..8).map(|number| format!("refs/heads/b{number}")).collect();
        names.iter().for_each(|name| fs::write(repository.join(name), "0".repeat(40)).unwrap());
        std::thread::scope(|scope| {
            for name in &names {
                scope.spawn(|| set_first_branch(repository, name).unwrap());
            }
        });
        assert!(names.contains(&usual_branch(repository).unwrap().unwrap()));
    }

    #[test]
    fn only_a_branch_that_is_there_is_the_usual_one() {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path();
        fs::create_dir_all(repository.join("refs/heads/team")).unwrap();
        fs::create_dir_all(repository.join("refs/tags")).unwrap();
        for name in ["refs/heads/trunk", "refs/tags/v1"] {
            fs::write(repository.join(name), "0".repeat(40)).unwrap();
        }
        fs::write(repository.join(FILE), "ref: refs/heads/main\n").unwrap();
        assert_eq!(usual_branch(repository).unwrap(), None);
        for name in ["refs/heads/gone", "refs/tags/v1", "refs/heads/team", "refs/heads/../tags/v1", "HEAD"] {
            set_usual_branch(repository, name).unwrap();
            assert_eq!(fs::read_to_string(repository.join(FILE)).unwrap(), "ref: refs/heads/main\n", "{name}");
        }
        set_usual_branch(repository, "refs/heads/trunk").unwrap();
        assert_eq!(usual_branch(repository).unwrap().as_deref(), Some("refs/heads/trunk"));
        assert_eq!(fs::read_to_string(repository.join(FILE)).unwrap(), "ref: refs/heads/trunk\n");
        fs::write(repository.join("refs/heads/next"), "0".repeat(40)).unwrap();
        set_first_branch(repository, "refs/heads/next").unwrap();
        assert_eq!(usual_branch(repository).unwrap().as_deref(), Some("refs/heads/trunk"), "the first stays");
        fs::write(repository.join(FILE), b"ref: refs/heads/\xff\n").unwrap();
        set_first_branch(repository, "refs/heads/next").unwrap();
        assert_eq!(usual_branch(repository).unwrap().as_deref(), Some("refs/heads/next"));
        for text in ["0123456789012345678901234567890123456789\n", "ref: ../../etc/passwd\n", "ref: refs/tags/v1\n", ""] {
            fs::write(repository.join(FILE), text).unwrap();
            assert_eq!(usual_branch(repository).unwrap(), None, "{text}");
        }
    }
}
