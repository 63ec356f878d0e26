//! What the services of an environment print. The supervisors on the runner's machine keep it, and outlive the server: none
//! is asked.

use super::{Copied, Filter, LOOK_EVERY, copy, which};
use crate::choice::Site;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::invocation::in_project;
use crate::reference;
use crate::render::Screen;
use crate::render::paint::Style;
use crate::render::text::clean;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use trunkline_api::view::ProjectView;
use trunkline_domain::foundation::{EnvironmentName, ProjectKey};

/// Bytes that one line of JSON holds: as many as a log has before it is cut.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// What is wanted.
pub struct Wanted<'a> {
    /// The environment's name.
    pub environment: &'a str,
    /// One of its parts; all where none is named.
    pub part: Option<&'a str>,
    /// Whether to go on until somebody ends this program.
    pub follow: bool,
    /// Whether only what failed is wanted, which no service says of itself.
    pub failed: bool,
}

/// Prints it.
pub fn run(wanted: &Wanted<'_>, globals: &Globals) -> anyhow::Result<Exit> {
    let name = reference::environment(wanted.environment)?;
    if wanted.failed {
        let failure = Failure::new(Code::NotAReference, "--failed is for the logs of a run or a deployment");
        let (printed, failed) = (in_project!("log environment/{name}"), in_project!("log deployment/N --failed"));
        let help = format!("what services print: {printed}; what failed of a deployment: {failed}");
        return Err(failure.why("a service runs on: what it prints has neither passed nor failed").help(help).into());
    }
    let (site, project) = globals.site()?;
    let data = here(site, name.as_str())?;
    let projects = projects(&data)?;
    let project = project.map_or_else(|| only(projects, &data), Ok)?;
    let found = trunkline_runner::service_logs(&data.join("runner"), project.as_str(), name.as_str());
    if found.is_empty() {
        known(globals, &project, &name)?;
    }
    let logs = chosen(found, &project, wanted, &data)?;
    let screen = globals.screen();
    let titled = logs.len() > 1;
    for (part, file) in &logs {
        if titled && !screen.json() {
            screen.note(&format!("{} part {}", screen.err.paint.text(Style::Muted, "==>"), clean(part)));
        }
        print(part, file, wanted.follow, &screen)?;
    }
    Ok(Exit::Good)
}

/// The folder of the server that is meant. One elsewhere keeps its runner's logs elsewhere, whatever a folder here holds.
fn here(site: Site, environment: &str) -> Result<PathBuf, Failure> {
    match site {
        Site::Here { folder, .. } => Ok(folder),
        Site::Elsewhere(address) => {
            let failure =
                Failure::new(Code::NothingThere, "what services print is kept on the runner's machine, and that server is none of here");
            let help = format!("on that machine, as the server's user: trunkline log environment/{environment} --data DATA");
            Err(failure.place(address).help(help))
        }
    }
}

/// Whether the project and its environment are there, as far as a server that runs here can tell: where nothing printed, a
/// mistyped name is the likeliest reason.
fn known(globals: &Globals, project: &ProjectKey, environment: &EnvironmentName) -> Result<(), Failure> {
    let Ok(remote) = (Globals { quiet: true, ..globals.clone() }).connect() else { return Ok(()) };
    let asked = remote.client.get::<ProjectView>(&format!("projects/{project}"));
    let asked = asked.and_then(|_| which::environment(&remote, project, environment.as_str()));
    match asked {
        Err(failure) if failure.exit == Exit::NotFound => Err(failure),
        _ => Ok(()),
    }
}

/// The projects that ever had a service on this machine.
fn projects(data: &Path) -> Result<Vec<ProjectKey>, Failure> {
    let folder = data.join("runner/process");
    let mut found: Vec<ProjectKey> = match std::fs::read_dir(&folder) {
        Ok(entries) => entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            let failure = Failure::new(Code::DataFolder, format!("the data folder {} cannot be read", data.display()));
            return Err(failure.place(folder.display()).why(error).help("work as the user that runs the server"));
        }
    };
    found.sort();
    Ok(found)
}

