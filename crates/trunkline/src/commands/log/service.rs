//! What the services of an environment print. The supervisors on the runner's machine keep it, and no server is asked.

use super::{Filter, LOOK_EVERY, copy};
use crate::choice::Owner;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::reference;
use crate::render::Screen;
use crate::render::paint::Style;
use crate::render::text::clean;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use trunkline_domain::foundation::ProjectKey;

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
}

/// Prints it.
pub fn run(wanted: &Wanted<'_>, globals: &Globals) -> anyhow::Result<Exit> {
    let name = reference::environment(wanted.environment)?;
    let project = globals.connect()?.project()?;
    let data = here(globals, name.as_str())?;
    let found = trunkline_runner::service_logs(&data.join("runner"), project.as_str(), name.as_str());
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

/// The folder of the server that is asked. One elsewhere keeps its runner's logs elsewhere, whatever a folder here holds.
fn here(globals: &Globals, environment: &str) -> Result<PathBuf, Failure> {
    let address = globals.address()?;
    if let Owner::Folder(data) = globals.server_at(address.clone()).owner {
        return Ok(data);
    }
    Err(Failure::new(Code::NothingThere, "what services print is kept on the runner's machine, not here")
        .place(address)
        .help(format!("there, as the server's user: trunkline log environment/{environment} --data DATA")))
}

fn chosen(
    found: Vec<(String, PathBuf)>,
    project: &ProjectKey,
    wanted: &Wanted<'_>,
    data: &Path,
) -> Result<Vec<(String, PathBuf)>, Failure> {
    let names: Vec<String> = found.iter().map(|(name, _)| clean(name)).collect();
    let has = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
    let chosen: Vec<_> = found.into_iter().filter(|(name, _)| wanted.part.is_none_or(|part| part == name)).collect();
    if chosen.is_empty() {
        let what = wanted.part.map(|part| format!(" named '{}'", clean(part))).unwrap_or_default();
        return Err(Failure::new(Code::NothingThere, format!("{project}/{} has no service{what} on this machine", wanted.environment))
            .place(data.display())
            .why(has)
            .help("only parts of kind process print here; trunkline log deployment/N shows what the scripts of others printed"));
    }
    if wanted.follow && chosen.len() > 1 {
        let failure = Failure::new(Code::NotAReference, "one part is followed at a time");
        return Err(failure.why(has).help(format!("name one: trunkline log environment/{} {} -f", wanted.environment, names[0])));
    }
    Ok(chosen)
}

fn print(part: &str, path: &Path, follow: bool, screen: &Screen) -> anyhow::Result<()> {
    let mut filter = Filter::new(screen.out.paint.colour);
    let mut from = 0;
    loop {
        let unreadable = |error| Failure::new(Code::FileUnreadable, "the log cannot be read").place(path.display()).why(error);
        let mut file = File::open(path).map_err(unreadable)?;
        // Shorter than before: the supervisor cut it, and all of it is new.
        if file.metadata()?.len() < from {
            from = 0;
        }
        file.seek(SeekFrom::Start(from))?;
        from += if screen.json() { json(part, file, screen)? } else { copy(file, &mut filter)? };
        if !follow {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn json(part: &str, file: File, screen: &Screen) -> anyhow::Result<u64> {
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
        let (folder, _owned) = crate::whereabouts::tests::serving("http://127.0.0.1:43210\n");
        let at = |server: &str| {
            let globals = Globals { data: Some(folder.path().to_owned()), server: Some(server.to_owned()), ..Globals::default() };
            here(&globals, "qa")
        };
        assert_eq!(at("http://127.0.0.1:43210").unwrap(), folder.path());
        assert!(at("http://127.0.0.1:7420").is_err(), "another server's");
        assert!(at("ssh://build.example").unwrap_err().help.unwrap().contains("trunkline log environment/qa --data DATA"));
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
            chosen(found, &project, &Wanted { environment, part, follow }, folder.path())
        };
        let names = |logs: Vec<(String, PathBuf)>| logs.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(choose("qa", None, false).unwrap()), ["main", "web"]);
        assert_eq!(names(choose("qa", Some("web"), true).unwrap()), ["web"]);
        assert!(choose("qa", None, true).unwrap_err().help.unwrap().contains("trunkline log environment/qa main -f"));
        assert_eq!(choose("qa", Some("x"), false).unwrap_err().why, ["it has main, web"]);
        assert_eq!(choose("production", None, false).unwrap_err().exit, Exit::NotFound);
    }
}
