//! `cargo xtask sim`: many seeds, or one again.

use anyhow::{Context, bail};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use trunkline_sim::{Coverage, Plant, run_seed};

/// Which seeds.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many seeds, from --first on.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Replay this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Fail unless every kind of fault was seen this often.
    #[arg(long, default_value_t = 0)]
    faults_min: u64,
}

/// Runs the seeds on every core. Fails with the seed of the first violation, so that it can be replayed.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(seed) = arguments.seed {
        let report = run_seed(seed, Plant::Nothing);
        println!("seed {seed}: {} commands, {} entries", report.coverage.commands, report.entries);
        return match report.violation {
            Some(violation) => bail!("seed {seed}: {violation}"),
            None => Ok(()),
        };
    }
    let started = Instant::now();
    let coverage = run_many(arguments.first, arguments.seeds)?;
    let took = started.elapsed().as_secs_f64();
    println!("{} seeds, {} commands, {took:.1} s, 0 violations", arguments.seeds, coverage.commands);
    for (name, count) in &coverage.faults {
        println!("{count:>9}  {name}");
    }
    println!("{:>8}%  of the kinds of fact seen{}", coverage.percent(), list(&coverage.unseen()));
    if coverage.percent() < 95 {
        bail!("fewer than 95 % of the kinds of fact were seen");
    }
    let rare = coverage.faults.iter().find(|(_, count)| **count < arguments.faults_min);
    rare.map_or(Ok(()), |(name, count)| bail!("'{name}' happened only {count} times, wanted {}", arguments.faults_min))
}

fn list(unseen: &[&str]) -> String {
    if unseen.is_empty() { String::new() } else { format!("; never: {}", unseen.join(", ")) }
}

/// Every seed from the first on, on every core: what was seen. Fails at the first violation.
pub fn run_many(first: u64, seeds: u64) -> anyhow::Result<Coverage> {
    let next = AtomicU64::new(first);
    let coverage = Mutex::new(Coverage::default());
    let broken = Mutex::new(None);
    let threads = std::thread::available_parallelism().context("how many cores")?.get();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds || broken.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                        return;
                    }
                    let report = run_seed(seed, Plant::Nothing);
                    coverage.lock().unwrap_or_else(PoisonError::into_inner).add(&report.coverage);
                    if let Some(violation) = report.violation {
                        *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some((seed, violation));
                    }
                }
            });
        }
    });
    match broken.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((seed, violation)) => bail!("seed {seed}: {violation}\n  replay it: cargo xtask sim --seed {seed}"),
        None => Ok(coverage.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}
