//! The permanent record, in one SQLite file.
//!
//! There is one writer connection (SQLite allows only one writer anyway; waiting for it here is fair and needs no
//! retries) and a few readers, which WAL lets continue meanwhile. `synchronous = FULL`: accounts, sessions and channels
//! are in no journal, and a journal segment is removed once its records are committed here, so a commit has to survive
//! a power loss. Records come in batches, so the price is one fsync per batch.

mod admin;
mod calls;
mod channels;
mod erase;
mod errors;
mod history;
mod ice;
mod migrations;
mod open;
mod people;
mod quality;
mod recordings;
mod rows;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use call::{CallSnapshot, Record};
use control::{
    Account, CallPage, Channel, HistoryQuery, QualitySample, Store, StoreError, StoredEvent, User, UserPatch,
};
use model::{CallId, ChannelId, NodeId, Permission, Timestamp, UserId};
use sqlx::SqlitePool;

use errors::{apply_error, store_error};
pub use open::{MigrationReport, OpenError, migrate};
use writer::{Write, Writer};

/// The store in one file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: Arc<Writer>,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Begins a transaction; every write is in one.
    async fn write(&self) -> Result<Write, StoreError> {
        self.writer.begin().await
    }

    /// Closes every connection; the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn applied(&self, node: NodeId) -> Result<u64, StoreError> {
        calls::applied(self, node).await
    }
    async fn apply(&self, node: NodeId, records: &[(u64, Record)]) -> Result<(), StoreError> {
        calls::apply(self, node, records).await
    }
    async fn pass_over(&self, node: NodeId, sequence: u64) -> Result<(), StoreError> {
        calls::pass_over(self, node, sequence).await
    }
    async fn replay(&self, node: NodeId, sequence: u64, record: &Record) -> Result<bool, StoreError> {
        calls::replay(self, node, sequence, record).await
    }
    async fn check(&self) -> Result<(), StoreError> {
        self.writer.check().await
    }
    async fn running_calls(&self) -> Result<Vec<CallSnapshot>, StoreError> {
        calls::running(&self.readers).await
    }
    async fn call(&self, id: CallId) -> Result<Option<CallSnapshot>, StoreError> {
        calls::one(&self.readers, id).await
    }
    async fn history(&self, query: &HistoryQuery) -> Result<CallPage, StoreError> {
        history::page(&self.readers, query).await
    }
    async fn events(&self, call: CallId) -> Result<Vec<StoredEvent>, StoreError> {
        calls::events(&self.readers, call).await
    }

    async fn put_quality(&self, call: CallId, samples: &[QualitySample]) -> Result<(), StoreError> {
        quality::put(self, call, samples).await
    }
    async fn quality(&self, call: CallId, limit: usize) -> Result<Vec<QualitySample>, StoreError> {
        quality::newest(&self.readers, call, limit).await
    }
    async fn sweep_quality(&self, before: Timestamp) -> Result<u64, StoreError> {
        quality::sweep(self, before).await
    }

    async fn upsert_user(&self, id: &UserId, patch: &UserPatch, now: Timestamp) -> Result<User, StoreError> {
        people::upsert_user(self, id, patch, now).await
    }
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        people::users(&self.readers, ids).await
    }
    async fn search_users(&self, query: &str, after: Option<&UserId>, limit: usize) -> Result<Vec<User>, StoreError> {
        people::search(&self.readers, query, after, limit).await
    }

    async fn create_account(&self, account: &Account, name: &str, now: Timestamp) -> Result<(), StoreError> {
        people::create_account(self, account, name, now).await
    }
    async fn account(&self, username: &str) -> Result<Option<Account>, StoreError> {
        people::account(&self.readers, username).await
    }

    async fn upsert_channel(&self, channel: &Channel) -> Result<(), StoreError> {
        channels::upsert(self, channel).await
    }
    async fn channel(&self, id: &ChannelId) -> Result<Option<Channel>, StoreError> {
        channels::one(&self.readers, id).await
    }
    async fn channels(&self, of: Option<&UserId>) -> Result<Vec<Channel>, StoreError> {
        channels::list(&self.readers, of).await
    }
    async fn delete_channel(&self, id: &ChannelId) -> Result<(), StoreError> {
        channels::delete(self, id).await
    }

    async fn put_session(
        &self,
        token_hash: &[u8; 32],
        user: &UserId,
        permissions: &[Permission],
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        people::put_session(self, token_hash, user, permissions, expires).await
    }
    async fn session(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<(UserId, Vec<Permission>, Timestamp)>, StoreError> {
        people::session(&self.readers, token_hash, now).await
    }
    async fn delete_session(&self, token_hash: &[u8; 32]) -> Result<(), StoreError> {
        people::delete_session(self, token_hash).await
    }
}
