//! Forged copies of the record, to see them refused.

use anyhow::Context as _;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use trunkline_domain::foundation::Digest;
use trunkline_domain::ledger::{Frontier, leaf_hash};

/// Copies the record while the server uses it.
pub fn copy(database: &Path, to: &Path) -> anyhow::Result<PathBuf> {
    let connection = Connection::open(database)?;
    connection.execute("vacuum into ?1", [to.to_string_lossy()])?;
    Ok(to.to_owned())
}

/// Changes one byte of the entry that recorded a verified deployment to production. Returns its position.
pub fn change_an_entry(copy: &Path) -> anyhow::Result<i64> {
    let connection = Connection::open(copy)?;
    let (seq, bytes): (i64, Vec<u8>) = connection
        .query_row(
            "select seq, bytes from entry where instr(bytes, cast('\"succeeded\"' as blob)) > 0 order by seq desc limit 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .context("an entry of a succeeded deployment")?;
    // Somebody else deployed it, says the forger.
    let text = String::from_utf8(bytes)?.replacen("built-in", "somebody", 1);
    connection.execute("update entry set bytes = ?1 where seq = ?2", (text.into_bytes(), seq))?;
    Ok(seq)
}

/// Makes every hash of a changed copy fit again, as a careful forger would.
pub fn rehash(copy: &Path) -> anyhow::Result<()> {
    let connection = Connection::open(copy)?;
    let mut frontier = Frontier::default();
    let mut statement = connection.prepare("select seq, bytes from entry order by seq")?;
    let entries: Vec<(i64, Vec<u8>)> = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (seq, bytes) in entries {
        let leaf: Digest = leaf_hash(&bytes);
        frontier.append(leaf);
        connection.execute("update entry set leaf = ?1 where seq = ?2", (leaf.as_bytes().as_slice(), seq))?;
    }
    connection.execute("update head set frontier = ?1", [serde_json::to_vec(&frontier)?])?;
    Ok(())
}
