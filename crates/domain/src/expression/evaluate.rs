//! The evaluator. Total: every text and scope gives a value or an error within [`limit::STEPS_MAX`] steps.
//!
//! `&&`, `||` and `? :` look at their right side only where the left one does not decide; an error on the
//! left is an error. (CEL lets a true right side win over it; nobody should have to rely on that.)

use super::tree::{self, Collect, Each, Function, Kind, Operator, Tree};
use super::{Scope, Value, limit};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// It cannot be parsed. A checked delivery file holds no such text.
    #[error("{0}")]
    Text(String),
    /// A name that is not known where it was evaluated.
    #[error("'{0}' is not known here")]
    UnknownName(String),
    /// A member or element that is not there.
    #[error("there is no '{0}'; ask with has() or in first")]
    Missing(String),
    /// Values of the wrong kind.
    #[error("{0}")]
    Type(String),
    /// A number beyond 64 bits.
    #[error("{0} overflows 64 bits")]
    Overflow(String),
    /// Division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A text, list or map that grew beyond its limit.
    #[error("the {0} grew beyond {1}")]
    TooLarge(&'static str, usize),
    /// Too many steps.
    #[error("it took more than {} steps", limit::STEPS_MAX)]
    TooManySteps,
}

type Answer<'a> = Result<Cow<'a, Value>, EvalError>;

pub(super) fn evaluate(text: &str, scope: &Scope) -> Result<Value, EvalError> {
    evaluate_after(&mut 0, text, scope)
}

/// Evaluates with the budget that is left after these steps, and adds its own.
pub(super) fn evaluate_after(steps: &mut usize, text: &str, scope: &Scope) -> Result<Value, EvalError> {
    let tree = tree::parse(text).map_err(|problem| EvalError::Text(problem.message))?;
    let mut machine = Machine { scope, locals: Vec::new(), steps: *steps };
    let value = machine.value(&tree).map(Cow::into_owned);
    *steps = machine.steps;
    value
}

struct Machine<'a> {
    scope: &'a Scope,
    locals: Vec<(&'a str, Value)>,
    steps: usize,
}

