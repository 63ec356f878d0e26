//! Reading objects through one long-lived `git cat-file --batch-command`.

use super::command::{GitError, command};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use trunkline_domain::foundation::{Revision, Timestamp};

/// Bytes of an object that is read into memory.
pub const OBJECT_BYTES_MAX: u64 = 256 << 20;
/// Bytes of an answer's first line, which repeats the question where nothing is found.
const HEAD_BYTES_MAX: u64 = 64 << 10;

/// A running `cat-file`.
#[derive(Debug)]
pub struct Reader {
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
    /// Whether question and answer may have lost each other: nothing is asked any more.
    broken: bool,
}

/// What was found under an id, if it is small enough.
#[derive(Debug)]
pub enum Found {
    /// Its bytes.
    Held(Vec<u8>),
    /// It is larger; its bytes were passed over.
    Large,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its tree's id.
    pub tree: String,
    /// Its parents' ids.
    pub parents: Vec<String>,
    /// Its author's name, shortened.
    pub author: String,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// Its message, shortened.
    pub message: String,
}

/// An entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as bytes.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Its object's id.
    pub id: String,
}

/// What a tree's entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file that may be executed.
    Executable,
    /// A symbolic link.
    Link,
    /// A folder.
    Tree,
    /// A submodule: another repository's commit.
    Submodule,
}

