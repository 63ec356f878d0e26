//! One attempt to make a release the state of an environment.

mod outcome;

pub use outcome::{ApplyOutcome, CheckOutcome, CheckVerdict, Health, Live, Observed};