/// The only project that has services here, where none is said.
fn only(mut projects: Vec<ProjectKey>, data: &Path) -> Result<ProjectKey, Failure> {
    match projects.len() {
        0 => {
            Err(Failure::new(Code::NothingThere, "no service was ever started on this machine").place(data.display()).help(only_services()))
        }
        1 => Ok(projects.remove(0)),
        _ => {
            let names: Vec<&str> = projects.iter().map(ProjectKey::as_str).collect();
            Err(Failure::new(Code::WhichProject, "it is not clear which project is meant")
                .why(format!("there are services of {}", names.join(", ")))
                .help("name it: --project NAME"))
        }
    }
}

fn only_services() -> String {
    format!("only parts of kind process print here; {} shows what the scripts of others printed", in_project!("log deployment/N"))
}

fn chosen(
    found: Vec<(String, PathBuf)>,
    project: &ProjectKey,
    wanted: &Wanted<'_>,
    data: &Path,
) -> Result<Vec<(String, PathBuf)>, Failure> {
    let names: Vec<String> = found.iter().map(|(name, _)| clean(name)).collect();
    let has = if names.is_empty() { others(data) } else { format!("it has {}", names.join(", ")) };
    let chosen: Vec<_> = found.into_iter().filter(|(name, _)| wanted.part.is_none_or(|part| part == name)).collect();
    if chosen.is_empty() {
        let what = wanted.part.map(|part| format!(" named '{}'", clean(part))).unwrap_or_default();
        return Err(Failure::new(Code::NothingThere, format!("{project}/{} has no service{what} on this machine", wanted.environment))
            .place(data.display())
            .why(has)
            .help(only_services()));
    }
    if wanted.follow && chosen.len() > 1 {
        let failure = Failure::new(Code::NotAReference, "one part is followed at a time");
        return Err(failure.why(has).help(format!("name one: {}", in_project!("log environment/{} {} -f", wanted.environment, names[0]))));
    }
    Ok(chosen)
}

/// Where else services print, for whoever mistyped a name.
fn others(data: &Path) -> String {
    let of = |project: ProjectKey| {
        let environments = std::fs::read_dir(data.join("runner/process").join(project.as_str())).into_iter().flatten().flatten();
        environments.filter_map(move |entry| Some(format!("{project}/{}", entry.file_name().to_str()?.parse::<EnvironmentName>().ok()?)))
    };
    let mut places: Vec<String> = projects(data).unwrap_or_default().into_iter().flat_map(of).collect();
    places.sort();
    if places.is_empty() { "no service prints here".to_owned() } else { format!("there are services of {}", places.join(", ")) }
}

fn print(part: &str, path: &Path, follow: bool, screen: &Screen) -> anyhow::Result<()> {
    let mut filter = Filter::new(screen.out.paint.colour);
    let mut from = 0;
    loop {
        let mut file = opened(path)?;
        // Shorter than before: the supervisor cut it, and all of it is new.
        if file.metadata()?.len() < from {
            from = 0;
        }
        file.seek(SeekFrom::Start(from))?;
        from += if screen.json() { json(part, &file, screen)? } else { whole(copy(&file, &mut filter)?)? };
        if !follow {
            let left = file.metadata()?.len().saturating_sub(from);
            if screen.json() && left > 0 {
                let part = clean(part);
                screen.say(&format!("part {part} printed {left} bytes more: --json shows the first {TEXT_BYTES_MAX} (all without it)"));
            }
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The log as it is there, but for what a service may put in its place for a mightier reader: a link to a file that the
/// service may not read itself, a pipe that never ends.
fn opened(path: &Path) -> Result<File, Failure> {
    let failure = || Failure::new(Code::FileUnreadable, "the log cannot be read").place(path.display());
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path).map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::ELOOP as i32 => failure().why("it is a symbolic link, which the supervisor never makes"),
        _ => failure().why(error),
    })?;
    let metadata = file.metadata().map_err(|error| failure().why(error))?;
    if metadata.is_file() { Ok(file) } else { Err(failure().why("it is no regular file, and the supervisor makes no other")) }
}

