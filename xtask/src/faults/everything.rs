//! F28: every fault at once, to the engine itself: what the simulator does, as figures beside the others.

use super::Ground;
use anyhow::Result;
use serde_json::{Map, Value, json};

/// Seeds of the simulator for one of `--count`.
const SEEDS: u64 = 20;

/// Lives that many.
pub fn run(ground: &Ground) -> Result<Value> {
    let seeds = u64::from(ground.count) * SEEDS;
    let coverage = crate::sim::run_many(ground.seed, seeds)?;
    let mut figures = Map::new();
    figures.insert("seed".to_owned(), json!(ground.seed));
    figures.insert("lives".to_owned(), json!(seeds));
    figures.insert("commands".to_owned(), json!(coverage.commands));
    figures.insert("violations".to_owned(), json!(0));
    figures.extend(coverage.faults.iter().map(|(name, count)| (format!("times: {name}"), json!(count))));
    Ok(Value::Object(figures))
}
