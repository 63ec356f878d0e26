use super::{Frontier, leaf_hash};
use crate::foundation::{Digest, Sha256};

/// The definition of RFC 6962 word by word, as an oracle.
fn root_by_definition(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(&[]),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let mut hash = Sha256::default();
            hash.update(&[1]);
            hash.update(root_by_definition(&leaves[..split]).as_bytes());
            hash.update(root_by_definition(&leaves[split..]).as_bytes());
            hash.finish()
        }
    }
}

#[test]
fn the_frontier_agrees_with_the_definition() {
    let mut frontier = Frontier::default();
    let mut leaves = Vec::new();
    for index in 0..130u32 {
        assert_eq!(frontier.root(), root_by_definition(&leaves), "{index} leaves");
        let leaf = leaf_hash(&index.to_be_bytes());
        leaves.push(leaf);
        frontier.append(leaf);
    }
}

/// Test vectors of the certificate transparency reference implementation.
#[test]
fn known_roots() {
    let leaves: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let mut frontier = Frontier::default();
    assert_eq!(frontier.root().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for leaf in leaves {
        frontier.append(leaf_hash(leaf));
    }
    assert_eq!(frontier.root().hex(), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
}
