//! Asking a followed repository where its refs stand, and fetching what is new.

use super::address::{checked, host};
use crate::git::{GitError, converse, is_valid_ref_name, outward};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use trunkline_domain::foundation::Revision;

/// Refs of a followed repository.
const REFS_MAX: usize = 20_000;
/// Bytes of git's list of refs.
const LIST_BYTES_MAX: usize = 16 << 20;

/// Where a repository's branches and tags stand.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// By full name.
    pub refs: BTreeMap<String, Revision>,
    /// The branch that its HEAD names.
    pub default: Option<String>,
    /// Where the address led to, if elsewhere.
    pub redirected: Option<String>,
}

/// Asks where the refs stand. A redirect is followed and named; with a token only where it stays with the token's host.
pub fn look(address: &str, token: Option<&str>) -> Result<Seen, GitError> {
    let refused = match (list(address, token), token) {
        (Err(GitError::Refused { what, said }), Some(_)) if is_redirect(&said) => GitError::Refused { what, said },
        (seen, _) => return seen,
    };
    let Some(to) = location(address, token) else { return Err(refused) };
    if host(&to) != host(address) {
        let said = format!("{address} leads to {to} now, which is another host: the token is not sent there");
        return Err(GitError::Refused { what: "ls-remote".to_owned(), said });
    }
    Ok(Seen { redirected: Some(to.clone()), ..list(&to, token)? })
}

/// It takes no repository here, and is told to find none.
fn list(address: &str, token: Option<&str>) -> Result<Seen, GitError> {
    let mut listed = Capped(Vec::new());
    let said = converse(&mut listing(address, token), "ls-remote", &mut io::empty(), &mut listed)?;
    Ok(Seen { redirected: redirected(&said), ..parse(&String::from_utf8_lossy(&listed.0))? })
}

fn listing(address: &str, token: Option<&str>) -> Command {
    let mut command = outward(Path::new("/"), address, token);
    command.env("GIT_DIR", "/nonexistent");
    command.args(["ls-remote", "--symref", "--", address, "HEAD", "refs/heads/*", "refs/tags/*"]);
    command
}

/// As git says that it was told to go elsewhere, and must not: 301, 302, 303, 307 or 308.
fn is_redirect(said: &str) -> bool {
    said.contains("The requested URL returned error: 30")
}

/// Where an address leads, as its host says to whoever has this token: of a private repository it tells nobody else. Git
/// follows no redirect while it has one, and writes none into a trace.
fn location(address: &str, token: Option<&str>) -> Option<String> {
    let mut command = listing(address, token);
    command.env("GIT_TRACE_CURL", "1").env("GIT_TRACE_CURL_NO_DATA", "1");
    match converse(&mut command, "ls-remote", &mut io::empty(), &mut io::sink()) {
        Ok(said) | Err(GitError::Refused { said, .. }) => located(&said),
        Err(_) => None,
    }
}

/// The first place that a trace of HTTP names, without what git asks for there.
fn located(traced: &str) -> Option<String> {
    const HEADER: &str = "Recv header: location: ";
    let to = traced.lines().find_map(|line| {
        let at = line.to_ascii_lowercase().find(&HEADER.to_ascii_lowercase())?;
        line.get(at + HEADER.len()..)
    })?;
    let to = to.trim().split("/info/refs").next().unwrap_or_default().trim_end_matches('/');
    checked(to).ok()
}

/// Git follows the first redirect, and says so.
fn redirected(said: &str) -> Option<String> {
    said.lines().find_map(|line| line.strip_prefix("warning: redirecting to ")).map(|to| to.trim_end_matches('/').to_owned())
}

fn parse(listed: &str) -> Result<Seen, GitError> {
    let mut seen = Seen::default();
    for line in listed.lines() {
        let Some((what, name)) = line.split_once('\t') else { continue };
        if let Some(branch) = what.strip_prefix("ref: ") {
            seen.default = Some(branch.to_owned());
        } else if is_valid_ref_name(name)
            && what.contains(|digit| digit != '0')
            && let Ok(revision) = what.parse()
        {
            // A broken ref is listed with zeros for a commit, and asking for those would fail the whole fetch.
            // What a tag leads to is listed beside it, as name^{}, which is no valid name.
            seen.refs.insert(name.to_owned(), revision);
        }
        if seen.refs.len() > REFS_MAX {
            return Err(GitError::Refused { what: "ls-remote".to_owned(), said: format!("more than {REFS_MAX} branches and tags") });
        }
    }
    Ok(seen)
}

/// Fetches what these refs lead to. No ref is written here: the record moves them.
pub fn fetch(repository: &Path, address: &str, token: Option<&str>, names: &[&str]) -> Result<(), GitError> {
    let mut command = outward(repository, address, token);
    command.args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules", "--stdin"]);
    command.args(["--", address]);
    let wanted: String = names.iter().map(|name| format!("{name}\n")).collect();
    converse(&mut command, "fetch", &mut wanted.as_bytes(), &mut io::sink())?;
    // Git flushes the pack, not the folder's entry for it.
    let flush = || File::open(repository.join("objects/pack"))?.sync_all();
    flush().map_err(|source| GitError::Failed { what: "keeping the objects".to_owned(), source })
}

struct Capped(Vec<u8>);

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LIST_BYTES_MAX {
            return Err(io::Error::other("the list of refs is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_tells_where_an_address_leads() {
        let trace = |to: &str| {
            format!(
                "12:00:00.1 http.c:845 <= Recv header: HTTP/1.1 302 Found\n12:00:00.2 http.c:845 <= Recv header: Location: {to}\nfatal: x\n"
            )
        };
        let asked = "https://new.example/shop.git/info/refs?service=git-upload-pack";
        assert_eq!(located(&trace(asked)).as_deref(), Some("https://new.example/shop.git"));
        assert_eq!(located(&trace("https://ana:secret@new.example/shop.git/info/refs")), None);
        assert_eq!(located(&trace("--upload-pack=touch")), None);
        assert_eq!(located("fatal: nothing"), None);
    }

    #[test]
    fn a_list_of_refs_is_read() {
        let (a, b, zeros) = ("a".repeat(40), "b".repeat(40), "0".repeat(40));
        let listed = format!(
            "ref: refs/heads/trunk\tHEAD\n{a}\tHEAD\n{a}\trefs/heads/trunk\n{b}\trefs/tags/v1\n{a}\trefs/tags/v1^{{}}\nx\trefs/heads/y\n{zeros}\trefs/heads/broken\n{a}\trefs/heads/../z\n"
        );
        let seen = parse(&listed).unwrap();
        assert_eq!(seen.default.as_deref(), Some("refs/heads/trunk"));
        assert_eq!(seen.refs.keys().collect::<Vec<_>>(), ["refs/heads/trunk", "refs/tags/v1"]);
    }
}
