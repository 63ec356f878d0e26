//! `trunkline ledger`: where the record ends, and whether it is what was recorded. Checking needs no server.

use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::render::paint::Mark;
use crate::render::text::count;
use std::path::{Path, PathBuf};
use trunkline_api::request::Position;
use trunkline_domain::foundation::Digest;
use trunkline_engine::{Read as _, StoreError, Verification, VerifyError};
use trunkline_store::SqliteReader;

/// The database in a data folder.
pub const DATABASE: &str = "trunkline.db";
/// What to do with the ledger.
#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(clap::Subcommand)]
enum Act {
    /// Check every entry, every state and every reading row; needs no server
    Verify {
        /// The database itself, rather than that of the data folder
        #[arg(long, value_name = "FILE")]
        db: Option<PathBuf>,
        /// A root that was kept elsewhere
        #[arg(long, value_name = "sha256:…")]
        root: Option<Digest>,
        /// The ledger's size when that root was kept; its size now if left out
        #[arg(long, value_name = "N", requires = "root")]
        at_size: Option<u64>,
    },
    /// Say how many entries there are and what their root is, to keep it elsewhere
    Head,
}

/// Does it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    match &arguments.act {
        Act::Verify { db, root, at_size } => {
            let path = db.clone().map_or_else(|| Ok(globals.data_folder_meant()?.join(DATABASE)), anyhow::Ok)?;
            let found = verify(&path, root.map(|root| (*at_size, root)))?;
            let screen = globals.screen();
            if screen.json() {
                screen.print_json(&serde_json::json!({ "entries": found.entries, "root": found.root, "states": found.states, "texts": found.texts, "erased": found.erased }))?;
            } else {
                let mut words = format!("{} and {} are what was recorded", entries(found.entries), count(found.states, "state"));
                if found.erased > 0 {
                    words += &format!("; the words of {} were erased", count(found.erased, "commit"));
                }
                screen.print(&format!("{}\nroot {}", screen.out.paint.mark(Mark::Passed, &words), found.root))?;
            }
            if root.is_none() {
                screen.note(
                    "a copy that was made anew as a whole is only found with a root that was kept elsewhere: --at-size N --root sha256:…",
                );
            }
            Ok(Exit::Good)
        }
        Act::Head => head(globals),
    }
}

fn head(globals: &Globals) -> anyhow::Result<Exit> {
    let remote = globals.connect()?;
    let position: Position = remote.client.get("ledger/head")?;
    let screen = remote.screen;
    if screen.json() {
        screen.print_json(&position)?;
    } else if screen.out_terminal {
        screen.print(&format!("{}, root {}, {}", entries(position.seq), position.root, screen.out.clock.ago(position.at)))?;
    } else {
        screen.print(&format!("{}\t{}\t{}", position.seq, position.root, position.at.iso()))?;
    }
    Ok(Exit::Good)
}

fn entries(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{number} entries") }
}

/// Checks the ledger in a database.
fn verify(path: &Path, kept: Option<(Option<u64>, Digest)>) -> Result<Verification, Failure> {
    let none = |why: String| {
        Failure::new(Code::NoLedger, "there is no ledger to read there")
            .place(path.display())
            .why(why)
            .help("name the server's folder with --data, or the database with --db")
    };
    // SQLite would make an empty database of a name that does not exist, or say little of a folder.
    if !path.is_file() {
        return Err(none("there is no such file".to_owned()));
    }
    // A server may append while this reads: one snapshot keeps head, entries, states and rows together.
    let opened = SqliteReader::open(path).and_then(|reader| reader.snapshot());
    let head = opened.and_then(|snapshot| snapshot.head().map(|head| (snapshot, head)));
    let (snapshot, head) = head.map_err(|error| if damaged(&error) { changed(path, chain(&error)) } else { none(chain(&error)) })?;
    let size = head.frontier.size();
    if let Some((Some(then), _)) = kept.filter(|(then, _)| then.is_some_and(|then| then > size)) {
        return Err(changed(path, format!("the ledger has {}, but {then} were there when the root was kept", entries(size))));
    }
    trunkline_engine::verify(&snapshot, kept).map_err(|error| match error {
        VerifyError::Store(StoreError::Failed { what, source }) => {
            changed(path, format!("the ledger cannot be read to its end: {what}")).why(chain(source.as_ref()))
        }
        other @ VerifyError::Root { .. } if kept.is_some_and(|(size, _)| size.is_none()) => {
            let help = format!("was it kept when there were {}? otherwise say how many: --at-size N", entries(size));
            Failure::new(Code::LedgerChanged, chain(&other)).place(path.display()).help(help)
        }
        other => changed(path, chain(&other)),
    })
}

/// Whether it is a ledger that makes no sense any more, rather than none.
fn damaged(error: &StoreError) -> bool {
    match error {
        StoreError::Damaged(_) => true,
        StoreError::Full => false,
        StoreError::Failed { source, .. } => {
            let code = source.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
            code == Some(rusqlite::ErrorCode::DatabaseCorrupt)
        }
    }
}

fn changed(path: &Path, what: String) -> Failure {
    Failure::new(Code::LedgerChanged, what)
        .place(path.display())
        .help("keep this file as it is, and compare it with a backup: trunkline ledger verify --db FILE")
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_store::SqliteStore;

    #[test]
    fn an_empty_ledger_is_good_and_its_root_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DATABASE);
        drop(SqliteStore::open(&path).unwrap());
        let found = verify(&path, None).unwrap();
        assert_eq!((found.entries, found.root), (0, Digest::of(b"")));
        let other = verify(&path, Some((None, Digest::of(b"other")))).unwrap_err();
        assert_eq!((other.code.as_str(), other.exit.number()), ("TL0221", 1));
        let shorter = verify(&path, Some((Some(7), Digest::of(b"")))).unwrap_err();
        assert!(shorter.what.contains("7 were there"), "{}", shorter.what);
    }

    #[test]
    fn what_is_no_ledger_is_called_so() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(verify(&folder.path().join("none.db"), None).unwrap_err().exit.number(), 2);
        let text = folder.path().join("text.db");
        std::fs::write(&text, "not a database, whatever its name says").unwrap();
        assert_eq!(verify(&text, None).unwrap_err().code, "TL0220");
        assert!(!folder.path().join("none.db").exists());
    }

    #[test]
    fn damage_is_named_and_is_not_called_no_ledger() {
        // (what was done to the database, what is said of it)
        let table = [
            ("insert into entry (seq, bytes, leaf) values (1, x'7b7d', x'00')", "the hash of entry 1 is not 32 bytes long"),
            ("insert into head (one, frontier, at, starts) values (1, x'00', 0, 0)", "the head: "),
            ("insert into aggregate (kind, id, piece, state) values ('project', 'shop', '', x'00')", "project shop"),
            ("insert into aggregate (kind, id, piece, state) values ('nonsense', 'x', '', x'00')", "nonsense x is no key"),
            ("drop table entry", "cannot be read to its end: reading"),
        ];
        for (sql, said) in table {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(DATABASE);
            drop(SqliteStore::open(&path).unwrap());
            rusqlite::Connection::open(&path).unwrap().execute(sql, []).unwrap();
            let failure = verify(&path, None).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.exit.number()), ("TL0221", 1), "{sql}");
            assert!(failure.what.contains(said), "{sql}: {}", failure.what);
        }
    }
}
