//! `trunkline help`: a verb, or a topic. Also the grouped list of verbs.

use super::GROUPS;
use crate::exit::{Exit, TABLE};
use crate::globals::Globals;
use crate::render::table::align;
use clap::Subcommand as _;

/// What help is wanted on.
#[derive(clap::Args)]
pub struct Arguments {
    /// A verb, or exit-codes
    topic: Vec<String>,
}

/// Prints it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let screen = globals.screen();
    if arguments.topic == ["exit-codes"] {
        screen.print(&exit_codes())?;
        return Ok(Exit::Good);
    }
    let mut command = super::command();
    command.build();
    let mut found = &mut command;
    for name in &arguments.topic {
        found = match found.find_subcommand_mut(name) {
            Some(command) => command,
            None => anyhow::bail!(
                crate::failure::Failure::new(crate::code::Code::NotAReference, format!("there is no verb '{name}'"))
                    .help("see trunkline help")
            ),
        };
    }
    screen.print(&found.render_long_help().to_string())?;
    Ok(Exit::Good)
}

fn exit_codes() -> String {
    let line = |(exit, meaning): &(Exit, &str)| vec![format!("{:>4}", exit.number()), (*meaning).to_owned()];
    align(&TABLE.iter().map(line).collect::<Vec<_>>(), None)
}

/// The verbs by group, each with its first line of help.
pub fn grouped() -> String {
    let verbs = super::Verb::augment_subcommands(clap::Command::new("trunkline"));
    let whole = |name: &str| verbs.find_subcommand(name).and_then(|verb| verb.get_about()).map(ToString::to_string).unwrap_or_default();
    // One line each: what stands behind a colon is for the verb's own help.
    let about = |name: &str| whole(name).split(": ").next().unwrap_or_default().to_owned();
    let mut out = String::new();
    for (group, names) in GROUPS {
        out += &format!("{group}\n");
        for name in names {
            out += &format!("  {name:<14}{}\n", about(name));
        }
        out.push('\n');
    }
    out + "trunkline help VERB shows an example; trunkline help exit-codes lists the exit codes."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_listed() {
        assert!(exit_codes().starts_with("   0  done and good\n   1  the thing failed"));
        assert!(exit_codes().contains(" 124  --timeout"));
    }

    #[test]
    fn verbs_are_grouped() {
        let text = grouped();
        assert!(text.starts_with("Deliver\n  init          Write a trunkline.yaml for this repository\n"), "{text}");
    }
}
