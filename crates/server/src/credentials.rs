//! Tokens for followed repositories: one file each, readable by this user alone. They are never in the record. Each is kept
//! with the host that it was given for, and is given out for no other, whatever the record says in the same moment.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
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
        let path = self.root.join(key.as_str());
        let fresh = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        write!(file, "{host}\n{token}")?;
        file.sync_all()?;
        fs::rename(fresh, path)
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
