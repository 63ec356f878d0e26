//! Our own tree of an expression, made from what the `cel` crate parses.
//!
//! The parser expands `exists`, `all`, `filter` and `map` into general loops; they are recognised by their
//! shape and become [`Kind::Each`], so that nothing in our tree can loop in another way.

use super::check::{Problem, ProblemKind};
use super::{Value, limit};
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::parser::PrattParser;
use std::ops::Range;

/// A node and the place of its most telling piece: the field of a selection, the name of a function, the operator.
#[derive(Debug)]
pub(super) struct Tree {
    pub kind: Kind,
    pub at: Range<usize>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Literal(Value),
    Name(String),
    Field { of: Box<Tree>, name: String },
    Has { of: Box<Tree>, name: String },
    Index { of: Box<Tree>, key: Box<Tree> },
    Not(Box<Tree>),
    Negate(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Choose { condition: Box<Tree>, yes: Box<Tree>, no: Box<Tree> },
    Binary { operator: Operator, left: Box<Tree>, right: Box<Tree> },
    Call { function: Function, arguments: Vec<Tree> },
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
    Each(Box<Each>),
}

/// A loop over the elements of a list or the keys of a map.
#[derive(Debug)]
pub(super) struct Each {
    pub collect: Collect,
    pub over: Tree,
    pub variable: String,
    /// Elements for which this is false are passed by.
    pub filter: Option<Tree>,
    pub body: Tree,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collect {
    Exists,
    All,
    List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
}

impl Operator {
    pub fn symbol(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterEqual => ">=",
            Operator::In => "in",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    StartsWith,
    EndsWith,
    Contains,
}

impl Function {
    pub const ALL: [(&'static str, Function); 4] = [
        ("size", Function::Size),
        ("startsWith", Function::StartsWith),
        ("endsWith", Function::EndsWith),
        ("contains", Function::Contains),
    ];

    pub fn name(self) -> &'static str {
        Function::ALL.iter().find(|(_, function)| *function == self).map_or("", |(name, _)| name)
    }
}

impl Tree {
    /// Whether the root name is used, and not only as a loop's variable.
    pub fn mentions(&self, root: &str) -> bool {
        match &self.kind {
            Kind::Literal(_) => false,
            Kind::Name(name) => name == root,
            Kind::Field { of, .. } | Kind::Has { of, .. } | Kind::Not(of) | Kind::Negate(of) => of.mentions(root),
            Kind::Index { of: left, key: right } | Kind::And(left, right) | Kind::Or(left, right) | Kind::Binary { left, right, .. } => {
                left.mentions(root) || right.mentions(root)
            }
            Kind::Choose { condition, yes, no } => condition.mentions(root) || yes.mentions(root) || no.mentions(root),
            Kind::Call { arguments: items, .. } | Kind::List(items) => items.iter().any(|item| item.mentions(root)),
            Kind::Map(entries) => entries.iter().any(|(key, value)| key.mentions(root) || value.mentions(root)),
            Kind::Each(each) => {
                let inside = each.body.mentions(root) || each.filter.as_ref().is_some_and(|filter| filter.mentions(root));
                each.over.mentions(root) || (each.variable != root && inside)
            }
        }
    }

