//! What Trunkline decides, as pure functions: no clock, no file, no network, no entropy.
//!
//! Rooms stand in dependency order; a room uses the rooms above it only. Each stateful room answers
//! `decide` (may this happen, and which facts follow), `evolve` (what a fact makes of the state),
//! `follow` (what one room's fact makes another room do) and `wants` (what the outside world must do).

pub mod foundation;
pub mod expression;
pub mod pipeline;
pub mod report;
pub mod run;
pub mod deployment;
