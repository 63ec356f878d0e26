//! A repository to push from.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A working copy.
pub struct Repository {
    folder: PathBuf,
}

impl Repository {
    /// One commit with a README and these files.
    pub fn new(folder: &Path, files: &[(&str, &str)]) -> Result<Self> {
        fs::create_dir_all(folder)?;
        git(folder, &["init", "-q", "-b", "main"])?;
        fs::write(folder.join("README.md"), "bench\n")?;
        for (name, text) in files {
            fs::write(folder.join(name), text)?;
        }
        git(folder, &["add", "-A"])?;
        let repository = Self { folder: folder.to_owned() };
        repository.commit()?;
        Ok(repository)
    }

    /// A new commit that changes nothing.
    pub fn commit(&self) -> Result<()> {
        self.git(&["commit", "-q", "--allow-empty", "-m", "next"])
    }

    /// The newest commit.
    pub fn head(&self) -> Result<String> {
        let output = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(&self.folder).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Pushes.
    pub fn push(&self, remote: &str) -> Result<()> {
        self.git(&["push", "-q", remote, "main"])
    }

    /// Runs git in it.
    pub fn git(&self, arguments: &[&str]) -> Result<()> {
        git(&self.folder, arguments)
    }
}

/// Runs git, apart from the user's own settings.
pub fn git(folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_TERMINAL_PROMPT", "0")])
        .envs([("GIT_AUTHOR_NAME", "bench"), ("GIT_AUTHOR_EMAIL", "bench@example.com")])
        .envs([("GIT_COMMITTER_NAME", "bench"), ("GIT_COMMITTER_EMAIL", "bench@example.com")])
        .stdin(Stdio::null())
        .output()
        .context("git cannot be started")?;
    ensure!(output.status.success(), "git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(())
}
