//! `cargo xtask fuzz`: hostile bytes for everything that reads bytes of others. Inputs are changed at random from a
//! corpus, `fuzz/corpus/<target>/`; one that breaks a reader is kept in `fuzz/<target>/`, where it is tried first ever
//! after.

mod change;
mod target;
mod wire;

use crate::tidy;
use anyhow::{Result, bail, ensure};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use target::{TARGETS, Target};
use trunkline_sim::Random;

/// A reader that takes longer for one input is broken too. Readers are unoptimised in a debug build: generous.
const ONE_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of an input.
const INPUT_BYTES_MAX: usize = 64 << 10;
/// Inputs that `--keep` leaves in the corpus of a target, and the bytes of each: the repository carries them for ever.
const KEPT_MAX: usize = 24;
const KEPT_BYTES_MAX: usize = 8 << 10;
/// The stack of a reader, smaller than a thread's usual one in production (2 MiB) would be too kind.
const STACK_BYTES: usize = 2 << 20;

/// What to fuzz, and for how long.
#[derive(clap::Args)]
pub struct Arguments {
    /// Targets; all if left out
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The seed of the changes; the clock's if left out
    #[arg(long)]
    seed: Option<u64>,
    /// Leave new inputs that a reader takes in fuzz/corpus/TARGET, 24 small ones at most, to be looked at and committed
    #[arg(long)]
    keep: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments) -> Result<()> {
    let unknown = arguments.targets.iter().find(|name| TARGETS.iter().all(|target| target.name != **name));
    ensure!(unknown.is_none(), "there is no target '{}'", unknown.map_or("", String::as_str));
    let seed = arguments.seed.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(1, |since| since.as_nanos() as u64)
    });
    for target in TARGETS.iter().filter(|target| arguments.targets.is_empty() || arguments.targets.iter().any(|name| name == target.name)) {
        let time = Duration::from_secs(arguments.seconds);
        let on_a_small_stack = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || fuzz(target, seed, time))?;
        let (tried, found) = on_a_small_stack.join().map_err(|_| anyhow::anyhow!("the fuzzer itself broke"))??;
        let kept = if arguments.keep { leave(&corpus_folder(target), &found)? } else { 0 };
        let kept = if kept > 0 { format!(", {kept} kept in fuzz/corpus/{}", target.name) } else { String::new() };
        println!("{:<14} {tried:>9} inputs, seed {seed}{kept}", target.name);
    }
    Ok(())
}

/// How many inputs were tried, and those that the reader took and that led on.
fn fuzz(target: &Target, seed: u64, time: Duration) -> Result<(u64, Vec<Vec<u8>>)> {
    let mut corpus = corpus(target)?;
    let known = corpus.len();
    for input in &corpus {
        attempt(target, input)?;
    }
    let mut random = Random::new(seed);
    let since = Instant::now();
    let mut tried = corpus.len() as u64;
    while since.elapsed() < time {
        let input = change::changed(&mut random, &corpus, target.words);
        let read = attempt(target, &input[..input.len().min(INPUT_BYTES_MAX)])?;
        // What a reader takes leads further into it than what it refuses at once.
        if read && corpus.len() < 4_000 && random.below(20) == 0 {
            corpus.push(input);
        }
        tried += 1;
    }
    Ok((tried, corpus.split_off(known)))
}

/// Writes inputs into a corpus until it is full, and gives how many.
fn leave(folder: &Path, found: &[Vec<u8>]) -> Result<usize> {
    let mut there = Vec::new();
    files(folder, &mut there)?;
    let mut found: Vec<&Vec<u8>> = found.iter().filter(|input| !input.is_empty() && input.len() <= KEPT_BYTES_MAX).collect();
    found.sort_by_key(|input| (input.len(), *input));
    found.dedup();
    found.retain(|input| !there.contains(*input));
    // Of every size: the smallest alone would be the same few bytes again and again.
    let room = KEPT_MAX.saturating_sub(there.len()).min(found.len());
    for index in 0..room {
        write(folder, found[index * found.len() / room])?;
    }
    Ok(room)
}

/// Whether the reader took the input. A broken reader ends the program, its input kept.
fn attempt(target: &Target, input: &[u8]) -> Result<bool> {
    let since = Instant::now();
    let read = catch_unwind(AssertUnwindSafe(|| (target.read)(input)));
    let how = match read {
        Ok(Ok(read)) if since.elapsed() <= ONE_WITHIN => return Ok(read),
        Ok(Ok(_)) => format!("took {:?}", since.elapsed()),
        Ok(Err(why)) => why,
        Err(_) => "panicked".to_owned(),
    };
    let kept = write(&folder(target), input)?;
    bail!("{}: {how}; the input is kept in {}", target.name, kept.display())
}

fn folder(target: &Target) -> PathBuf {
    tidy::root().join("fuzz").join(target.name)
}

/// Where what is realistic lies: small files that a reader takes.
fn corpus_folder(target: &Target) -> PathBuf {
    tidy::root().join("fuzz/corpus").join(target.name)
}

fn write(folder: &Path, input: &[u8]) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let name = trunkline_domain::foundation::Digest::of(input).hex();
    let path = folder.join(&name[..16]);
    fs::write(&path, input)?;
    Ok(path)
}

/// What broke it once, what the tests know, what is realistic, and a little of its own.
fn corpus(target: &Target) -> Result<Vec<Vec<u8>>> {
    let mut corpus: Vec<Vec<u8>> = target.seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    let places: Vec<PathBuf> =
        target.corpora.iter().map(|place| tidy::root().join(place)).chain([corpus_folder(target), folder(target)]).collect();
    for place in places {
        files(&place, &mut corpus)?;
    }
    ensure!(!corpus.is_empty(), "{} has no corpus", target.name);
    Ok(corpus)
}

fn files(folder: &Path, corpus: &mut Vec<Vec<u8>>) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    for path in paths {
        let bytes = fs::read(path)?;
        if bytes.len() <= INPUT_BYTES_MAX {
            corpus.push(bytes);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_corpus_that_its_reader_takes() {
        let mut refused = Vec::new();
        for target in &TARGETS {
            let mut corpus = Vec::new();
            files(&corpus_folder(target), &mut corpus).unwrap();
            assert!((3..=KEPT_MAX).contains(&corpus.len()), "{}: {} files", target.name, corpus.len());
            for input in corpus {
                assert!(input.len() <= KEPT_BYTES_MAX, "{}: {} bytes", target.name, input.len());
                if (target.read)(&input) != Ok(true) {
                    refused.push((target.name, String::from_utf8_lossy(&input).into_owned()));
                }
            }
        }
        assert!(refused.is_empty(), "{refused:#?}");
    }

    #[test]
    fn what_is_kept_is_small_new_and_not_too_much() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("known"), b"known").unwrap();
        let found = [b"known".to_vec(), b"new".to_vec(), b"new".to_vec(), Vec::new(), vec![b'x'; KEPT_BYTES_MAX + 1]];
        assert_eq!(leave(folder.path(), &found).unwrap(), 1);
        let many: Vec<Vec<u8>> = (0..200_u16).map(|number| number.to_string().into_bytes()).collect();
        assert_eq!(leave(folder.path(), &many).unwrap(), KEPT_MAX - 2);
        assert_eq!(leave(folder.path(), &many).unwrap(), 0);
        let mut there = Vec::new();
        files(folder.path(), &mut there).unwrap();
        assert!(there.len() == KEPT_MAX && there.contains(&b"new".to_vec()) && there.contains(&b"0".to_vec()));
    }
}
