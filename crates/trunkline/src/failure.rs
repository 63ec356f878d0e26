//! What a command says when it cannot do its work: what, where, why, and what helps. `render::failure` prints it.

use crate::code::Code;
use crate::exit::Exit;
use std::fmt;

/// A failure in four parts.
#[derive(Debug)]
pub struct Failure {
    /// `TL0201`.
    pub code: String,
    /// How the program ends.
    pub exit: Exit,
    /// What went wrong, in a sentence.
    pub what: String,
    /// The place: a file, an address.
    pub place: Option<String>,
    /// Why: each cause in a line.
    pub why: Vec<String>,
    /// What to do next.
    pub help: Option<Box<str>>,
}

impl Failure {
    /// A failure of the command line's own.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code: code.as_str().to_owned(), exit: code.exit(), what: what.into(), place: None, why: Vec::new(), help: None }
    }

    /// Where.
    pub fn place(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// One more cause.
    pub fn why(mut self, why: impl fmt::Display) -> Self {
        self.why.push(why.to_string());
        self
    }

    /// What helps.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into().into_boxed_str());
        self
    }

    /// Any error as a failure: the one in it, or TL0200 with its chain of causes.
    pub fn of(error: anyhow::Error) -> Self {
        match error.downcast::<Failure>() {
            Ok(failure) => failure,
            Err(other) => {
                let mut failure = Failure::new(Code::Unexpected, other.to_string());
                failure.why = other.chain().skip(1).map(ToString::to_string).collect();
                failure
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.what)
    }
}

impl std::error::Error for Failure {}

/// The end of a failed command where the reader of its output went away: nothing to say, and no failure.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    error.chain().any(|cause| kind(cause) == Some(std::io::ErrorKind::BrokenPipe))
}
