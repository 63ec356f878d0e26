//! A disk that forgets: what was not synced when the power went may be there, may be gone, may be torn.
//!
//! The rules are those that ext4, XFS and Btrfs keep and no more. `fsync` of a file makes its bytes durable, and the name
//! under which it and the folders above it were made. `fsync` of a folder makes its names durable: new ones, moved ones,
//! removed ones. Nothing else is promised, in whatever order it was done.

use super::syscall::{Act, Event};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trunkline_sim::Random;

/// What a disk writes whole.
const SECTOR_BYTES: usize = 512;

type Node = usize;
type Name = (Node, String);
type Tree = BTreeMap<Name, Node>;
/// The folder that everything is below.
const ROOT: Node = 0;

/// What is on a disk, and what is on its way there.
#[derive(Default)]
pub struct Disk {
    nodes: Vec<Thing>,
    durable: Tree,
    live: Tree,
    moves: Vec<Move>,
    time: usize,
}

enum Thing {
    Folder,
    Symlink(String),
    File(Content),
}

#[derive(Default)]
struct Content {
    durable: Vec<u8>,
    live: Vec<u8>,
    pending: Vec<(usize, Change)>,
    offset: u64,
    append: bool,
}

enum Change {
    Bytes(usize, Vec<u8>),
    /// Cut or lengthened to this many bytes.
    Length(usize),
    /// At least so many bytes.
    Grow(usize),
}

/// A change of names.
struct Move {
    at: usize,
    node: Node,
    from: Option<Name>,
    to: Option<Name>,
    /// Whether it made the thing.
    creates: bool,
    synced: bool,
}

/// What of that which was on its way arrived.
pub enum Loss {
    /// Nothing.
    All,
    /// Everything.
    Nothing,
    /// What came before this moment; the write at that moment is torn.
    After(usize),
    /// Whatever chance takes, some of it torn.
    Some,
}

/// What a file system shows after the power came back.
pub type Image = BTreeMap<PathBuf, Found>;

/// A thing in an image.
pub enum Found {
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink(String),
    /// A file.
    File(Vec<u8>),
}

impl Disk {
    /// With an empty folder that is durable.
    pub fn new() -> Self {
        Self { nodes: vec![Thing::Folder], ..Self::default() }
    }

    /// How many acts were seen.
    pub fn time(&self) -> usize {
        self.time
    }

    /// Sees an act.
    pub fn see(&mut self, event: &Event) -> Result<()> {
        self.act(event)?;
        self.time += 1;
        Ok(())
    }

    fn act(&mut self, event: &Event) -> Result<()> {
        match &event.act {
            Act::Open { path, truncate, append } => self.open(path, *truncate, *append)?,
            Act::Write { path, at, bytes } => {
                let time = self.time;
                let file = self.file_at(path)?;
                let place = match at {
                    Some(at) => usize::try_from(*at)?,
                    None if file.append => file.live.len(),
                    None => usize::try_from(file.offset)?,
                };
                file.change(time, Change::Bytes(place, bytes.clone()));
                if at.is_none() {
                    file.offset = (place + bytes.len()) as u64;
                }
            }
            Act::Seek { path, at } => {
                // A folder is read from the beginning this way, too.
                if let Some(node) = self.find(path)
                    && let Some(file) = self.file(node)
                {
                    file.offset = *at;
                }
            }
            Act::Length { path, bytes, may_cut } => {
                let (time, bytes) = (self.time, usize::try_from(*bytes)?);
                let file = self.file_at(path)?;
                file.change(time, if *may_cut { Change::Length(bytes) } else { Change::Grow(bytes) });
            }
            Act::Rename { from, to } => {
                let node = self.must(from)?;
                let (from, to) = (self.name(from)?, self.name(to)?);
                self.record(Move { at: 0, node, from: Some(from), to: Some(to), creates: false, synced: false });
            }
            Act::Link { from, to } => {
                let node = self.must(from)?;
                let to = self.name(to)?;
                self.record(Move { at: 0, node, from: None, to: Some(to), creates: false, synced: false });
            }
            Act::Symlink { target, path } => drop(self.make(path, Thing::Symlink(target.clone()))?),
            Act::Folder(path) if path.as_os_str().is_empty() => {}
            Act::Folder(path) => drop(self.make(path, Thing::Folder)?),
            Act::Remove(path) => {
                let (node, from) = (self.must(path)?, self.name(path)?);
                self.record(Move { at: 0, node, from: Some(from), to: None, creates: false, synced: false });
            }
            Act::Sync(path) => self.sync(path, event.begun)?,
            Act::Mark(_) => {}
        }
        Ok(())
    }

