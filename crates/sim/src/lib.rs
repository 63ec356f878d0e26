//! The deterministic simulator: a seed decides everything. Virtual clock, a store that crashes at any call,
//! runners that die, sleep and repeat themselves, targets that note every apply. After every step the
//! invariants are checked; at the end everything must have ended.

mod coverage;
mod duty;
mod gates;
mod invariants;
mod random;
mod runner;
mod store;
mod target;
mod trouble;
mod workload;
mod world;

pub use coverage::Coverage;
pub use invariants::Violation;
pub use random::Random;
pub use world::{Plant, Report, run_seed};

#[cfg(test)]
mod tests;