impl Reader {
    /// Starts it.
    pub fn start(repository: &Path) -> Result<Self, GitError> {
        let fail = |source| GitError::Failed { what: "cat-file".to_owned(), source };
        let mut child =
            command(repository).args(["cat-file", "--batch-command"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(fail)?;
        let ask = child.stdin.take().expect("stdin was asked for");
        let answer = BufReader::new(child.stdout.take().expect("stdout was asked for"));
        Ok(Self { child, ask, answer, broken: false })
    }

    /// Whether this reader can still be asked.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// An object by anything that names one (an id, `id:path`): its id, type and bytes.
    pub fn object(&mut self, name: &str) -> Result<(String, String, Vec<u8>), GitError> {
        let mut bytes = Vec::new();
        match self.copy(name, OBJECT_BYTES_MAX, &mut bytes)? {
            (_, _, Some(size)) => Err(GitError::TooLarge { name: name.to_owned(), size, most: OBJECT_BYTES_MAX }),
            (id, kind, None) => Ok((id, kind, bytes)),
        }
    }

    /// A blob by its id, held if it is no larger than this.
    pub fn blob(&mut self, id: &str, most: u64) -> Result<Found, GitError> {
        let mut bytes = Vec::new();
        let (_, _, large) = self.copy(id, most, &mut bytes)?;
        Ok(if large.is_some() { Found::Large } else { Found::Held(bytes) })
    }

    /// Writes a blob, however large.
    pub fn blob_into(&mut self, id: &str, into: &mut dyn Write) -> Result<(), GitError> {
        self.copy(id, u64::MAX, into).map(drop)
    }

    /// Copies an object that has at most so many bytes, else tells its size. The stream is in step afterwards, or broken.
    fn copy(&mut self, name: &str, most: u64, into: &mut dyn Write) -> Result<(String, String, Option<u64>), GitError> {
        let fail = |source| GitError::Failed { what: "cat-file".to_owned(), source };
        if self.broken {
            return Err(fail(std::io::Error::other("this reader is broken")));
        }
        if name.contains(['\n', '\0']) {
            return Err(GitError::Missing(name.replace('\n', "?")));
        }
        self.broken = true;
        writeln!(self.ask, "contents {name}").and_then(|()| self.ask.flush()).map_err(fail)?;
        let mut head = String::new();
        (&mut self.answer).take(HEAD_BYTES_MAX).read_line(&mut head).map_err(fail)?;
        let mut words = head.trim_end().rsplitn(3, ' ');
        let size = words.next().and_then(|size| size.parse::<u64>().ok());
        let (Some(size), Some(kind), Some(id)) = (size, words.next(), words.next()) else {
            if !head.ends_with(" missing\n") {
                return Err(fail(std::io::Error::other(format!("it answered '{}'", head.trim_end()))));
            }
            self.broken = false;
            return Err(GitError::Missing(name.to_owned()));
        };
        if is_id(name) && id != name {
            return Err(fail(std::io::Error::other(format!("asked for {name}, it answered {id}"))));
        }
        let large = (size > most).then_some(size);
        let mut content = (&mut self.answer).take(size);
        let copied = if large.is_some() { std::io::copy(&mut content, &mut std::io::sink()) } else { std::io::copy(&mut content, into) };
        let copied = copied.map_err(fail)?;
        let mut end = [0];
        self.answer.read_exact(&mut end).map_err(fail)?;
        if copied != size || end != *b"\n" {
            return Err(fail(std::io::ErrorKind::UnexpectedEof.into()));
        }
        self.broken = false;
        Ok((id.to_owned(), kind.to_owned(), large))
    }

    /// A commit; a tag is followed to its commit.
    pub fn commit(&mut self, revision: &Revision) -> Result<(Revision, Commit), GitError> {
        let (id, kind, bytes) = self.object(&format!("{revision}^{{commit}}"))?;
        if kind != "commit" {
            return Err(GitError::Missing(format!("commit {revision}")));
        }
        let id = id.parse().map_err(|_| GitError::Missing(format!("commit {revision}")))?;
        Ok((id, parse_commit(&bytes)))
    }

    /// The entries of a tree.
    pub fn tree(&mut self, id: &str) -> Result<Vec<Entry>, GitError> {
        let (id, kind, bytes) = self.object(id)?;
        if kind != "tree" {
            return Err(GitError::Missing(format!("tree {id}")));
        }
        parse_tree(&bytes, id.len() / 2).ok_or_else(|| GitError::Missing(format!("sense in tree {id}")))
    }
}

fn is_id(name: &str) -> bool {
    matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Its input is closed with `ask`; it must not be left as a zombie.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Characters kept of a commit's words.
const WORDS_MAX: usize = 2_000;

fn parse_commit(bytes: &[u8]) -> Commit {
    let text = String::from_utf8_lossy(bytes);
    let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut commit = Commit {
        tree: String::new(),
        parents: Vec::new(),
        author: String::new(),
        committed_at: Timestamp(0),
        message: message.chars().take(WORDS_MAX).collect(),
    };
    for line in head.lines() {
        match line.split_once(' ') {
            Some(("tree", id)) => commit.tree = id.to_owned(),
            Some(("parent", id)) => commit.parents.push(id.to_owned()),
            Some(("author", who)) => commit.author = who.split(" <").next().unwrap_or_default().chars().take(200).collect(),
            Some(("committer", who)) => {
                let seconds = who.rsplit(' ').nth(1).and_then(|seconds| seconds.parse::<i64>().ok()).unwrap_or(0);
                commit.committed_at = Timestamp(seconds.saturating_mul(1_000));
            }
            _ => {}
        }
    }
    commit
}

fn parse_tree(mut bytes: &[u8], id_bytes: usize) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ')?;
        let nul = bytes.iter().position(|byte| *byte == 0)?;
        let kind = match &bytes[..space] {
            b"100755" => EntryKind::Executable,
            b"120000" => EntryKind::Link,
            b"40000" => EntryKind::Tree,
            b"160000" => EntryKind::Submodule,
            _ => EntryKind::File,
        };
        let id = bytes.get(nul + 1..nul + 1 + id_bytes)?;
        entries.push(Entry { name: bytes.get(space + 1..nul)?.to_vec(), kind, id: id.iter().map(|byte| format!("{byte:02x}")).collect() });
        bytes = &bytes[nul + 1 + id_bytes..];
    }
    Some(entries)
}
