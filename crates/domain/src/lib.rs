//! What Trunkline decides, as pure functions: no clock, no file, no network, no entropy.
//!
//! Rooms stand in dependency order; a room uses the rooms above it only. Each stateful room answers
//! `decide` (may this happen, and which facts follow), `evolve` (what a fact makes of the state),
//! `follow` (what one room's fact makes another room do) and `wants` (what the outside world must do).

pub mod context;
pub mod foundation;
pub mod ledger;
pub mod expression;
pub mod repository;
pub mod project;
pub mod change;
pub mod pipeline;
pub mod report;
pub mod run;
pub mod release;
pub mod environment;
pub mod deployment;
pub mod record;
pub mod piece;
pub mod reading;
