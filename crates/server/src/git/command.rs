//! Calling the git program: arguments as a list, nothing from the host's configuration, no prompts, no hooks.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Why git could not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program could not be started, or its pipe broke.
    #[error("git {what} failed")]
    Failed {
        /// What it was asked.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It said no.
    #[error("git {what}: {said}")]
    Refused {
        /// What it was asked.
        what: String,
        /// What it said.
        said: String,
    },
    /// There is no such object or path.
    #[error("git has no {0}")]
    Missing(String),
}

/// A git command in a repository, to be given arguments.
pub fn command(repository: &Path) -> Command {
    let mut command = Command::new("git");
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).current_dir(repository).env("GIT_DIR", ".");
    for (name, value) in [
        ("HOME", "/nonexistent"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("LC_ALL", "C.UTF-8"),
    ] {
        command.env(name, value);
    }
    for setting in
        ["core.fsync=all", "core.hooksPath=/dev/null", "gc.auto=0", "receive.autogc=false", "maintenance.auto=false", "safe.directory=*"]
    {
        command.arg("-c").arg(setting);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs git to its end and gives what it printed.
pub fn git(repository: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    let what = arguments.first().copied().unwrap_or_default().to_owned();
    let mut command = command(repository);
    if what == "init" {
        command.env_remove("GIT_DIR");
    }
    let output = command.args(arguments).output().map_err(|source| GitError::Failed { what: what.clone(), source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(GitError::Refused { what, said: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

/// Answers a fetch with `git upload-pack`.
pub fn command_for_fetch(repository: &Path, arguments: &[String], body: &[u8], protocol: Option<String>) -> Result<Vec<u8>, GitError> {
    let fail = |source| GitError::Failed { what: "upload-pack".to_owned(), source };
    let mut command = command(repository);
    if let Some(protocol) = protocol {
        command.env("GIT_PROTOCOL", protocol);
    }
    command.args(["upload-pack", "--stateless-rpc", "--strict"]).args(arguments).arg(".").stdin(Stdio::piped());
    let mut child = command.spawn().map_err(fail)?;
    let mut stdin = child.stdin.take().expect("stdin was asked for");
    let body = body.to_vec();
    // Written beside reading: a large request must not wait for a full pipe of answers.
    let writer = std::thread::spawn(move || stdin.write_all(&body));
    let output = child.wait_with_output().map_err(fail)?;
    let _ = writer.join();
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(GitError::Refused { what: "upload-pack".to_owned(), said: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}
