//! How this command was called, and how another one is written so that it means the same server and the same project.

use crate::globals::Globals;
use crate::render::text::quoted;
use std::fmt::Display;
use std::sync::OnceLock;
use trunkline_domain::foundation::ProjectKey;

/// The command line belongs to the whole process, and so does this.
static CALLED: OnceLock<Called> = OnceLock::new();
/// A project that only an argument named, as in `watch web/4`.
static PROJECT: OnceLock<ProjectKey> = OnceLock::new();

/// The options that say what is meant. What a variable of the environment says holds for the next command by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Called {
    project: Option<String>,
    server: Option<String>,
    data: Option<String>,
}

/// Keeps the options of this process, once.
pub fn remember(globals: &Globals) {
    let data = globals.data_named().map(|folder| folder.display().to_string());
    let called = Called {
        project: globals.project.clone(),
        server: unless_variable(globals.server.clone(), "TRUNKLINE_SERVER"),
        data: unless_variable(data, "TRUNKLINE_DATA"),
    };
    // Only the first counts: a process is called once.
    drop(CALLED.set(called));
}

fn unless_variable(value: Option<String>, name: &str) -> Option<String> {
    value.filter(|value| std::env::var(name).as_ref() != Ok(value))
}

/// Keeps the project of an argument that the folder does not name by itself.
pub fn remember_project(project: &ProjectKey) {
    drop(PROJECT.set(project.clone()));
}

/// A command about the project that is meant here, as a text.
macro_rules! in_project {
    ($($words:tt)*) => { $crate::invocation::of_project(format_args!($($words)*)) };
}

/// A command about the server that is meant here, as a text.
macro_rules! at_server {
    ($($words:tt)*) => { $crate::invocation::of_server(format_args!($($words)*)) };
}

/// A command about the data folder that is meant here, whose server need not run, as a text.
macro_rules! on_folder {
    ($($words:tt)*) => { $crate::invocation::of_folder(format_args!($($words)*)) };
}

pub(crate) use {at_server, in_project, on_folder};

/// As [`in_project!`].
pub fn of_project(words: impl Display) -> String {
    let called = called();
    let project = called.project.or_else(|| PROJECT.get().map(ToString::to_string));
    Called { project, ..called }.written(&words)
}

/// As [`at_server!`].
pub fn of_server(words: impl Display) -> String {
    Called { project: None, ..called() }.written(&words)
}

/// As [`on_folder!`].
pub fn of_folder(words: impl Display) -> String {
    Called { data: called().data, ..Called::default() }.written(&words)
}

fn called() -> Called {
    CALLED.get().cloned().unwrap_or_default()
}

impl Called {
    fn written(&self, words: &impl Display) -> String {
        let options = [("-p", &self.project), ("--server", &self.server), ("--data", &self.data)];
        options.iter().fold(format!("trunkline {words}"), |command, (option, value)| match value {
            Some(value) => format!("{command} {option} {}", quoted(value)),
            None => command,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_said_again() {
        let some = |text: &str| Some(text.to_owned());
        let called = Called { project: some("web"), server: some("ssh://ci"), data: some("/srv/ana's") };
        assert_eq!(called.written(&"watch 4"), r"trunkline watch 4 -p web --server ssh://ci --data '/srv/ana'\''s'");
        assert_eq!(Called::default().written(&format_args!("rollback {}", "qa")), "trunkline rollback qa");
    }

    #[test]
    fn a_variable_speaks_for_itself() {
        assert_eq!(unless_variable(Some("x".to_owned()), "TRUNKLINE_NEVER_SET"), Some("x".to_owned()));
        let path = std::env::var("PATH").unwrap();
        assert_eq!(unless_variable(Some(path), "PATH"), None);
    }
}
