//! The server: one port for people, git, runners and pages. It runs no user code and calls no target.

mod about;
mod access;
mod clock;
mod cookies;
mod explain;
mod follow;
mod git;
mod listen;
mod once;
mod planner;
mod port;
mod project;
mod push;
mod room;
mod route;
mod serve;
mod shared;
mod start;
mod token;
mod view;
mod within;
mod writer;

#[cfg(test)]
mod tests;

/// What reads bytes of strangers, for whoever tries hostile ones.
pub mod reader {
    pub use crate::git::{GitError, Push, RefUpdate, parse_push, report, take_in};
    pub use crate::route::{body, question};
}

pub use explain::explain;
pub use route::document as api_document;
pub use serve::{Options, Serving, StartError, serve};
