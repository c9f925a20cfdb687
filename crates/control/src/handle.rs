//! What `api` calls: one async method a use case.

use std::sync::Arc;

use call::{CallSnapshot, CommandError, InitiateCall, ParticipantSnapshot, PresenceState};
use model::{CallId, ChannelId, DeviceId, ErrorCode, RoomName, Timestamp, UserId, VideoQuality};
use tokio::sync::{broadcast, mpsc};

use crate::directory::{Account, Channel, NewChannel, User, UserPatch};
use crate::media::{MediaNotice, MediaPlane};
use crate::notice::Notice;
use crate::store::{CallPage, HistoryQuery, Store, StoreError, StoredEvent};

/// The control plane's settings, validated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the journal lies.
    pub journal_dir: std::path::PathBuf,
    /// The call core's.
    pub call: call::Config,
    /// Ids never seen before are refused as callees.
    pub strict_users: bool,
    /// Seed of the call core's ids.
    pub seed: u64,
}

/// Why a use case was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The call core said no.
    #[error(transparent)]
    Call(#[from] CommandError),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such user (`users.strict`).
    #[error("no such user: {0}")]
    UserNotFound(UserId),
    /// No such channel, or none of the asker's.
    #[error("no such channel")]
    ChannelNotFound,
    /// Only some may do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

impl ControlError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            ControlError::Call(e) => e.code(),
            ControlError::Store(StoreError::Unavailable(_)) => ErrorCode::Unavailable,
            ControlError::Store(StoreError::Conflict) => ErrorCode::NameTaken,
            ControlError::Store(StoreError::Fault(_)) => ErrorCode::Internal,
            ControlError::UserNotFound(_) => ErrorCode::UserNotFound,
            ControlError::ChannelNotFound => ErrorCode::ChannelNotFound,
            ControlError::Forbidden(_) => ErrorCode::Forbidden,
            ControlError::Stopping => ErrorCode::Unavailable,
        }
    }
}

/// Accept's and join's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// The call.
    pub call: CallSnapshot,
    /// The asker's part.
    pub participant: ParticipantSnapshot,
}

/// Starts the control plane.
#[derive(Debug)]
pub struct Control;

impl Control {
    /// Opens the journal, replays it into the store, restores running calls, starts the call thread and the store writer.
    /// `media_notices` is what the workers say; `media` is what they can be asked.
    pub async fn start(
        settings: Settings,
        store: Arc<dyn Store>,
        media: Arc<dyn MediaPlane>,
        media_notices: mpsc::Receiver<MediaNotice>,
    ) -> Result<Handle, ControlError> {
        let _ = (settings, store, media, media_notices);
        unimplemented!()
    }
}

/// Cheap to clone; every method may be called from any task.
#[derive(Clone)]
pub struct Handle {
    _private: (),
}

#[allow(unused_variables)]
impl Handle {
    /// Everything that goes out to devices, in order. A receiver that lags learns so and must resynchronise its clients.
    pub fn notices(&self) -> broadcast::Receiver<Arc<Notice>> {
        unimplemented!()
    }
    /// Wall clock, as the whole control plane sees it.
    pub fn now(&self) -> Timestamp {
        unimplemented!()
    }

    /// A device's signalling connection is up.
    pub async fn device_connected(&self, user: &UserId, device: &DeviceId) -> Result<(), ControlError> {
        unimplemented!()
    }
    /// A device's signalling connection is gone.
    pub async fn device_disconnected(&self, user: &UserId, device: &DeviceId) {
        unimplemented!()
    }
    /// Presence of users.
    pub async fn presence(&self, users: &[UserId]) -> Vec<(UserId, PresenceState)> {
        unimplemented!()
    }

