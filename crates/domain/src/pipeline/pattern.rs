//! Name patterns: `main`, `release/*`, `**`.

use serde::{Deserialize, Serialize};

/// A pattern over slash-separated names: `*` stands for any text without a slash, `**` for any text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(pub String);

impl Pattern {
    /// Whether the whole name matches. Takes time proportional to pattern times name, whatever the pattern.
    pub fn matches(&self, name: &str) -> bool {
        Matcher::of(&self.0).matches(name)
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

    /// The same, ready for many paths of the project in this folder.
    pub fn of(&self, folder: &str) -> PathMatcher {
        let rule = |rule: &String| {
            let (takes_back, pattern) = rule.strip_prefix('!').map_or((false, rule.as_str()), |pattern| (true, pattern));
            let (from_root, pattern) = pattern.strip_prefix('/').map_or((false, pattern), |pattern| (true, pattern));
            Rule { takes_back, from_root, matcher: Matcher::of(pattern) }
        };
        PathMatcher { folder: folder.to_owned(), rules: self.0.iter().map(rule).collect() }
    }
}

/// Rules that are asked of many paths.
pub struct PathMatcher {
    folder: String,
    rules: Vec<Rule>,
}

struct Rule {
    takes_back: bool,
    from_root: bool,
    matcher: Matcher,
}

impl PathMatcher {
    /// Whether the file counts: the last pattern that names it decides. Where the first one takes back, all count before it.
    pub fn names(&self, path: &str) -> bool {
        let folder = self.folder.as_str();
        let own = if folder.is_empty() { Some(path) } else { path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) };
        let all_at_first = own.is_some() && self.rules.first().is_none_or(|first| first.takes_back);
        let matches = |rule: &Rule| if rule.from_root { Some(path) } else { own }.is_some_and(|path| rule.matcher.matches(path));
        // Only a rule that would change the answer is asked.
        self.rules.iter().fold(all_at_first, |named, rule| if named == rule.takes_back { named != matches(rule) } else { named })
    }
}

/// Bits of a word.
const WORD: usize = 64;

/// A pattern as a machine whose states are bits: bit `i` stands for "what was read fits the first `i` tokens". All of them go
/// on at once, a word of them in a few instructions.
struct Matcher {
    /// Words for all states.
    words: usize,
    /// The last state: all tokens fit.
    end: usize,
    /// For each byte the states that it leads on.
    on: Vec<u64>,
    /// States in front of `**`, which any byte leaves as they are.
    any: Vec<u64>,
    /// States in front of `*`, which any byte but a slash leaves as they are.
    segment: Vec<u64>,
}

impl Matcher {
    fn of(pattern: &str) -> Self {
        let tokens = tokens(pattern);
        let words = tokens.len() / WORD + 1;
        let mut matcher = Self { words, end: tokens.len(), on: vec![0; 256 * words], any: vec![0; words], segment: vec![0; words] };
        for (at, token) in tokens.iter().enumerate() {
            let (word, bit) = (at / WORD, 1 << (at % WORD));
            match token {
                Token::Byte(byte) => matcher.on[usize::from(*byte) * words + word] |= bit,
                Token::Any => matcher.any[word] |= bit,
                Token::AnyButSlash => matcher.segment[word] |= bit,
            }
        }
        matcher
    }

    fn matches(&self, name: &str) -> bool {
        let mut reached = vec![0; self.words];
        reached[0] = 1;
        self.pass_wildcards(&mut reached);
        for byte in name.bytes() {
            self.read(byte, &mut reached);
            if reached.iter().all(|word| *word == 0) {
                return false;
            }
        }
        reached[self.end / WORD] >> (self.end % WORD) & 1 == 1
    }

    fn read(&self, byte: u8, reached: &mut [u64]) {
        let on = &self.on[usize::from(byte) * self.words..][..self.words];
        let mut carried = 0;
        for (at, word) in reached.iter_mut().enumerate() {
            let stays = *word & (self.any[at] | if byte == b'/' { 0 } else { self.segment[at] });
            let goes_on = *word & on[at];
            *word = goes_on << 1 | carried | stays;
            carried = goes_on >> (WORD - 1);
        }
        self.pass_wildcards(reached);
    }

    /// A wildcard may stand for nothing. No two stand side by side, so that once is enough.
    fn pass_wildcards(&self, reached: &mut [u64]) {
        let mut carried = 0;
        for (at, word) in reached.iter_mut().enumerate() {
            let passed = *word & (self.any[at] | self.segment[at]);
            *word |= passed << 1 | carried;
            carried = passed >> (WORD - 1);
        }
    }
}

