//! Where recordings are kept: files that outlive a call, in a local folder or in S3, sealed where a key is configured.
//!
//! Owns how a file gets there (in parts, resumed after a restart, read back before it counts), how pieces of it are read, and what
//! objects are named. Knows no call, no database and no HTTP: who may have a file is decided elsewhere.

mod age;
mod backend;
mod folder;
mod key;
mod progress;
mod range;
mod s3;
mod source;
mod spool;
mod storage;

pub use age::{AgeError, Identity, Keys, parse_header};
pub use backend::{Backend, ByteStream, Part, StorageError};
pub use folder::Folder;
pub use key::{FileId, ObjectKey};
pub use range::{Ranged, content_range, ranged};
pub use s3::{S3, S3Settings};
pub use spool::{SpoolName, spooled};
pub use storage::{Backoff, Storage, Stored};