    fn open(&mut self, path: &Path, truncate: bool, append: bool) -> Result<()> {
        let node = match self.find(path) {
            Some(node) => node,
            None => self.make(path, Thing::File(Content::default()))?,
        };
        let time = self.time;
        if let Some(file) = self.file(node) {
            (file.offset, file.append) = (0, append);
            if truncate && !file.live.is_empty() {
                file.change(time, Change::Length(0));
            }
        }
        Ok(())
    }

    fn sync(&mut self, path: &Path, begun: usize) -> Result<()> {
        let node = self.must(path)?;
        if let Some(file) = self.file(node) {
            file.sync(begun);
        } else {
            let touches = |name: &Option<Name>| name.as_ref().is_some_and(|(folder, _)| *folder == node);
            let touched = self.moves.iter_mut().filter(|one| one.at < begun && (touches(&one.from) || touches(&one.to)));
            touched.for_each(|one| one.synced = true);
        }
        self.sync_names(node, begun);
        let settled = self.moves.iter().take_while(|one| one.synced).count();
        for one in self.moves.drain(..settled) {
            one.apply(&mut self.durable);
        }
        Ok(())
    }

    /// The names under which it and what it lies in were made.
    fn sync_names(&mut self, node: Node, begun: usize) {
        let mut node = node;
        while let Some(made) = self.moves.iter_mut().find(|one| one.creates && one.node == node && one.at < begun) {
            made.synced = true;
            node = made.to.as_ref().map_or(ROOT, |(folder, _)| *folder);
        }
    }

    /// The folder after the power went now.
    pub fn image(&self, loss: &Loss, random: &mut Random) -> Image {
        let mut tree = self.durable.clone();
        for one in &self.moves {
            if one.synced || loss.keeps(one.at, random) {
                one.apply(&mut tree);
            }
        }
        let mut image = Image::new();
        self.show(&tree, ROOT, Path::new(""), &mut |content| content.after(loss, random), &mut image);
        image
    }

    /// The folder as programs see it while the power is on.
    pub fn now(&self) -> Image {
        let mut image = Image::new();
        self.show(&self.live, ROOT, Path::new(""), &mut |content| content.live.clone(), &mut image);
        image
    }

    fn show(&self, tree: &Tree, folder: Node, path: &Path, content: &mut dyn FnMut(&Content) -> Vec<u8>, image: &mut Image) {
        for ((_, name), node) in tree.range((folder, String::new())..(folder + 1, String::new())) {
            let path = path.join(name);
            let found = match &self.nodes[*node] {
                Thing::Folder => Found::Folder,
                Thing::Symlink(target) => Found::Symlink(target.clone()),
                Thing::File(file) => Found::File(content(file)),
            };
            if matches!(found, Found::Folder) {
                self.show(tree, *node, &path, content, image);
            }
            image.insert(path, found);
        }
    }

    fn make(&mut self, path: &Path, thing: Thing) -> Result<Node> {
        let (node, name) = (self.nodes.len(), self.name(path)?);
        self.nodes.push(thing);
        self.record(Move { at: 0, node, from: None, to: Some(name), creates: true, synced: false });
        Ok(node)
    }

    fn record(&mut self, mut one: Move) {
        one.at = self.time;
        one.apply(&mut self.live);
        self.moves.push(one);
    }

    fn find(&self, path: &Path) -> Option<Node> {
        let mut node = ROOT;
        for name in path {
            node = *self.live.get(&(node, name.to_str()?.to_owned()))?;
        }
        Some(node)
    }

