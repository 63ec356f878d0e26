//! One contract for every store, and what is special to files.

use super::{DataFolder, FileBlobs, FolderError, LogError, LogStore, MemoryStore, SqliteReader, SqliteStore};
use trunkline_domain::foundation::{Digest, Timestamp};
use trunkline_domain::ledger::leaf_hash;
use trunkline_domain::reading::{Row, Table};
use trunkline_domain::record::Key;
use trunkline_engine::{BlobError, Blobs, Head, KeyScope, Read, Store, StoredEntry, Text};

fn contract(store: &mut dyn Store, reread: &dyn Fn() -> Option<Box<dyn Read>>) {
    let project = "shop".parse().unwrap();
    let key = Key::Project("shop".parse().unwrap());
    assert_eq!(store.head().unwrap(), Head::default());
    assert_eq!(store.aggregate(&key).unwrap(), None);

    store.begin().unwrap();
    store.mark().unwrap();
    store.aggregate_put(&key, &[(String::new(), b"1".to_vec()), ("b".into(), b"2".to_vec())], Some(Timestamp(7))).unwrap();
    store.mark().unwrap();
    store.aggregate_put(&key, &[("b".into(), b"3".to_vec())], None).unwrap();
    store.counter_put("n", 5).unwrap();
    store.undo().unwrap();
    assert_eq!(store.counter("n").unwrap(), 0, "undo reaches back to the mark");
    assert_eq!(store.open_keys().unwrap(), vec![key.clone()]);
    assert_eq!(store.aggregate(&key).unwrap().unwrap(), vec![(String::new(), b"1".to_vec()), ("b".into(), b"2".to_vec())]);
    if let Some(reader) = reread() {
        assert_eq!(reader.aggregate(&key).unwrap(), None, "nothing is visible before the commit");
    }
    let entry = StoredEntry { seq: 1, bytes: b"{}".to_vec(), leaf: leaf_hash(b"{}") };
    store.entry_append(&entry, Some((&project, 1))).unwrap();
    let mut head = Head { at: Timestamp(9), starts: 2, ..Head::default() };
    head.frontier.append(entry.leaf);
    store.head_put(&head).unwrap();
    let scope = KeyScope::Project(project.clone());
    store.command_key_put(&scope, "push", 1, &Digest::of(b"x")).unwrap();
    store.command_key_put(&KeyScope::Server, "push", 2, &Digest::of(b"y")).unwrap();
    store.value_put(&Digest::of(b"v"), b"v").unwrap();
    let text = Text { salt: [3; 16], text: "Ana ü".into() };
    store.text_put(&text).unwrap();
    store.plain_put("log", "k", b"line\n").unwrap();
    store.counter_put("n", 6).unwrap();
    for (seq, key, body) in [(1, "shop/1", "a"), (1, "shop/2", "b"), (2, "shop/1", "c"), (2, "shop/1", "d"), (2, "other/1", "e")] {
        store.row_put(seq, &Row { table: Table::Run, key: key.into(), body: body.into() }).unwrap();
    }
    store.commit().unwrap();
    store.begin().unwrap();
    store.counter_put("n", 99).unwrap();
    store.plain_remove("log", "k").unwrap();
    store.abort().unwrap();

    let check = |store: &dyn Read| {
        assert_eq!(store.head().unwrap(), head);
        assert_eq!(store.entries(0, 10).unwrap(), vec![entry.clone()]);
        assert_eq!(store.entries(1, 10).unwrap(), vec![]);
        assert_eq!(store.keys().unwrap(), vec![key.clone()]);
        assert_eq!(store.command_key(&scope, "push").unwrap(), Some((1, Digest::of(b"x"))));
        assert_eq!(store.command_key(&KeyScope::Server, "push").unwrap(), Some((2, Digest::of(b"y"))));
        assert_eq!(store.value(&Digest::of(b"v")).unwrap().unwrap(), b"v");
        assert_eq!(store.value(&Digest::of(b"w")).unwrap(), None);
        assert_eq!(store.text(&text.digest()).unwrap().unwrap(), text);
        assert_eq!(store.plain("log", "k").unwrap().unwrap(), b"line\n");
        assert_eq!(store.plain_list("log", 5).unwrap(), vec![("k".to_owned(), b"line\n".to_vec())]);
        assert_eq!(store.counter("n").unwrap(), 6);
        assert_eq!(store.row(Table::Run, "shop/1").unwrap().unwrap(), b"d");
        let rows = |before, limit| store.rows(Table::Run, "shop/", before, limit).unwrap();
        assert_eq!(rows(None, 9), vec![("shop/2".to_owned(), b"b".to_vec()), ("shop/1".to_owned(), b"d".to_vec())]);
        assert_eq!(rows(None, 1), vec![("shop/2".to_owned(), b"b".to_vec())]);
        assert_eq!(rows(Some("shop/2"), 9), vec![("shop/1".to_owned(), b"d".to_vec())]);
        assert_eq!(store.row_history(Table::Run, "shop/1", 9).unwrap(), vec![(2, b"d".to_vec()), (1, b"a".to_vec())]);
    };
    check(store);
    if let Some(reader) = reread() {
        check(reader.as_ref());
    }
}

#[test]
fn memory_keeps_the_contract() {
    contract(&mut MemoryStore::default(), &|| None);
}

