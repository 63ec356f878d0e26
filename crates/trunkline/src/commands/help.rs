//! `trunkline help`: a verb, or a topic. Also the grouped list of verbs.

use super::GROUPS;
use crate::exit::{Exit, TABLE};
use crate::globals::Globals;
use crate::render::table::align;
use clap::{Args as _, Subcommand as _};

/// Which server a command asks.
pub const WHICH_SERVER: &str =
    "The server is that of --server, else of --data, else of the git remote 'trunkline', else of the usual data folder.";

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
    out += &format!(
        "trunkline help VERB shows an example; trunkline help exit-codes lists the exit codes.\n{WHICH_SERVER}\n\nOptions of every command\n"
    );
    let mut options: Vec<Vec<String>> = shared().map(|option| shared_option(&option)).collect();
    options.push(vec!["  -h, --help".to_owned(), "Print help".to_owned()]);
    options.push(vec!["  -V, --version".to_owned(), "Print the version".to_owned()]);
    out + align(&options, None).trim_end()
}

/// The options of every command.
pub fn shared() -> impl Iterator<Item = clap::Arg> {
    let globals = Globals::augment_args(clap::Command::new("trunkline"));
    let names: Vec<clap::Arg> = globals.get_arguments().cloned().collect();
    names.into_iter()
}

/// `-p, --project <NAME>` and what it is for, with the variable that stands for it.
fn shared_option(option: &clap::Arg) -> Vec<String> {
    let short = option.get_short().map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
    let values: Vec<String> = option.get_value_names().into_iter().flatten().map(|name| format!(" <{name}>")).collect();
    let value = if option.get_action().takes_values() { values.concat() } else { String::new() };
    let choices: Vec<String> = option.get_possible_values().iter().map(|choice| choice.get_name().to_owned()).collect();
    let choices = if value.is_empty() || choices.is_empty() { String::new() } else { format!(": {}", choices.join(", ")) };
    let variable = option.get_env().map(|name| format!(" [{}]", name.to_string_lossy())).unwrap_or_default();
    let about = option.get_help().map(ToString::to_string).unwrap_or_default();
    vec![format!("  {short}--{}{value}", option.get_long().unwrap_or_default()), format!("{about}{choices}{variable}")]
}

/// A command whose verbs, and theirs, end their help with one line about the options that all share.
pub fn with_shared_line(command: clap::Command) -> clap::Command {
    let names: Vec<String> = shared().filter_map(|option| Some(format!("--{}", option.get_long()?))).collect();
    let line = format!("Options of every command, told by trunkline --help:\n  {}", names.join(" "));
    ending_with(command, &line)
}

fn ending_with(command: clap::Command, line: &str) -> clap::Command {
    let verbs: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    verbs.into_iter().fold(command, |command, verb| {
        command.mut_subcommand(verb, |verb| {
            let joined = |text: Option<&clap::builder::StyledStr>| text.map_or(line.to_owned(), |text| format!("{text}\n\n{line}"));
            let (short, long) = (joined(verb.get_after_help()), joined(verb.get_after_long_help()));
            ending_with(verb, line).after_help(short).after_long_help(long)
        })
    })
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
        assert!(text.contains("  -p, --project <NAME>") && text.contains("[TRUNKLINE_SERVER]\n"), "{text}");
    }

    #[test]
    fn the_help_of_a_verb_is_about_the_verb() {
        let mut command = crate::commands::command();
        command.build();
        let mut help = |name: &str| command.find_subcommand_mut(name).unwrap().render_long_help().to_string();
        let text = help("promote");
        assert!(text.contains("--dry-run") && text.contains("Example:"), "{text}");
        assert!(text.contains("  --server --project --data --json --quiet --color --ascii --utc"), "{text}");
        assert!(!text.contains("TRUNKLINE_SERVER") && !text.contains("--server <ADDRESS>"), "{text}");
        assert!(help("doctor").lines().count() <= 16, "{}", help("doctor"));
    }
}
