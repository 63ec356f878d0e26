//! The last line of what a command prints, for the reason of its failure.

/// Bytes of a line that are told; the beginning says most.
const TOLD_BYTES: usize = 300;

/// The last line of a stream that says anything.
#[derive(Default)]
pub struct LastLine {
    /// The beginning of the line that has no end yet.
    open: Vec<u8>,
    /// The beginning of the last one before it that is not blank.
    ended: Vec<u8>,
}

impl LastLine {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return extend(&mut self.open, bytes) };
        // Most of it is never looked at: the last line stands at the end.
        let mut lines = bytes[..end].rsplit(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            let mut line = line.to_vec();
            if lines.peek().is_none() {
                extend(&mut self.open, &line);
                line = std::mem::take(&mut self.open);
            }
            if !is_blank(&line) {
                line.truncate(TOLD_BYTES);
                self.ended = line;
                break;
            }
        }
        self.open.clear();
        extend(&mut self.open, &bytes[end + 1..]);
    }

    /// Forgets what was said: another command begins.
    pub fn clear(&mut self) {
        self.open.clear();
        self.ended.clear();
    }

    /// ": the database is missing". Empty where nothing was said.
    pub fn told(&self) -> String {
        let line = if is_blank(&self.open) { &self.ended } else { &self.open };
        let text = String::from_utf8_lossy(line);
        // Cut within a character.
        let text = text.trim().trim_end_matches(char::REPLACEMENT_CHARACTER);
        if text.is_empty() { String::new() } else { format!(": {text}") }
    }
}

fn extend(line: &mut Vec<u8>, bytes: &[u8]) {
    let room = TOLD_BYTES.saturating_sub(line.len());
    line.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_says_anything_is_told_however_the_stream_is_cut() {
        let long = format!("error {}", "ä".repeat(1_000));
        let cut = format!(": error {}", "ä".repeat(147));
        for (text, told) in [
            ("", ""),
            (" \n\n", ""),
            ("one", ": one"),
            ("one\ntwo\n\n  \n", ": two"),
            ("one\n two \r\n", ": two"),
            ("one\ntwo\nthr", ": thr"),
            (long.as_str(), cut.as_str()),
            (&format!("one\n{long}\n"), cut.as_str()),
        ] {
            for size in [1, 2, 3, 7, 5_000] {
                let mut last = LastLine::default();
                text.as_bytes().chunks(size).for_each(|chunk| last.push(chunk));
                assert_eq!(last.told(), told, "{text:?} in pieces of {size}");
                last.clear();
                assert_eq!(last.told(), "");
            }
        }
    }
}