#[test]
fn what_a_dead_process_left_in_the_log_is_put_into_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let (live, left) = (folder.path().join("live"), folder.path().join("left"));
    let mut store = SqliteStore::open(&live).unwrap();
    for number in 1..=3 {
        store.begin().unwrap();
        store.counter_put("n", number).unwrap();
        store.commit().unwrap();
    }
    // As after a kill: nobody has put the log into the database.
    for end in ["", "-wal"] {
        std::fs::copy(format!("{}{end}", live.display()), format!("{}{end}", left.display())).unwrap();
    }
    assert!(std::fs::metadata(format!("{}-wal", left.display())).unwrap().len() > 0);
    // A reader is not waited for.
    let reader = SqliteReader::open(&left).unwrap();
    let snapshot = reader.snapshot().unwrap();
    let began = std::time::Instant::now();
    let opened = SqliteStore::open(&left).unwrap();
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "the busy timeout is five");
    let alone = folder.path().join("alone");
    std::fs::copy(&left, &alone).unwrap();
    assert_eq!(SqliteReader::open(&alone).unwrap().counter("n").unwrap(), 3, "without the log");
    drop((snapshot, reader, opened));
}

#[test]
fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut store = SqliteStore::open(&path).unwrap();
    contract(&mut store, &|| Some(Box::new(SqliteReader::open(&path).unwrap())));
}

#[test]
fn a_newer_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    drop(SqliteStore::open(&path).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("version 99") && !why.contains("damaged"), "{why}");
}

#[test]
fn a_data_folder_is_closed_to_others_but_not_somebody_elses_folder() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let open = |path: &std::path::Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    open(folder.path());
    drop(DataFolder::open(folder.path()).unwrap());
    assert_eq!(mode(folder.path()), 0o700, "an empty one is taken");
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("letters"), "").unwrap();
    open(other.path());
    assert!(matches!(DataFolder::open(other.path()), Err(FolderError::Open(_))));
    assert_eq!(mode(other.path()), 0o755);
}

#[test]
fn a_folder_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let first = DataFolder::open(folder.path()).unwrap();
    match DataFolder::open(folder.path()) {
        Err(FolderError::InUse { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
        other => panic!("{other:?}"),
    }
    assert!(DataFolder::is_owned(folder.path()).unwrap());
    drop(first);
    assert!(!DataFolder::is_owned(folder.path()).unwrap());
    DataFolder::open(folder.path()).unwrap();
    assert!(!DataFolder::is_owned(&folder.path().join("nothing")).unwrap());
}

#[test]
fn who_looks_whether_a_folder_is_owned_does_not_keep_an_owner_out() {
    let folder = tempfile::tempdir().unwrap();
    drop(DataFolder::open(folder.path()).unwrap());
    let looking = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        let (path, go_on) = (folder.path(), &looking);
        let look = move || {
            while go_on.load(std::sync::atomic::Ordering::Relaxed) {
                DataFolder::is_owned(path).unwrap();
            }
        };
        scope.spawn(look);
        for _ in 0..50 {
            drop(DataFolder::open(folder.path()).unwrap());
        }
        looking.store(false, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn blobs_are_checked_when_written_and_when_read() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FileBlobs::open(folder.path()).unwrap();
    let digest = Digest::of(b"hello");
    assert!(matches!(blobs.put(&digest, &mut &b"hullo"[..]), Err(BlobError::Mismatch { .. })));
    assert!(!blobs.has(&digest));
    assert_eq!(blobs.put(&digest, &mut &b"hello"[..]).unwrap(), 5);
    assert_eq!(blobs.put(&digest, &mut &b"hello"[..]).unwrap(), 5);
    let mut bytes = Vec::new();
    assert_eq!(blobs.get(&digest, &mut bytes).unwrap(), 5);
    assert_eq!(bytes, b"hello");
    let hex = digest.hex();
    std::fs::write(folder.path().join(&hex[..2]).join(&hex[2..]), b"hullo").unwrap();
    assert!(matches!(blobs.get(&digest, &mut Vec::new()), Err(BlobError::Mismatch { .. })));
    assert!(blobs.has(&digest) && !blobs.is_sound(&digest));
    assert_eq!(blobs.put(&digest, &mut &b"hello"[..]).unwrap(), 5, "what a disk has damaged is put again");
    assert!(blobs.is_sound(&digest));
    assert!(matches!(blobs.get(&Digest::of(b"none"), &mut Vec::new()), Err(BlobError::Missing(_))));
}

#[test]
fn a_log_is_exact_at_every_offset() {
    let folder = tempfile::tempdir().unwrap();
    let logs = LogStore::open(folder.path()).unwrap();
    let bytes: Vec<u8> = (0..700_000u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    for (index, chunk) in bytes.chunks(99_999).enumerate() {
        logs.append("run/job", index as u64 * 99_999, chunk).unwrap();
    }
    assert!(matches!(logs.append("run/job", 5, b"x"), Err(LogError::Offset { have: 700_000 })));
    let ranges = [0, 1, 262_143, 262_144, 524_288, 699_999, 700_000];
    for from in ranges {
        let found = logs.read("run/job", from, usize::MAX).unwrap().unwrap();
        assert_eq!(found, &bytes[from as usize..], "open, from {from}");
    }
    assert_eq!(logs.finish("run/job").unwrap(), Some((700_000, Digest::of(&bytes))));
    for from in ranges {
        assert_eq!(logs.read("run/job", from, 300_000).unwrap().unwrap(), &bytes[from as usize..bytes.len().min(from as usize + 300_000)]);
    }
    assert_eq!(logs.read("none", 0, 10).unwrap(), None);
    assert_eq!(logs.finish("none").unwrap(), None);
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut store = SqliteStore::open(&path).unwrap();
    let write = |store: &mut SqliteStore, value| {
        store.begin().unwrap();
        store.counter_put("n", value).unwrap();
        store.commit().unwrap();
    };
    write(&mut store, 1);
    let reader = SqliteReader::open(&path).unwrap();
    let snapshot = reader.snapshot().unwrap();
    write(&mut store, 2);
    assert_eq!((snapshot.counter("n").unwrap(), reader.counter("n").unwrap()), (1, 2));
}