    /// Start a call.
    pub async fn initiate(&self, request: InitiateCall) -> Result<CallSnapshot, ControlError> {
        unimplemented!()
    }
    /// Take a call.
    pub async fn accept(&self, call: CallId, user: &UserId, device: &DeviceId) -> Result<Joined, ControlError> {
        unimplemented!()
    }
    /// Refuse a call.
    pub async fn decline(&self, call: CallId, user: &UserId, busy: bool) -> Result<CallSnapshot, ControlError> {
        unimplemented!()
    }
    /// Give up while it rings.
    pub async fn cancel(&self, call: CallId, user: &UserId) -> Result<CallSnapshot, ControlError> {
        unimplemented!()
    }
    /// Enter or re-enter.
    pub async fn join(&self, call: CallId, user: &UserId, device: &DeviceId) -> Result<Joined, ControlError> {
        unimplemented!()
    }
    /// Go.
    pub async fn leave(&self, call: CallId, user: &UserId) -> Result<CallSnapshot, ControlError> {
        unimplemented!()
    }
    /// End for all.
    pub async fn end(&self, call: CallId, user: &UserId, reason: Option<String>) -> Result<CallSnapshot, ControlError> {
        unimplemented!()
    }
    /// Ring more people in.
    pub async fn invite(&self, call: CallId, user: &UserId, users: Vec<UserId>) -> Result<CallSnapshot, ControlError> {
        unimplemented!()
    }
    /// A participant's own media state.
    pub async fn set_media_state(
        &self,
        call: CallId,
        user: &UserId,
        is_muted: Option<bool>,
        is_video_enabled: Option<bool>,
        is_screen_sharing: Option<bool>,
        video_quality: Option<VideoQuality>,
    ) -> Result<CallSnapshot, ControlError> {
        unimplemented!()
    }
    /// A call the user has a part in (or a channel call of theirs), running or stored.
    pub async fn call(&self, call: CallId, user: &UserId) -> Result<CallSnapshot, ControlError> {
        unimplemented!()
    }
    /// The user's ringing and running calls, newest first.
    pub async fn active_calls(&self, user: &UserId) -> Vec<CallSnapshot> {
        unimplemented!()
    }
    /// History.
    pub async fn history(&self, query: HistoryQuery) -> Result<CallPage, ControlError> {
        unimplemented!()
    }
    /// The event log of a call the user has a part in.
    pub async fn events(&self, call: CallId, user: &UserId) -> Result<Vec<StoredEvent>, ControlError> {
        unimplemented!()
    }
    /// Whether this identity may enter this room: a call's room asks the call; another room needs no call.
    /// `Ok(true)`: a call's room. `Ok(false)`: a room that no call made. `Err`: refused.
    pub async fn admit(&self, room: &RoomName, identity: &str) -> Result<bool, ControlError> {
        unimplemented!()
    }

    /// What a token or a host app newly says of a user; also makes it.
    pub async fn upsert_user(&self, id: &UserId, patch: UserPatch) -> Result<User, ControlError> {
        unimplemented!()
    }
    /// Users by id; an unknown id yields a bare user named by its id.
    pub async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, ControlError> {
        unimplemented!()
    }
    /// Users by name.
    pub async fn search_users(&self, query: &str, after: Option<&UserId>, limit: usize) -> Result<Vec<User>, ControlError> {
        unimplemented!()
    }
    /// Local accounts.
    pub async fn create_account(&self, account: Account, name: &str) -> Result<User, ControlError> {
        unimplemented!()
    }
    /// An account by name.
    pub async fn account(&self, username: &str) -> Result<Option<Account>, ControlError> {
        unimplemented!()
    }
    /// Makes or replaces a channel; its members are told.
    pub async fn upsert_channel(&self, by: &UserId, channel: NewChannel) -> Result<Channel, ControlError> {
        unimplemented!()
    }
    /// A channel the user is a member of.
    pub async fn channel(&self, id: &ChannelId, user: &UserId) -> Result<Channel, ControlError> {
        unimplemented!()
    }
    /// The user's channels.
    pub async fn channels(&self, user: &UserId) -> Result<Vec<Channel>, ControlError> {
        unimplemented!()
    }
    /// Deletes a channel.
    pub async fn delete_channel(&self, id: &ChannelId, user: &UserId) -> Result<(), ControlError> {
        unimplemented!()
    }
    /// The store, for sessions.
    pub fn store(&self) -> &Arc<dyn Store> {
        unimplemented!()
    }
    /// The media side, for the LiveKit endpoint.
    pub fn media(&self) -> &Arc<dyn MediaPlane> {
        unimplemented!()
    }
    /// Flushes journal and store; no command is taken after it.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}