    /// The whole piece of text, from its first to its last known place.
    pub fn extent(&self) -> Range<usize> {
        let join = |a: Range<usize>, b: Range<usize>| a.start.min(b.start)..a.end.max(b.end);
        let of = |trees: &[&Tree]| trees.iter().fold(self.at.clone(), |sum, tree| join(sum, tree.extent()));
        match &self.kind {
            Kind::Literal(_) | Kind::Name(_) => self.at.clone(),
            Kind::Field { of: one, .. } | Kind::Has { of: one, .. } | Kind::Not(one) | Kind::Negate(one) => of(&[one]),
            Kind::Index { of: left, key: right } | Kind::And(left, right) | Kind::Or(left, right) | Kind::Binary { left, right, .. } => {
                of(&[left, right])
            }
            Kind::Choose { condition, yes, no } => of(&[condition, yes, no]),
            Kind::Call { arguments: items, .. } | Kind::List(items) => of(&items.iter().collect::<Vec<_>>()),
            Kind::Map(entries) => of(&entries.iter().flat_map(|(key, value)| [key, value]).collect::<Vec<_>>()),
            Kind::Each(each) => of(&[&each.over, &each.body]),
        }
    }
}

/// Parses without places: enough to evaluate.
pub(super) fn parse(text: &str) -> Result<Tree, Problem> {
    let parsed = parse_cel(text)?;
    Builder { text, source: None }.tree(parsed, 0)
}

/// Parses with the place of each node.
pub(super) fn parse_with_places(text: &str) -> Result<Tree, Problem> {
    let parsed = parse_cel(text)?;
    // The parser gives places away only with an error, so it gets the same text once more with one at its end.
    // Ids are given in the order of reading, hence the same. The line end closes a comment.
    let errors = PrattParser::new().parse(&format!("{text}\n)")).err();
    let source = errors.and_then(|errors| errors.errors.into_iter().find_map(|error| error.source_info));
    Builder { text, source: source.as_deref() }.tree(parsed, 0)
}

fn parse_cel(text: &str) -> Result<IdedExpr, Problem> {
    if text.len() > limit::TEXT_BYTES_MAX {
        let message = format!("the expression has {} bytes; at most {} are allowed", text.len(), limit::TEXT_BYTES_MAX);
        return Err(Problem::new(ProblemKind::Limit, 0..text.len(), message));
    }
    if text.trim().is_empty() {
        return Err(Problem::new(ProblemKind::Syntax, 0..text.len(), "the expression is empty"));
    }
    PrattParser::new().max_recursion_depth(limit::DEPTH_MAX as u16).parse(text).map_err(|errors| match errors.errors.first() {
        Some(first) => syntax_problem(text, first),
        None => Problem::new(ProblemKind::Syntax, 0..text.len(), "the expression cannot be read"),
    })
}

fn syntax_problem(text: &str, error: &cel::ParseError) -> Problem {
    let line = usize::try_from(error.pos.0).unwrap_or(0);
    let column = usize::try_from(error.pos.1).unwrap_or(0);
    let start = match line {
        0 => 0,
        line => (text.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>() + column.saturating_sub(1)).min(text.len()),
    };
    let end = if line == 0 { text.len() } else { text[floor(text, start)..].chars().next().map_or(start, |c| start + c.len_utf8()) };
    let said = error.msg.trim_start_matches("Syntax error: ").replace("<EOF>", "the end");
    let problem = Problem::new(ProblemKind::Syntax, floor(text, start)..end.min(text.len()), format!("not a CEL expression: {said}"));
    match foreign_syntax(text, start) {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// Habits of other languages that do not parse.
fn foreign_syntax(text: &str, start: usize) -> Option<&'static str> {
    let rest = text[floor(text, start)..].trim_start();
    let word = |word: &str| rest.strip_prefix(word).is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
    match () {
        () if rest.starts_with('=') && !rest.starts_with("==") => Some("compare with =="),
        () if word("and") => Some("write && for and"),
        () if word("or") => Some("write || for or"),
        () if text.trim_start().starts_with("not ") => Some("write ! for not"),
        () if rest.starts_with('$') => Some("names are written without $, such as change.branch"),
        () => None,
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

struct Builder<'a> {
    text: &'a str,
    source: Option<&'a SourceInfo>,
}

impl Builder<'_> {
    fn tree(&self, node: IdedExpr, depth: usize) -> Result<Tree, Problem> {
        let at = self.place(&node);
        if depth > limit::DEPTH_MAX {
            let message = format!("the expression is nested deeper than {}", limit::DEPTH_MAX);
            return Err(Problem::new(ProblemKind::Limit, at, message));
        }
        let kind = match node.expr {
            Expr::Literal(literal) => Kind::Literal(self.literal(literal, &at)?),
            Expr::Ident(name) => Kind::Name(name),
            Expr::Select(select) => {
                let of = Box::new(self.tree(*select.operand, depth + 1)?);
                if select.test { Kind::Has { of, name: select.field } } else { Kind::Field { of, name: select.field } }
            }
            Expr::List(list) => Kind::List(self.trees(list.elements, depth)?),
            Expr::Map(map) => Kind::Map(self.entries(map.entries, depth)?),
            Expr::Call(call) => self.call(call, &at, depth)?,
            Expr::Comprehension(loop_) => Kind::Each(Box::new(self.each(*loop_, &at, depth)?)),
            Expr::Struct(_) => return Err(unsupported(at, "typed messages")),
            Expr::Unspecified => return Err(Problem::new(ProblemKind::Syntax, at, "the expression cannot be read")),
        };
        Ok(Tree { kind, at })
    }

    fn trees(&self, nodes: Vec<IdedExpr>, depth: usize) -> Result<Vec<Tree>, Problem> {
        nodes.into_iter().map(|node| self.tree(node, depth + 1)).collect()
    }

    fn entries(&self, entries: Vec<cel::common::ast::IdedEntryExpr>, depth: usize) -> Result<Vec<(Tree, Tree)>, Problem> {
        entries
            .into_iter()
            .map(|entry| match entry.expr {
                EntryExpr::MapEntry(entry) => Ok((self.tree(entry.key, depth + 1)?, self.tree(entry.value, depth + 1)?)),
                EntryExpr::StructField(_) => Err(unsupported(0..self.text.len(), "typed messages")),
            })
            .collect()
    }

    fn literal(&self, literal: LiteralValue, at: &Range<usize>) -> Result<Value, Problem> {
        match literal {
            LiteralValue::Boolean(truth) => Ok(Value::Bool(*truth.inner())),
            LiteralValue::Int(number) => Ok(Value::Int(*number.inner())),
            LiteralValue::String(text) => Ok(Value::Text(text.inner().to_owned())),
            LiteralValue::Null => Ok(Value::Null),
            LiteralValue::Bytes(_) => Err(unsupported(at.clone(), "byte strings")),
            LiteralValue::Double(_) => Err(unsupported(at.clone(), "fractions").help("numbers are whole")),
            LiteralValue::UInt(_) => Err(unsupported(at.clone(), "unsigned numbers").help("leave out the u")),
        }
    }

    fn call(&self, call: CallExpr, at: &Range<usize>, depth: usize) -> Result<Kind, Problem> {
        let name = call.func_name;
        let target = call.target.map(|target| self.tree(*target, depth + 1)).transpose()?;
        let method = target.is_some();
        let mut arguments: Vec<Tree> = target.into_iter().collect();
        arguments.extend(self.trees(call.args, depth)?);
        let function = Function::ALL.iter().find(|(known, _)| *known == name).map(|(_, function)| *function);
        match function {
            Some(Function::Size) if arguments.len() == 1 => return Ok(Kind::Call { function: Function::Size, arguments }),
            Some(function) if function != Function::Size && method && arguments.len() == 2 => {
                return Ok(Kind::Call { function, arguments });
            }
            Some(Function::Size) => return Err(Problem::new(ProblemKind::Type, at.clone(), "size takes one value").help("write size(x)")),
            Some(function) => {
                let message = format!("{} is called on a text and takes one text", function.name());
                return Err(Problem::new(ProblemKind::Type, at.clone(), message).help(format!("write a.{}(b)", function.name())));
            }
            None => {}
        }
        operator_kind(&name, arguments).ok_or_else(|| unknown_function(at.clone(), &name))
    }

    /// Undoes the parser's expansion of its macros.
    fn each(&self, expanded: ComprehensionExpr, at: &Range<usize>, depth: usize) -> Result<Each, Problem> {
        let ComprehensionExpr { iter_range, iter_var, accu_init, loop_step, .. } = expanded;
        let over = self.tree(iter_range, depth + 1)?;
        let other = || unsupported(at.clone(), "this loop").help("exists, all, filter and map are known");
        let Expr::Call(step) = loop_step.expr else { return Err(other()) };
        let init = accu_init.expr;
        let mut arguments = step.args.into_iter();
        let (collect, filter, body) = match (step.func_name.as_str(), init) {
            (operators::LOGICAL_OR, Expr::Literal(LiteralValue::Boolean(_))) => (Collect::Exists, None, arguments.nth(1)),
            (operators::LOGICAL_AND, Expr::Literal(LiteralValue::Boolean(_))) => (Collect::All, None, arguments.nth(1)),
            (operators::ADD, Expr::List(_)) => (Collect::List, None, arguments.nth(1).and_then(only_element)),
            (operators::CONDITIONAL, Expr::List(_)) => {
                let filter = arguments.next();
                let body = arguments.next().and_then(|add| match add.expr {
                    Expr::Call(add) => add.args.into_iter().nth(1).and_then(only_element),
                    _ => None,
                });
                (Collect::List, filter, body)
            }
            _ => return Err(other()),
        };
        let body = self.tree(body.ok_or_else(other)?, depth + 1)?;
        let filter = filter.map(|filter| self.tree(filter, depth + 1)).transpose()?;
        Ok(Each { collect, over, variable: iter_var, filter, body })
    }

    /// The telling piece of a node, from the token that the parser noted for it.
    fn place(&self, node: &IdedExpr) -> Range<usize> {
        let whole = 0..self.text.len();
        let Some((start, end)) = self.source.and_then(|source| source.offset_for(node.id)) else { return whole };
        let (start, end) = (start as usize, end as usize);
        let (start, end) = match &node.expr {
            // The dot of a selection: the field follows.
            Expr::Select(select) if !select.test && self.text.get(end..).is_some_and(|rest| rest.starts_with(select.field.as_str())) => {
                (end, end + select.field.len())
            }
            // The parenthesis of a call: the function's name precedes.
            Expr::Call(call) if self.text.get(..start).is_some_and(|before| before.ends_with(call.func_name.as_str())) => {
                (start - call.func_name.len(), start)
            }
            _ => (start, end),
        };
        if self.text.get(start..end).is_some() { start..end } else { whole }
    }
}

fn only_element(list: IdedExpr) -> Option<IdedExpr> {
    match list.expr {
        Expr::List(list) => list.elements.into_iter().next(),
        _ => None,
    }
}

fn operator_kind(name: &str, arguments: Vec<Tree>) -> Option<Kind> {
    let operator = match name {
        operators::ADD => Some(Operator::Add),
        operators::SUBSTRACT => Some(Operator::Subtract),
        operators::MULTIPLY => Some(Operator::Multiply),
        operators::DIVIDE => Some(Operator::Divide),
        operators::MODULO => Some(Operator::Remainder),
        operators::EQUALS => Some(Operator::Equal),
        operators::NOT_EQUALS => Some(Operator::NotEqual),
        operators::LESS => Some(Operator::Less),
        operators::LESS_EQUALS => Some(Operator::LessEqual),
        operators::GREATER => Some(Operator::Greater),
        operators::GREATER_EQUALS => Some(Operator::GreaterEqual),
        operators::IN => Some(Operator::In),
        _ => None,
    };
    let mut arguments = arguments.into_iter().map(Box::new);
    let mut next = || arguments.next();
    if let Some(operator) = operator {
        return Some(Kind::Binary { operator, left: next()?, right: next()? });
    }
    match name {
        operators::LOGICAL_AND => Some(Kind::And(next()?, next()?)),
        operators::LOGICAL_OR => Some(Kind::Or(next()?, next()?)),
        operators::LOGICAL_NOT => Some(Kind::Not(next()?)),
        operators::NEGATE => Some(Kind::Negate(next()?)),
        operators::CONDITIONAL => Some(Kind::Choose { condition: next()?, yes: next()?, no: next()? }),
        operators::INDEX => Some(Kind::Index { of: next()?, key: next()? }),
        _ => None,
    }
}

fn unknown_function(at: Range<usize>, name: &str) -> Problem {
    let problem = Problem::new(ProblemKind::UnknownName, at, format!("unknown function '{name}'"));
    match name {
        "success" | "failure" | "always" | "cancelled" => {
            problem.help("a job runs when all that it needs has passed; to run otherwise, ask needs['job'].result")
        }
        "matches" => problem.help("patterns are not yet in this version; use startsWith, endsWith or contains"),
        "format" | "join" | "string" => problem.help("join texts with +"),
        "toJSON" | "fromJSON" | "hashFiles" => problem.help("compute it in a job and hand it on as an output"),
        _ => problem.help("known are size, startsWith, endsWith, contains, exists, all, filter, map and has"),
    }
}

fn unsupported(at: Range<usize>, what: &str) -> Problem {
    Problem::new(
        ProblemKind::NotYet,
        at,
        format!("{what} are not part of this version's expressions").replace("this loop are", "this loop is"),
    )
}
