//! Plain values with `${{ cel }}` pieces.

use super::check::{Problem, ProblemKind};
use super::evaluate::{self, EvalError};
use super::{Scope, Value, limit};

pub(super) const OPEN: &str = "${{";

/// A piece of a template.
pub(super) enum Piece<'a> {
    Literal(&'a str),
    Expression {
        text: &'a str,
        /// Where it starts in the template.
        start: usize,
    },
}

/// The pieces in order; ends after the first problem.
pub(super) fn pieces(template: &str) -> impl Iterator<Item = Result<Piece<'_>, Problem>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = template.get(at..).filter(|rest| !rest.is_empty())?;
        let Some(inside) = rest.strip_prefix(OPEN) else {
            let length = rest.find(OPEN).unwrap_or(rest.len());
            at += length;
            return Some(Ok(Piece::Literal(&rest[..length])));
        };
        let opened = at;
        match closing(inside) {
            Some(length) => {
                let start = opened + OPEN.len();
                at = start + length + 2;
                Some(Ok(Piece::Expression { text: &inside[..length], start }))
            }
            None => {
                at = template.len();
                let problem = Problem::new(ProblemKind::Template, opened..template.len(), "'${{' without its '}}'");
                Some(Err(problem.help("write ${{ release.version }}, and quote the whole value")))
            }
        }
    })
}

/// Length of the expression before `}}`, passing by texts in quotes and map literals.
fn closing(inside: &str) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0_usize;
    let mut bytes = inside.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => drop(bytes.next()),
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'{') => depth += 1,
            (None, b'}') if depth > 0 => depth -= 1,
            (None, b'}') if inside[at..].starts_with("}}") => return Some(at),
            (None, _) => {}
        }
    }
    None
}

pub(super) fn render(template: &str, scope: &Scope) -> Result<String, EvalError> {
    let mut text = String::new();
    // One budget for all pieces: a template is no way to many of them.
    let mut steps = 0;
    for piece in pieces(template) {
        match piece.map_err(|problem| EvalError::Text(problem.message))? {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Expression { text: expression, .. } => match evaluate::evaluate_after(&mut steps, expression, scope)? {
                Value::Text(value) => text.push_str(&value),
                Value::Int(number) => text.push_str(&number.to_string()),
                Value::Bool(truth) => text.push_str(if truth { "true" } else { "false" }),
                other => return Err(EvalError::Type(format!("'{}' is {}, which is not part of a text", expression.trim(), other.kind()))),
            },
        }
        if text.len() > limit::VALUE_BYTES_MAX {
            return Err(EvalError::TooLarge("text", limit::VALUE_BYTES_MAX));
        }
    }
    Ok(text)
}
