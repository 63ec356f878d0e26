//! Types that cross the wire: the HTTP API for people and tools, and the runner protocol. No behaviour.

pub mod request;
pub mod runner;
pub mod view;
