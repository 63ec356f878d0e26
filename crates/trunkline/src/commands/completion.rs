//! `trunkline completion`: what a shell needs to complete commands.

use crate::exit::Exit;
use crate::globals::Globals;
use clap_complete::Shell;

/// For which shell.
#[derive(clap::Args)]
pub struct Arguments {
    /// Whose
    shell: Shell,
}

/// Prints it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    globals.screen().print(script(arguments.shell)?.trim_end())?;
    Ok(Exit::Good)
}

/// The shell's script.
fn script(shell: Shell) -> anyhow::Result<String> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut super::command(), "trunkline", &mut out);
    Ok(String::from_utf8(out)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_know_the_verbs() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell).unwrap();
            for word in ["rollback", "environments", "dry-run"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
