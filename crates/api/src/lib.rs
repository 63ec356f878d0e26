//! Types that cross the wire: the HTTP API for people and tools, and the runner protocol. No behaviour but what
//! all who show an answer must derive from it alike.

pub mod request;
pub mod runner;
pub mod view;
