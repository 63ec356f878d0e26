//! A data folder goes into a backup and comes out again; whatever else comes in is refused.

use super::*;
use crate::{FileBlobs, SqliteReader, SqliteStore};
use std::fs;
use std::io::Write;
use std::iter;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use trunkline_domain::foundation::Actor;
use trunkline_domain::ledger::Via;
use trunkline_domain::record::Command;
use trunkline_domain::repository;
use trunkline_engine::{Blobs, Call, Engine, Read, Request, restoration};

const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// A data folder with an engine that goes on working.
fn lived(data: &Path) -> Engine<SqliteStore> {
    let mut engine = Engine::open(SqliteStore::open(&data.join(DATABASE)).unwrap(), NOW, [7; 32]).unwrap();
    add(&mut engine, "shop");
    let blobs = FileBlobs::open(&data.join("blobs")).unwrap();
    // More than a frame, and nothing that packs.
    for size in [10, 5 << 20] {
        let mut state = 7_u64;
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        let bytes: Vec<u8> = (0..size).map(next).collect();
        blobs.put(&Digest::of(&bytes), &mut &bytes[..]).unwrap();
    }
    for (path, text) in [
        ("repositories/shop.git/HEAD", "ref: refs/heads/main\n"),
        ("repositories/shop.git/config", "[core]\nalternateRefsCommand = touch /tmp/x\n"),
        ("repositories/shop.git/hooks/post-checkout", "touch /tmp/x"),
        ("repositories/shop.git/refs/heads/main.lock", "held"),
        ("repositories/incoming-orders.git/HEAD", "ref: refs/heads/main\n"),
        ("repositories/tmp_x.git/HEAD", "ref: refs/heads/main\n"),
        ("repositories/tmp_x.git/refs/heads/incoming/tmp_1", "of any name"),
        ("repositories/half.unfinished/HEAD", "half"),
        ("repositories/shop.git/objects/incoming-x/pack", "half"),
        ("logs/ab/cd", "log"),
        ("runner/process/shop/qa/main/fence", "3"),
        ("credentials/shop", "secret"),
        ("credentials/incoming", "secret"),
        ("credentials/.tmpa1B2", "half"),
        ("operator.token", "secret"),
    ] {
        let path = data.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::create_dir_all(data.join("repositories/shop.git/objects/info")).unwrap();
    engine
}

fn add(engine: &mut Engine<SqliteStore>, name: &str) {
    let command = Command::Repository(name.parse().unwrap(), repository::Command::Create { source: None });
    engine.execute(vec![Call::Command(Box::new(Request::new(Actor::person("ana"), Via::Api, command)))], NOW).unwrap();
}

fn taken(data: &Path, secrets: bool) -> (Vec<u8>, Told) {
    let mut bytes = Vec::new();
    let scratch = tempfile::tempdir().unwrap();
    let wanted = Wanted { data, scratch: scratch.path(), version: "1.2.3", now: NOW, secrets };
    let told = back_up(wanted, &mut bytes, &mut |_| {}).unwrap();
    assert_eq!(told.packed, bytes.len() as u64);
    (bytes, told)
}

fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for child in fs::read_dir(folder).unwrap() {
            let path = child.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if !name.starts_with("blobs/") {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_taken_beside_a_running_engine_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (data, back) = (folder.path().join("data"), folder.path().join("back"));
    fs::create_dir(&data).unwrap();
    let mut engine = lived(&data);
    let (bytes, told) = taken(&data, false);
    add(&mut engine, "web");
    assert_eq!((told.manifest.entries, engine.head().frontier.size()), (1, 2), "the engine went on");
    assert_eq!(restore(&bytes[..], &back, &mut |_| {}).unwrap(), told);
    let repositories =
        ["incoming-orders.git/HEAD", "shop.git/HEAD", "shop.git/config", "tmp_x.git/HEAD", "tmp_x.git/refs/heads/incoming/tmp_1"];
    let repositories = repositories.map(|name| format!("repositories/{name}"));
    let all: Vec<&str> = iter::once("logs/ab/cd").chain(repositories.iter().map(String::as_str)).chain([DATABASE]).collect();
    assert_eq!(files(&back), all);
    let config = fs::read_to_string(back.join("repositories/shop.git/config")).unwrap();
    assert!(config.contains("bare = true") && !config.contains("touch"), "what it says is not believed: {config}");
    assert!(back.join("repositories/shop.git/objects/info").is_dir(), "git needs its empty folders");
    assert_eq!(fs::metadata(&back).unwrap().permissions().mode() & 0o777, 0o700);
    let reader = SqliteReader::open(&back.join(DATABASE)).unwrap();
    assert_eq!(reader.head().unwrap().frontier.root(), told.manifest.root);
    assert_eq!(restoration(&reader).unwrap(), None, "the next start records it");
    let engine = Engine::open(SqliteStore::open(&back.join(DATABASE)).unwrap(), NOW, [7; 32]).unwrap();
    assert_eq!(restoration(engine.store()).unwrap().unwrap().1.backup.entries, 1);
}

#[test]
fn secrets_are_in_it_only_where_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    drop(lived(&data));
    let back = folder.path().join("back");
    fs::create_dir(&back).unwrap();
    restore(&taken(&data, true).0[..], &back, &mut |_| {}).unwrap();
    assert_eq!(fs::read_to_string(back.join("operator.token")).unwrap(), "secret", "an empty folder may be there");
    let credentials: Vec<String> = files(&back).into_iter().filter(|name| name.starts_with("credentials/")).collect();
    assert_eq!(credentials, ["credentials/incoming", "credentials/shop"]);
    assert_eq!(fs::metadata(back.join("operator.token")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_repository_that_leads_elsewhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (data, back) = (folder.path().join("data"), folder.path().join("back"));
    fs::create_dir(&data).unwrap();
    drop(lived(&data));
    fs::write(data.join("repositories/shop.git/objects/info/alternates"), "/srv/other/objects\n").unwrap();
    let refused = restore(&taken(&data, false).0[..], &back, &mut |_| {}).unwrap_err();
    assert!(refused.to_string().contains("leads to objects in another folder"), "{refused}");
    assert!(!back.exists());
}

#[test]
fn a_flipped_byte_and_a_missing_end_are_refused_wherever_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    drop(lived(&data));
    let (bytes, _) = taken(&data, false);
    let refused = |bytes: &[u8], what: String| {
        let back = folder.path().join("back");
        let error = restore(bytes, &back, &mut |_| {}).expect_err(&what);
        assert!(
            matches!(error, BackupError::Damaged { .. } | BackupError::NoBackup(_) | BackupError::Store(_) | BackupError::Format(_)),
            "{what}: {error:?}"
        );
        assert!(!back.exists(), "{what}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{what}: nothing is left behind");
        error.to_string()
    };
    for part in 0..60 {
        let place = bytes.len() * part / 60;
        let mut flipped = bytes.clone();
        flipped[place] ^= 0x10;
        refused(&flipped, format!("byte {place} of {}", bytes.len()));
        refused(&bytes[..place], format!("cut at {place}"));
    }
    let said = refused(&bytes[..bytes.len() - 1], "the last byte".to_owned());
    assert!(said.contains("cut off") && said.contains("end.json"), "{said}");
    for (other, what) in [(&b"PK\x03\x04 something else"[..], "a zip"), (b"", "nothing"), (b"a", "a letter")] {
        assert!(refused(other, what.to_owned()).starts_with("this is not a Trunkline backup: "), "{what}");
    }
    let tar = zstd::encode_all(&[0; 1024][..], 1).unwrap();
    assert!(refused(&tar, "an empty archive".to_owned()).contains("empty"));
}

/// An archive with these entries after a good manifest.
fn archive(entries: &[(&str, tar::EntryType, &[u8])], manifest: &Manifest) -> Vec<u8> {
    let mut tar = tar::Builder::new(frames::Frames::new(Vec::new()).unwrap());
    let manifest = serde_json::to_vec(manifest).unwrap();
    for (name, kind, bytes) in std::iter::once(&(MANIFEST, tar::EntryType::Regular, &manifest[..])).chain(entries) {
        let mut header = tar::Header::new_gnu();
        // As an attacker would: the builder itself refuses such names.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        if kind.is_symlink() {
            header.set_link_name("/etc").unwrap();
        }
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    let mut packed = tar.into_inner().unwrap().finish().unwrap();
    packed.flush().unwrap();
    packed
}

#[test]
fn what_does_not_belong_into_a_backup_is_refused() {
    use tar::EntryType::{Char, Directory, Link, Regular, Symlink};
    let manifest =
        Manifest { format: FORMAT, version: String::new(), taken_at: NOW, entries: 0, root: Digest::of(b""), secrets: false, bytes: 9 };
    let folder = tempfile::tempdir().unwrap();
    let back = folder.path().join("in/back");
    let refused = |entries: &[(&str, tar::EntryType, &[u8])], manifest: &Manifest| {
        let error = restore(&archive(entries, manifest)[..], &back, &mut |_| {}).unwrap_err().to_string();
        assert!(!back.exists() && !folder.path().join("in/evil").exists(), "{entries:?}");
        error
    };
    let blobs = ("blobs", Directory, &b""[..]);
    for (entries, said) in [
        (&[("../evil", Regular, &b"x"[..])][..], "does not belong"),
        (&[("/tmp/evil", Regular, b"x")], "does not belong"),
        (&[blobs, ("blobs/../../evil", Regular, b"x")], "does not belong"),
        (&[("runner", Directory, b"")], "does not belong"),
        (&[("operator.token", Regular, b"x")], "does not belong"),
        (&[("blobs", Symlink, b"")], "neither a file nor a folder"),
        (&[blobs, ("blobs/x", Link, b"")], "neither a file nor a folder"),
        (&[("logs", Char, b"")], "neither a file nor a folder"),
        (&[blobs, ("blobs/x", Regular, b"x")], "the blob's bytes have digest"),
        (&[("end.json", Regular, b"{\"files\":0,\"bytes\":0}"), blobs], "more than it says"),
        (&[("end.json", Regular, b"{\"files\":3,\"bytes\":0}")], "3 files, but 0"),
        (&[("end.json", Regular, b"{\"files\":0,\"bytes\":0}")], "there is no record"),
        (&[], "it ends early"),
    ] {
        let error = refused(entries, &manifest);
        assert!(error.contains(said), "{entries:?}: {error}");
    }
    assert!(refused(&[], &Manifest { format: 2, ..manifest.clone() }).contains("format 2"));
    assert!(refused(&[], &Manifest { bytes: u64::MAX, ..manifest }).contains("bytes are needed"));
    fs::create_dir_all(&back).unwrap();
    fs::write(back.join("mine"), "x").unwrap();
    assert!(matches!(restore(&b""[..], &back, &mut |_| {}), Err(BackupError::NotEmpty(_))));
}

#[test]
fn a_ledger_that_is_not_what_the_backup_says_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    drop(lived(&data));
    // Somebody changes the record of the running folder; the backup is intact as a file.
    let database = rusqlite::Connection::open(data.join(DATABASE)).unwrap();
    database.execute("update entry set bytes = x'7b7d' where seq = 1", []).unwrap();
    let error = restore(&taken(&data, false).0[..], &folder.path().join("back"), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("entry 1 was changed"), "{error}");
}
