//! Archives: reproducible when packed, harmless when unpacked.

use std::os::unix::fs::symlink;
use trunkline_runner::{ArchiveError, extract, pack};

/// One entry as a hostile hand would write it: names are put into the header unchecked.
fn entry(name: &str, kind: tar::EntryType, link: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    let mut block = header.as_bytes().to_vec();
    block.extend_from_slice(bytes);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

#[test]
fn hostile_archives_are_refused_and_write_nothing_outside() {
    use tar::EntryType as E;
    let file = |name| entry(name, E::Regular, "", b"gotcha");
    let link = |name, target| entry(name, E::Symlink, target, b"");
    let hostile: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("absolute", vec![file("/tmp/trunkline-gotcha")]),
        ("up", vec![file("../gotcha")]),
        ("up in the middle", vec![file("a/../../gotcha")]),
        ("absolute link", vec![link("a", "/etc")]),
        ("link up", vec![link("a", "../outside")]),
        ("link that looks inside", vec![link("e/e/d", "../../x"), link("e/e/a", "d/../..")]),
        ("through a link", vec![link("a", "b"), file("a/gotcha")]),
        ("over a link", vec![link("a", "b"), file("a")]),
        ("twice", vec![file("a"), file("a")]),
        ("file as folder", vec![file("a"), file("a/b")]),
        ("hard link", vec![file("a"), entry("b", E::Link, "a", b"")]),
        ("hard link out", vec![entry("b", E::Link, "/etc/passwd", b"")]),
        ("device", vec![entry("null", E::Char, "", b"")]),
        ("fifo", vec![entry("pipe", E::Fifo, "", b"")]),
    ];
    for (what, entries) in hostile {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let bytes = [entries.concat(), vec![0; 1024]].concat();
        let result = extract(&bytes[..], &root);
        assert!(matches!(result, Err(ArchiveError::Hostile(_))), "{what}: {result:?}");
        assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1, "{what} wrote outside");
        assert!(!std::path::Path::new("/tmp/trunkline-gotcha").exists(), "{what}");
    }
}

#[test]
fn links_within_and_long_names_survive_the_round_trip() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let deep = source.path().join("d".repeat(120)).join("e".repeat(120));
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("file"), "deep").unwrap();
    symlink(format!("{}/{}/file", "d".repeat(120), "e".repeat(120)), source.path().join("link")).unwrap();
    let mut bytes = Vec::new();
    pack(source.path(), &mut bytes).unwrap();
    extract(&bytes[..], target.path()).unwrap();
    assert_eq!(std::fs::read_to_string(target.path().join("link")).unwrap(), "deep");
    let mut again = Vec::new();
    pack(target.path(), &mut again).unwrap();
    assert!(bytes == again, "equal content, equal bytes");
}
