//! From a step's text to a process: directly where no shell is needed, otherwise `sh -e -c`.

use crate::group::Group;
use crate::sandbox::{GROUP, Sandbox, for_launcher};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Words that mean something to a shell when they come first.
const SHELL_WORDS: [&str; 62] = [
    ".", ":", "alias", "bg", "bind", "break", "builtin", "caller", "case", "cd", "chdir", "command", "continue", "declare", "do", "done",
    "echo", "elif", "else", "esac", "eval", "exec", "exit", "export", "false", "fc", "fg", "fi", "for", "function", "getopts", "hash",
    "history", "if", "in", "jobs", "kill", "let", "local", "printf", "pwd", "read", "readonly", "return", "select", "set", "shift",
    "source", "test", "then", "time", "times", "trap", "true", "type", "ulimit", "umask", "unalias", "unset", "until", "wait", "while",
];

/// The words of a step that a shell would only pass on: plain characters, a first word that is neither assignment,
/// keyword nor builtin. None: the step needs a shell.
pub fn simple_words(text: &str) -> Option<Vec<&str>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    let text = text.trim_matches(|c| matches!(c, ' ' | '\t' | '\n'));
    let words: Vec<&str> = text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let first = words.first()?;
    let simple = words.iter().all(|word| word.chars().all(plain)) && !first.contains('=') && !SHELL_WORDS.contains(first);
    simple.then_some(words)
}

/// A command's text and surroundings.
pub struct Invocation<'a> {
    /// The text as the delivery file has it.
    pub text: &'a str,
    /// Where it runs.
    pub folder: &'a Path,
    /// All of its environment.
    pub env: &'a BTreeMap<String, String>,
    /// What stands between it and the rest of the machine.
    pub sandbox: &'a Sandbox,
    /// The control group that it is born in, if it is in one of its own.
    pub group: Option<&'a dyn Group>,
}

impl Invocation<'_> {
    /// Starts it as the leader of its own process group, without input; `output` gives its stdout and stderr.
    ///
    /// Whatever cannot be executed directly (not found, not executable, no `#!` line) is left to the shell, so that
    /// exit codes 126 and 127 and their messages are the shell's own either way.
    pub fn start(&self, output: impl Fn() -> io::Result<(Stdio, Stdio)>) -> io::Result<Child> {
        let direct = self.direct();
        if let Some((wall, arguments)) = self.sandbox.prefix.split_first() {
            let mut command = Command::new(wall);
            // What it cannot execute directly, the launcher leaves to the shell, as below.
            command.args(arguments);
            if let Some(folder) = self.group.and_then(|group| group.folder()) {
                command.arg(GROUP).arg(folder);
            }
            command.args(["--", self.text]);
            if let Some((program, arguments)) = direct {
                command.arg(program).args(arguments);
            }
            return self.spawn(command, output()?);
        }
        if let Some((program, arguments)) = direct {
            let mut command = Command::new(program);
            command.args(arguments);
            if let Ok(child) = self.spawn(command, output()?) {
                return Ok(child);
            }
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-e", "-c", self.text]);
        self.spawn(command, output()?)
    }

    /// The program's absolute path and its arguments, where it can be executed without a shell.
    fn direct(&self) -> Option<(PathBuf, Vec<&str>)> {
        let words = simple_words(self.text)?;
        // Absolute, because a search of PATH in the child keeps the standard library from posix_spawn.
        let program = if words[0].contains('/') {
            Some(self.folder.join(words[0])).filter(|path| is_program(path))
        } else {
            let path = self.env.get("PATH").map_or("", String::as_str);
            path.split(':').map(|entry| self.folder.join(entry).join(words[0])).find(|path| is_program(path))
        };
        program.map(|program| (program, words[1..].to_vec()))
    }

    fn spawn(&self, mut command: Command, (out, err): (Stdio, Stdio)) -> io::Result<Child> {
        let walled = !self.sandbox.prefix.is_empty();
        command.env_clear().stdin(Stdio::null()).stdout(out).stderr(err);
        if walled {
            // The launcher still stands outside: nothing of the step's may have a say there. It makes its own group.
            command.current_dir("/").envs(for_launcher(self.env));
        } else {
            command.current_dir(self.folder).envs(self.env).process_group(0);
        }
        match self.group {
            Some(group) => group.spawn(command, walled),
            None => command.spawn(),
        }
    }
}

/// Whether the kernel itself can execute this file: the first candidate that exists decides, as in a shell.
fn is_program(path: &Path) -> bool {
    // A pipe would hold its opener until somebody writes.
    if !path.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let Ok(mut file) = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path) else { return false };
    let runnable = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
    let mut start = [0; 4];
    runnable && file.read(&mut start).is_ok() && (start.starts_with(b"#!") || start == *b"\x7fELF")
}

#[cfg(test)]
mod tests {
    use super::simple_words;

    #[test]
    fn only_plain_words_that_are_no_shell_words_need_no_shell() {
        assert_eq!(simple_words("cargo test --release -p a=b\n"), Some(vec!["cargo", "test", "--release", "-p", "a=b"]));
        assert_eq!(simple_words("  ./smoke.sh\t http://127.0.0.1:1/x "), Some(vec!["./smoke.sh", "http://127.0.0.1:1/x"]));
        for shell in [
            "",
            "cd x",
            "A=b make",
            "make; make",
            "make\nmake",
            "ls *",
            "echo hi",
            "a && b",
            "a > b",
            "test -e x",
            "a $B",
            "a 'b'",
            "~/x",
            "true",
        ] {
            assert_eq!(simple_words(shell), None, "{shell:?}");
        }
    }
}
