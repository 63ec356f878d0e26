//! What of a log reaches the terminal: texts and colours. Everything else that a terminal would obey is taken out.

use trunkline_domain::foundation::is_obeyed;

/// Takes out escapes, whatever the bounds of the chunks.
pub struct Filter {
    colour: bool,
    state: State,
    /// The escape that is being read, kept in case it is a colour; or a character's bytes so far.
    held: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// After `\r`: an end of line follows, or a line that would be drawn over.
    Return,
    /// After ESC.
    Escape,
    /// After `ESC [`.
    Sequence,
    /// In a string that BEL or `ESC \` ends, such as a window's title.
    String,
    /// After ESC in such a string.
    StringEscape,
    /// In a character that begins as one of those that are obeyed does.
    Character,
}

/// Bytes of a colour escape.
const COLOUR_BYTES_MAX: usize = 32;

impl Filter {
    /// Colours pass where wanted.
    pub fn new(colour: bool) -> Self {
        Self { colour, state: State::Text, held: Vec::new() }
    }

    /// The next bytes without what a terminal would obey.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            self.byte(byte, &mut out);
        }
        out
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Text => self.text(byte, out),
            State::Return => {
                out.push(b'\n');
                self.state = State::Text;
                if byte != b'\n' {
                    self.text(byte, out);
                }
            }
            State::Escape => {
                self.held.push(byte);
                self.state = match byte {
                    b'[' => State::Sequence,
                    b']' | b'P' | b'X' | b'^' | b'_' => State::String,
                    b' '..=b'/' => State::Escape,
                    _ => State::Text,
                };
            }
            State::Sequence => self.sequence(byte, out),
            State::String => {
                self.state = match byte {
                    0x07 | b'\n' => State::Text,
                    0x1b => State::StringEscape,
                    _ => State::String,
                };
            }
            State::StringEscape => self.state = if byte == b'\\' { State::Text } else { State::String },
            State::Character => self.character(byte, out),
        }
    }

    /// The encoded control characters U+0080 to U+009F, and the marks that turn the reading order.
    fn character(&mut self, byte: u8, out: &mut Vec<u8>) {
        let goes_on = (0x80..=0xbf).contains(&byte);
        if goes_on {
            self.held.push(byte);
            if self.held[0] == 0xe2 && self.held.len() == 2 {
                return;
            }
        }
        let obeyed = std::str::from_utf8(&self.held).is_ok_and(|text| text.contains(is_obeyed));
        if !obeyed {
            out.extend(&self.held);
        }
        self.state = State::Text;
        // A character that broke off: what follows may be an escape.
        if !goes_on {
            self.text(byte, out);
        }
    }

    fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'\n' | b'\t' | b' '..=0x7e => out.push(byte),
            b'\r' => self.state = State::Return,
            0x1b => {
                self.held = vec![byte];
                self.state = State::Escape;
            }
            // U+0080 to U+00BF, U+0600 to U+063F, U+2000 to U+2FFF.
            0xc2 | 0xd8 | 0xe2 => {
                self.held.clear();
                self.held.push(byte);
                self.state = State::Character;
            }
            0x00..=0x1f | 0x7f => {}
            _ => out.push(byte),
        }
    }

    fn sequence(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        let ended = (0x40..=0x7e).contains(&byte);
        let plain = self.held[2..].iter().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':' | b'm'));
        if ended && byte == b'm' && self.colour && plain {
            out.extend(&self.held);
        }
        if ended || self.held.len() > COLOUR_BYTES_MAX || byte < 0x20 {
            self.state = State::Text;
        }
        if byte == b'\n' {
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(text: &str, colour: bool) -> String {
        let whole = Filter::new(colour).pass(text.as_bytes());
        let mut filter = Filter::new(colour);
        let single: Vec<u8> = text.bytes().flat_map(|byte| filter.pass(&[byte])).collect();
        assert_eq!(whole, single, "the bounds of chunks do not matter");
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn colours_pass_and_nothing_else() {
        assert_eq!(passed("a\x1b[1;31mred\x1b[0m b", true), "a\x1b[1;31mred\x1b[0m b");
        assert_eq!(passed("a\x1b[1;31mred\x1b[0m b", false), "ared b");
        assert_eq!(passed("x\x1b[2Jy\x1b[?25lz\x1b[10;10Hq", true), "xyzq");
        assert_eq!(passed("t\x1b]0;title\x07u\x1b]8;;http://x\x1b\\v\x1bPq\x1b\\w", true), "tuvw");
        assert_eq!(passed("b\x08c\x07d\u{9b}31me\x00", true), "bcd31me");
    }

    #[test]
    fn nothing_turns_the_reading_order() {
        assert_eq!(passed("a\u{202e}b\u{2066}c\u{200f}d\u{61c}e\u{2028}f", true), "abcdef");
        assert_eq!(passed("\u{2027}\u{2030}\u{61b}\u{627}\u{2713}", true), "\u{2027}\u{2030}\u{61b}\u{627}\u{2713}");
    }

    #[test]
    fn a_character_that_breaks_off_hides_no_escape() {
        for start in [&b"\xc2"[..], b"\xd8", b"\xe2", b"\xe2\x80"] {
            let text = [start, b"\x1b[2Jx"].concat();
            assert_eq!(Filter::new(true).pass(&text), [start, b"x"].concat(), "{start:x?}");
        }
    }

    #[test]
    fn lines_drawn_over_become_lines() {
        assert_eq!(passed("10%\r20%\r\ndone\n", true), "10%\n20%\ndone\n");
    }

    #[test]
    fn texts_pass() {
        assert_eq!(passed("Grüße, 検査 ✓\tend\n", false), "Grüße, 検査 ✓\tend\n");
        assert_eq!(passed("\u{a0}\u{bf}", false), "\u{a0}\u{bf}");
        // An escape that never ends does not take the rest of the log away.
        assert_eq!(passed("\x1b]0;broken\nnext\x1b[1\nlast", true), "next\nlast");
    }
}
