//! `trunkline demo`: delivers a small shop before your eyes and checks everything that it shows. A real server, a
//! real repository, real processes; a visitor asks production fifty times a second throughout.

mod board;
mod forge;
mod record;
mod scenes;
mod shop;
mod visitor;
mod world;

use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use board::Board;
use record::Record;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use world::World;

/// Set by Ctrl-C; every wait looks at it.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How to show it.
#[derive(clap::Args)]
pub struct Arguments {
    /// End when everything was shown, leave nothing running, and exit 0 only if each promise held
    #[arg(long)]
    once: bool,
    /// No pauses for reading
    #[arg(long)]
    fast: bool,
}

/// Shows it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    needs()?;
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))?;
    let screen = globals.screen();
    // With --data everything stays in that folder, which must be empty or new.
    let mut world = World::begin(globals.data.as_deref())?;
    let pause = if arguments.fast || screen.json() { Duration::ZERO } else { Duration::from_millis(900) };
    let mut board = Board::start(&screen, pause);
    let mut record = Record::default();
    let shown = scenes::show(&mut world, &mut board, &mut record);
    let mut stayed = false;
    match shown {
        Ok(told) if !arguments.once && !screen.json() && record.held() => {
            stayed = true;
            scenes::your_turn(&mut world, &mut board, told)?;
        }
        Ok(_) => {}
        Err(error) => record.fail("everything was shown", &format!("{error:#}")),
    }
    board.end();
    let clean = world.end();
    record.check("nothing is left running", clean.is_ok(), || clean.as_ref().err().map(|error| format!("{error:#}")).unwrap_or_default());
    if screen.json() {
        screen.print_json(&record)?;
    } else {
        screen.print(&record.text(&screen))?;
    }
    if INTERRUPTED.load(Ordering::Relaxed) && !stayed {
        return Ok(Exit::Interrupted);
    }
    if record.held() {
        return Ok(Exit::Good);
    }
    Err(Failure::new(Code::DemoFailed, format!("the demo did not show what it promises: {}", record.failed()))
        .help("run it again with --data FOLDER and look at what it left there")
        .into())
}

/// Whether somebody wants it to end.
fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn needs() -> Result<(), Failure> {
    for (program, arguments) in [("git", &["--version"][..]), ("sh", &["-c", ":"]), ("python3", &["--version"])] {
        let found = std::process::Command::new(program)
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            return Err(Failure::new(Code::DemoNeeds, format!("the demo needs '{program}', which does not work here"))
                .help("on Debian: apt-get install git python3"));
        }
    }
    Ok(())
}