impl<'a> Machine<'a> {
    fn pay(&mut self, steps: usize) -> Result<(), EvalError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > limit::STEPS_MAX { Err(EvalError::TooManySteps) } else { Ok(()) }
    }

    fn value(&mut self, tree: &'a Tree) -> Answer<'a> {
        self.pay(1)?;
        let value = match &tree.kind {
            Kind::Literal(value) => return Ok(Cow::Borrowed(value)),
            Kind::Name(name) => return self.name(name),
            Kind::Field { of, name } => return self.member(of, name),
            Kind::Index { of, key } => return self.index(of, key),
            Kind::Has { of, name } => match self.value(of)?.as_ref() {
                Value::Map(members) => Value::Bool(members.contains_key(name)),
                other => return Err(EvalError::Type(format!("{} has no members", other.kind()))),
            },
            Kind::Not(of) => Value::Bool(!self.truth(of)?),
            Kind::Negate(of) => {
                let number = self.number(of)?;
                Value::Int(number.checked_neg().ok_or_else(|| EvalError::Overflow(format!("-({number})")))?)
            }
            Kind::And(left, right) => Value::Bool(self.truth(left)? && self.truth(right)?),
            Kind::Or(left, right) => Value::Bool(self.truth(left)? || self.truth(right)?),
            Kind::Choose { condition, yes, no } => {
                let chosen = if self.truth(condition)? { yes } else { no };
                return self.value(chosen);
            }
            Kind::Binary { operator, left, right } => self.binary(*operator, left, right)?,
            Kind::Call { function, arguments } => self.call(*function, arguments)?,
            Kind::List(items) => {
                let items = items.iter().map(|item| self.owned(item)).collect::<Result<Vec<_>, _>>()?;
                Value::List(bounded_list(items)?)
            }
            Kind::Map(entries) => self.map(entries)?,
            Kind::Each(each) => self.each(each)?,
        };
        Ok(Cow::Owned(value))
    }

    /// The value as a copy of its own, which costs what it weighs.
    fn owned(&mut self, tree: &'a Tree) -> Result<Value, EvalError> {
        match self.value(tree)? {
            Cow::Owned(value) => Ok(value),
            Cow::Borrowed(value) => self.copy(value),
        }
    }

    fn copy(&mut self, value: &Value) -> Result<Value, EvalError> {
        self.pay(value.weight())?;
        Ok(value.clone())
    }

    fn name(&mut self, name: &str) -> Answer<'a> {
        if let Some(at) = self.locals.iter().rposition(|(local, _)| *local == name) {
            self.pay(self.locals[at].1.weight())?;
            return Ok(Cow::Owned(self.locals[at].1.clone()));
        }
        self.scope.0.get(name).map(Cow::Borrowed).ok_or_else(|| EvalError::UnknownName(name.to_owned()))
    }

    fn member(&mut self, of: &'a Tree, name: &str) -> Answer<'a> {
        let missing = || EvalError::Missing(name.to_owned());
        match self.value(of)? {
            Cow::Borrowed(Value::Map(members)) => members.get(name).map(Cow::Borrowed).ok_or_else(missing),
            Cow::Owned(Value::Map(mut members)) => members.remove(name).map(Cow::Owned).ok_or_else(missing),
            other => Err(EvalError::Type(format!("{} has no member '{name}'", other.kind()))),
        }
    }

    fn index(&mut self, of: &'a Tree, key: &'a Tree) -> Answer<'a> {
        match self.value(key)?.into_owned() {
            Value::Text(name) => self.member(of, &name),
            Value::Int(index) => {
                let missing = || EvalError::Missing(format!("element {index}"));
                let at = usize::try_from(index).map_err(|_| missing())?;
                match self.value(of)? {
                    Cow::Borrowed(Value::List(items)) => items.get(at).map(Cow::Borrowed).ok_or_else(missing),
                    Cow::Owned(Value::List(items)) => items.into_iter().nth(at).map(Cow::Owned).ok_or_else(missing),
                    other => Err(EvalError::Type(format!("{} has no elements", other.kind()))),
                }
            }
            other => Err(EvalError::Type(format!("{} is not an index", other.kind()))),
        }
    }

    fn truth(&mut self, tree: &'a Tree) -> Result<bool, EvalError> {
        match self.value(tree)?.as_ref() {
            Value::Bool(truth) => Ok(*truth),
            other => Err(EvalError::Type(format!("{} stands where true or false is needed", other.kind()))),
        }
    }

    fn number(&mut self, tree: &'a Tree) -> Result<i64, EvalError> {
        match self.value(tree)?.as_ref() {
            Value::Int(number) => Ok(*number),
            other => Err(EvalError::Type(format!("{} stands where a number is needed", other.kind()))),
        }
    }

    fn binary(&mut self, operator: Operator, left: &'a Tree, right: &'a Tree) -> Result<Value, EvalError> {
        let left = self.value(left)?;
        let right = self.value(right)?;
        // Comparing and joining look at both sides once.
        self.pay(left.weight().saturating_add(right.weight()))?;
        match operator {
            Operator::Equal => Ok(Value::Bool(left == right)),
            Operator::NotEqual => Ok(Value::Bool(left != right)),
            Operator::In => contained(&left, &right),
            Operator::Add => add(left.into_owned(), right.into_owned()),
            Operator::Less => compare(operator, &left, &right).map(|order| Value::Bool(order.is_lt())),
            Operator::LessEqual => compare(operator, &left, &right).map(|order| Value::Bool(order.is_le())),
            Operator::Greater => compare(operator, &left, &right).map(|order| Value::Bool(order.is_gt())),
            Operator::GreaterEqual => compare(operator, &left, &right).map(|order| Value::Bool(order.is_ge())),
            Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => calculate(operator, &left, &right),
        }
    }

    fn call(&mut self, function: Function, arguments: &'a [Tree]) -> Result<Value, EvalError> {
        let values = arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
        self.pay(values.iter().map(|value| value.weight()).sum())?;
        let values: Vec<&Value> = values.iter().map(AsRef::as_ref).collect();
        match (function, values.as_slice()) {
            (Function::Size, [Value::Text(text)]) => Ok(size(text.chars().count())),
            (Function::Size, [Value::List(items)]) => Ok(size(items.len())),
            (Function::Size, [Value::Map(members)]) => Ok(size(members.len())),
            (Function::StartsWith, [Value::Text(text), Value::Text(piece)]) => Ok(Value::Bool(text.starts_with(piece.as_str()))),
            (Function::EndsWith, [Value::Text(text), Value::Text(piece)]) => Ok(Value::Bool(text.ends_with(piece.as_str()))),
            (Function::Contains, [Value::Text(text), Value::Text(piece)]) => Ok(Value::Bool(text.contains(piece.as_str()))),
            (function, values) => {
                let kinds: Vec<&str> = values.iter().map(|value| value.kind()).collect();
                Err(EvalError::Type(format!("{} cannot be asked of {}", function.name(), kinds.join(" and "))))
            }
        }
    }

    fn map(&mut self, entries: &'a [(Tree, Tree)]) -> Result<Value, EvalError> {
        let mut members = BTreeMap::new();
        for (key, value) in entries {
            let Value::Text(name) = self.owned(key)? else { return Err(EvalError::Type("the key of a map must be a text".to_owned())) };
            members.insert(name, self.owned(value)?);
        }
        if members.len() > limit::ELEMENTS_MAX { Err(EvalError::TooLarge("map", limit::ELEMENTS_MAX)) } else { Ok(Value::Map(members)) }
    }

    fn each(&mut self, each: &'a Each) -> Result<Value, EvalError> {
        let over = self.owned(&each.over)?;
        let elements = match over {
            Value::List(items) => items,
            Value::Map(members) => members.into_keys().map(Value::Text).collect(),
            other => return Err(EvalError::Type(format!("{} has no elements to go through", other.kind()))),
        };
        let mut collected = Vec::new();
        for element in elements {
            self.locals.push((&each.variable, element));
            let passes = match &each.filter {
                Some(filter) => self.truth(filter)?,
                None => true,
            };
            if passes {
                match each.collect {
                    Collect::Exists if self.truth(&each.body)? => return Ok(self.leave(Value::Bool(true))),
                    Collect::All if !self.truth(&each.body)? => return Ok(self.leave(Value::Bool(false))),
                    Collect::Exists | Collect::All => {}
                    Collect::List => collected.push(self.owned(&each.body)?),
                }
            }
            self.locals.pop();
        }
        match each.collect {
            Collect::Exists => Ok(Value::Bool(false)),
            Collect::All => Ok(Value::Bool(true)),
            Collect::List => Ok(Value::List(bounded_list(collected)?)),
        }
    }

    /// Leaves a loop early: its variable ends here too.
    fn leave(&mut self, value: Value) -> Value {
        self.locals.pop();
        value
    }
}

