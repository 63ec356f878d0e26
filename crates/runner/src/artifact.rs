//! Artifacts between folders and the server's blobs, hashed on the way in both directions.

use crate::archive;
use crate::failure::{Failure, While};
use crate::lease::{Hold, Standing, patiently};
use crate::port::Port;
use crate::wanted::Wanted;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use trunkline_api::runner::{BLOB_BYTES_MAX, Contents};
use trunkline_domain::foundation::{Digest, Sha256};
use trunkline_domain::pipeline::ArtifactRule;
use trunkline_domain::run::{Artifact, ArtifactForm};

/// Why an artifact was not kept.
pub enum KeepError {
    /// The job did not leave what its rule names; a sentence for people.
    Missing(String),
    /// The job's time ran out on the way.
    Late,
    /// The runner could not do it.
    Failure(Failure),
}

impl From<Failure> for KeepError {
    fn from(failure: Failure) -> Self {
        KeepError::Failure(failure)
    }
}

/// Hashes, packs where it is a folder, and stores what a rule names in the workspace.
pub fn keep(port: &dyn Port, wanted: Wanted<'_>, rule: &ArtifactRule, workspace: &Path, scratch: &Path) -> Result<Artifact, KeepError> {
    match keep_wanted(port, wanted, rule, workspace, scratch) {
        Err(KeepError::Failure(_)) if wanted.hold.standing() == Standing::Held && wanted.is_late() => Err(KeepError::Late),
        kept => kept,
    }
}

fn keep_wanted(port: &dyn Port, wanted: Wanted<'_>, rule: &ArtifactRule, workspace: &Path, scratch: &Path) -> Result<Artifact, KeepError> {
    let path = found(rule, workspace)?;
    let metadata = fs::metadata(&path).doing(format!("read artifact '{}'", rule.name))?;
    // A file with a hole may say any size, and be read for hours.
    if metadata.is_file() {
        check_size(rule, metadata.len())?;
    }
    let (form, source) = if metadata.is_dir() {
        let packed = scratch.join("packed.tar");
        let file = File::create(&packed).doing("pack a folder")?;
        match archive::pack_within(BLOB_BYTES_MAX, &path, wanted.pass(BufWriter::new(file))) {
            Ok(()) => (ArtifactForm::Folder, packed),
            Err(archive::Error::Hostile(what)) => {
                return Err(KeepError::Missing(format!("artifact '{}' cannot be kept: '{}' holds {what}", rule.name, rule.path)));
            }
            Err(archive::Error::Broken(error)) => return Err(Failure(format!("could not pack artifact '{}': {error}", rule.name)).into()),
        }
    } else if metadata.permissions().mode() & 0o111 != 0 {
        (ArtifactForm::Executable, path)
    } else {
        (ArtifactForm::File, path)
    };
    let (digest, size) = put(port, wanted, &source).doing(format!("store artifact '{}'", rule.name))?;
    // No more than the limit was read, though it may have more by now.
    check_size(rule, fs::metadata(&source).doing(format!("read artifact '{}'", rule.name))?.len())?;
    Ok(Artifact { name: rule.name.clone(), digest, size, form })
}

fn check_size(rule: &ArtifactRule, bytes: u64) -> Result<(), KeepError> {
    if bytes <= BLOB_BYTES_MAX {
        return Ok(());
    }
    let reason = format!("'{}' has {bytes} bytes, more than {BLOB_BYTES_MAX}", rule.path);
    Err(KeepError::Missing(format!("artifact '{}' cannot be kept: {reason}", rule.name)))
}

/// The path that a rule names, if it is there and inside the workspace even after links are followed.
fn found(rule: &ArtifactRule, workspace: &Path) -> Result<PathBuf, KeepError> {
    let relative = Path::new(&rule.path);
    let outside = || KeepError::Missing(format!("artifact '{}': '{}' lies outside the workspace", rule.name, rule.path));
    if !relative.components().all(|component| matches!(component, Component::Normal(_) | Component::CurDir)) {
        return Err(outside());
    }
    let root = workspace.canonicalize().doing("find the workspace")?;
    let Ok(path) = root.join(relative).canonicalize() else { return Err(KeepError::Missing(missing(rule, &root, relative))) };
    if !path.starts_with(&root) {
        return Err(outside());
    }
    let kind = fs::metadata(&path).doing("read an artifact")?;
    if kind.is_dir() || kind.is_file() { Ok(path) } else { Err(KeepError::Missing(missing(rule, &root, relative))) }
}

