//! `trunkline supervise`: not for people, but for `--stop`. The runner starts one for each part of kind `process`; it
//! outlives both runner and server.

use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::render::paint::Mark;
use crate::render::text::{clean, count};
use serde_json::json;
use std::path::{Path, PathBuf};
use trunkline_runner::SupervisorStatus;

/// Which part.
#[derive(clap::Args)]
pub struct Arguments {
    /// The part's folder: DATA/runner/process/PROJECT/ENVIRONMENT/PART
    folder: PathBuf,
    /// End its instances and its supervisor
    #[arg(long)]
    stop: bool,
}

/// Supervises, or ends that.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    if !arguments.stop {
        if !trunkline_runner::supervise_is_begun(&arguments.folder) {
            let failure = Failure::new(Code::NothingThere, "no runner has begun a part there").place(arguments.folder.display());
            anyhow::bail!(failure.help("runners start this by themselves; for people it ends a part: trunkline supervise FOLDER --stop"));
        }
        trunkline_runner::supervise_main(&arguments.folder)?;
        return Ok(Exit::Good);
    }
    let folder = std::path::absolute(&arguments.folder)?;
    let Some(before) = trunkline_runner::supervise_stop(&folder)? else {
        anyhow::bail!(
            Failure::new(Code::NothingThere, "no release was ever started there")
                .place(folder.display())
                .help("name the folder of a part: DATA/runner/process/PROJECT/ENVIRONMENT/PART; PART is main where it has no name")
        );
    };
    let screen = globals.screen();
    if screen.json() {
        let version = before.live.as_ref().map(|live| &live.version);
        screen.print_json(&json!({ "folder": folder, "version": version, "instances": before.instances.len(), "ended": runs(&before) }))?;
        return Ok(Exit::Good);
    }
    let place = Place::of(&folder);
    screen.print(&screen.out.paint.mark(Mark::Passed, &ended(&before, &place)))?;
    for line in afterwards(&place) {
        screen.note(&line);
    }
    Ok(Exit::Good)
}

/// A part by the names in its folder.
struct Place {
    project: String,
    environment: String,
}

impl Place {
    fn of(folder: &Path) -> Self {
        let mut names = folder.components().rev().skip(1).map(|name| clean(&name.as_os_str().to_string_lossy()));
        let environment = names.next().unwrap_or_default();
        Self { project: names.next().unwrap_or_default(), environment }
    }
}

fn runs(before: &SupervisorStatus) -> bool {
    !before.stopped && before.live.is_some()
}

fn ended(before: &SupervisorStatus, place: &Place) -> String {
    let Place { project, environment } = place;
    match before.live.as_ref().filter(|_| runs(before)) {
        Some(live) => {
            let address = live.listen.as_ref().map(|address| format!(", {} is free", clean(address))).unwrap_or_default();
            format!("ended {} in {project}/{environment}: {}{address}", clean(&live.version), count(before.instances.len(), "instance"))
        }
        None => format!("nothing of it ran in {project}/{environment}: it had been ended before, or had never come up"),
    }
}

/// What starts it again, and what the record says meanwhile.
fn afterwards(place: &Place) -> [String; 3] {
    let Place { project, environment } = place;
    [
        format!("neither a start of the server nor a reboot starts it again; the next deployment to {environment} does"),
        "the record does not know: trunkline status goes on to name what was verified there last".to_owned(),
        format!("next, to have it run again: trunkline promote {environment} --again --project {project}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_domain::foundation::Digest;

    #[test]
    fn a_stop_says_what_it_ended_and_what_starts_it_again() {
        let place = Place::of(Path::new("/data/runner/process/shop/qa/main"));
        let spec = trunkline_runner::SupervisorSpec {
            release: Digest::of(b"1.42"),
            version: "1.42".to_owned(),
            deployment: "dep_1".to_owned(),
            fence: 1,
            run: "./server".to_owned(),
            listen: Some("127.0.0.1:8102".to_owned()),
            instances: 1,
            env: Default::default(),
            content: "/nowhere".into(),
            ready_within: None,
            start_within: Default::default(),
        };
        let mut status = SupervisorStatus { live: Some(spec), ..SupervisorStatus::default() };
        assert_eq!(ended(&status, &place), "ended 1.42 in shop/qa: 0 instances, 127.0.0.1:8102 is free");
        assert!(afterwards(&place)[2].contains("trunkline promote qa --again --project shop"));
        status.stopped = true;
        assert!(ended(&status, &place).starts_with("nothing of it ran in shop/qa"));
    }
}
