//! What must hold on a disk after the power came back.

use super::super::{Ground, check};
use super::disk::{Found, Image};
use super::life::{Acknowledged, Promise, newest};
use crate::bench::Server;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use trunkline_domain::foundation::Digest;
use trunkline_engine::verify;
use trunkline_store::SqliteStore;

/// Files of the database that outlive a start.
const DATABASE: [&str; 3] = ["trunkline.db", "trunkline.db-wal", "trunkline.db-journal"];

/// The database opens, its pages are whole, and its ledger goes on from where it was acknowledged.
pub fn database(image: &Image, folder: &Path, acknowledged: &[Acknowledged]) -> Result<()> {
    fs::create_dir_all(folder)?;
    for name in DATABASE {
        if let Some(Found::File(bytes)) = image.get(Path::new(name)) {
            fs::write(folder.join(name), bytes)?;
        }
    }
    let path = folder.join(DATABASE[0]);
    let store = SqliteStore::open(&path)?;
    store.check_pages()?;
    let kept = acknowledged.last().map(|last| anyhow::Ok((Some(last.entries), last.root.parse::<Digest>()?))).transpose()?;
    verify(&store, kept)?;
    drop(store);
    Ok(fs::remove_dir_all(folder)?)
}

/// The program starts on it and shows everything that was acknowledged.
pub fn program(ground: &Ground, image: &Image, folder: &Path, acknowledged: &[Acknowledged]) -> Result<()> {
    write(image, folder)?;
    let server = Server::start(&ground.program, folder).context("it does not start")?;
    for one in acknowledged {
        promise(&server, folder, &one.promise)?;
    }
    for (project, commit) in newest(acknowledged) {
        reference(folder, project, commit)?;
    }
    drop(server);
    check::ledger(&ground.program, folder)?;
    Ok(fs::remove_dir_all(folder)?)
}

fn promise(server: &Server, data: &Path, promise: &Promise) -> Result<()> {
    match promise {
        Promise::Project(name) => {
            server.get(&format!("projects/{name}"))?;
            let repository = data.join(format!("repositories/{name}.git"));
            git(&repository, &["rev-parse", "--is-bare-repository"]).with_context(|| format!("the repository of {name}"))
        }
        Promise::Push { project, commit } => {
            server.get(&format!("projects/{project}/where/{commit}"))?;
            let repository = data.join(format!("repositories/{project}.git"));
            git(&repository, &["rev-list", "--objects", "--quiet", commit]).with_context(|| format!("commit {commit} of {project}"))
        }
        Promise::Run { project, number, log: (work, text), blobs } => {
            let run = server.get(&format!("projects/{project}/runs/{number}"))?;
            ensure!(run["result"] == "passed", "run {number} of {project} is {}", run["result"]);
            let found = server.text(&format!("projects/{project}/log?work={work}"))?;
            ensure!(found == *text, "the log of run {number} of {project} is {found:?}, was {text:?}");
            for digest in blobs {
                let bytes = fs::read(data.join("blobs").join(&digest[..2]).join(&digest[2..])).with_context(|| format!("blob {digest}"))?;
                ensure!(Digest::of(&bytes).hex() == *digest, "blob {digest} has other bytes");
            }
            Ok(())
        }
    }
}

/// The branch is at the newest acknowledged commit or, since a push may be stored before its answer is, beyond it.
fn reference(data: &Path, project: &str, commit: &str) -> Result<()> {
    let repository = data.join(format!("repositories/{project}.git"));
    git(&repository, &["merge-base", "--is-ancestor", commit, "refs/heads/main"])
        .with_context(|| format!("branch main of {project} is behind {commit}"))
}

fn git(repository: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new("git").arg("--git-dir").arg(repository).args(arguments).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn write(image: &Image, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    // A folder stands before what is in it.
    for (path, found) in image {
        let path = folder.join(path);
        match found {
            Found::Folder => fs::create_dir_all(path)?,
            Found::Symlink(target) => symlink(target, path)?,
            Found::File(bytes) => {
                // The token must be nobody else's.
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)?;
            }
        }
    }
    Ok(())
}
