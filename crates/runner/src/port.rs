//! What a runner needs from the server: one trait, the same in process and over HTTP.

use std::io::{Read, Write};
use std::path::Path;
use trunkline_api::runner::{CallRefusal, ClaimRequest, Lease, RenewReply, RenewRequest, ReportRequest, WorkReply};
use trunkline_domain::foundation::{Digest, ProjectKey, Revision};

/// The server, as a runner sees it. Every call may block; every call may be made from any thread.
///
/// [`crate::contract`] checks an implementation against these sentences.
pub trait Port: Send + Sync {
    /// Asks for work and waits at most `request.wait_ms` for it.
    fn claim(&self, request: &ClaimRequest) -> Result<WorkReply, CallError>;

    /// Renews leases and learns which of them are lost and which shall end.
    fn renew(&self, request: &RenewRequest) -> Result<RenewReply, CallError>;

    /// Tells how a piece of work ended. Sending the same report again under the same lease is harmless.
    fn report(&self, request: &ReportRequest) -> Result<WorkReply, CallError>;

    /// Appends bytes to the log of a lease's work. Bytes that the server already has are accepted and change nothing;
    /// a gap is refused with [`CallRefusal::Offset`].
    fn log_append(&self, lease: &Lease, offset: u64, bytes: &[u8]) -> Result<(), CallError>;

    /// Copies a blob into a writer and returns its size in bytes. The caller verifies the digest while copying.
    fn blob_get(&self, digest: &Digest, into: &mut dyn Write) -> Result<u64, CallError>;

    /// Stores `size` bytes under their digest; does nothing where the blob is present. Bytes that do not have the digest are refused.
    fn blob_put(&self, digest: &Digest, size: u64, from: &mut dyn Read) -> Result<(), CallError>;

    /// Fills an empty folder with the tree of a commit.
    fn checkout(&self, project: &ProjectKey, revision: &Revision, into: &Path) -> Result<(), CallError>;
}

/// Why a call brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The server said no; asking again changes nothing.
    #[error("{}", refusal_text(.0))]
    Refused(CallRefusal),
    /// No answer, or none that makes sense; asking again may help.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
}

fn refusal_text(refusal: &CallRefusal) -> String {
    match refusal {
        CallRefusal::Stale => "the lease is no longer held".to_owned(),
        CallRefusal::Offset { have } => format!("the server has {have} bytes of this log"),
        CallRefusal::Invalid(why) => format!("the server refused the call: {why}"),
        CallRefusal::NotFound(what) => format!("the server does not have it: {what}"),
    }
}
