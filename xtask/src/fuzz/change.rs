//! Changing inputs at random.

/// splitmix64: small, and the same everywhere.
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }
}

/// Bytes that readers stumble over.
const ODD: [&[u8]; 10] = [b"\0", b"\xff", b"\xc3\x28", b"\xe2\x80\xae", b"\r\n", b"\n", b"\"", b"'", b"-9223372036854775808", b"1e400"];

/// One of the inputs, changed in one to eight places.
pub fn changed(random: &mut Random, corpus: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        let until = (at + random.below(40)).min(bytes.len());
        match random.below(8) {
            0 if !bytes.is_empty() => {
                let at = at.min(bytes.len() - 1);
                bytes[at] ^= 1 << random.below(8);
            }
            1 => drop(bytes.drain(at..until)),
            2 => insert(&mut bytes, at, words.get(random.below(words.len())).map_or(b" ", |word| word.as_bytes())),
            3 => insert(&mut bytes, at, ODD[random.below(ODD.len())]),
            // A piece of the same input again, once or many times: depth and repetition.
            4 => {
                let piece = bytes[at..until].repeat(1 + random.below(60));
                insert(&mut bytes, at, &piece);
            }
            5 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(200)).min(other.len());
                let piece = other[from..to].to_vec();
                insert(&mut bytes, at, &piece);
            }
            6 => bytes.truncate(at),
            _ => {
                let digit = [b"0", b"9", b"-", b"{", b"[", b":"][random.below(6)];
                insert(&mut bytes, at, digit);
            }
        }
    }
    bytes
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}
