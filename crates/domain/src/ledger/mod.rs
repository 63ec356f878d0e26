//! The record: one entry for each command, each entry one leaf of one Merkle tree (RFC 6962).
//!
//! The stored bytes are hashed, never a re-encoding, so that a few lines of any language verify a copy.

mod entry;
mod tree;

#[cfg(test)]
mod tests;

pub use entry::{Entry, Via};
pub use tree::{Frontier, leaf_hash};
