//! The port to the permanent record. Each database has its own implementation in `store`.

use async_trait::async_trait;
use call::{CallSnapshot, Record};
use model::{CallId, CallStatus, ChannelId, NodeId, Timestamp, UserId};

use crate::admin::AdminStore;
use crate::directory::{Account, Channel, User, UserPatch};
use crate::measure::QualitySample;
use crate::recordings::RecordingStore;
use crate::trouble::Cause;

/// Why the store failed. Each database maps its own codes to these. [`StoreError::remedy`] alone decides what to do about one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached or written for the moment: full, locked, away.
    #[error("the store is unavailable: {0}")]
    Unavailable(Outage),
    /// The data on disk is corrupt. Waiting does not help, and writing more may do harm: an operator has to step in.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The name is already taken.
    #[error("already taken")]
    Conflict,
    /// The data breaks a rule of the schema and can never be stored as it is.
    #[error("the store refused it: {0}")]
    Refused(String),
    /// A row cannot be read back, or a statement is wrong: a bug in Stoa, not a problem with the data.
    #[error("store: {0}")]
    Fault(String),
}

/// Why the store is away for the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The stable word for it.
    pub cause: Cause,
    /// The database's own words, for the log.
    pub detail: String,
}

impl std::fmt::Display for Outage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.cause.as_str(), self.detail)
    }
}

/// What to do with data that the store did not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Keep it and try again later. Nothing goes past it in the meantime.
    Again,
    /// It will never be accepted: set it aside and continue.
    PutAside,
    /// Keep it, try again, and tell the operator to step in. Nothing goes past it.
    Hold,
}

impl StoreError {
    /// The store is away for the moment.
    pub fn unavailable(cause: Cause, detail: impl Into<String>) -> Self {
        StoreError::Unavailable(Outage { cause, detail: detail.into() })
    }

    /// What to do about it.
    pub const fn remedy(&self) -> Remedy {
        match self {
            StoreError::Unavailable(_) => Remedy::Again,
            StoreError::Conflict | StoreError::Refused(_) => Remedy::PutAside,
            StoreError::Damaged(_) | StoreError::Fault(_) => Remedy::Hold,
        }
    }

    /// What it says about the store; `None`: the store is fine, the data is the problem.
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            StoreError::Unavailable(outage) => Some(outage.cause),
            StoreError::Damaged(_) => Some(Cause::Damaged),
            StoreError::Fault(_) => Some(Cause::Fault),
            StoreError::Conflict | StoreError::Refused(_) => None,
        }
    }
}

/// Which calls of the history to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Calls this user has a part in (or channel calls of a channel they are a member of).
    pub user: UserId,
    /// Only calls with one of these; empty: with any.
    pub statuses: Vec<CallStatus>,
    /// Only this channel's; `None`: any.
    pub channel: Option<ChannelId>,
    /// Only calls that this other user has a part in, too; `None`: any.
    pub with: Option<UserId>,
    /// Only calls made before this one (keyset: created_at, id); `None`: from the newest.
    pub before: Option<CallId>,
    /// At most so many (1–100).
    pub limit: usize,
}

/// A page of the history, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct CallPage {
    /// The calls, newest first.
    pub calls: Vec<CallSnapshot>,
    /// Pass this as `before` to get the next page; `None`: there is none.
    pub next: Option<CallId>,
}

/// A row of `call_events`.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Ascending within the call; the sequence in the journal of the node that has the call.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// The event's name, as in [`call::Record::event`].
    pub event: String,
    /// The user who caused it; `None` where no person did.
    pub user: Option<UserId>,
    /// What else is known of it, as a JSON object.
    pub payload: serde_json::Value,
}

/// The permanent record. Every write is one transaction.
#[async_trait]
pub trait Store: AdminStore + RecordingStore {
    /// The highest sequence of a node's journal that is in the store. What a store has from before nodes had IDs becomes the first
    /// node's that asks.
    async fn applied(&self, node: NodeId) -> Result<u64, StoreError>;
    /// Applies records of a node's journal in order, each with its sequence and its whole call, all or none. Skips those already there.
    async fn apply(&self, node: NodeId, records: &[(u64, Record)]) -> Result<(), StoreError>;
    /// Counts a record that was set aside as applied, so that no later start sees it again.
    async fn pass_over(&self, node: NodeId, sequence: u64) -> Result<(), StoreError>;
    /// Stores a record that was set aside earlier: its event in its place, and its call only if nothing later is known about it. False: it
    /// was already there.
    async fn replay(&self, node: NodeId, sequence: u64, record: &Record) -> Result<bool, StoreError>;
    /// Whether the store can be written. Cheap while all is well; after a failed write, it tries a write that changes nothing.
    async fn check(&self) -> Result<(), StoreError>;
    /// Calls that are not over, needed at start.
    async fn running_calls(&self) -> Result<Vec<CallSnapshot>, StoreError>;
    /// One call.
    async fn call(&self, id: CallId) -> Result<Option<CallSnapshot>, StoreError>;
    /// A page of a user's history.
    async fn history(&self, query: &HistoryQuery) -> Result<CallPage, StoreError>;
    /// A call's events in order.
    async fn events(&self, call: CallId) -> Result<Vec<StoredEvent>, StoreError>;

    /// Keeps raw quality reports of a call.
    async fn put_quality(&self, call: CallId, samples: &[QualitySample]) -> Result<(), StoreError>;
    /// The newest raw reports of a call, at most so many, oldest first.
    async fn quality(&self, call: CallId, limit: usize) -> Result<Vec<QualitySample>, StoreError>;
    /// Deletes raw reports from before; how many.
    async fn sweep_quality(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Creates or updates a user.
    async fn upsert_user(&self, id: &UserId, patch: &UserPatch, now: Timestamp) -> Result<User, StoreError>;
    /// Several users; unknown ones are left out.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError>;
    /// Users by name, `after` an id, for lists.
    async fn search_users(&self, query: &str, after: Option<&UserId>, limit: usize) -> Result<Vec<User>, StoreError>;

    /// A new local account with its user; `Conflict` if the name is taken.
    async fn create_account(&self, account: &Account, name: &str, now: Timestamp) -> Result<(), StoreError>;
    /// An account by its lower-cased name.
    async fn account(&self, username: &str) -> Result<Option<Account>, StoreError>;

    /// Creates or replaces a channel with its members (unknown users are created).
    async fn upsert_channel(&self, channel: &Channel) -> Result<(), StoreError>;
    /// One channel.
    async fn channel(&self, id: &ChannelId) -> Result<Option<Channel>, StoreError>;
    /// All channels (for the start) or those of one user.
    async fn channels(&self, of: Option<&UserId>) -> Result<Vec<Channel>, StoreError>;
    /// Deletes a channel. Its calls stay.
    async fn delete_channel(&self, id: &ChannelId) -> Result<(), StoreError>;

    /// A session of the web app: token hash → user, until `expires`.
    async fn put_session(
        &self,
        token_hash: &[u8; 32],
        user: &UserId,
        permissions: &[model::Permission],
        expires: Timestamp,
    ) -> Result<(), StoreError>;
    /// The user of a session, and when it expires. Expired sessions have no user.
    async fn session(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<(UserId, Vec<model::Permission>, Timestamp)>, StoreError>;
    /// Ends a session.
    async fn delete_session(&self, token_hash: &[u8; 32]) -> Result<(), StoreError>;
}
