//! The page of commands, made of what the program itself knows. A test keeps `docs/commands.md` equal to it.

use super::{GROUPS, help};
use crate::exit;
use clap::{Arg, Command};

/// The page, in Markdown.
pub fn page() -> String {
    let mut command = super::command();
    command.build();
    let mut out = "# Commands\n\n<!-- Generated: UPDATE_EXPECTED=1 cargo test -p trunkline commands::reference -->\n\n\
        `trunkline help VERB` says the same. Everything that reads knows `--json`; scripts go by the [exit codes](#exit-codes).\n"
        .to_owned();
    out += &shared_options();
    out += &exit_codes();
    for (group, verbs) in GROUPS {
        out += &format!("\n## {group}\n");
        for name in verbs {
            if let Some(verb) = command.find_subcommand(name) {
                out += &section(verb, &command, "###", &format!("trunkline {name}"));
            }
        }
    }
    out
}

fn shared_options() -> String {
    let options: String = help::shared().map(|option| row(&option)).collect();
    format!("\n## Options of every command\n\n{}\n\n| option | meaning |\n|---|---|\n{options}", help::WHICH_SERVER)
}

fn exit_codes() -> String {
    let codes: String = exit::TABLE.iter().map(|(exit, meaning)| format!("| {} | {meaning} |\n", exit.number())).collect();
    format!("\n## Exit codes\n\nAs `trunkline help exit-codes` lists them.\n\n| code | meaning |\n|---|---|\n{codes}")
}

fn section(verb: &Command, above: &Command, level: &str, name: &str) -> String {
    let mut out = format!("\n{level} {name}\n\n{}\n", verb.get_about().map(ToString::to_string).unwrap_or_default());
    let long = verb.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    // The last part names the options of every command.
    let words: Vec<&str> = long.split("\n\n").filter(|part| !part.starts_with("Options of every command")).collect();
    for part in words {
        match part.strip_prefix("Example:\n") {
            Some(example) => out += &format!("\n```console\n{}\n```\n", example.lines().map(shell_line).collect::<Vec<_>>().join("\n")),
            None if !part.trim().is_empty() => out += &format!("\n{}\n", part.trim()),
            None => {}
        }
    }
    // Clap hands an option that goes on below down to every command there; it is told once, where it is declared.
    let own = |argument: &&Arg| {
        let inherited = argument.is_global_set() && above.get_arguments().any(|known| known.get_id() == argument.get_id());
        !inherited && !argument.is_hide_set() && argument.get_id() != "help"
    };
    let arguments: Vec<&Arg> = verb.get_arguments().filter(own).collect();
    if !arguments.is_empty() {
        out += "\n| argument | meaning |\n|---|---|\n";
        out += &arguments.into_iter().map(row).collect::<String>();
    }
    for below in verb.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
        out += &section(below, verb, &format!("{level}#"), &format!("{name} {}", below.get_name()));
    }
    out
}

fn shell_line(line: &str) -> String {
    format!("$ {}", line.trim())
}

fn row(argument: &Arg) -> String {
    let values: Vec<String> = argument.get_value_names().into_iter().flatten().map(|name| name.to_string()).collect();
    let takes = argument.get_action().takes_values();
    let name = match (argument.get_long(), argument.get_short()) {
        (Some(long), Some(short)) => format!("-{short}, --{long}"),
        (Some(long), None) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => String::new(),
    };
    let value = if takes { values.join(" ") } else { String::new() };
    let meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let default: Vec<String> = argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let default = if default.is_empty() || !takes { String::new() } else { format!(" [default: {}]", default.join(", ")) };
    let choices: Vec<String> = argument.get_possible_values().iter().map(|choice| format!("`{}`", choice.get_name())).collect();
    let choices = if choices.is_empty() || !takes { String::new() } else { format!(": {}", choices.join(", ")) };
    let variable = argument.get_env().map(|name| format!(" [`{}`]", name.to_string_lossy())).unwrap_or_default();
    format!("| `{}` | {}{choices}{variable}{default} |\n", format!("{name} {value}").trim(), meaning.replace('|', "\\|"))
}

#[cfg(test)]
mod tests;
