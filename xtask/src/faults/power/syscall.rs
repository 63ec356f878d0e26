//! What a trace by `strace -f -y -xx` says of the files below one folder: every call in the order in which it ended.

use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Component, Path, PathBuf};

/// The calls that a trace must hold for [`read`].
pub const CALLS: &str = "openat,open,creat,write,writev,pwrite64,pwritev,ftruncate,truncate,fallocate,copy_file_range,sendfile,\
    rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,\
    fsync,fdatasync,syncfs,lseek,mmap,recvfrom,chdir,fchdir,clone,clone3,fork,vfork";

/// What a client puts into the path of a request when it takes something for acknowledged, followed by a number.
pub const MARK: &str = "acknowledged-";

/// Something that happened to the disk. Paths are relative to the folder.
pub enum Act {
    /// Opened for writing; made if it was not there.
    Open { path: PathBuf, truncate: bool, append: bool },
    /// Written, at an offset or where the file's own stood.
    Write { path: PathBuf, at: Option<u64>, bytes: Vec<u8> },
    /// The offset was moved to here.
    Seek { path: PathBuf, at: u64 },
    /// Cut or lengthened, in bytes.
    Length { path: PathBuf, bytes: u64, may_cut: bool },
    /// Moved; what was there is replaced.
    Rename { from: PathBuf, to: PathBuf },
    /// A second name.
    Link { from: PathBuf, to: PathBuf },
    /// A symbolic link.
    Symlink { target: String, path: PathBuf },
    /// A new folder.
    Folder(PathBuf),
    /// A name less.
    Remove(PathBuf),
    /// Everything of it that was written before is on the disk.
    Sync(PathBuf),
    /// A client had the answer number so.
    Mark(usize),
}

/// An act, and when its call began: what happened between that and its end may or may not have been seen by it.
pub struct Event {
    /// How many events had ended.
    pub begun: usize,
    /// The act.
    pub act: Act,
}

/// Reads a trace, without what is `ignored` below the folder.
pub fn read(trace: &Path, root: &Path, ignored: fn(&Path) -> bool) -> Result<Vec<Event>> {
    let mut reader = Reader { area: Area { root: root.to_owned(), ignored }, places: Places::find(trace)?, events: Vec::new() };
    let mut unfinished: HashMap<u32, (usize, String)> = HashMap::new();
    for (number, line) in BufReader::new(File::open(trace)?).lines().enumerate() {
        let line = line?;
        let Some((thread, rest)) = split_thread(&line) else { continue };
        if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, (reader.events.len(), begin.to_owned()));
            continue;
        }
        let (begun, text) = match rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            Some((_, end)) => {
                let (begun, begin) = unfinished.remove(&thread).with_context(|| format!("line {}: resumed, never begun", number + 1))?;
                (begun, begin + end)
            }
            None => (reader.events.len(), rest.to_owned()),
        };
        reader.take(thread, begun, &text).with_context(|| format!("{}:{}", trace.display(), number + 1))?;
    }
    Ok(reader.events)
}

/// The folder that is looked at.
struct Area {
    root: PathBuf,
    ignored: fn(&Path) -> bool,
}

impl Area {
    /// The path below it; none for what is elsewhere or nobody's business.
    fn below(&self, path: PathBuf) -> Option<PathBuf> {
        path.strip_prefix(&self.root).ok().filter(|path| !(self.ignored)(path)).map(Path::to_owned)
    }
}

struct Reader {
    area: Area,
    places: Places,
    events: Vec<Event>,
}

impl Reader {
    fn take(&mut self, thread: u32, begun: usize, text: &str) -> Result<()> {
        let Some((name, rest)) = text.split_once('(') else { return Ok(()) };
        let Some((inner, result)) = rest.rsplit_once(" = ") else { return Ok(()) };
        if result.starts_with(['-', '?']) || !CALLS.split(',').any(|call| call == name) {
            return Ok(());
        }
        let inner = inner.trim_end().strip_suffix(')').unwrap_or(inner);
        let call = Call { arguments: split(inner), result, place: self.places.of(thread) };
        if let "chdir" | "fchdir" = name {
            let place = if name == "chdir" { call.path(None, 0)? } else { call.file(0)?.context("no folder")? };
            self.places.own.insert(thread, place);
            return Ok(());
        }
        if let Some(act) = call.act(name, &self.area)? {
            self.events.push(Event { begun, act });
        }
        Ok(())
    }
}

