//! The Merkle tree of RFC 6962, section 2.1, kept as its frontier: the roots of the perfect subtrees, largest first.

use crate::foundation::{Digest, Sha256};
use serde::{Deserialize, Serialize};

/// The hash of a leaf: `sha256(0x00 ‖ bytes)`.
pub fn leaf_hash(bytes: &[u8]) -> Digest {
    let mut hash = Sha256::default();
    hash.update(&[0]);
    hash.update(bytes);
    hash.finish()
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut hash = Sha256::default();
    hash.update(&[1]);
    hash.update(left.as_bytes());
    hash.update(right.as_bytes());
    hash.finish()
}

/// What must be kept of a tree to append to it and to know its root: at most 64 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    size: u64,
    /// One hash for each set bit of `size`, from the highest bit down.
    peaks: Vec<Digest>,
}

impl Frontier {
    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash.
    pub fn append(&mut self, leaf: Digest) {
        let mut hash = leaf;
        // As in binary addition: each trailing one of the size is a subtree of the same height, and carries.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("a peak for each set bit of the size");
            hash = node_hash(&left, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree; of an empty one, the hash of nothing.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Digest::of(&[]),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}