enum Token {
    Byte(u8),
    AnyButSlash,
    Any,
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut bytes = pattern.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'*' {
            tokens.push(Token::Byte(byte));
            continue;
        }
        let mut stars = 1;
        while bytes.next_if_eq(&b'*').is_some() {
            stars += 1;
        }
        tokens.push(if stars > 1 { Token::Any } else { Token::AnyButSlash });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::{PathRules, Pattern};
    use crate::pipeline::limit;

    #[test]
    fn a_star_stops_at_a_slash_and_two_do_not() {
        for (pattern, name, expected) in [
            ("main", "main", true),
            ("main", "mainline", false),
            ("main", "mai", false),
            ("", "", true),
            ("", "x", false),
            ("release/*", "release/1.2", true),
            ("release/*", "release/1/2", false),
            ("release/**", "release/1/2", true),
            ("release/***", "release/1/2", true),
            ("v*", "v1.0", true),
            ("*-fix", "a-fix-fix", true),
            ("**", "", true),
            ("a*b*c", "aXbYbc", true),
            ("*/é?*", "ü/é?", true),
        ] {
            assert_eq!(Pattern(pattern.to_owned()).matches(name), expected, "{pattern} on {name}");
        }
    }

    /// The same by trying everything.
    fn slowly(pattern: &[u8], name: &[u8]) -> bool {
        match pattern {
            [] => name.is_empty(),
            [b'*', b'*', rest @ ..] => (0..=name.len()).any(|at| slowly(rest, &name[at..])),
            [b'*', rest @ ..] => (0..=name.len()).take_while(|at| !name[..*at].contains(&b'/')).any(|at| slowly(rest, &name[at..])),
            [byte, rest @ ..] => name.first() == Some(byte) && slowly(rest, &name[1..]),
        }
    }

    #[test]
    fn a_pattern_of_any_length_matches_as_it_reads() {
        let mut seed = 7_u32;
        let mut text = |of: &[u8], most: u32| -> String {
            let mut next = |below: u32| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 16) % below
            };
            (0..next(most)).map(|_| of[next(of.len() as u32) as usize] as char).collect()
        };
        let mut matched = 0;
        for _ in 0..20_000 {
            // Behind a long beginning, so that the states of interest lie on both sides of a word's end.
            let (pattern, name) = (text(b"ab/**", 9), text(b"ab/", 9));
            let begin = "x".repeat(60);
            let (long, behind) = (format!("{begin}{pattern}"), format!("{begin}{name}"));
            // Three stars are two and one to who reads from the left, and mean the same.
            let expected = slowly(pattern.as_bytes(), name.as_bytes());
            assert_eq!(Pattern(pattern.clone()).matches(&name), expected, "{pattern} on {name}");
            assert_eq!(Pattern(long).matches(&behind), expected, "{pattern} on {name}, behind more");
            matched += usize::from(expected);
        }
        assert!(matched > 500, "{matched}");
    }

    #[test]
    fn all_rules_that_are_allowed_go_through_many_paths() {
        // Each state by itself this would be 2,500,000,000 steps.
        let hostile = "*a".repeat(limit::PATTERN_BYTES_MAX / 2);
        let rules = PathRules(vec![hostile; limit::PATTERNS_MAX]).of("");
        let path = "a".repeat(100);
        assert!((0..2_000).all(|_| !rules.names(&path)));
    }

    #[test]
    fn the_last_rule_that_names_a_path_decides() {
        for (rules, folder, path, expected) in [
            (&["src/**", "!src/docs/**"][..], "", "src/docs/a", false),
            (&["src/**", "!src/docs/**", "src/docs/b"], "", "src/docs/b", true),
            (&["!docs/**"], "", "src/a", true),
            (&["!docs/**"], "web", "src/a", false),
            (&["!docs/**"], "web", "web/docs/a", false),
            (&["lib/*", "/shared/*"], "web", "web/lib/a", true),
            (&["lib/*", "/shared/*"], "web", "shared/a", true),
            (&["lib/*", "!/web/lib/b"], "web", "web/lib/b", false),
            (&[], "web", "web/a", true),
        ] {
            let rules = PathRules(rules.iter().map(|rule| (*rule).to_owned()).collect());
            assert_eq!(rules.of(folder).names(path), expected, "{rules:?} {folder} {path}");
        }
    }
}