/// Names what is missing and what is there instead, in the deepest folder of the path that exists.
fn missing(rule: &ArtifactRule, root: &Path, relative: &Path) -> String {
    const SHOWN_MAX: usize = 8;
    const LISTED_MAX: usize = 10_000;
    let mut folder = relative.parent();
    while folder.is_some_and(|folder| !root.join(folder).is_dir()) {
        folder = folder.and_then(Path::parent);
    }
    let folder = folder.unwrap_or(Path::new(""));
    let mut names: Vec<String> = fs::read_dir(root.join(folder))
        .map(|listing| listing.flatten().take(LISTED_MAX).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    let more = if names.len() > SHOWN_MAX { format!(" and {} more", names.len() - SHOWN_MAX) } else { String::new() };
    names.truncate(SHOWN_MAX);
    let place = if folder.as_os_str().is_empty() { "the workspace".to_owned() } else { format!("'{}'", folder.display()) };
    let there = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    format!("artifact '{}' is missing: no '{}'; {place} holds {there}{more}", rule.name, rule.path)
}

fn put(port: &dyn Port, wanted: Wanted<'_>, path: &Path) -> Result<(Digest, u64), Failure> {
    let mut file = File::open(path).doing("open it")?;
    let mut hash = Hashing::new(wanted.pass(io::sink()));
    // It may have grown since it was looked at.
    io::copy(&mut (&file).take(BLOB_BYTES_MAX), &mut hash).doing("read it")?;
    let (digest, size) = (hash.hash.finish(), hash.bytes);
    patiently(wanted.hold, || {
        if let Err(failure) = wanted.check().and_then(|()| file.rewind().doing("read it again")) {
            return Ok(Err(failure));
        }
        let sent = port.blob_put(&digest, size, &mut wanted.pass((&file).take(size)));
        // A reader of ours that ends looks like a broken call from the port's side.
        match wanted.check() {
            Err(failure) if sent.is_err() => Ok(Err(failure)),
            _ => sent.map(Ok),
        }
    })
    .doing("send it")?;
    Ok((digest, size))
}

/// Copies a blob into a new file and verifies it; the file is gone where the digest is wrong.
pub fn fetch(port: &dyn Port, hold: &Hold, digest: &Digest, path: &Path, mode: u32) -> Result<(), Failure> {
    let wanted = Wanted::held(hold);
    let actual = patiently(hold, || {
        let _ = fs::remove_file(path);
        let file = match OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
            Ok(file) => file,
            Err(error) => return Ok(Err(Failure(format!("{} cannot be written: {error}", path.display())))),
        };
        let mut hashing = Hashing::new(wanted.pass(BufWriter::new(file)));
        let got = port.blob_get(digest, &mut hashing);
        let flushed = hashing.flush().map_err(|error| error.to_string());
        // A writer of ours that failed looks like a broken call from the port's side.
        match (hashing.failed.take().map_or(flushed, Err), wanted.check()) {
            (Err(_), Err(failure)) => Ok(Err(failure)),
            (Err(error), Ok(())) => Ok(Err(Failure(format!("{} cannot be written: {error}", path.display())))),
            (Ok(()), _) => got.map(|_| Ok(hashing.hash.finish())),
        }
    })
    .doing(format!("fetch {}", digest.short()))?;
    if actual != *digest {
        let _ = fs::remove_file(path);
        return Err(Failure(format!("could not fetch {}: the bytes that came are {actual}", digest.short())));
    }
    Ok(())
}

/// Puts an artifact into a folder under its name; a packed folder is unpacked.
pub fn place(port: &dyn Port, hold: &Hold, artifact: &Artifact, folder: &Path) -> Result<(), Failure> {
    let path = folder.join(single_name(&artifact.name)?);
    match artifact.form {
        ArtifactForm::File => fetch(port, hold, &artifact.digest, &path, 0o644),
        ArtifactForm::Executable => fetch(port, hold, &artifact.digest, &path, 0o755),
        ArtifactForm::Folder => {
            let packed = folder.join(format!(".{}.tar", artifact.digest.short()));
            fetch(port, hold, &artifact.digest, &packed, 0o600)?;
            fs::create_dir(&path).doing(format!("make folder '{}'", artifact.name))?;
            let file = File::open(&packed).doing("read a packed folder")?;
            archive::extract(Wanted::held(hold).pass(io::BufReader::new(file)), &path)
                .doing(format!("unpack artifact '{}'", artifact.name))?;
            fs::remove_file(&packed).doing("remove a packed folder")
        }
    }
}

/// Fills an empty folder with a release's artifacts and files, and puts the configuration beside it.
pub fn place_contents(port: &dyn Port, hold: &Hold, contents: &Contents, folder: &Path, configuration: &Path) -> Result<(), Failure> {
    for artifact in &contents.artifacts {
        place(port, hold, artifact, folder)?;
    }
    for file in &contents.files {
        let relative = Path::new(&file.path);
        if !relative.components().all(|component| matches!(component, Component::Normal(_))) || file.path.is_empty() {
            return Err(Failure(format!("the release names the file '{}', which lies outside its folder", file.path)));
        }
        let path = folder.join(relative);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).doing(format!("make the folder of '{}'", file.path))?;
        }
        fetch(port, hold, &file.digest, &path, if file.executable { 0o755 } else { 0o644 })?;
    }
    match &contents.configuration {
        Some(digest) => fetch(port, hold, digest, configuration, 0o600),
        None => {
            fs::write(configuration, b"").doing("write an empty configuration")?;
            fs::set_permissions(configuration, Permissions::from_mode(0o600)).doing("protect the configuration")
        }
    }
}

fn single_name(name: &str) -> Result<&str, Failure> {
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(_)), None) => Ok(name),
        _ => Err(Failure(format!("'{name}' cannot be the name of a file"))),
    }
}

/// Hashes what passes through.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
    failed: Option<String>,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::default(), bytes: 0, failed: None }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.inner.write(bytes).inspect_err(|error| self.failed = Some(error.to_string()))?;
        self.hash.update(&bytes[..size]);
        self.bytes += size as u64;
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
