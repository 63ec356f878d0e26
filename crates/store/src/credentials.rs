//! Tokens for followed repositories: one file each, readable by this user alone. They are never in the record. Each is kept
//! with the host that it was given for, and is given out for no other, whatever the record says in the same moment.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use trunkline_domain::foundation::RepositoryKey;

/// Bytes of a token.
const TOKEN_BYTES_MAX: usize = 4_096;

/// The folder of tokens.
#[derive(Debug)]
pub struct Credentials {
    root: PathBuf,
}

impl Credentials {
    /// Tokens in this folder, which is made where it is missing.
    pub fn open(root: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        Ok(Self { root: root.to_owned() })
    }

    /// Keeps a token for a host, which holds no line's end; an earlier one is replaced.
    pub fn put(&self, key: &RepositoryKey, host: &str, token: &str) -> io::Result<()> {
        let token = token.trim();
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX || token.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("a token is one word of at most {TOKEN_BYTES_MAX} bytes")));
        }
        // Its name is no key's.
        let mut file = tempfile::Builder::new().prefix(".").tempfile_in(&self.root)?;
        write!(file, "{host}\n{token}")?;
        file.as_file().sync_all()?;
        file.persist(self.root.join(key.as_str()))?;
        Ok(())
    }

    /// Forgets the token of a repository.
    pub fn forget(&self, key: &RepositoryKey) -> io::Result<()> {
        match fs::remove_file(self.root.join(key.as_str())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The token of a repository, if it has one for this host.
    pub fn get(&self, key: &RepositoryKey, host: &str) -> io::Result<Option<String>> {
        match fs::read_to_string(self.root.join(key.as_str())) {
            Ok(kept) => Ok(kept.split_once('\n').filter(|(of, _)| *of == host).map(|(_, token)| token.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_for_its_repository_and_its_host_alone() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Credentials::open(folder.path()).unwrap();
        let names = ["shop.new", "shop.x", "shop"].map(|name| name.parse::<RepositoryKey>().unwrap());
        for name in &names {
            kept.put(name, "https://forge.example", name.as_str()).unwrap();
        }
        for name in &names {
            assert_eq!(kept.get(name, "https://forge.example").unwrap().as_deref(), Some(name.as_str()));
            assert_eq!(kept.get(name, "https://other.example").unwrap(), None);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), names.len(), "nothing is left beside them");
    }
}
