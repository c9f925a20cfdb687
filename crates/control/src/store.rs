//! The port to the permanent record. Each database has its own implementation in `store`.

use async_trait::async_trait;
use call::{CallSnapshot, Record};
use model::{CallId, CallStatus, ChannelId, Timestamp, UserId};

use crate::admin::AdminStore;
use crate::directory::{Account, Channel, User, UserPatch};
use crate::measure::QualitySample;
use crate::trouble::Cause;

/// Why the store did not do it. Each database sorts its own codes into these; what is done about one is [`StoreError::remedy`] alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Cannot be reached or written now, and may be again: full, locked, away.
    #[error("the store is unavailable: {0}")]
    Unavailable(Outage),
    /// What is on the disk does not make sense. Waiting mends nothing, and writing on may do harm: an operator has to look.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Something else is there under that name.
    #[error("already taken")]
    Conflict,
    /// The data can never be stored as it is: it breaks a rule of the schema.
    #[error("the store refused it: {0}")]
    Refused(String),
    /// A row does not read back, or a statement is wrong: a fault of ours, which says nothing about the data.
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

/// What is to be done with something that the store did not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Keep it, and try again later: nothing goes past it meanwhile.
    Again,
    /// It will never be taken: put it aside, and go on.
    PutAside,
    /// Keep it, try again, and say loudly that someone has to look: nothing goes past it.
    Hold,
}

impl StoreError {
    /// The store is away for the moment.
    pub fn unavailable(cause: Cause, detail: impl Into<String>) -> Self {
        StoreError::Unavailable(Outage { cause, detail: detail.into() })
    }

    /// What is to be done about it.
    pub const fn remedy(&self) -> Remedy {
        match self {
            StoreError::Unavailable(_) => Remedy::Again,
            StoreError::Conflict | StoreError::Refused(_) => Remedy::PutAside,
            StoreError::Damaged(_) | StoreError::Fault(_) => Remedy::Hold,
        }
    }

    /// What it says of the store; `None`: the store is well, it is the data.
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            StoreError::Unavailable(outage) => Some(outage.cause),
            StoreError::Damaged(_) => Some(Cause::Damaged),
            StoreError::Fault(_) => Some(Cause::Fault),
            StoreError::Conflict | StoreError::Refused(_) => None,
        }
    }
}

/// What of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Calls this user has a part in (or channel calls of a channel they are a member of).
    pub user: UserId,
    /// Only these.
    pub statuses: Vec<CallStatus>,
    /// Only this channel's.
    pub channel: Option<ChannelId>,
    /// Only with this other user.
    pub with: Option<UserId>,
    /// Created before this call (keyset: created_at, id).
    pub before: Option<CallId>,
    /// At most so many (1–100).
    pub limit: usize,
}

/// A page of the history, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct CallPage {
    /// The calls.
    pub calls: Vec<CallSnapshot>,
    /// Give this as `before` for the next page.
    pub next: Option<CallId>,
}

/// A row of `call_events`.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Ascending within the store; the journal's sequence.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: String,
    /// Who.
    pub user: Option<UserId>,
    /// More.
    pub payload: serde_json::Value,
}

/// The truth. Every write is one transaction.
#[async_trait]
pub trait Store: AdminStore {
    /// The highest journal sequence that is in the store.
    async fn applied(&self) -> Result<u64, StoreError>;
    /// Applies journal records in order, each with its sequence, all or none; ones already there are passed over.
    async fn apply(&self, records: &[(u64, Record)]) -> Result<(), StoreError>;
    /// Counts a record that was put aside as applied, so that no later start meets it again.
    async fn pass_over(&self, sequence: u64) -> Result<(), StoreError>;
    /// Takes a record that was put aside earlier: its event in its place, its call only where nothing later is known of it. False: it
    /// was there already.
    async fn replay(&self, sequence: u64, record: &Record) -> Result<bool, StoreError>;
    /// Whether the store can be written. Cheap while all is well; after a write that failed it is tried with one that changes nothing.
    async fn check(&self) -> Result<(), StoreError>;
    /// Calls that are not over, for the start.
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

    /// Makes a user or takes over what is newly known.
    async fn upsert_user(&self, id: &UserId, patch: &UserPatch, now: Timestamp) -> Result<User, StoreError>;
    /// Several users; unknown ones are left out.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError>;
    /// Users by name, `after` an id, for lists.
    async fn search_users(&self, query: &str, after: Option<&UserId>, limit: usize) -> Result<Vec<User>, StoreError>;

    /// A new local account with its user; `Conflict` where the name is taken.
    async fn create_account(&self, account: &Account, name: &str, now: Timestamp) -> Result<(), StoreError>;
    /// An account by its lower-cased name.
    async fn account(&self, username: &str) -> Result<Option<Account>, StoreError>;

    /// Makes or replaces a channel with its members (unknown users are made).
    async fn upsert_channel(&self, channel: &Channel) -> Result<(), StoreError>;
    /// One channel.
    async fn channel(&self, id: &ChannelId) -> Result<Option<Channel>, StoreError>;
    /// All channels (for the start) or those of one user.
    async fn channels(&self, of: Option<&UserId>) -> Result<Vec<Channel>, StoreError>;
    /// Deletes a channel; its calls stay.
    async fn delete_channel(&self, id: &ChannelId) -> Result<(), StoreError>;

    /// A session of the web app: token hash → user, until `expires`.
    async fn put_session(
        &self,
        token_hash: &[u8; 32],
        user: &UserId,
        permissions: &[model::Permission],
        expires: Timestamp,
    ) -> Result<(), StoreError>;
    /// Who a session belongs to, and until when; expired ones are nobody's.
    async fn session(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<(UserId, Vec<model::Permission>, Timestamp)>, StoreError>;
    /// Ends a session.
    async fn delete_session(&self, token_hash: &[u8; 32]) -> Result<(), StoreError>;
}