/// A file that breaks off is no server that comes back.
fn whole(copied: Copied) -> std::io::Result<u64> {
    copied.broken.map_or(Ok(copied.bytes), Err)
}

fn json(part: &str, file: &File, screen: &Screen) -> anyhow::Result<u64> {
    let mut bytes = Vec::new();
    file.take(TEXT_BYTES_MAX).read_to_end(&mut bytes)?;
    if !bytes.is_empty() {
        screen.print_json_line(&serde_json::json!({ "name": part, "text": String::from_utf8_lossy(&bytes) }))?;
    }
    Ok(bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_logs_of_this_machines_own_server_are_shown() {
        let (folder, owned) = crate::whereabouts::tests::serving("http://127.0.0.1:43210\n");
        let at = |server: &str| {
            let globals = Globals { data: Some(folder.path().to_owned()), server: Some(server.to_owned()), ..Globals::default() };
            here(globals.site().unwrap().0, "qa")
        };
        assert_eq!(at("http://127.0.0.1:43210").unwrap(), folder.path());
        assert!(at("http://127.0.0.1:7420").is_err(), "another server's");
        assert!(at("ssh://build.example").unwrap_err().help.unwrap().contains("trunkline log environment/qa --data DATA"));
        drop(owned);
        assert_eq!(at("http://127.0.0.1:43210").unwrap(), folder.path(), "it is stopped");
        assert!(at("http://127.0.0.1:7420").is_err(), "another server's");
    }

    #[test]
    fn a_log_is_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("log"), "served\n").unwrap();
        std::os::unix::fs::symlink(at("log"), at("link")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success() && opened(&at("log")).is_ok());
        for (name, why) in [("link", "symbolic link"), ("pipe", "no regular file"), (".", "no regular file"), ("none", "No such file")] {
            assert!(opened(&at(name)).unwrap_err().why[0].contains(why), "{name}");
        }
    }

    #[test]
    fn the_only_project_that_has_services_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let meant = || only(projects(folder.path()).unwrap(), folder.path());
        assert_eq!(meant().unwrap_err().exit, Exit::NotFound);
        for (name, expected) in [("shop", Some("shop")), ("billing", None)] {
            std::fs::create_dir_all(folder.path().join("runner/process").join(name)).unwrap();
            assert_eq!(meant().ok().as_ref().map(ProjectKey::as_str), expected);
        }
        assert_eq!(meant().unwrap_err().why, ["there are services of billing, shop"]);
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(projects(&folder.path().join("file")).unwrap_err().code, "TL0230", "it cannot be read");
    }

    #[test]
    fn a_part_is_chosen_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for part in ["main", "web"] {
            let part = folder.path().join("runner/process/shop/qa").join(part);
            std::fs::create_dir_all(&part).unwrap();
            std::fs::write(part.join("service.log"), "served\n").unwrap();
        }
        let project = "shop".parse().unwrap();
        let choose = |environment, part, follow| {
            let found = trunkline_runner::service_logs(&folder.path().join("runner"), "shop", environment);
            chosen(found, &project, &Wanted { environment, part, follow, failed: false }, folder.path())
        };
        let names = |logs: Vec<(String, PathBuf)>| logs.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(choose("qa", None, false).unwrap()), ["main", "web"]);
        assert_eq!(names(choose("qa", Some("web"), true).unwrap()), ["web"]);
        assert!(choose("qa", None, true).unwrap_err().help.unwrap().contains("trunkline log environment/qa main -f"));
        assert_eq!(choose("qa", Some("x"), false).unwrap_err().why, ["it has main, web"]);
        assert_eq!(choose("production", None, false).unwrap_err().exit, Exit::NotFound);
    }
}
