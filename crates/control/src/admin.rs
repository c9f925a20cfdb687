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
    /// The server asks for nothing, as with STUN.
    None,
    /// With these words, whoever it is.
    Fixed {
        /// The user name.
        username: String,
        /// The password.
        credential: Secret<String>,
    },
    /// With credentials of their own that expire, made with the secret that this server and the TURN server share.
    Expiring,
}

/// A STUN or TURN server in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServerEntry {
    /// ID of the entry, chosen by the server.
    pub id: Uuid,
    /// `stun:`, `turn:` or `turns:`.
    pub urls: Vec<String>,
    /// How clients authenticate.
    pub auth: IceAuth,
    /// Clients that name this region are given it first; `None`: it is of no region.
    pub region: Option<String>,
    /// Position in the list that clients are given: the lowest comes first.
    pub priority: i32,
    /// Whether clients that are not signed in are given it, too.
    pub is_public: bool,
    /// Whether clients are given it at all.
    pub is_active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// TURN credentials that were handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedTurn {
    /// The user name: `expiry:userId`, the expiry in Unix seconds.
    pub username: String,
    /// The user they were made for.
    pub user: UserId,
    /// The call they were made for; `None`: for no particular one.
    pub call: Option<CallId>,
    /// When they were handed out.
    pub issued_at: Timestamp,
    /// When they expire.
    pub expires_at: Timestamp,
}

/// A host app's key; the key itself is known to nobody but the host app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// ID of the entry, chosen by the server.
    pub id: Uuid,
    /// What it is for, in the administrator's words.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Who made it, as in [`AuditRecord::actor`]; `None`: not known.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute; `None`: never.
    pub last_used_at: Option<Timestamp>,
    /// When it expires; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked; `None`: it was not.
    pub revoked_at: Option<Timestamp>,
}

/// An administrator's act, to be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    /// When it was done.
    pub at: Timestamp,
    /// Who did it: a user's ID, or `api-key:` and a key's.
    pub actor: String,
    /// The address that the request came from, of IPv6 the network; `None`: the server did it by itself.
    pub address: Option<String>,
    /// What was done, in one word of two parts: `user.erased`, `api_key.created`, …
    pub action: String,
    /// ID of what it was done to; `None` where there is no such thing.
    pub target: Option<String>,
    /// What else is known of it, as a JSON object; never a secret.
    pub details: Value,
}

/// An administrator's act, written down.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Number of the entry; later ones have higher numbers.
    pub id: i64,
    /// What was written down.
    pub record: AuditRecord,
}

/// Which entries of the audit log to give, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditQuery {
    /// Only this actor's; `None`: anyone's.
    pub actor: Option<String>,
    /// Only acts of this kind; `None`: of any.
    pub action: Option<String>,
    /// Only entries before this one; `None`: from the newest.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// What the store holds of one user, besides calls.
#[derive(Debug, Clone, PartialEq)]
pub struct UserRecords {
    /// The user's own row.
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
