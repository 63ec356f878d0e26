//! Executes jobs, deployments and checks: claims leased work over a [`Port`], does it, reports how it ended.
//!
//! Blocking code on plain threads. What the server must offer is one trait, [`Port`], with the same meaning in
//! process and over HTTP ([`HttpPort`]); [`contract`] holds the tests that both must pass. The server's decisions
//! do not live here: a runner chooses nothing, it carries out what an assignment says.

mod archive;
mod artifact;
mod check;
mod command;
mod driver;
mod failure;
mod group;
mod http;
mod job;
mod last_line;
mod lease;
mod log;
mod mask;
mod orphan;
mod outcome;
mod port;
mod process_tree;
mod report;
mod sandbox;
mod slot;
mod step;
mod supervisor;
mod told;
mod trash;
mod variables;
mod want;
mod wanted;
mod worker;
mod workspace;

#[doc(hidden)]
pub mod contract;

pub use archive::{Error as ArchiveError, extract, pack};
pub use failure::Failure;
pub use group::{Groups, Limits, shown_size};
pub use http::HttpPort;
pub use port::{CallError, Port};
pub use report::parse as parse_report;
pub use sandbox::{
    Levels as SandboxLevels, Missing as SandboxMissing, Places as SandboxPlaces, Sandboxes, VERB as SANDBOX_VERB, keep_from_children,
    sandbox_main,
};
pub use supervisor::{
    Spec as SupervisorSpec, Status as SupervisorStatus, Supervised, is_begun as supervise_is_begun, service_logs, supervise_list,
    supervise_main, supervise_stop,
};
pub use told::try_out;
pub use trash::remove_tree;
pub use worker::{Config, Runner};