    fn must(&self, path: &Path) -> Result<Node> {
        self.find(path).with_context(|| format!("{} is not there", path.display()))
    }

    fn name(&self, path: &Path) -> Result<Name> {
        let folder = self.must(path.parent().context("no folder")?)?;
        Ok((folder, path.file_name().and_then(|name| name.to_str()).context("no name")?.to_owned()))
    }

    fn file(&mut self, node: Node) -> Option<&mut Content> {
        match &mut self.nodes[node] {
            Thing::File(file) => Some(file),
            _ => None,
        }
    }

    fn file_at(&mut self, path: &Path) -> Result<&mut Content> {
        let node = self.must(path)?;
        self.file(node).with_context(|| format!("{} is no file", path.display()))
    }
}

impl Move {
    fn apply(&self, tree: &mut Tree) {
        if let Some(from) = &self.from
            && tree.get(from) == Some(&self.node)
        {
            tree.remove(from);
        }
        if let Some(to) = &self.to {
            tree.insert(to.clone(), self.node);
        }
    }
}

impl Content {
    fn change(&mut self, at: usize, change: Change) {
        change.apply(&mut self.live);
        self.pending.push((at, change));
    }

    fn sync(&mut self, begun: usize) {
        let (arrived, waiting) = std::mem::take(&mut self.pending).into_iter().partition(|(at, _)| *at < begun);
        self.pending = waiting;
        let arrived: Vec<(usize, Change)> = arrived;
        for (_, change) in arrived {
            change.apply(&mut self.durable);
        }
    }

    fn after(&self, loss: &Loss, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for (at, change) in &self.pending {
            match loss {
                Loss::After(moment) if at == moment => change.tear(random).apply(&mut bytes),
                Loss::Some if random.below(4) == 0 => change.tear(random).apply(&mut bytes),
                loss if loss.keeps(*at, random) => change.apply(&mut bytes),
                _ => {}
            }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Change::Length(length) => file.resize(*length, 0),
            Change::Grow(length) => file.resize(file.len().max(*length), 0),
            Change::Bytes(place, bytes) => {
                let end = place + bytes.len();
                Change::Grow(end).apply(file);
                file[*place..end].copy_from_slice(bytes);
            }
        }
    }

    /// Some sectors of it; or its length alone, as if the file had grown and the bytes had not come.
    fn tear(&self, random: &mut Random) -> Change {
        match self {
            Change::Length(length) => Change::Length(*length),
            Change::Grow(length) => Change::Grow(*length),
            Change::Bytes(place, bytes) if random.below(4) == 0 => Change::Grow(place + bytes.len()),
            Change::Bytes(place, bytes) => {
                let sectors = random.below((bytes.len() / SECTOR_BYTES + 1) as u64) as usize;
                Change::Bytes(*place, bytes[..sectors * SECTOR_BYTES].to_vec())
            }
        }
    }
}

impl Loss {
    fn keeps(&self, at: usize, random: &mut Random) -> bool {
        match self {
            Loss::All => false,
            Loss::Nothing => true,
            Loss::After(moment) => at < *moment,
            Loss::Some => random.below(2) == 0,
        }
    }
}

/// Whether an image is what lies in this folder; `ignored` says which paths are nobody's business.
pub fn same(image: &Image, folder: &Path, ignored: &dyn Fn(&Path) -> bool) -> Result<()> {
    for (path, found) in image.iter().filter(|(path, _)| !ignored(path)) {
        if let Found::File(bytes) = found {
            let real = std::fs::read(folder.join(path)).with_context(|| format!("{} is in the model alone", path.display()))?;
            ensure!(*bytes == real, "{} has {} bytes in the model, {} on the disk, or others", path.display(), bytes.len(), real.len());
        }
    }
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next)? {
            let path = entry?.path();
            let below = path.strip_prefix(folder)?;
            if ignored(below) {
                continue;
            }
            ensure!(image.contains_key(below), "{} is on the disk alone", below.display());
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            }
        }
    }
    Ok(())
}
