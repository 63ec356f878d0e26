//! Another program in the place of the running one, and the way back where it does not become ready.

use super::{Scope, UNIT, health};
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::render::paint::Mark;
use crate::render::text::quoted;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the old server may take to end: what its unit gives it (`TimeoutStopSec`), and a little more.
const ENDS_WITHIN: Duration = Duration::from_secs(190);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Puts the program in place, and the old one back if it does not answer.
pub fn run(scope: &Scope, (fresh, within): (&Path, Duration), globals: &Globals) -> anyhow::Result<Exit> {
    let screen = globals.screen();
    let version = version_of(fresh)?;
    let place = program_of(scope)?;
    let (old, new) = (place.with_extension("old"), place.with_extension("new"));
    let failed = |error: std::io::Error| Failure::new(Code::Service, format!("{} cannot be replaced", place.display())).why(error);
    fs::copy(fresh, &new).map_err(failed)?;
    // A copy, not a rename: at every moment a whole program lies at its place.
    fs::copy(&place, &old).map_err(failed)?;
    fs::rename(&new, &place).map_err(failed)?;
    if let Err(failure) = restart(scope, globals, (&version, within)) {
        screen.note(&format!("{version} does not answer: the program before it is put back"));
        fs::rename(&old, &place).map_err(failed)?;
        scope.systemctl(&["restart", UNIT])?;
        return Err(failure.into());
    }
    screen.print(&screen.out.paint.mark(Mark::Passed, &format!("{UNIT} runs {version}")))?;
    let (sudo, user) = if scope.user { ("", " --user") } else { ("sudo ", "") };
    screen.note(&format!("undo: {sudo}trunkline service upgrade{user} {}", quoted(&old.display().to_string())));
    Ok(Exit::Good)
}

/// Systemd waits for a server that says nothing as long as `TimeoutStartSec`, 90 s, and `systemctl restart` with it: so the
/// restart is only asked for, and looked at from here.
fn restart(scope: &Scope, globals: &Globals, (version, within): (&str, Duration)) -> Result<(), Failure> {
    let look = || scope.systemctl(&["show", "--property=InvocationID,ActiveState,SubState", UNIT]);
    let failed = |why: String| Err(Failure::new(Code::Service, why).help(format!("see {}", scope.journal())));
    let before = value(&look()?, "InvocationID").to_owned();
    scope.systemctl(&["restart", "--no-block", UNIT])?;
    let (mut until, mut started) = (Instant::now() + ENDS_WITHIN, false);
    loop {
        let phase = Phase::of(&look()?, &before);
        if phase != Phase::Before && !started {
            (until, started) = (Instant::now() + within, true);
            globals.screen().note(&format!("{version} is started: it has {} s to be ready", within.as_secs()));
        }
        match phase {
            Phase::Ended => return failed("the new program ended before it was ready".to_owned()),
            Phase::Ready if health(scope, globals).is_some_and(|health| health.version == version) => return Ok(()),
            Phase::Before | Phase::Starting | Phase::Ready => {}
        }
        if Instant::now() >= until {
            return failed(match started {
                true => format!("the new program was not ready within {} s", within.as_secs()),
                false => format!("the server before it did not end within {} s", ENDS_WITHIN.as_secs()),
            });
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// How far a restart is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing was started yet: what answers is the server from before.
    Before,
    Starting,
    /// It said so itself (`READY=1`).
    Ready,
    /// Systemd may start it again by itself, which would end in the same way.
    Ended,
}

impl Phase {
    /// By what `systemctl show` printed. Each start has an `InvocationID` of its own.
    fn of(shown: &str, before: &str) -> Self {
        match (value(shown, "InvocationID"), value(shown, "ActiveState"), value(shown, "SubState")) {
            (id, ..) if id == before => Phase::Before,
            (_, "active", _) => Phase::Ready,
            (_, "activating", state) if !state.starts_with("auto-restart") => Phase::Starting,
            _ => Phase::Ended,
        }
    }
}

fn value<'a>(shown: &'a str, name: &str) -> &'a str {
    shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
}

/// What the program says of itself: a file that is none is not put in place.
fn version_of(program: &Path) -> Result<String, Failure> {
    let wrong = || Failure::new(Code::Service, format!("{} is no trunkline program that runs here", program.display()));
    let output = Command::new(program).args(["version", "--json"]).stdin(Stdio::null()).output().map_err(|error| wrong().why(error))?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|error| wrong().why(error))?;
    said["version"].as_str().map(str::to_owned).ok_or_else(wrong)
}

/// The program that the unit starts.
fn program_of(scope: &Scope) -> Result<PathBuf, Failure> {
    let text = scope.unit_text().ok_or_else(|| Failure::new(Code::Service, "there is no unit").help("trunkline service install"))?;
    let program = text.lines().find_map(|line| line.strip_prefix("ExecStart=")?.split(' ').next());
    program.map(PathBuf::from).ok_or_else(|| Failure::new(Code::Service, format!("{} starts nothing", scope.unit.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_program_is_not_put_in_place() {
        assert!(version_of(Path::new("/bin/true")).is_err());
        assert!(version_of(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn the_server_from_before_is_not_taken_for_the_new_one() {
        for (shown, phase) in [
            ("InvocationID=old\nActiveState=active\nSubState=running", Phase::Before),
            ("InvocationID=old\nActiveState=deactivating\nSubState=stop-sigterm", Phase::Before),
            ("ActiveState=activating\nSubState=start\nInvocationID=new", Phase::Starting),
            ("InvocationID=new\nActiveState=active\nSubState=running", Phase::Ready),
            ("InvocationID=new\nActiveState=activating\nSubState=auto-restart", Phase::Ended),
            ("InvocationID=new\nActiveState=activating\nSubState=auto-restart-queued", Phase::Ended),
            ("InvocationID=new\nActiveState=deactivating\nSubState=stop-sigterm", Phase::Ended),
            ("InvocationID=new\nActiveState=failed\nSubState=failed", Phase::Ended),
            ("InvocationID=new\nActiveState=inactive\nSubState=dead", Phase::Ended),
        ] {
            assert_eq!(Phase::of(shown, "old"), phase, "{shown}");
        }
        // A service that never ran has no id.
        assert_eq!(Phase::of("InvocationID=\nActiveState=inactive\nSubState=dead", ""), Phase::Before);
        assert_eq!(Phase::of("InvocationID=new\nActiveState=active\nSubState=running", ""), Phase::Ready);
    }
}
