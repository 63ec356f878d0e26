//! `cargo xtask fuzz`: hostile bytes for everything that reads bytes of others. Inputs are changed at random from a
//! corpus; one that breaks a reader is kept in `fuzz/<target>/`, where it is tried first ever after.

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
        let tried = on_a_small_stack.join().map_err(|_| anyhow::anyhow!("the fuzzer itself broke"))??;
        println!("{:<14} {tried:>9} inputs, seed {seed}", target.name);
    }
    Ok(())
}

fn fuzz(target: &Target, seed: u64, time: Duration) -> Result<u64> {
    let mut corpus = corpus(target)?;
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
    Ok(tried)
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
    let kept = keep(target, input)?;
    bail!("{}: {how}; the input is kept in {}", target.name, kept.display())
}

fn folder(target: &Target) -> PathBuf {
    tidy::root().join("fuzz").join(target.name)
}

fn keep(target: &Target, input: &[u8]) -> Result<PathBuf> {
    let folder = folder(target);
    fs::create_dir_all(&folder)?;
    let name = trunkline_domain::foundation::Digest::of(input).hex();
    let path = folder.join(&name[..16]);
    fs::write(&path, input)?;
    Ok(path)
}

/// What broke it once, what the tests know, and a little of its own.
fn corpus(target: &Target) -> Result<Vec<Vec<u8>>> {
    let mut corpus: Vec<Vec<u8>> = target.seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    let places: Vec<PathBuf> = target.corpora.iter().map(|place| tidy::root().join(place)).chain([folder(target)]).collect();
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
