//! Name patterns: `main`, `release/*`, `**`.

use serde::{Deserialize, Serialize};

/// A pattern over slash-separated names: `*` stands for any text without a slash, `**` for any text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(pub String);

impl Pattern {
    /// Whether the whole name matches. Takes time proportional to pattern times name, whatever the pattern.
    pub fn matches(&self, name: &str) -> bool {
        let tokens = tokens(&self.0);
        // reached[i]: the first i tokens can match what was read so far.
        let mut reached = vec![false; tokens.len() + 1];
        reached[0] = true;
        spread(&tokens, &mut reached);
        for c in name.chars() {
            let mut next = vec![false; tokens.len() + 1];
            for (index, token) in tokens.iter().enumerate().filter(|(index, _)| reached[*index]) {
                match token {
                    Token::Char(expected) if *expected == c => next[index + 1] = true,
                    Token::Any => next[index] = true,
                    Token::AnyButSlash if c != '/' => next[index] = true,
                    Token::Char(_) | Token::AnyButSlash => {}
                }
            }
            spread(&tokens, &mut next);
            reached = next;
        }
        reached[tokens.len()]
    }
}

/// Patterns over paths of files, from the project's folder, or from the repository's root after a slash. One that begins
/// with `!` takes back what those before it named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PathRules(pub Vec<String>);

impl PathRules {
    /// Whether there are none: then every path counts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the file counts: the last pattern that names it decides. Where the first one takes back, all count before it.
    pub fn names(&self, folder: &str, path: &str) -> bool {
        let own = if folder.is_empty() { Some(path) } else { path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) };
        let matches = |pattern: &str| match pattern.strip_prefix('/') {
            Some(pattern) => Pattern(pattern.to_owned()).matches(path),
            None => own.is_some_and(|own| Pattern(pattern.to_owned()).matches(own)),
        };
        let all_at_first = own.is_some() && self.0.first().is_none_or(|first| first.starts_with('!'));
        self.0.iter().fold(all_at_first, |named, rule| match rule.strip_prefix('!') {
            Some(pattern) => named && !matches(pattern),
            None => named || matches(rule),
        })
    }
}

enum Token {
    Char(char),
    AnyButSlash,
    Any,
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if chars.next_if_eq(&'*').is_some() => Token::Any,
            '*' => Token::AnyButSlash,
            other => Token::Char(other),
        });
    }
    tokens
}

/// A wildcard may stand for nothing.
fn spread(tokens: &[Token], reached: &mut [bool]) {
    for (index, token) in tokens.iter().enumerate() {
        if reached[index] && !matches!(token, Token::Char(_)) {
            reached[index + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_star_stops_at_a_slash_and_two_do_not() {
        for (pattern, name, expected) in [
            ("main", "main", true),
            ("main", "mainline", false),
            ("release/*", "release/1.2", true),
            ("release/*", "release/1/2", false),
            ("release/**", "release/1/2", true),
            ("v*", "v1.0", true),
            ("*-fix", "a-fix-fix", true),
            ("**", "", true),
            ("a*b*c", "aXbYbc", true),
        ] {
            assert_eq!(Pattern(pattern.to_owned()).matches(name), expected, "{pattern} on {name}");
        }
    }
}
