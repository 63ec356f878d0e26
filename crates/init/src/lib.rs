//! A first delivery file: guessed from what lies in a folder, or lifted from another system's files. Guesses nothing beyond
//! the obvious, and names what it leaves out.

mod draft;
mod github;
mod gitlab;
mod guess;

pub use draft::{Draft, Job};
pub use github::lift as lift_github;
pub use gitlab::lift as lift_gitlab;
pub use guess::guess;

use std::io::Read;
use std::path::{Path, PathBuf};

/// A file of another system that cannot be taken over.
#[derive(Debug, thiserror::Error)]
#[error("{} {what}", path.display())]
pub struct Unreadable {
    /// The file, or the folder of the files.
    pub path: PathBuf,
    /// What is the matter with it.
    pub what: &'static str,
    /// Why, in the words of who tried to read it.
    pub why: Option<String>,
}

impl Unreadable {
    fn new(path: &Path, what: &'static str, why: Option<impl ToString>) -> Self {
        Self { path: path.to_owned(), what, why: why.map(|why| why.to_string()) }
    }
}

/// A file of another system; one that is larger is none.
fn read_bounded(path: &Path, bytes_max: u64) -> Result<String, Unreadable> {
    let failed = |why: std::io::Error| Unreadable::new(path, "cannot be read", Some(why));
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_string(&mut text)).map_err(failed)?;
    if read as u64 > bytes_max {
        return Err(failed(std::io::Error::other(format!("it is larger than {} KiB", bytes_max >> 10))));
    }
    Ok(text)
}

/// The value of a YAML file.
fn read_yaml(path: &Path, bytes_max: u64) -> Result<serde_json::Value, Unreadable> {
    let text = read_bounded(path, bytes_max)?;
    serde_saphyr::from_str(&text).map_err(|error| Unreadable::new(path, "is not YAML that can be read", Some(error)))
}