/// Where each process stands, since some calls name a path relative to it.
struct Places {
    own: HashMap<u32, PathBuf>,
    parents: HashMap<u32, u32>,
}

impl Places {
    /// Who started whom. A child may be seen before the call that made it has ended, so this is read first.
    fn find(trace: &Path) -> Result<Self> {
        let mut parents = HashMap::new();
        for line in BufReader::new(File::open(trace)?).lines() {
            let line = line?;
            let Some((thread, rest)) = split_thread(&line) else { continue };
            let name = rest.trim_start_matches("<... ");
            if ["clone(", "clone3(", "fork(", "vfork(", "clone ", "clone3 ", "fork ", "vfork "].iter().any(|call| name.starts_with(call))
                && let Some((_, child)) = rest.rsplit_once(" = ")
                && let Ok(child) = child.trim().parse()
            {
                parents.insert(child, thread);
            }
        }
        Ok(Self { own: HashMap::new(), parents })
    }

    fn of(&self, thread: u32) -> Option<PathBuf> {
        let mut thread = thread;
        loop {
            if let Some(place) = self.own.get(&thread) {
                return Some(place.clone());
            }
            thread = *self.parents.get(&thread)?;
        }
    }
}

/// One call.
struct Call<'a> {
    arguments: Vec<&'a str>,
    result: &'a str,
    place: Option<PathBuf>,
}

impl Call<'_> {
    fn act(&self, name: &str, area: &Area) -> Result<Option<Act>> {
        let below = |path: PathBuf| area.below(path);
        Ok(match name {
            "openat" | "open" | "creat" => {
                let flags = self.arguments.iter().find(|argument| argument.starts_with("O_")).copied().unwrap_or("O_WRONLY|O_TRUNC");
                let writes = flags.contains("O_WRONLY") || flags.contains("O_RDWR");
                let path = annotation(self.result)?.filter(|_| writes).and_then(below);
                path.map(|path| Act::Open { path, truncate: flags.contains("O_TRUNC"), append: flags.contains("O_APPEND") })
            }
            "write" | "writev" | "pwrite64" | "pwritev" => {
                let Some(path) = self.file(0)?.and_then(below) else { return Ok(None) };
                let mut bytes = texts(self.arguments[1])?.concat();
                bytes.truncate(self.result.trim().parse()?);
                let at = name.starts_with('p').then(|| self.number(self.arguments.len() - 1)).transpose()?;
                Some(Act::Write { path, at, bytes })
            }
            "lseek" => {
                let path = self.file(0)?.and_then(below);
                path.map(|path| anyhow::Ok(Act::Seek { path, at: self.result.trim().parse()? })).transpose()?
            }
            "ftruncate" => {
                let path = self.file(0)?.and_then(below);
                path.map(|path| anyhow::Ok(Act::Length { path, bytes: self.number(1)?, may_cut: true })).transpose()?
            }
            "fallocate" => {
                let Some(path) = self.file(0)?.and_then(below) else { return Ok(None) };
                ensure!(self.arguments[1] == "0", "fallocate with {} is not modelled", self.arguments[1]);
                Some(Act::Length { path, bytes: self.number(2)? + self.number(3)?, may_cut: false })
            }
            "rename" | "link" => self.two(name, (None, 0), (None, 1), area)?,
            "renameat" | "renameat2" | "linkat" => self.two(name, (Some(0), 1), (Some(2), 3), area)?,
            "symlink" => self.symlink(below(self.path(None, 1)?))?,
            "symlinkat" => self.symlink(below(self.path(Some(1), 2)?))?,
            "unlink" | "rmdir" => below(self.path(None, 0)?).map(Act::Remove),
            "unlinkat" => below(self.path(Some(0), 1)?).map(Act::Remove),
            "mkdir" => below(self.path(None, 0)?).map(Act::Folder),
            "mkdirat" => below(self.path(Some(0), 1)?).map(Act::Folder),
            "fsync" | "fdatasync" => self.file(0)?.and_then(below).map(Act::Sync),
            "recvfrom" => mark(&texts(self.arguments[1])?.concat()),
            "mmap" => {
                let written = self.arguments[2].contains("PROT_WRITE") && self.arguments[3].contains("MAP_SHARED");
                let path = annotation(self.arguments[4])?.filter(|_| written).and_then(below);
                ensure!(path.is_none(), "{path:?} is written through a mapping");
                None
            }
            "truncate" | "copy_file_range" | "sendfile" | "syncfs" => {
                let out = if name == "copy_file_range" { 2 } else { 0 };
                ensure!(self.file(out)?.and_then(below).is_none(), "{name} is not modelled");
                None
            }
            _ => None,
        })
    }

    fn two(&self, name: &str, from: (Option<usize>, usize), to: (Option<usize>, usize), area: &Area) -> Result<Option<Act>> {
        let (from, to) = (self.path(from.0, from.1)?, self.path(to.0, to.1)?);
        Ok(match (area.below(from), area.below(to)) {
            (Some(from), Some(to)) if name.starts_with("link") => Some(Act::Link { from, to }),
            (Some(from), Some(to)) => Some(Act::Rename { from, to }),
            (None, None) => None,
            (from, to) => bail!("{name} from {from:?} to {to:?} goes across the folder's border"),
        })
    }

    fn symlink(&self, path: Option<PathBuf>) -> Result<Option<Act>> {
        let target = String::from_utf8(texts(self.arguments[0])?.concat())?;
        Ok(path.map(|path| Act::Symlink { target, path }))
    }

    /// The file behind a descriptor; none if it has no name any more.
    fn file(&self, number: usize) -> Result<Option<PathBuf>> {
        annotation(self.arguments.get(number).context("an argument is missing")?)
    }

    /// A path that is named, absolute or relative to a folder or to where the process stands.
    fn path(&self, folder: Option<usize>, number: usize) -> Result<PathBuf> {
        let text = texts(self.arguments.get(number).context("an argument is missing")?)?.concat();
        let named = PathBuf::from(String::from_utf8(text)?);
        let folder = match folder {
            Some(folder) => self.file(folder)?,
            None => self.place.clone(),
        };
        // A place that nobody changed is where the trace was begun, which is not below the folder.
        Ok(plain(&folder.unwrap_or_default().join(named)))
    }

    fn number(&self, number: usize) -> Result<u64> {
        let text = self.arguments.get(number).context("an argument is missing")?.trim();
        text.parse().with_context(|| format!("a number: {text}"))
    }
}

