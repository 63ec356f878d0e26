//! The checker: is each name known and visible here, and do the types fit? Run when a delivery file is read.

use super::names::{self, Entry, FOREIGN, NOT_YET, Place};
use super::tree::{self, Collect, Each, Function, Kind, Operator, Tree};
use super::{Value, limit, template};
use std::fmt;
use std::ops::Range;

/// The types of expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `null`.
    Null,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A text.
    Text,
    /// A list of one type.
    List(Box<Type>),
    /// Values of one type by name.
    Map(Box<Type>),
    /// Not known before it is evaluated, as the element of an empty list. Fits everything.
    Any,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("a boolean"),
            Type::Int => f.write_str("a number"),
            Type::Text => f.write_str("a text"),
            Type::List(_) => f.write_str("a list"),
            Type::Map(_) => f.write_str("a map"),
            Type::Any => f.write_str("any value"),
        }
    }
}

impl Type {
    fn fits(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Any, _) | (_, Type::Any) => true,
            (Type::List(a), Type::List(b)) | (Type::Map(a), Type::Map(b)) => a.fits(b),
            (a, b) => a == b,
        }
    }
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// Bytes of the checked text.
    pub span: Range<usize>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// The kinds of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// It cannot be parsed.
    Syntax,
    /// A name or a function that does not exist.
    UnknownName,
    /// A name that exists, but not at this place.
    NotHere,
    /// Something of the design that this version does not have.
    NotYet,
    /// Types do not fit.
    Type,
    /// It is too long or too deep.
    Limit,
    /// A `${{` without its `}}`.
    Template,
}

