//! The small words of every room: digests, time, ids, people. No rules live here.

mod digest;
mod id;
mod text;
mod time;
mod visible;

pub use digest::{Digest, DigestParseError, Sha256};
pub use id::{
    DeploymentId, EnvironmentKey, EnvironmentName, IdParseError, JobKey, ProjectKey, ReleaseId, RepositoryKey, RestorationNumber, RunId,
    RunnerKey,
};
pub use text::{Actor, ActorKind, Revision, RevisionParseError, alias_of, shortened};
pub use time::{Millis, Timestamp};
pub use visible::is_obeyed;
