//! The one renderer: how everything that the program says looks. Data goes to standard output, notes to standard
//! error. People on a terminal see icons, words, colours and aligned columns; a pipe gets tab-separated values.

pub mod attention;
pub mod change;
pub mod deployment;
pub mod environment;
pub mod failure;
pub mod paint;
pub mod release;
pub mod run;
pub mod status;
pub mod table;
pub mod tests;
pub mod text;
pub mod time;
pub mod trace;
pub mod words;

#[cfg(test)]
pub mod sample;

use paint::Paint;
use serde::Serialize;
use std::io::{IsTerminal, Write};
use table::Table;
use time::Clock;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR says no.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a renderer needs to know of where its text goes.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Colours and icons.
    pub paint: Paint,
    /// What time it is.
    pub clock: Clock,
    /// Columns of the terminal, where there is one.
    pub columns: Option<usize>,
}

/// How people asked to be answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Colours.
    pub color: ColorChoice,
    /// No signs beyond ASCII.
    pub ascii: bool,
    /// The API's objects instead of texts.
    pub json: bool,
    /// No notes.
    pub quiet: bool,
    /// UTC times.
    pub utc: bool,
}

/// Standard output and standard error, and what they can show.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// For standard output.
    pub out: Look,
    /// For standard error.
    pub err: Look,
    /// Whether standard output is a terminal.
    pub out_terminal: bool,
    /// Whether standard error is a terminal.
    pub err_terminal: bool,
    /// Whether somebody can answer a question.
    pub can_ask: bool,
    wish: Wish,
}

impl Screen {
    /// The screen of this process.
    pub fn new(wish: Wish) -> Self {
        let (out_terminal, err_terminal) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let columns = terminal_size::terminal_size_of(std::io::stderr())
            .or_else(|| terminal_size::terminal_size_of(std::io::stdout()))
            .map(|(width, _)| usize::from(width.0));
        let clock = Clock::of_machine(wish.utc);
        let look = |terminal: bool| Look {
            paint: Paint { colour: colour(wish.color, terminal, no_colour()), ascii: wish.ascii },
            clock,
            columns: columns.filter(|_| terminal),
        };
        let can_ask = std::io::stdin().is_terminal() && err_terminal;
        Self { out: look(out_terminal), err: look(err_terminal), out_terminal, err_terminal, can_ask, wish }
    }

    /// Whether the API's objects are wanted.
    pub fn json(&self) -> bool {
        self.wish.json
    }

    /// Whether notes are unwanted.
    pub fn quiet(&self) -> bool {
        self.wish.quiet
    }

    /// The same screen at a later moment.
    pub fn now(&self) -> Self {
        let clock = Clock::of_machine(self.wish.utc);
        Self { out: Look { clock, ..self.out }, err: Look { clock, ..self.err }, ..*self }
    }

    /// Writes to standard output; a missing last line end is added.
    pub fn print(&self, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(())
    }

    /// Writes a note to standard error, unless notes are unwanted.
    pub fn note(&self, text: &str) {
        if !self.wish.quiet {
            self.say(text);
        }
    }

    /// Writes to standard error. Where that is closed nobody wants to know.
    pub fn say(&self, text: &str) {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        drop(std::io::stderr().lock().write_all(format!("{text}{end}").as_bytes()));
    }

    /// Writes an object of the API.
    pub fn print_json<T: Serialize + ?Sized>(&self, value: &T) -> anyhow::Result<()> {
        self.print(&text::safe_json(&serde_json::to_string_pretty(value)?))
    }

    /// Writes one object of the API in one line.
    pub fn print_json_line<T: Serialize + ?Sized>(&self, value: &T) -> anyhow::Result<()> {
        self.print(&text::safe_json(&serde_json::to_string(value)?))
    }

    /// Writes an object of the API where that is wanted, its table otherwise.
    pub fn print_table<T: Serialize + ?Sized>(&self, value: &T, table: &Table) -> anyhow::Result<()> {
        match (self.wish.json, self.out_terminal) {
            (true, _) => self.print_json(value),
            (false, true) => self.print(&table.human(self.out.paint, self.out.columns)),
            (false, false) => self.print(&table.plain()),
        }
    }

    /// Asks a question that is answered by yes or no; no is the default.
    pub fn ask(&self, question: &str) -> bool {
        drop(std::io::stderr().lock().write_all(format!("{question} [y/N] ").as_bytes()));
        let mut answer = String::new();
        drop(std::io::stdin().read_line(&mut answer));
        matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }
}

fn no_colour() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn colour(choice: ColorChoice, terminal: bool, unwanted: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && !unwanted,
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn colour_is_for_terminals_unless_somebody_says_otherwise() {
        let table = [
            (ColorChoice::Auto, true, false, true),
            (ColorChoice::Auto, true, true, false),
            (ColorChoice::Auto, false, false, false),
            (ColorChoice::Always, false, true, true),
            (ColorChoice::Never, true, false, false),
        ];
        for (choice, terminal, unwanted, expected) in table {
            assert_eq!(colour(choice, terminal, unwanted), expected, "{choice:?} {terminal} {unwanted}");
        }
    }
}
