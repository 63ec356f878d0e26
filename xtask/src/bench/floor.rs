//! The floor: what a plain shell script needs for the same work, with no flush and no record worth the name.

use super::repository::{Repository, git};
use super::sheet::Clock;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The same four steps, each its own `sh`, each recorded as one line.
const JOBS: &str = "#!/bin/sh\nfor s in build test deploy-qa deploy-prod; do\n  sh -c : ; echo \"$1 $s $?\" >> \"$2\"\ndone\n";

/// A bare repository whose hook clones and runs the steps, and the script alone.
pub struct Floor {
    folder: PathBuf,
    repository: Repository,
}

impl Floor {
    /// Sets it up in a folder of its own.
    pub fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let bare = folder.join("repo.git");
        git(folder, &["init", "-q", "--bare", "-b", "main", "repo.git"])?;
        let repository = Repository::new(&folder.join("source"), &[])?;
        repository.git(&["remote", "add", "origin", &bare.to_string_lossy()])?;
        repository.push("origin")?;
        let (jobs, record) = (folder.join("jobs.sh"), folder.join("record"));
        script(&jobs, JOBS)?;
        let times = folder.join("times");
        let hook = format!(
            "#!/bin/bash\nbegan=$EPOCHREALTIME\nunset GIT_DIR GIT_QUARANTINE_PATH\nwhile read -r old new ref; do\n  d=$(mktemp -d)\n  git clone -q '{}' \"$d/w\" && cd \"$d/w\" && '{}' \"$new\" '{}'\n  echo \"$began $EPOCHREALTIME\" >> '{}'\n  cd / && rm -rf \"$d\"\ndone\n",
            bare.display(),
            jobs.display(),
            record.display(),
            times.display()
        );
        script(&bare.join("hooks/post-receive"), &hook)?;
        Ok(Self { folder: folder.to_owned(), repository })
    }

    /// A push, its hook, and the four steps in it.
    pub fn push(&self) -> Result<Duration> {
        self.repository.commit()?;
        let clock = Clock::start();
        self.repository.push("origin")?;
        Ok(clock.read())
    }

    /// Of every push so far: seconds from the start of its hook to the last step's line.
    pub fn hooks(&self) -> Result<Vec<f64>> {
        let times = fs::read_to_string(self.folder.join("times"))?;
        let span = |line: &str| {
            let (began, ended) = line.split_once(' ')?;
            Some(ended.parse::<f64>().ok()? - began.parse::<f64>().ok()?)
        };
        Ok(times.lines().filter_map(span).collect())
    }

    /// Many pipelines of four steps, two at a time.
    pub fn pipelines(&self, count: u32) -> Result<Duration> {
        self.shell(&format!("seq {count} | xargs -P 2 -I{{}} ./jobs.sh {{}} ./record"))
    }

    /// Many jobs, two at a time.
    pub fn jobs(&self, count: u32) -> Result<Duration> {
        self.shell(&format!("seq {count} | xargs -P 2 -I{{}} sh -c 'sh -c : ; echo {{}} 0 >> ./record'"))
    }

    /// A command's output into a file.
    pub fn output(&self, command: &str) -> Result<Duration> {
        self.shell(&format!("({command}) > ./log"))
    }

    fn shell(&self, script: &str) -> Result<Duration> {
        let clock = Clock::start();
        let status = Command::new("sh").args(["-c", script]).current_dir(&self.folder).stdin(Stdio::null()).status();
        ensure!(status.context("sh")?.success(), "the floor failed: {script}");
        Ok(clock.read())
    }
}

fn script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
