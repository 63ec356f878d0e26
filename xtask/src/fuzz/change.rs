//! Changing inputs at random.

use trunkline_sim::Random;

/// Bytes that readers stumble over.
const ODD: [&[u8]; 10] = [b"\0", b"\xff", b"\xc3\x28", b"\xe2\x80\xae", b"\r\n", b"\n", b"\"", b"'", b"-9223372036854775808", b"1e400"];

/// A place below `end`.
fn below(random: &mut Random, end: usize) -> usize {
    random.below(end as u64) as usize
}

/// One of the inputs, changed in one to eight places.
pub fn changed(random: &mut Random, corpus: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut bytes = corpus[below(random, corpus.len())].clone();
    for _ in 0..=below(random, 8) {
        let at = below(random, bytes.len() + 1);
        let until = (at + below(random, 40)).min(bytes.len());
        match below(random, 8) {
            0 if !bytes.is_empty() => {
                let at = at.min(bytes.len() - 1);
                bytes[at] ^= 1 << below(random, 8);
            }
            1 => drop(bytes.drain(at..until)),
            2 => insert(&mut bytes, at, words.get(below(random, words.len())).map_or(b" ", |word| word.as_bytes())),
            3 => insert(&mut bytes, at, ODD[below(random, ODD.len())]),
            // A piece of the same input again, once or many times: depth and repetition.
            4 => {
                let piece = bytes[at..until].repeat(1 + below(random, 60));
                insert(&mut bytes, at, &piece);
            }
            5 => {
                let other = &corpus[below(random, corpus.len())];
                let from = below(random, other.len() + 1);
                let to = (from + below(random, 200)).min(other.len());
                let piece = other[from..to].to_vec();
                insert(&mut bytes, at, &piece);
            }
            6 => bytes.truncate(at),
            _ => {
                let digit = [b"0", b"9", b"-", b"{", b"[", b":"][below(random, 6)];
                insert(&mut bytes, at, digit);
            }
        }
    }
    bytes
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}
