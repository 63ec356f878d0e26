//! `trunkline doctor`: whether what Trunkline needs is there; for each thing that is not, what to do.

use crate::address::Address;
use crate::client::Client;
use crate::exit::Exit;
use crate::globals::Globals;
use crate::render::paint::Mark;
use crate::render::table::{Cell, Table};
use crate::render::text::{bytes, clean};
use crate::render::time::Clock;
use crate::render::words;
use crate::token;
use std::borrow::Cow;
use std::iter;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use trunkline_api::view::{Lack, MissingLevel, ProjectView, RunnerView, ServerView, StatusView};
use trunkline_domain::foundation::Millis;
use trunkline_domain::pipeline::SandboxLevel;

/// `cat-file --batch-command`, which the server uses, and what else it asks of git came with this version.
const GIT_MIN: (u32, u32) = (2, 38);
/// Free bytes below which a note is made.
const DISK_BYTES_MIN: u64 = 1 << 30;
/// What helps who may not read a server's folder.
const AS_ITS_USER: &str = "work as the server's user (sudo -u USER), or set TRUNKLINE_TOKEN";
/// A difference of clocks that makes relative times misleading.
const CLOCK_MAX: Millis = Millis::seconds(30);

/// One thing that was looked at.
struct Finding {
    name: &'static str,
    mark: Mark,
    text: String,
    help: Cow<'static, str>,
}

impl Finding {
    fn good(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, mark: Mark::Passed, text: text.into(), help: Cow::Borrowed("") }
    }

    fn bad(name: &'static str, text: impl Into<String>, help: impl Into<Cow<'static, str>>) -> Self {
        Self { name, mark: Mark::Failed, text: text.into(), help: help.into() }
    }

    fn note(name: &'static str, text: impl Into<String>, help: impl Into<Cow<'static, str>>) -> Self {
        Self { name, mark: Mark::Waiting, text: text.into(), help: help.into() }
    }
}

/// Looks at everything.
pub fn run(globals: &Globals) -> anyhow::Result<Exit> {
    let (folder, untrusted) = match globals.data_folder_here() {
        Ok(folder) => (folder, None),
        Err(failure) => (globals.data_folder(), Some(unread(failure))),
    };
    let mut findings = vec![git(), shell(), ssh(), data_folder(&folder), token_file(&folder), disk(&folder)];
    findings.extend(untrusted);
    // A server that answers knows best: another user in a stricter service may have less than this one.
    let (server, runner) = server(globals);
    findings.extend(runner.as_ref().map_or_else(|| tried(&folder), behind));
    // Of a server that runs: only it knows what it was told.
    findings.extend(runner.as_ref().map(|runner| Finding::good("limits", words::limits(runner))));
    findings.extend(server);
    let screen = globals.screen();
    let mut table = Table::new(["", "FOUND", "WHAT TO DO"]).whole();
    for finding in &findings {
        let state = match finding.mark {
            Mark::Passed => "good",
            Mark::Waiting => "note",
            _ => "bad",
        };
        table.row([
            Cell::mark(finding.mark, finding.name).plain(format!("{state} {}", finding.name)),
            Cell::text(&finding.text),
            Cell::text(finding.help.as_ref()),
        ]);
    }
    let object = |finding: &Finding| serde_json::json!({ "name": finding.name, "good": finding.mark != Mark::Failed, "found": finding.text, "help": finding.help });
    screen.print_table(&findings.iter().map(object).collect::<Vec<_>>(), &table)?;
    Ok(if findings.iter().any(|finding| finding.mark == Mark::Failed) { Exit::Failed } else { Exit::Good })
}

fn git() -> Finding {
    // Debian 11 has an older one.
    const HELP: &str = "install git 2.38 or newer; on Debian 12 and later: apt-get install git";
    match crate::git::run(Path::new("/"), &["version"]) {
        Err(why) => Finding::bad("git", why, HELP),
        Ok(text) => match version(&text) {
            Some(found) if found >= GIT_MIN => Finding::good("git", text),
            Some(_) => Finding::bad("git", format!("{text}, which is too old"), HELP),
            None => Finding::note("git", format!("{text}: its version cannot be read"), HELP),
        },
    }
}

