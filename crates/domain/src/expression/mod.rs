//! Conditions and values that the delivery file computes: a typed subset of CEL.
//!
//! The `cel` crate only parses. Everything else is here: our own tree ([`tree`]), the one table of
//! names ([`names`]), the checker ([`check`](mod@check)) that the delivery file is read with, and an evaluator
//! ([`evaluate`]) that ends after [`limit::STEPS_MAX`] steps whatever the text says. Nothing here
//! knows YAML: spans are byte offsets into the expression's own text.

mod check;
mod evaluate;
mod names;
mod template;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub use check::{Problem, ProblemKind, Type, check, check_template};
pub use evaluate::EvalError;
pub use names::{NameDoc, Place, names};
pub use value::{Scope, Value};

use serde::{Deserialize, Serialize};

/// Limits of an expression. Each refusal names the one that bit.
pub mod limit {
    /// Bytes of an expression's text. Also bounds the parser's recursion, which counts only some of its levels.
    pub const TEXT_BYTES_MAX: usize = 2_000;
    /// Nested operators, calls and selections.
    pub const DEPTH_MAX: usize = 64;
    /// Steps of one evaluation.
    pub const STEPS_MAX: usize = 10_000;
    /// Bytes of a computed text, and of a rendered template.
    pub const VALUE_BYTES_MAX: usize = 64 * 1024;
    /// Elements of a computed list or map.
    pub const ELEMENTS_MAX: usize = 1_000;
}

/// The source text of a CEL expression. It was checked when the delivery file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expression(pub String);

/// A plain value that may hold `${{ cel }}` pieces. They were checked when the delivery file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Template(pub String);

impl Expression {
    /// Its value where these names are known. Ends within [`limit::STEPS_MAX`] steps.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, EvalError> {
        evaluate::evaluate(&self.0, scope)
    }

    /// Its value, which must be true or false.
    pub fn is_true(&self, scope: &Scope) -> Result<bool, EvalError> {
        match self.evaluate(scope)? {
            Value::Bool(answer) => Ok(answer),
            other => Err(EvalError::Type(format!("the condition is {}, not true or false", other.kind()))),
        }
    }

    /// Whether it uses the name `root`, such as `needs`. False where it cannot be parsed.
    pub fn mentions(&self, root: &str) -> bool {
        tree::parse(&self.0).is_ok_and(|tree| tree.mentions(root))
    }
}

impl Template {
    /// The text with each `${{ … }}` replaced by its value.
    pub fn render(&self, scope: &Scope) -> Result<String, EvalError> {
        template::render(&self.0, scope)
    }

    /// Whether it holds no `${{ … }}`, so that it renders to itself.
    pub fn is_literal(&self) -> bool {
        !self.0.contains(template::OPEN)
    }
}
