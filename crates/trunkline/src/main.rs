//! The `trunkline` program: server, runner, command line and pages in one. Here: reading the command line, and how
//! the program ends.

mod address;
mod choice;
mod client;
mod code;
mod commands;
mod exit;
mod failure;
mod follow;
mod git;
mod globals;
mod interrupt;
mod invocation;
mod own_libc;
mod reference;
mod render;
mod token;
mod tunnel;
mod whereabouts;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before the command line is read: each step of a job that stands behind a wall comes through here.
    if let Some(code) = trunkline_runner::sandbox_main(std::env::args_os().skip(1)) {
        return ExitCode::from(code);
    }
    // A lock or a pipe of whoever started this: git, steps and services are no heirs of it.
    trunkline_runner::keep_from_children();
    let line = match commands::parse(std::env::args_os()) {
        Ok(line) => line,
        Err(error) => {
            // Help and version are asked for, and go to standard output.
            let wrong = error.use_stderr();
            // Clap would show the help only where no variable of the environment stands for an option.
            if error.kind() == clap::error::ErrorKind::MissingSubcommand {
                eprint!("{}", commands::command().render_help());
            } else {
                drop(error.print());
            }
            return ExitCode::from(if wrong { exit::Exit::Usage.number() } else { exit::Exit::Good.number() });
        }
    };
    own_libc::pin_lookups();
    invocation::remember(&line.globals);
    match commands::run(line.verb, &line.globals) {
        Ok(exit) => ExitCode::from(exit.number()),
        // As of other programs in a pipe: who closed it wants no more.
        Err(error) if failure::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let failure = failure::Failure::of(error);
            let screen = line.globals.screen();
            screen.say(&render::failure::failure(&failure, screen.err.paint));
            ExitCode::from(failure.exit.number())
        }
    }
}