/// The repository of this folder, where git does not read it.
fn unread(failure: crate::failure::Failure) -> Finding {
    Finding::bad("repository", failure.why.first().cloned().unwrap_or(failure.what), failure.help.unwrap_or_default().into_string())
}

/// The first two numbers in `git version 2.47.3`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(2)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn shell() -> Finding {
    let works = Command::new("sh").args(["-c", "exit 0"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match works {
        Ok(status) if status.success() => Finding::good("sh", "runs"),
        Ok(status) => Finding::bad("sh", format!("ends with {status}"), "steps of jobs run in sh: repair it"),
        Err(error) => Finding::bad("sh", error.to_string(), "steps of jobs run in sh: install one; on Debian: apt-get install dash"),
    }
}

/// Whoever neither follows a repository through ssh nor asks a server through it does without.
fn ssh() -> Finding {
    let help = "needed only to follow ssh:// repositories and for TRUNKLINE_SERVER=ssh://HOST; on Debian: apt-get install openssh-client";
    match Command::new("ssh").arg("-V").stdin(Stdio::null()).output() {
        // OpenSSH says its version as an error.
        Ok(said) if said.status.success() => {
            let said = [said.stderr, said.stdout].concat();
            let first = String::from_utf8_lossy(&said).lines().next().map(clean).unwrap_or_default();
            Finding::good("ssh", if first.is_empty() { "runs".to_owned() } else { first })
        }
        Ok(said) => Finding::note("ssh", format!("ends with {}", said.status), help),
        Err(error) => Finding::note("ssh", error.to_string(), help),
    }
}

fn data_folder(folder: &Path) -> Finding {
    match std::fs::metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Finding::note("data folder", format!("{} is not there yet", folder.display()), "trunkline serve makes it")
        }
        Err(error) => Finding::bad("data folder", format!("{}: {error}", folder.display()), "name another folder with --data"),
        Ok(_) if denied(std::fs::read_dir(folder).map(drop)) => {
            Finding::bad("data folder", format!("{} is another user's", folder.display()), AS_ITS_USER)
        }
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            let mode = metadata.permissions().mode() & 0o777;
            Finding::bad("data folder", format!("{} may be read by others (mode {mode:o})", folder.display()), "chmod 700 the folder")
        }
        Ok(_) => Finding::good("data folder", folder.display().to_string()),
    }
}

fn token_file(folder: &Path) -> Finding {
    if token::from_environment().is_some() {
        return Finding::good("token", "from TRUNKLINE_TOKEN");
    }
    let path = folder.join(token::FILE);
    match std::fs::metadata(&path) {
        Err(_) if denied(std::fs::metadata(&path).map(drop)) => {
            Finding::bad("token", format!("{} may not be read", path.display()), AS_ITS_USER)
        }
        Err(_) => Finding::note(
            "token",
            format!("{} is not there", path.display()),
            "trunkline serve makes it; for another machine set TRUNKLINE_TOKEN",
        ),
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            Finding::bad("token", format!("{} may be read by others", path.display()), "chmod 600 the file, and make a new token")
        }
        Ok(_) => Finding::good("token", path.display().to_string()),
    }
}

