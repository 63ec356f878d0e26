//! Why something cannot be read of what a caller wrote, in plain words: which field, what it is, what was expected. What
//! the reader calls our types never comes out.

use serde::de::{Error, Expected, Unexpected};
use std::fmt;

/// Characters of a caller's own text that are told back.
const ECHO_CHARS_MAX: usize = 80;

/// Where the caller wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// In the body.
    Body,
    /// Behind the question mark.
    Question,
    /// In the path.
    Path,
}

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into the field of this name.
    Name(String),
    /// Into the item of a list, counted from 0.
    Item(usize),
}

/// Why something cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// From the value outwards.
    steps: Vec<Step>,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// It is this, and should be that.
    Is { found: String, expected: String },
    /// It lacks this field.
    Lacks(String),
    /// It has a field that nobody knows, beside those that are known.
    Unknown { name: String, known: Vec<&'static str> },
    /// The words of the type itself.
    Said(String),
}

impl Wrong {
    /// The same, of a value that is a step further in.
    pub fn within(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// The same, where one more field is known than the type tells.
    pub fn beside(mut self, field: &'static str) -> Self {
        // Only of the whole: what is known further in is another list.
        if let What::Unknown { known, .. } = &mut self.what
            && self.steps.is_empty()
        {
            known.push(field);
        }
        self
    }

    /// In plain words.
    pub fn words(&self, part: Part) -> String {
        let place = self.place(None, part);
        match &self.what {
            What::Is { found, expected } => format!("{place} is {found}; expected {expected}"),
            What::Lacks(name) => format!("{} is missing", self.place(Some(name), part)),
            What::Unknown { name, known } if known.is_empty() => {
                format!("{} is not known; none is taken here", self.place(Some(name), part))
            }
            What::Unknown { name, known } => format!("{} is not known; expected {}", self.place(Some(name), part), one_of(known)),
            What::Said(words) => format!("{place}: {words}"),
        }
    }

    fn place(&self, last: Option<&str>, part: Part) -> String {
        let mut name = String::new();
        for step in self.steps.iter().rev().cloned().chain(last.map(|last| Step::Name(last.to_owned()))) {
            match step {
                Step::Name(_) if name.is_empty() => name = step.to_string(),
                Step::Name(_) => name.push_str(&format!(".{step}")),
                Step::Item(_) => name.push_str(&format!("[{step}]")),
            }
        }
        let name = echo(&name);
        match part {
            Part::Body if name.is_empty() => "the body".to_owned(),
            Part::Question if name.is_empty() => "the question after the path".to_owned(),
            Part::Path if name.is_empty() => "the path".to_owned(),
            Part::Body => format!("the field '{name}'"),
            Part::Question => format!("the parameter '{name}'"),
            Part::Path => format!("'{name}' in the path"),
        }
    }
}

/// `'a', 'b' or 'c'`.
pub fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    match &quoted[..] {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// What a caller wrote, as far as it is told back.
pub fn echo(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn found(unexpected: &Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Str(text) | Unexpected::Other(text) => format!("'{}'", echo(text)),
        Unexpected::Char(letter) => format!("'{letter}'"),
        Unexpected::Unit | Unexpected::Option => "null".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "an object".to_owned(),
        Unexpected::UnitVariant => "a text alone".to_owned(),
        Unexpected::Bytes(_) => "bytes".to_owned(),
        Unexpected::NewtypeStruct
        | Unexpected::Enum
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant => "an object".to_owned(),
    }
}

/// The reader names types of the language, and ours; callers know texts, numbers, lists and objects.
fn expected(expected: &dyn Expected) -> String {
    let said = expected.to_string();
    let whole = |most: u64| format!("a whole number from 0 to {most}");
    match said.as_str() {
        "a string" | "string" | "str" => "a text".to_owned(),
        "a boolean" | "bool" => "true or false".to_owned(),
        "u8" => whole(u8::MAX.into()),
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        "u64" | "usize" => whole(u64::MAX),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "unit" => "null".to_owned(),
        "a map" => "a JSON object".to_owned(),
        "a sequence" => "a list".to_owned(),
        _ if ["struct ", "enum ", "tuple ", "unit ", "newtype ", "internally ", "adjacently "]
            .iter()
            .any(|kind| said.starts_with(kind)) =>
        {
            "another form".to_owned()
        }
        _ => said,
    }
}

impl From<What> for Wrong {
    fn from(what: What) -> Self {
        Self { steps: Vec::new(), what }
    }
}

impl Error for Wrong {
    fn custom<T: fmt::Display>(words: T) -> Self {
        What::Said(words.to_string()).into()
    }

    fn invalid_type(unexpected: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        What::Is { found: found(&unexpected), expected: expected(wanted) }.into()
    }

    fn invalid_value(unexpected: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, wanted)
    }

    fn invalid_length(length: usize, wanted: &dyn Expected) -> Self {
        What::Is { found: format!("{length} items"), expected: expected(wanted) }.into()
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        What::Is { found: format!("'{}'", echo(word)), expected: one_of(known) }.into()
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        What::Unknown { name: name.to_owned(), known: known.to_vec() }.into()
    }

    fn missing_field(name: &'static str) -> Self {
        What::Lacks(name.to_owned()).into()
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::custom("given twice").within(Step::Name(name.to_owned()))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Name(name) => f.write_str(name),
            Step::Item(at) => write!(f, "{at}"),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words(Part::Body))
    }
}

impl std::error::Error for Wrong {}