fn size(count: usize) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn bounded_list(items: Vec<Value>) -> Result<Vec<Value>, EvalError> {
    if items.len() > limit::ELEMENTS_MAX { Err(EvalError::TooLarge("list", limit::ELEMENTS_MAX)) } else { Ok(items) }
}

fn contained(left: &Value, right: &Value) -> Result<Value, EvalError> {
    match (left, right) {
        (left, Value::List(items)) => Ok(Value::Bool(items.contains(left))),
        (Value::Text(name), Value::Map(members)) => Ok(Value::Bool(members.contains_key(name))),
        (left, right) => Err(EvalError::Type(format!("{} in {} has no meaning", left.kind(), right.kind()))),
    }
}

fn add(left: Value, right: Value) -> Result<Value, EvalError> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => {
            left.checked_add(right).map(Value::Int).ok_or_else(|| EvalError::Overflow(format!("{left} + {right}")))
        }
        (Value::Text(left), Value::Text(right)) if left.len() + right.len() > limit::VALUE_BYTES_MAX => {
            Err(EvalError::TooLarge("text", limit::VALUE_BYTES_MAX))
        }
        (Value::Text(left), Value::Text(right)) => Ok(Value::Text(left + &right)),
        (Value::List(mut left), Value::List(right)) => {
            left.extend(right);
            bounded_list(left).map(Value::List)
        }
        (left, right) => Err(EvalError::Type(format!("{} + {} has no meaning", left.kind(), right.kind()))),
    }
}

fn compare(operator: Operator, left: &Value, right: &Value) -> Result<std::cmp::Ordering, EvalError> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Ok(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Ok(left.cmp(right)),
        (left, right) => Err(EvalError::Type(format!("{} {} {} has no meaning", left.kind(), operator.symbol(), right.kind()))),
    }
}

fn calculate(operator: Operator, left: &Value, right: &Value) -> Result<Value, EvalError> {
    let (Value::Int(left), Value::Int(right)) = (left, right) else {
        return Err(EvalError::Type(format!("{} {} {} has no meaning", left.kind(), operator.symbol(), right.kind())));
    };
    let answer = match operator {
        Operator::Divide | Operator::Remainder if *right == 0 => return Err(EvalError::DivisionByZero),
        Operator::Subtract => left.checked_sub(*right),
        Operator::Multiply => left.checked_mul(*right),
        Operator::Divide => left.checked_div(*right),
        Operator::Remainder => left.checked_rem(*right),
        other => return Err(EvalError::Type(format!("{} is no calculation", other.symbol()))),
    };
    answer.map(Value::Int).ok_or_else(|| EvalError::Overflow(format!("{left} {} {right}", operator.symbol())))
}
