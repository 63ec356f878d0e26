//! What Trunkline decides, as pure functions: no clock, no file, no network, no entropy.
//!
//! Rooms stand in dependency order; a room uses the rooms above it only. Each stateful room answers
//! `decide` (may this happen, and which facts follow), `evolve` (what a fact makes of the state),
//! `follow` (what one room's fact makes another room do) and `wants` (what the outside world must do).

pub mod change;
pub mod context;
pub mod deployment;
pub mod environment;
pub mod expression;
pub mod foundation;
pub mod ledger;
pub mod piece;
pub mod pipeline;
pub mod project;
pub mod reading;
pub mod record;
pub mod release;
pub mod report;
pub mod repository;
pub mod restoration;
pub mod run;
