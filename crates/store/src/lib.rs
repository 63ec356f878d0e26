//! Where state, ledger, rows and bytes are kept: in memory for tests and the simulator, in SQLite and files for real.

mod announce;
pub mod backup;
mod blobs;
mod credentials;
mod folder;
mod log;
mod memory;
mod space;
mod sqlite;

#[cfg(test)]
mod tests;

pub use announce::Announced;
pub use blobs::FileBlobs;
pub use credentials::Credentials;
pub use folder::{DataFolder, FolderError, GIT_COOKIES};
pub use log::{LogError, LogStore};
pub use memory::MemoryStore;
pub use space::{Change, LOW_BYTES, RESERVE_BYTES, Space};
pub use sqlite::{SqliteReader, SqliteSnapshot, SqliteStore};
