//! Figures: time, medians, ratios taken pair by pair.

use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A stopwatch.
pub struct Clock(Instant);

impl Clock {
    /// Starts.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn read(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Pairs of our time and the floor's, measured in turns.
#[derive(Default)]
pub struct Pairs {
    ours: Vec<f64>,
    floor: Vec<f64>,
}

impl Pairs {
    /// Takes the pairs, floor first, in turns.
    pub fn take<E>(
        rounds: u32,
        mut floor: impl FnMut() -> Result<Duration, E>,
        mut ours: impl FnMut() -> Result<Duration, E>,
    ) -> Result<Self, E> {
        let mut pairs = Self::default();
        for _ in 0..rounds {
            pairs.floor.push(floor()?.as_secs_f64());
            pairs.ours.push(ours()?.as_secs_f64());
        }
        Ok(pairs)
    }

    /// The median of ours / floor.
    pub fn ratio(&self) -> f64 {
        let ratios: Vec<f64> = self.ours.iter().zip(&self.floor).map(|(ours, floor)| ours / floor).collect();
        median(&ratios)
    }

    /// `{ratio, ours, floor, n}`, seconds.
    pub fn json(&self) -> Value {
        json!({ "ratio": round(self.ratio()), "ours": round(median(&self.ours)), "floor": round(median(&self.floor)), "n": self.ours.len() })
    }
}

/// The middle of the values; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        len if len % 2 == 1 => sorted[len / 2],
        len => (sorted[len / 2 - 1] + sorted[len / 2]) / 2.0,
    }
}

/// Four significant decimals are more than a shared machine can tell.
pub fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