fn split_thread(line: &str) -> Option<(u32, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    Some((thread.parse().ok()?, rest.trim_start()))
}

/// Splits arguments at the commas outside of brackets. Texts are in hexadecimal, so that no comma or bracket is theirs.
fn split(inner: &str) -> Vec<&str> {
    let (mut depth, mut start, mut out) = (0, 0, Vec::new());
    for (place, byte) in inner.bytes().enumerate() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                out.push(inner[start..place].trim());
                start = place + 1;
            }
            _ => {}
        }
    }
    out.push(inner[start..].trim());
    out
}

/// `5<\x2f\x74>` is a descriptor of `/t`; one that was removed has `(deleted)` behind.
fn annotation(text: &str) -> Result<Option<PathBuf>> {
    match text.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        Some((hex, "")) => Ok(Some(PathBuf::from(String::from_utf8(unhex(hex)?)?))),
        _ => Ok(None),
    }
}

/// Every text in quotes.
fn texts(text: &str) -> Result<Vec<Vec<u8>>> {
    let mut out = Vec::new();
    for (number, part) in text.split('"').enumerate() {
        match number % 2 {
            1 => out.push(unhex(part)?),
            _ => ensure!(!part.starts_with("..."), "a text was cut short"),
        }
    }
    Ok(out)
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    text.split("\\x").skip(1).map(|pair| u8::from_str_radix(pair, 16).with_context(|| format!("not a byte: {pair}"))).collect()
}

fn mark(bytes: &[u8]) -> Option<Act> {
    let place = bytes.windows(MARK.len()).position(|window| window == MARK.as_bytes())?;
    let digits: String =
        bytes[place + MARK.len()..].iter().take_while(|byte| byte.is_ascii_digit()).map(|byte| char::from(*byte)).collect();
    Some(Act::Mark(digits.parse().ok()?))
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}
