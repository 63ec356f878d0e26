//! The richer values: plain texts, scripts, names, paths, templates, conditions, environment variables.

use crate::Code;
use crate::fields::{Placed, Reader, first_line};
use crate::finding::{Finding, shown};
use crate::place::inside;
use crate::tree::Node;
use std::collections::BTreeMap;
use std::ops::Range;
use trunkline_domain::expression::{Expression, Place, Problem, ProblemKind, Template, Type, check, check_template};
use trunkline_domain::foundation::IdParseError;

impl Reader<'_> {
    /// A text without `${{ … }}`, not empty.
    pub fn plain(&mut self, node: &Node, key: &str) -> Option<Placed<String>> {
        let text = self.any_text(node, key, "a text")?;
        if let Some(start) = text.value.find("${{") {
            let at = inside(self.text, node, start..start + 3);
            let finding = Finding::error(Code::TemplateNotHere, at, format!("'{key}' takes a plain text without '${{{{ … }}}}'"));
            self.findings
                .add(finding.help("expressions are read in 'env', 'http', 'json', 'text' and, without ${{ }}, in 'if' and 'version'"));
            return None;
        }
        if text.value.trim().is_empty() {
            self.findings.add(Finding::error(Code::Empty, node.at.clone(), format!("'{key}' is empty")));
            return None;
        }
        Some(text)
    }

    /// Shell text.
    pub fn script(&mut self, node: &Node, key: &str) -> Option<Placed<String>> {
        let text = self.any_text(node, key, "a script")?;
        if let Some(start) = text.value.find("${{") {
            let length = text.value[start..].find("}}").map_or(3, |end| end + 2);
            let at = inside(self.text, node, start..start + length);
            let finding = Finding::error(Code::TemplateInScript, at, format!("'${{{{ … }}}}' is never put into a script ('{key}')"));
            self.findings.add(finding.help("give the value as an environment variable in 'env' and use it as \"$NAME\""));
            return None;
        }
        if text.value.trim().is_empty() {
            self.findings.add(Finding::error(Code::Empty, node.at.clone(), format!("'{key}' is empty")));
            return None;
        }
        Some(text)
    }

    /// A name of the domain's rules.
    pub fn name<T: std::str::FromStr<Err = IdParseError>>(&mut self, text: &str, at: &Range<usize>, what: &str) -> Option<T> {
        let name = text.parse::<T>();
        if let Err(error) = &name {
            let message = format!("'{}' cannot be the name of {what}", shown(text));
            let help = error.rule().map_or_else(|| error.to_string(), |rule| format!("a name {rule}"));
            self.findings.add(Finding::error(Code::BadName, at.clone(), message).help(help));
        }
        name.ok()
    }

    /// A path within the workspace, the repository or the release, without `./` at its start.
    pub fn path(&mut self, node: &Node, key: &str) -> Option<Placed<String>> {
        let text = self.plain(node, key)?;
        let path = text.value.trim_start_matches("./");
        let problem = match path {
            "" | "." => Some(("is the whole folder", "name a file or a folder in it")),
            path if path.starts_with('/') => Some(("is not relative", "write it from the root of the repository")),
            path if path.starts_with('~') => Some(("is not relative", "write it from the root of the repository")),
            path if path.split('/').any(|piece| piece == "..") => Some(("leads out of the folder", "write it without '..'")),
            path if path.contains(['\\', '\n', '\0']) => Some(("is not a path", "separate folders by '/'")),
            _ => None,
        };
        if let Some((wrong, help)) = problem {
            let finding = Finding::error(Code::BadPath, node.at.clone(), format!("the path '{}' {wrong}", shown(&text.value)));
            self.findings.add(finding.help(help));
            return None;
        }
        if path.contains(['*', '?', '[']) {
            let finding = Finding::error(Code::NotYet, node.at.clone(), format!("patterns in '{key}' are not yet in this version"));
            self.findings.add(finding.help("name a file, or a folder that holds them all"));
            return None;
        }
        Some(Placed { value: path.to_owned(), at: text.at })
    }

    /// A value with `${{ cel }}` pieces, checked.
    pub fn template(&mut self, node: &Node, key: &str, place: Place<'_>) -> Option<Template> {
        let text = self.any_text(node, key, "a text")?;
        match check_template(&text.value, place) {
            Ok(()) => Some(Template(text.value)),
            Err(problem) => self.expression_problem(node, problem),
        }
    }

    /// A bare CEL expression, checked.
    pub fn expression(&mut self, node: &Node, key: &str, place: Place<'_>, expected: &Type) -> Option<Expression> {
        let text = self.any_text(node, key, "a CEL expression")?;
        if text.value.trim_start().starts_with("${{") {
            let inner = text.value.trim().trim_start_matches("${{").trim_end_matches("}}").trim();
            let at = first_line(self.text, &node.at);
            let finding =
                Finding::error(Code::WrappedCondition, at, format!("'{key}' is an expression already: no '${{{{ }}}}' around it"));
            self.findings.add(finding.help(format!("write {key}: {}", shown(inner))));
            return None;
        }
        match check(&text.value, place, expected) {
            Ok(_) => Some(Expression(text.value)),
            Err(problem) => self.expression_problem(node, problem),
        }
    }

    fn expression_problem<T>(&mut self, node: &Node, problem: Problem) -> Option<T> {
        let code = match problem.kind {
            ProblemKind::Syntax => Code::ExpressionSyntax,
            ProblemKind::UnknownName => Code::UnknownName,
            ProblemKind::NotHere => Code::NameNotHere,
            ProblemKind::NotYet => Code::NotYet,
            ProblemKind::Type => Code::TypeClash,
            ProblemKind::Limit => Code::ExpressionTooLong,
            ProblemKind::Template => Code::TemplateOpen,
        };
        let at = inside(self.text, node, problem.span);
        let mut finding = Finding::error(code, first_line(self.text, &at), shown_long(&problem.message));
        finding.help = problem.help;
        self.findings.add(finding);
        None
    }

    /// Environment variables, or the members of a JSON answer: values by name.
    pub fn templates(&mut self, node: &Node, key: &str, place: Place<'_>) -> BTreeMap<String, Template> {
        let mut values = BTreeMap::new();
        for entry in self.mapping(node, &format!("'{key}'")).unwrap_or_default() {
            if let Some(template) = self.template(&entry.value, &entry.key, place) {
                values.insert(entry.key.clone(), template);
            }
        }
        values
    }

    /// Environment variables: [`Reader::templates`] with the names that a shell knows.
    pub fn env(&mut self, node: &Node, place: Place<'_>) -> BTreeMap<String, Template> {
        for entry in self.mapping(node, "'env'").unwrap_or_default() {
            let name = entry.key.as_str();
            let usual = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let finding = |message| Finding::error(Code::BadName, entry.key_at.clone(), message);
            if !usual {
                let message = format!("'{}' cannot be the name of an environment variable", shown(name));
                self.findings.add(finding(message).help("it has letters, digits and '_', and does not begin with a digit"));
            } else if name.starts_with("TRUNKLINE_") {
                let message = format!("'{}' is set by Trunkline itself", shown(name));
                self.findings.add(finding(message).help("choose a name that does not begin with TRUNKLINE_"));
            }
        }
        // The mapping's own type was reported above, so a second look at a wrong one must stay silent.
        match node.content {
            crate::tree::Content::Mapping(_) => self.templates(node, "env", place),
            _ => BTreeMap::new(),
        }
    }
}

/// A message that quotes the user's text: without control characters.
fn shown_long(message: &str) -> String {
    message.chars().take(300).map(crate::finding::visible).collect()
}