impl Problem {
    pub(super) fn new(kind: ProblemKind, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { kind, span, message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Checks an expression at a place, and says its type, which fits `expected`.
pub fn check(text: &str, place: Place<'_>, expected: &Type) -> Result<Type, Problem> {
    let tree = tree::parse_with_places(text)?;
    let found = Checker { place, locals: Vec::new() }.type_of(&tree)?;
    if found.fits(expected) {
        Ok(found)
    } else {
        let problem = Problem::new(ProblemKind::Type, tree.extent(), format!("this is {found}, but {expected} is needed"));
        Err(if *expected == Type::Bool { problem.help("compare it with something, such as == 'main'") } else { problem })
    }
}

/// Checks every `${{ … }}` of a plain value.
pub fn check_template(text: &str, place: Place<'_>) -> Result<(), Problem> {
    if text.len() > limit::VALUE_BYTES_MAX {
        let message = format!("the text has {} bytes; at most {} are allowed", text.len(), limit::VALUE_BYTES_MAX);
        return Err(Problem::new(ProblemKind::Limit, 0..text.len(), message));
    }
    for piece in template::pieces(text) {
        let template::Piece::Expression { text: expression, start } = piece? else { continue };
        let shifted = |mut problem: Problem| {
            problem.span = problem.span.start + start..problem.span.end + start;
            problem
        };
        let found = check(expression, place, &Type::Any).map_err(shifted)?;
        if matches!(found, Type::List(_) | Type::Map(_) | Type::Null) {
            let problem = Problem::new(ProblemKind::Type, 0..expression.len(), format!("this is {found}, which is not part of a text"));
            return Err(shifted(problem));
        }
    }
    Ok(())
}

struct Checker<'a> {
    place: Place<'a>,
    locals: Vec<(&'a str, Type)>,
}

/// What a node is: a value, or a record of the table that a field must be taken from.
enum Found {
    Value(Type),
    Record(String),
}

impl<'a> Checker<'a> {
    fn type_of(&mut self, tree: &'a Tree) -> Result<Type, Problem> {
        match self.find(tree)? {
            Found::Value(found) => Ok(found),
            Found::Record(path) => {
                let fields = names::fields_of(&path);
                let help = match path.as_str() {
                    "needs" => "needs['job'].result".to_owned(),
                    "inputs" => "inputs.reason".to_owned(),
                    _ => format!("{path}.{}", fields.first().unwrap_or(&"")),
                };
                let shown = path.replace(".*", "['job']");
                let message = format!("'{shown}' is not a value by itself");
                Err(Problem::new(ProblemKind::Type, tree.extent(), message)
                    .help(format!("take a field of it, such as {}", help.replace(".*", "['job']"))))
            }
        }
    }

    fn find(&mut self, tree: &'a Tree) -> Result<Found, Problem> {
        let found = match &tree.kind {
            Kind::Name(name) => return self.name(tree, name),
            Kind::Field { of, name } => return self.field(of, name, tree.at.clone()),
            Kind::Index { of, key } => return self.index(of, key),
            Kind::Literal(value) => type_of_value(value),
            Kind::Has { of, name } => {
                // What may be missing is an output. Elsewhere the answer is known, but a misspelt name must not be "absent".
                match self.find(of)? {
                    Found::Value(Type::Map(_) | Type::Any) => Type::Bool,
                    Found::Value(other) => return Err(clash(of, format!("{other} has no member '{name}' to ask for"))),
                    Found::Record(path) => self.member(&path, name, tree.at.clone()).map(|_| Type::Bool)?,
                }
            }
            Kind::Not(of) => self.expect(of, &Type::Bool, "!")?,
            Kind::Negate(of) => self.expect(of, &Type::Int, "-")?,
            Kind::And(left, right) => {
                self.expect(left, &Type::Bool, "&&")?;
                self.expect(right, &Type::Bool, "&&")?
            }
            Kind::Or(left, right) => {
                self.expect(left, &Type::Bool, "||")?;
                self.expect(right, &Type::Bool, "||")?
            }
            Kind::Choose { condition, yes, no } => {
                self.expect(condition, &Type::Bool, "? :")?;
                let yes_type = self.type_of(yes)?;
                let no_type = self.type_of(no)?;
                self.same(tree, yes_type, no_type)?
            }
            Kind::Binary { operator, left, right } => self.binary(*operator, left, right, &tree.at)?,
            Kind::Call { function, arguments } => self.call(*function, arguments)?,
            Kind::List(items) => Type::List(Box::new(self.common(tree, items.iter())?)),
            Kind::Map(entries) => {
                for (key, _) in entries {
                    self.expect(key, &Type::Text, "the key of a map")?;
                }
                Type::Map(Box::new(self.common(tree, entries.iter().map(|(_, value)| value))?))
            }
            Kind::Each(each) => self.each(each)?,
        };
        Ok(Found::Value(found))
    }

    fn name(&self, tree: &Tree, name: &str) -> Result<Found, Problem> {
        if let Some((_, local)) = self.locals.iter().rev().find(|(local, _)| *local == name) {
            return Ok(Found::Value(local.clone()));
        }
        if NOT_YET.contains(&name) {
            let problem = Problem::new(ProblemKind::NotYet, tree.at.clone(), format!("'{name}' is not yet in this version"));
            return Err(problem.help(format!("known here: {}", self.place.roots().join(", "))));
        }
        let roots = self.place.roots();
        match names::look_up(name) {
            Some(_) if !roots.contains(&name) => {
                let message = format!("'{name}' is not known in {}", self.place.title());
                Err(Problem::new(ProblemKind::NotHere, tree.at.clone(), message).help(format!("known here: {}", roots.join(", "))))
            }
            Some(Entry::Value(found)) => Ok(Found::Value(found)),
            Some(Entry::Record | Entry::Jobs | Entry::Inputs) => Ok(Found::Record(name.to_owned())),
            None => {
                let problem = Problem::new(ProblemKind::UnknownName, tree.at.clone(), format!("unknown name '{name}'"));
                let foreign = FOREIGN.iter().find(|(known, _)| *known == name).map(|(_, help)| (*help).to_owned());
                Err(problem.help(foreign.unwrap_or_else(|| format!("known here: {}; a text is written in quotes", roots.join(", ")))))
            }
        }
    }

    fn field(&mut self, of: &'a Tree, name: &str, at: Range<usize>) -> Result<Found, Problem> {
        match self.find(of)? {
            Found::Record(path) => self.member(&path, name, at),
            Found::Value(Type::Map(element)) => Ok(Found::Value(*element)),
            Found::Value(Type::Any) => Ok(Found::Value(Type::Any)),
            Found::Value(other) => Err(Problem::new(ProblemKind::UnknownName, at, format!("{other} has no field '{name}'"))),
        }
    }

    fn index(&mut self, of: &'a Tree, key: &'a Tree) -> Result<Found, Problem> {
        match (self.find(of)?, &key.kind) {
            (Found::Record(path), Kind::Literal(Value::Text(name))) => self.member(&path, name, key.at.clone()),
            (Found::Record(path), _) => {
                let message = format!("what stands in brackets after '{path}' must be a plain text");
                Err(Problem::new(ProblemKind::Type, key.extent(), message).help("such as needs['build'].result"))
            }
            (Found::Value(Type::Map(element)), _) => {
                self.expect(key, &Type::Text, "the key of a map")?;
                Ok(Found::Value(*element))
            }
            (Found::Value(Type::List(element)), _) => {
                self.expect(key, &Type::Int, "the index of a list")?;
                Ok(Found::Value(*element))
            }
            (Found::Value(Type::Any), _) => {
                self.type_of(key)?;
                Ok(Found::Value(Type::Any))
            }
            (Found::Value(other), _) => Err(clash(of, format!("{other} has no elements"))),
        }
    }

    /// A member of a record of the table; for `needs` it is a job.
    fn member(&self, path: &str, name: &str, at: Range<usize>) -> Result<Found, Problem> {
        if path == "needs" {
            let needs = self.place.needs();
            if needs.iter().any(|key| key.as_str() == name) {
                return Ok(Found::Record("needs.*".to_owned()));
            }
            let problem = Problem::new(ProblemKind::UnknownName, at, format!("'{name}' is not in the needs"));
            let known: Vec<&str> = needs.iter().take(10).map(|key| key.as_str()).collect();
            return Err(match known.as_slice() {
                [] => problem.help(format!("add needs: {name} to see its result")),
                known => problem.help(format!("add it to needs to see its result; known here: {}", known.join(", "))),
            });
        }
        if path == "inputs" {
            return names::input(self.place.inputs(), name, at).map(Found::Value);
        }
        let full = format!("{path}.{name}");
        if NOT_YET.contains(&full.as_str()) {
            return Err(Problem::new(ProblemKind::NotYet, at, format!("'{full}' is not yet in this version")).help(fields_help(path)));
        }
        match names::look_up(&full) {
            Some(Entry::Value(found)) => Ok(Found::Value(found)),
            Some(Entry::Record | Entry::Jobs | Entry::Inputs) => Ok(Found::Record(full)),
            None => {
                let shown = path.replace(".*", "['job']");
                Err(Problem::new(ProblemKind::UnknownName, at, format!("'{shown}' has no field '{name}'")).help(fields_help(path)))
            }
        }
    }

    fn expect(&mut self, tree: &'a Tree, expected: &Type, by: &str) -> Result<Type, Problem> {
        let found = self.type_of(tree)?;
        if found.fits(expected) { Ok(expected.clone()) } else { Err(clash(tree, format!("{by} takes {expected}, but this is {found}"))) }
    }

    fn same(&self, tree: &Tree, left: Type, right: Type) -> Result<Type, Problem> {
        if left.fits(&right) {
            Ok(if left == Type::Any { right } else { left })
        } else {
            Err(clash(tree, format!("{left} and {right} do not go together")))
        }
    }

    fn common(&mut self, tree: &Tree, items: impl Iterator<Item = &'a Tree>) -> Result<Type, Problem> {
        let mut sum = Type::Any;
        for item in items {
            let found = self.type_of(item)?;
            sum = self.same(tree, sum, found)?;
        }
        Ok(sum)
    }

    fn binary(&mut self, operator: Operator, left: &'a Tree, right: &'a Tree, at: &Range<usize>) -> Result<Type, Problem> {
        let left_type = self.type_of(left)?;
        let right_type = self.type_of(right)?;
        let wrong = |message: String| Err(Problem::new(ProblemKind::Type, at.clone(), message));
        match operator {
            Operator::Equal | Operator::NotEqual if left_type.fits(&right_type) => Ok(Type::Bool),
            Operator::Equal | Operator::NotEqual => wrong(format!("{left_type} is never equal to {right_type}")),
            Operator::In => match &right_type {
                Type::List(element) if element.fits(&left_type) => Ok(Type::Bool),
                Type::Map(_) if left_type.fits(&Type::Text) => Ok(Type::Bool),
                Type::Any => Ok(Type::Bool),
                Type::Text => {
                    Err(Problem::new(ProblemKind::Type, at.clone(), "in looks into a list or a map").help("for texts write a.contains(b)"))
                }
                _ => wrong(format!("{left_type} is never in {right_type}")),
            },
            Operator::Add if left_type.fits(&right_type) && !matches!(left_type, Type::Bool | Type::Null | Type::Map(_)) => {
                self.same(left, left_type, right_type)
            }
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual
                if left_type.fits(&right_type) && matches!(left_type, Type::Int | Type::Text | Type::Any) =>
            {
                Ok(Type::Bool)
            }
            Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder
                if left_type.fits(&Type::Int) && right_type.fits(&Type::Int) =>
            {
                Ok(Type::Int)
            }
            other => wrong(format!("{left_type} {} {right_type} has no meaning", other.symbol())),
        }
    }

    fn call(&mut self, function: Function, arguments: &'a [Tree]) -> Result<Type, Problem> {
        if function == Function::Size {
            for argument in arguments {
                if let found @ (Type::Bool | Type::Int | Type::Null) = self.type_of(argument)? {
                    return Err(clash(argument, format!("{found} has no size")));
                }
            }
            return Ok(Type::Int);
        }
        for argument in arguments {
            self.expect(argument, &Type::Text, function.name())?;
        }
        Ok(Type::Bool)
    }

    fn each(&mut self, each: &'a Each) -> Result<Type, Problem> {
        let element = match self.type_of(&each.over)? {
            Type::List(element) => *element,
            Type::Map(_) => Type::Text,
            Type::Any => Type::Any,
            other => return Err(clash(&each.over, format!("{other} has no elements to go through"))),
        };
        self.locals.push((&each.variable, element));
        if let Some(filter) = &each.filter {
            self.expect(filter, &Type::Bool, "filter")?;
        }
        let found = match each.collect {
            Collect::Exists => self.expect(&each.body, &Type::Bool, "exists"),
            Collect::All => self.expect(&each.body, &Type::Bool, "all"),
            Collect::List => self.type_of(&each.body).map(|body| Type::List(Box::new(body))),
        };
        self.locals.pop();
        found
    }
}

fn fields_help(path: &str) -> String {
    format!("it has {}", names::fields_of(path).join(", "))
}

fn clash(tree: &Tree, message: String) -> Problem {
    Problem::new(ProblemKind::Type, tree.extent(), message)
}

fn type_of_value(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Text(_) => Type::Text,
        Value::List(_) => Type::List(Box::new(Type::Any)),
        Value::Map(_) => Type::Map(Box::new(Type::Any)),
    }
}
