//! Immutable bytes in files named by their digest: temporary file, flush, rename, flush the folder.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use trunkline_domain::foundation::{Digest, Sha256};
use trunkline_engine::{BlobError, Blobs};

/// Blobs in a folder, two levels deep.
#[derive(Debug)]
pub struct FileBlobs {
    root: PathBuf,
}

impl FileBlobs {
    /// Blobs in this folder, which is made where it is missing. What a crash left half-written is removed.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        let incoming = root.join("incoming");
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        fs::create_dir_all(&incoming)?;
        Ok(Self { root: root.to_owned() })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join(&hex[..2]).join(&hex[2..])
    }
}

impl Blobs for FileBlobs {
    fn put(&self, digest: &Digest, from: &mut dyn Read) -> Result<u64, BlobError> {
        let fail = |error| BlobError::Io(*digest, error);
        let mut file = tempfile::NamedTempFile::new_in(self.root.join("incoming")).map_err(fail)?;
        let (size, found) = copy(from, &mut file).map_err(fail)?;
        if found != *digest {
            return Err(BlobError::Mismatch { expected: *digest, found });
        }
        if self.is_sound(digest) {
            return Ok(size);
        }
        file.as_file().sync_data().map_err(fail)?;
        let path = self.path(digest);
        let folder = path.parent().expect("a blob lies in a folder");
        fs::create_dir_all(folder).map_err(fail)?;
        file.persist(&path).map_err(|error| fail(error.error))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)?;
        // The folder itself may be new.
        File::open(&self.root).and_then(|root| root.sync_all()).map_err(fail)?;
        Ok(size)
    }

    fn get(&self, digest: &Digest, into: &mut dyn Write) -> Result<u64, BlobError> {
        let mut file = match File::open(self.path(digest)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(BlobError::Missing(*digest)),
            Err(error) => return Err(BlobError::Io(*digest, error)),
        };
        let (size, found) = copy(&mut file, into).map_err(|error| BlobError::Io(*digest, error))?;
        if found == *digest { Ok(size) } else { Err(BlobError::Mismatch { expected: *digest, found }) }
    }

    fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }
}

fn copy(from: &mut dyn Read, into: &mut dyn Write) -> std::io::Result<(u64, Digest)> {
    let mut hash = Sha256::default();
    let mut buffer = vec![0; 64 << 10];
    let mut size = 0;
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            into.flush()?;
            return Ok((size, hash.finish()));
        }
        hash.update(&buffer[..read]);
        into.write_all(&buffer[..read])?;
        size += read as u64;
    }
}
