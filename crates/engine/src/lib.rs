//! Commands become recorded facts: one command, one transaction, one entry. The engine also keeps the index of
//! waiting work and the leases, and says what is due. It is stepped by its caller: it spawns nothing, waits for
//! nothing and reads no clock.

mod assign;
mod batch;
mod deadline;
mod dispatch;
mod ids;
mod kept;
mod lease;
mod presence;
mod request;
mod restore;
mod state;
mod store;
mod verify;
mod work;

pub use dispatch::{Engine, OpenError};
pub use presence::{note_open, open_until};
pub use request::{Answer, Beside, Call, CommandKey, Receipt, Report, Request};
pub use restore::{mark_restored, restoration};
pub use store::{BlobError, Blobs, Head, KeyScope, Read, Store, StoreError, StoredEntry, Text};
pub use verify::{Verification, VerifyError, rebuild_rows, verify};
pub use work::WorkRef;

use trunkline_domain::environment::QUEUE_MAX;
use trunkline_domain::pipeline::limit::ENVIRONMENTS_MAX;

/// Calls that one transaction takes at most.
pub const BATCH_MAX: usize = 256;
/// Commands that one command may bring about in other rooms. A guard against going round for ever, not a limit that work
/// may meet: a release may supersede a full queue in every environment, and each of those must hear of it.
pub const FOLLOW_UPS_MAX: usize = ENVIRONMENTS_MAX * (QUEUE_MAX + 8);
/// How far a follow-up may be from the command that a caller gave.
pub const FOLLOW_DEPTH_MAX: u32 = 8;