fn denied<T>(tried: std::io::Result<T>) -> bool {
    tried.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// What jobs of a server on this machine would stand behind: what each level needs is tried here and now, as this user.
fn tried(folder: &Path) -> Vec<Finding> {
    if !folder.exists() {
        return Vec::new();
    }
    match trunkline_runner::try_out(super::serve::launcher().unwrap_or_default(), folder) {
        Err(failure) => vec![Finding::note("sandbox", failure.to_string(), "")],
        Ok(view) => behind(&view),
    }
}

/// The level that `sandbox: auto` becomes, what a better one lacks, and whether steps are counted and limited.
fn behind(runner: &RunnerView) -> Vec<Finding> {
    let level = runner.sandbox;
    let text = format!("level '{level}': {}", words::reach(level));
    let mut findings = vec![match level {
        SandboxLevel::Host => Finding::note("sandbox", text, "let only people push whom you would give that user's shell, or see below"),
        SandboxLevel::Landlock | SandboxLevel::Sandbox => Finding::good("sandbox", text),
    }];
    for MissingLevel { level: better, lack } in runner.missing.iter().filter(|missing| missing.level > level) {
        findings.push(Finding::note("sandbox", format!("no level '{better}': {}", lack.why), lack.help.clone()));
    }
    findings.push(match (runner.control_groups, &runner.no_control_groups) {
        (Some(version), _) => {
            Finding::good("control groups", format!("version {version}: what a step uses is counted, and can be limited"))
        }
        (None, Some(Lack { why, help })) => Finding::note("control groups", format!("none: {why}"), help.clone()),
        (None, None) => Finding::note("control groups", "none", ""),
    });
    findings
}

fn disk(folder: &Path) -> Finding {
    // The nearest folder that exists: the data folder may be made later.
    let Some(existing) = folder.ancestors().find(|folder| folder.exists()) else {
        return Finding::note("disk", "the data folder's disk is unknown", "name the folder with --data");
    };
    match nix::sys::statvfs::statvfs(existing) {
        Err(error) => Finding::note("disk", error.to_string(), ""),
        Ok(found) => {
            let free = found.blocks_available() * found.fragment_size();
            let text = format!("{} free", bytes(free));
            if free < DISK_BYTES_MIN {
                Finding::bad("disk", text, "make room for workspaces and artifacts")
            } else {
                Finding::good("disk", text)
            }
        }
    }
}

/// What is found of the server, and what its runner says of itself.
fn server(globals: &Globals) -> (Vec<Finding>, Option<RunnerView>) {
    let only = |finding| (vec![finding], None);
    let address = match globals.address() {
        Ok(address) => address,
        Err(failure) => {
            let another = another(globals).into_iter();
            let help = failure.help.map_or_else(|| "name it with --server".to_owned(), Into::into);
            return (iter::once(Finding::bad("server", failure.what, help)).chain(another).collect(), None);
        }
    };
    if let Address::Http(base) = &address {
        // Without a token first, so that a missing token does not hide whether anybody is there.
        if let Err(failure) = Client::new(base, base, None).health() {
            let text = format!("{address}: {}", failure.why.join(", "));
            return only(Finding::bad("server", text, "start it with trunkline serve, or name another one with --server"));
        }
    }
    match globals.connect() {
        Err(failure) => {
            let help = failure.help.map_or(Cow::Borrowed("see the token above"), |help| Cow::Owned(help.to_string()));
            only(Finding::bad("server", format!("{address} answers: {}", failure.what), help))
        }
        Ok(remote) => match remote.client.health() {
            Err(failure) => only(Finding::bad("server", format!("{address}: {}", failure.what), "see what trunkline serve printed")),
            Ok(health) => answers(&remote.client, &address, &health.version),
        },
    }
}

/// A server at the usual address that is not the one that is meant: whoever starts that one finds the port taken.
fn another(globals: &Globals) -> Option<Finding> {
    let usual = Address::local();
    let Address::Http(base) = globals.server.is_none().then_some(&usual)? else { return None };
    let health = Client::new(base, base, None).health().ok()?;
    let text = format!("the server of another data folder answers at {usual}, version {}", health.version);
    let help = "if it is yours: --data FOLDER; if it is another user's, work as that one (of the package: sudo -u trunkline trunkline status --data /var/lib/trunkline), or set TRUNKLINE_TOKEN";
    Some(Finding::note("another server", text, help))
}

fn answers(client: &Client, address: &Address, version: &str) -> (Vec<Finding>, Option<RunnerView>) {
    let text = format!("{address}, version {version}");
    let mut findings = vec![if version == env!("CARGO_PKG_VERSION") {
        Finding::good("server", text)
    } else {
        Finding::note("server", format!("{text}; this program is {}", env!("CARGO_PKG_VERSION")), "use the same version on both sides")
    }];
    let own = client.get::<ServerView>("server");
    findings.push(match &own {
        Err(failure) => Finding::bad("access", failure.what.clone(), "see the token above"),
        Ok(_) => Finding::good("access", "the server takes the token"),
    });
    if let Ok(status) = client.get::<StatusView>("status") {
        findings.push(clock(&status));
        findings.extend(safe_mode(&status));
        findings.extend(disk_full(&status));
        findings.extend(repositories(&status));
    }
    (findings, own.ok().and_then(|own| own.runner))
}

/// A restored record that nobody has confirmed.
fn safe_mode(status: &StatusView) -> Option<Finding> {
    let safe = status.safe_mode.as_ref()?;
    let text = format!("the record was restored from a backup of {}: nothing is deployed", safe.taken_at.iso());
    Some(Finding::note("safe mode", text, "look at what runs, then trunkline resume"))
}

/// A server that begins nothing new.
fn disk_full(status: &StatusView) -> Option<Finding> {
    let free = status.disk_full?;
    let text = format!("{} are free on the server's disk: nothing new begins", bytes(free));
    Some(Finding::bad("server's disk", text, "trunkline explain TL0522"))
}

/// Repositories that are gone from the server, or cannot be followed.
fn repositories(status: &StatusView) -> Vec<Finding> {
    let failed = |project: &ProjectView| {
        let why = project.source.as_ref()?.failed.as_deref()?;
        Some(Finding::bad("repository", format!("{}: {}", project.name, clean(why)), format!("trunkline sync {}", project.name)))
    };
    let found = |project: &ProjectView| match project.repository_gone {
        true => Some(Finding::bad("repository", crate::render::attention::gone(project), "trunkline explain TL0524")),
        false => failed(project),
    };
    status.projects.iter().filter_map(found).collect()
}

/// Compares this machine's clock with that of the server.
fn clock(status: &StatusView) -> Finding {
    let now = Clock::of_machine(true).now;
    let apart = now.since(status.at).max(status.at.since(now));
    if apart > CLOCK_MAX {
        Finding::note("clock", format!("{apart} apart from the server's"), "set both clocks by NTP")
    } else {
        Finding::good("clock", "agrees with the server's")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_git() {
        assert_eq!(version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(version("git version unknown"), None);
        assert!(version("git version 2.9.1").unwrap() < GIT_MIN);
    }

    #[test]
    fn what_a_sandbox_lacks_is_said_with_what_to_do() {
        let lack = |why: &str, help: &str| Lack { why: why.to_owned(), help: help.to_owned() };
        let mut runner = RunnerView {
            slots: 2,
            sandbox: SandboxLevel::Host,
            sandbox_min: SandboxLevel::Host,
            missing: vec![
                MissingLevel { level: SandboxLevel::Landlock, lack: lack("old", "a newer kernel") },
                MissingLevel { level: SandboxLevel::Sandbox, lack: lack("a user namespace: EPERM", "allow them") },
            ],
            control_groups: None,
            no_control_groups: Some(lack("read-only", "ask systemd")),
            job_memory: None,
            job_processes: None,
        };
        let told = |runner: &RunnerView| {
            let told = behind(runner).into_iter();
            told.map(|one| (one.mark, format!("{} | {}", one.text, one.help))).collect::<Vec<_>>()
        };
        let host = told(&runner);
        assert_eq!(host.len(), 4);
        assert!(host[0].0 == Mark::Waiting && host[0].1.contains("could read the data folder"));
        assert_eq!(host[2].1, "no level 'sandbox': a user namespace: EPERM | allow them");
        assert_eq!(host[3].1, "none: read-only | ask systemd");
        runner.sandbox = SandboxLevel::Landlock;
        runner.control_groups = Some(2);
        assert_eq!(told(&runner).iter().map(|one| one.0).collect::<Vec<_>>(), [Mark::Passed, Mark::Waiting, Mark::Passed]);
        assert_eq!(words::limits(&runner), "sandbox-min host; job-memory and job-processes: none");
        (runner.job_memory, runner.job_processes) = (Some(512 << 20), Some(16_384));
        assert_eq!(words::limits(&runner), "sandbox-min host; job-memory 512M; job-processes 16384");
        (runner.sandbox, runner.missing) = (SandboxLevel::Sandbox, Vec::new());
        assert_eq!(told(&runner).len(), 2);
    }

    #[test]
    fn an_open_folder_is_bad() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(data_folder(folder.path()).mark, Mark::Failed);
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(data_folder(folder.path()).mark, Mark::Passed);
        assert_eq!(data_folder(&folder.path().join("later")).mark, Mark::Waiting);
        assert!(tried(&folder.path().join("later")).is_empty(), "no server of this machine");
        assert_eq!(disk(&folder.path().join("later")).name, "disk");
    }
}
