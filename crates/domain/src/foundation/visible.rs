//! Which characters of other people's texts are shown, and which are obeyed.

/// Whether a terminal or a browser obeys this character rather than show it: control characters, line separators, and
/// marks that turn the reading order, so that a text would read as another one (CVE-2021-42574). Whoever shows a text
/// that others wrote puts something visible in its place.
pub fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_every_script_are_shown() {
        assert!(!"Añ 検査 שלום عربي 👍\u{a0}".chars().any(is_obeyed));
        assert!("\x1b\x07\n\u{9b}\u{202e}\u{2066}\u{61c}\u{2028}".chars().all(is_obeyed));
    }
}
