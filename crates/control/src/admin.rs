//! What administrators manage: ICE servers, API keys, the audit log, and erasing users. This is the port to the store;
//! `api` decides who may do what.

use async_trait::async_trait;
use call::CallSnapshot;
use model::{CallId, Scope, Secret, Timestamp, UserId};
use serde_json::Value;
use uuid::Uuid;

use crate::directory::User;
use crate::store::StoreError;

/// How a client authenticates with a STUN or TURN server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IceAuth {
    /// Not at all.
    None,
    /// With these words, whoever it is.
    Fixed {
        /// User name.
        username: String,
        /// Password.
        credential: Secret<String>,
    },
    /// With credentials of their own that expire, made with the secret that this server and the TURN server share.
    Expiring,
}

/// A STUN or TURN server in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServerEntry {
    /// Ours.
    pub id: Uuid,
    /// `stun:`, `turn:` or `turns:`.
    pub urls: Vec<String>,
    /// How clients authenticate.
    pub auth: IceAuth,
    /// Clients that name this region are given it first.
    pub region: Option<String>,
    /// Lower comes first.
    pub priority: i32,
    /// Told to those who are not signed in, too.
    pub is_public: bool,
    /// Told to anyone at all.
    pub is_active: bool,
    /// Made.
    pub created_at: Timestamp,
    /// Last changed.
    pub updated_at: Timestamp,
}

/// TURN credentials that were handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedTurn {
    /// `expiry:userId`.
    pub username: String,
    /// To whom.
    pub user: UserId,
    /// For which call, if for one.
    pub call: Option<CallId>,
    /// When.
    pub issued_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A host app's key; the key itself is known to nobody but the host app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Ours.
    pub id: Uuid,
    /// What it is for, in the administrator's words.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Who made it.
    pub created_by: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
    /// Good until then.
    pub expires_at: Option<Timestamp>,
    /// Good no longer.
    pub revoked_at: Option<Timestamp>,
}

/// An administrator's act, to be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// A user's id, or `api-key:` and a key's.
    pub actor: String,
    /// From where.
    pub address: Option<String>,
    /// `user.erased`, `api_key.created`, …
    pub action: String,
    /// To what.
    pub target: Option<String>,
    /// More; never a secret.
    pub details: Value,
}

/// An administrator's act, written down.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Ascending.
    pub id: i64,
    /// What.
    pub record: AuditRecord,
}

/// What of the audit log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditQuery {
    /// Only this actor's.
    pub actor: Option<String>,
    /// Only this kind of act.
    pub action: Option<String>,
    /// Older than this entry.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// What the store holds of one user, besides calls.
#[derive(Debug, Clone, PartialEq)]
pub struct UserRecords {
    /// The user.
    pub user: User,
    /// The name of their local account, if they have one.
    pub username: Option<String>,
    /// The rows of each table that names the user, in the tables' own words; no secret is among them.
    pub tables: Vec<(&'static str, Vec<Value>)>,
}

/// What an erasure came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The alias that replaces the user in other people's calls.
    pub alias: UserId,
    /// Calls that are kept for the others.
    pub kept_calls: u64,
    /// Calls that went, since nobody else is left in them.
    pub dropped_calls: u64,
}

/// The administrator's part of the store. Every write is one transaction.
#[async_trait]
pub trait AdminStore: Send + Sync + 'static {
    /// Every ICE server, by priority.
    async fn ice_servers(&self) -> Result<Vec<IceServerEntry>, StoreError>;
    /// Makes or replaces one.
    async fn put_ice_server(&self, server: &IceServerEntry) -> Result<(), StoreError>;
    /// Deletes one; false: there was none.
    async fn delete_ice_server(&self, id: Uuid) -> Result<bool, StoreError>;
    /// Writes down that credentials were handed out; those past their time are cleared away on the occasion.
    async fn note_turn_credentials(&self, issued: &[IssuedTurn]) -> Result<(), StoreError>;
    /// The credentials of a user that are still good.
    async fn turn_credentials(&self, user: &UserId, now: Timestamp) -> Result<Vec<IssuedTurn>, StoreError>;

    /// A new key, by the hash of its secret.
    async fn put_api_key(&self, key: &ApiKey, secret_hash: &[u8; 32]) -> Result<(), StoreError>;
    /// Every key, newest first.
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError>;
    /// The key of a secret, revoked and expired ones included.
    async fn api_key(&self, secret_hash: &[u8; 32]) -> Result<Option<ApiKey>, StoreError>;
    /// Takes a key out of use; false: there is none.
    async fn revoke_api_key(&self, id: Uuid, now: Timestamp) -> Result<bool, StoreError>;
    /// A key was used.
    async fn touch_api_key(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError>;

    /// Writes down an act; entries older than `keep_from` go.
    async fn audit(&self, record: &AuditRecord, keep_from: Timestamp) -> Result<(), StoreError>;
    /// A page of the audit log, newest first.
    async fn audit_log(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError>;

    /// What is held of a user besides calls; none: nobody of that id.
    async fn user_records(&self, user: &UserId) -> Result<Option<UserRecords>, StoreError>;
    /// Calls a user has a part in, oldest first, after a call.
    async fn calls_of(
        &self,
        user: &UserId,
        after: Option<CallId>,
        limit: usize,
    ) -> Result<Vec<CallSnapshot>, StoreError>;
    /// Takes a user out of every table. In calls that others were part of, `alias` takes their place, also in what is still to be
    /// written of those that run. None: nobody of that id.
    async fn erase_user(&self, user: &UserId, alias: &UserId, now: Timestamp) -> Result<Option<Erased>, StoreError>;
}
