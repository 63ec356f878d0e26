//! Calling the git program: arguments as a list, nothing from the host's configuration, no prompts, no hooks.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use trunkline_domain::foundation::{RepositoryKey, is_obeyed};

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
    /// The record knows the repository, but its folder is not there.
    #[error(
        "the server cannot read the folder of repository {0}: put it back from a backup, and the next try finds it; see trunkline explain TL0524"
    )]
    Gone(RepositoryKey),
    /// There is no such object or path.
    #[error("git has no {0}")]
    Missing(String),
    /// The files of a commit cannot be written here.
    #[error("the workspace cannot be written")]
    Workspace(#[source] std::io::Error),
    /// An object that is not read into memory.
    #[error("{name} has {size} bytes, more than {most}")]
    TooLarge {
        /// Which.
        name: String,
        /// Its size.
        size: u64,
        /// The limit.
        most: u64,
    },
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
        // A pushed refs/replace/… would put other bytes under a recorded id.
        ("GIT_NO_REPLACE_OBJECTS", "1"),
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

/// What git may need to reach another machine; nothing else of the server's own environment.
const OUTWARD: [&str; 12] = [
    "HOME",
    "SSH_AUTH_SOCK",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
];

/// What git itself once wrote wrong, and is in the history of many a repository: it harms nobody, and can be mended only by
/// another history.
pub const OLD_FAULTS: [&str; 6] =
    ["zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate", "missingEmail", "missingNameBeforeEmail", "missingSpaceBeforeEmail"];

/// A git command that talks to another repository: the user's own ssh, no questions, an end to silence. A token travels in
/// the environment, where only this user sees it, and only to this address: git would take it along where a redirect leads,
/// so with a token it follows none.
pub fn outward(repository: &Path, address: &str, token: Option<&str>) -> Command {
    let mut command = command(repository);
    for name in OUTWARD {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let ssh = "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 -o ServerAliveCountMax=4";
    command.env("GIT_SSH_COMMAND", ssh).env("GIT_ALLOW_PROTOCOL", "file:http:https:ssh").env("GIT_ASKPASS", "false");
    for setting in ["http.lowSpeedLimit=100", "http.lowSpeedTime=60", "transfer.fsckObjects=true"] {
        command.arg("-c").arg(setting);
    }
    command.arg("-c").arg(format!("http.followRedirects={}", if token.is_some() { "false" } else { "initial" }));
    for fault in OLD_FAULTS {
        command.arg("-c").arg(format!("fetch.fsck.{fault}=ignore"));
    }
    if let Some(token) = token {
        let basic = base64(format!("trunkline:{token}").as_bytes());
        command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", format!("http.{address}.extraHeader"));
        command.env("GIT_CONFIG_VALUE_0", format!("Authorization: Basic {basic}"));
    }
    command
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { digit as char } else { '=' });
        }
    }
    text
}

/// Bytes that git may print for us.
const PRINTED_MAX: u64 = 64 << 20;

/// Runs git to its end and gives what it printed.
pub fn git(repository: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    let what = arguments.first().copied().unwrap_or_default().to_owned();
    let mut command = command(repository);
    if what == "init" {
        command.env_remove("GIT_DIR");
    }
    let mut printed = Vec::new();
    converse(command.args(arguments), &what, &mut std::io::empty(), &mut Capped { into: &mut printed, left: PRINTED_MAX })?;
    Ok(printed)
}

/// Answers a fetch with `git upload-pack`; the answer goes where the caller reads it, however long it is.
pub fn upload_pack(
    repository: &Path,
    arguments: &[String],
    (body, protocol): (&mut (dyn Read + Send), Option<String>),
    into: &mut dyn Write,
) -> Result<(), GitError> {
    let mut command = command(repository);
    if let Some(protocol) = protocol {
        command.env("GIT_PROTOCOL", protocol);
    }
    converse(command.args(["upload-pack", "--stateless-rpc", "--strict"]).args(arguments).arg("."), "upload-pack", body, into).map(drop)
}

/// Gives a git command its input, and hands on what it prints. It is ended where nobody takes that any more.
pub fn converse(command: &mut Command, what: &str, input: &mut (dyn Read + Send), output: &mut dyn Write) -> Result<String, GitError> {
    let fail = |source| GitError::Failed { what: what.to_owned(), source };
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(fail)?;
    let mut stdin = child.stdin.take().expect("stdin was asked for");
    let mut stdout = child.stdout.take().expect("stdout was asked for");
    let stderr = child.stderr.take().expect("stderr was asked for");
    std::thread::scope(|scope| {
        let told = scope.spawn(move || {
            let mut said = Vec::new();
            let _ = stderr.take(SAID_MAX).read_to_end(&mut said);
            said
        });
        // Written beside reading: a large input must not wait for a full pipe of answers.
        let written = scope.spawn(move || std::io::copy(input, &mut stdin).map(drop));
        let taken = std::io::copy(&mut stdout, output);
        if taken.is_err() {
            let _ = child.kill();
        }
        drop(stdout);
        let status = child.wait().map_err(fail)?;
        let said = told.join().unwrap_or_default();
        let written = written.join().unwrap_or(Ok(()));
        taken.map_err(fail)?;
        // Input that broke off or was too long is the reason; that git then misses its end says less. A git that has enough
        // stops reading; that alone is no failure.
        written.or_else(|error| if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(fail(error)) })?;
        if !status.success() {
            return Err(GitError::Refused { what: what.to_owned(), said: shown(&said) });
        }
        Ok(shown(&said))
    })
}

/// What git complained of, for people and logs: it quotes names, and what another server says.
fn shown(said: &[u8]) -> String {
    let said = owned(&String::from_utf8_lossy(said));
    said.trim().chars().map(|c| if is_obeyed(c) && !matches!(c, '\n' | '\t') { '?' } else { c }).collect()
}

/// What git's advice for the repository of another user begins with. The advice is to be put into a configuration that the
/// server's git does not read.
const FOREIGN: &str = "fatal: detected dubious ownership in repository at ";

/// What git said, with advice that helps here in place of git's own, which is all that follows.
fn owned(said: &str) -> String {
    let Some((before, after)) = said.split_once(FOREIGN) else { return said.to_owned() };
    let place = after.lines().next().unwrap_or_default();
    format!("{before}the repository at {place} belongs to another user: give it to the server's user, or reach it over ssh://")
}

/// Bytes of git's complaints that are kept.
const SAID_MAX: u64 = 64 << 10;

struct Capped<'a> {
    into: &'a mut Vec<u8>,
    left: u64,
}

impl Write for Capped<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| std::io::Error::other("git printed too much"))?;
        self.into.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_of_another_user_is_told_without_advice_that_has_no_effect() {
        let said = "fatal: detected dubious ownership in repository at '/srv/git/shop.git'\nTo add an exception for this directory, call:\n\n\tgit config --global --add safe.directory /srv/git/shop.git\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\n";
        let told = "the repository at '/srv/git/shop.git' belongs to another user: give it to the server's user, or reach it over ssh://";
        assert_eq!(shown(said.as_bytes()), told);
        assert_eq!(shown(format!("remote: Hello\n{FOREIGN}'x'").as_bytes()).lines().next(), Some("remote: Hello"));
        assert_eq!(shown(b"fatal: no\n\x1b[2J"), "fatal: no\n?[2J");
    }
}
