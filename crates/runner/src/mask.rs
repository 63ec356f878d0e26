//! Replaces secret texts in a stream, wherever the stream is cut, and in whole texts, before these are.

/// What stands where a secret was.
pub const MASK: &[u8] = b"***";

/// The secret texts of a piece of work, for what it says beside its log.
#[derive(Clone, Copy)]
pub struct Mask<'a>(pub &'a [String]);

impl Mask<'_> {
    /// A whole text, masked. A text is cut afterwards: a beginning of a secret would no longer be known as one.
    pub fn text(self, text: &str) -> String {
        let (mut masker, mut out) = (Masker::new(self.0), Vec::new());
        masker.push(text.as_bytes(), &mut out);
        masker.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The beginning of a text that was cut, masked, without what may be the beginning of a secret at its end.
    pub fn beginning(self, text: &str) -> String {
        let (mut masker, mut out) = (Masker::new(self.0), Vec::new());
        masker.push(text.as_bytes(), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// A streaming masker for the raw forms of some texts. The longest text at a place wins.
pub struct Masker {
    /// Longest first.
    texts: Vec<Vec<u8>>,
    /// Which bytes a text can start with.
    starts: [bool; 256],
    /// The end of the stream so far, which may be the start of a secret.
    held: Vec<u8>,
}

impl Masker {
    /// A masker for these texts; empty ones are ignored.
    pub fn new(texts: &[String]) -> Self {
        let mut texts: Vec<Vec<u8>> = texts.iter().filter(|text| !text.is_empty()).map(|text| text.as_bytes().to_vec()).collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let mut starts = [false; 256];
        texts.iter().for_each(|text| starts[usize::from(text[0])] = true);
        Self { texts, starts, held: Vec::new() }
    }

    /// Takes the next bytes and appends what can be told already.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.texts.is_empty() {
            out.extend_from_slice(bytes);
            return;
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let kept = self.scan(&all, out, true);
        all.drain(..kept);
        self.held = all;
    }

    /// Appends what was held back; the stream is over.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let all = std::mem::take(&mut self.held);
        self.scan(&all, out, false);
    }

    /// Masks `all` into `out` and returns how many bytes were used up. With `more` to come, the rest may begin a secret.
    fn scan(&self, all: &[u8], out: &mut Vec<u8>, more: bool) -> usize {
        let mut copied = 0;
        let mut at = 0;
        while at < all.len() {
            if !self.starts[usize::from(all[at])] {
                at += 1;
                continue;
            }
            let rest = &all[at..];
            // A longer text that could still complete must be awaited even where a shorter one is complete.
            let full = self.texts.iter().find(|text| rest.starts_with(text));
            let longer = |text: &&Vec<u8>| text.len() > rest.len() && text.starts_with(rest);
            if more && self.texts.iter().any(|text| longer(&text)) {
                break;
            }
            match full {
                Some(text) => {
                    out.extend_from_slice(&all[copied..at]);
                    out.extend_from_slice(MASK);
                    at += text.len();
                    copied = at;
                }
                None => at += 1,
            }
        }
        out.extend_from_slice(&all[copied..at]);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::{Mask, Masker};

    fn masked(texts: &[&str], chunks: &[&[u8]]) -> Vec<u8> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let mut masker = Masker::new(&texts);
        let mut out = Vec::new();
        chunks.iter().for_each(|chunk| masker.push(chunk, &mut out));
        masker.finish(&mut out);
        out
    }

    #[test]
    fn a_secret_is_masked_wherever_the_stream_is_cut() {
        let text = b"a hunter2hunter2 b hunter";
        for cut in 0..=text.len() {
            let (left, right) = text.split_at(cut);
            assert_eq!(masked(&["hunter2"], &[left, right]), b"a ****** b hunter", "cut at {cut}");
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(masked(&["hunter2"], &single), b"a ****** b hunter");
    }

    #[test]
    fn a_text_that_was_cut_ends_before_what_may_be_a_secret() {
        let texts = ["hunter2".to_owned()];
        assert_eq!(Mask(&texts).text("a hunter2 hunt"), "a *** hunt");
        assert_eq!(Mask(&texts).beginning("a hunter2 hunt"), "a *** ");
        assert_eq!(Mask(&texts).beginning("a hunted"), "a hunted");
    }

    #[test]
    fn the_longest_secret_at_a_place_wins_and_a_false_start_hides_nothing() {
        for chunks in [vec![&b"xabcabx"[..]], b"xabcabx".chunks(1).collect()] {
            assert_eq!(masked(&["ab", "abc", ""], &chunks), b"x******x");
        }
        assert_eq!(masked(&["aab"], &[b"aa", b"aab"]), b"aa***");
    }
}
