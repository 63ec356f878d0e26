//! `trunkline.yaml`: text to diagnostics and domain types.
//!
//! The way of a file: bytes → parser events → a tree with spans ([`tree`]) → values read by the one table of keys
//! ([`keys`]) → what only the whole file shows ([`meaning`]). Each step reports all that it finds and goes on as
//! far as it can, so that one reading names every problem. Pure: no files, no clock, no network.

mod code;
mod decode;
mod diagnostic;
mod fields;
mod finding;
mod graph;
mod habit;
mod keys;
mod meaning;
mod outline;
mod place;
mod reference;
mod schema;
mod shape;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub use code::Code;
pub use diagnostic::{Diagnostic, Severity, Span, render};
pub use outline::outline;
pub use reference::reference;
pub use schema::schema;

use finding::{Finding, Findings};
use trunkline_domain::pipeline::{Definition, limit};

/// Reads a delivery file. `None` where any diagnostic is an error; the diagnostics are in the order of the text.
pub fn read(text: &[u8]) -> (Option<Definition>, Vec<Diagnostic>) {
    if text.len() > limit::FILE_BYTES_MAX {
        let message = format!("the file has {} bytes; at most {} are read", text.len(), limit::FILE_BYTES_MAX);
        let finding = Finding::error(Code::FileTooLarge, 0..0, message).help("keep long scripts in files of the repository and call them");
        return (None, diagnostic::locate("", vec![finding]));
    }
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            let before = String::from_utf8_lossy(&text[..error.valid_up_to()]);
            let at = before.len()..before.len();
            let finding = Finding::error(Code::NotUtf8, at, "the file is not UTF-8 text").help("save it as UTF-8");
            return (None, diagnostic::locate(&before, vec![finding]));
        }
    };
    let mut findings = Findings::default();
    let definition = tree::parse(text, &mut findings).and_then(|root| {
        let mut reader = fields::Reader { text, inputs: Default::default(), findings: &mut findings };
        let draft = decode::definition(&mut reader, &root)?;
        meaning::check(&draft, &mut findings);
        Some(draft.into_definition())
    });
    let failed = findings.any_error();
    (definition.filter(|_| !failed), diagnostic::locate(text, findings.into_list()))
}

/// The page of an error code such as `TL0142`, in Markdown.
pub fn explain(code: &str) -> Option<&'static str> {
    Code::ALL.iter().find(|known| known.as_str().eq_ignore_ascii_case(code)).map(|known| known.page())
}
