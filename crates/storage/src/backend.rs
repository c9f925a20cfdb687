//! What a place for objects has to do. A folder and S3 do it; so does whatever a test puts in front of them.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::key::ObjectKey;

/// The bytes of an object as they come in.
pub type ByteStream = BoxStream<'static, Result<Bytes, StorageError>>;

/// Why something could not be put into storage or be had from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// It cannot be reached, is overloaded, or its disk is full: try again later.
    #[error("the storage is unavailable: {0}")]
    Away(String),
    /// It answers, and says no: keys, permissions, a bucket that is not there. An operator has to step in; then it works again.
    #[error("the storage refuses: {0}")]
    Refused(String),
    /// There is no such object.
    #[error("there is no such object")]
    Missing,
    /// What is there is not what was put there, or none of the keys opens it.
    #[error("the object is damaged: {0}")]
    Damaged(String),
    /// A file to be stored cannot be read.
    #[error("cannot read {}: {reason}", .path.display())]
    Source {
        /// Which file.
        path: PathBuf,
        /// The system's word for it.
        reason: String,
    },
}

impl StorageError {
    pub(crate) fn source(path: &std::path::Path, error: &io::Error) -> Self {
        Self::Source { path: path.to_owned(), reason: error.to_string() }
    }
}

/// A place for objects. Everything may fail at any time, and may have been done all the same.
#[async_trait]
pub trait Backend: Send + Sync + std::fmt::Debug + 'static {
    /// Stores a small object at once, in place of an earlier one.
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StorageError>;
    /// Begins an upload in parts; its name.
    async fn begin(&self, key: &ObjectKey) -> Result<String, StorageError>;
    /// Stores one part; all but the last have the length `part_size`. What to name it by at the end.
    async fn put_part(&self, key: &ObjectKey, upload: &str, part: Part, bytes: Bytes) -> Result<String, StorageError>;
    /// Makes an object of the parts. `Missing`: no such upload, perhaps since it was completed before.
    async fn complete(&self, key: &ObjectKey, upload: &str, parts: Vec<String>) -> Result<(), StorageError>;
    /// Gives an upload up.
    async fn abort(&self, key: &ObjectKey, upload: &str) -> Result<(), StorageError>;
    /// How long an object is.
    async fn size(&self, key: &ObjectKey) -> Result<u64, StorageError>;
    /// Bytes of an object, which is at least that long.
    async fn get(&self, key: &ObjectKey, range: Range<u64>) -> Result<ByteStream, StorageError>;
    /// Deletes an object; one that is not there is deleted.
    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError>;
    /// Every object that has a name of ours, with its length.
    async fn list(&self) -> Result<Vec<(ObjectKey, u64)>, StorageError>;
}

/// Where a part belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub index: usize,
    /// The length of all but the last.
    pub size: u64,
}
