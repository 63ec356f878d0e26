//! Texts that others wrote, made safe for a terminal, and measured.

use trunkline_domain::foundation::is_obeyed;
use unicode_width::UnicodeWidthChar;

/// A text without anything that a terminal would obey or that turns the reading order: such characters become `?`.
/// Commit messages, reasons and evidence come from outside.
pub fn clean(text: &str) -> String {
    let safe = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if is_obeyed(c) => '?',
        c => c,
    };
    text.trim().chars().map(safe).collect()
}

/// The same JSON, with everything escaped that a terminal would obey: JSON itself escapes only what lies below a space.
pub fn safe_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        // Ends of lines stand between values alone; the others only in texts, where `\u` has four digits.
        match c {
            '\n' => safe.push(c),
            c if is_obeyed(c) => safe.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => safe.push(c),
        }
    }
    safe
}

/// Columns that a text takes, escapes of colour not counted.
pub fn width(text: &str) -> usize {
    let mut columns = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            // Our own escapes only: `ESC [ digits m`.
            chars.by_ref().find(|c| *c == 'm');
        } else {
            columns += c.width().unwrap_or(0);
        }
    }
    columns
}

/// A text cut to some columns, colours kept and ended.
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    let mut coloured = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            coloured = true;
            out.push(c);
            for c in chars.by_ref() {
                out.push(c);
                if c == 'm' {
                    break;
                }
            }
            continue;
        }
        let next = c.width().unwrap_or(0);
        if used + next + 1 > columns {
            out.push('~');
            break;
        }
        used += next;
        out.push(c);
    }
    if coloured {
        out.push_str("\x1b[0m");
    }
    out
}

/// `1 job`, `2 jobs`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Bytes for people: `840 B`, `4.2 kB`, `84 MB`.
pub fn bytes(count: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", count / unit, count % unit * 10 / unit);
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{} kB", tenths(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", tenths(1_000_000)),
        _ => format!("{} GB", tenths(1_000_000_000)),
    }
}

/// One word for the shell, in quotes where it needs them.
pub fn quoted(text: &str) -> String {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte));
    if plain && !text.is_empty() { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_for_the_shell() {
        let table = [
            ("/srv/shop-1.2", "/srv/shop-1.2"),
            ("https://git@x:8/a", "https://git@x:8/a"),
            ("", "''"),
            ("a b", "'a b'"),
            ("ana's", r"'ana'\''s'"),
            ("~ana", "'~ana'"),
            ("$(x)", "'$(x)'"),
            ("é", "'é'"),
        ];
        for (text, expected) in table {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn hostile_texts_are_made_harmless() {
        assert_eq!(clean("fix\x1b]0;owned\x07 it\u{202e}"), "fix?]0;owned? it?");
        assert_eq!(clean(" two\nlines\t"), "two lines");
    }

    #[test]
    fn json_is_the_same_and_obeyed_by_nobody() {
        let value = serde_json::json!({ "a\u{2028}": ["\x1b\x7f\u{9b}\u{202e}", "検査 \"\\ 👍"] });
        let safe = safe_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!safe.chars().any(|c| c != '\n' && is_obeyed(c)) && safe.contains("検査"), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    #[test]
    fn widths_count_what_is_seen() {
        assert_eq!(width("\x1b[31m✗ rot\x1b[0m"), 5);
        assert_eq!(width("検査"), 4);
        assert_eq!(fit("\x1b[31mabcdef\x1b[0m", 4), "\x1b[31mabc~\x1b[0m");
        assert_eq!(fit("検査検査", 5), "検査~");
        assert_eq!(fit("abc", 3), "abc");
    }

    #[test]
    fn amounts() {
        assert_eq!(bytes(84_100_000), "84.1 MB");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(count(1, "job"), "1 job");
        assert_eq!(count(0, "job"), "0 jobs");
    }
}
