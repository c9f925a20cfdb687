//! What `api` calls: one async method per use case.

use std::sync::Arc;
use std::time::Duration;

use call::{
    Answer, CallSnapshot, Command, CommandError, InitiateCall, ParticipantSnapshot, PresenceState, Record, Switchboard,
    Target,
};
use model::{CallId, ChannelId, DeviceId, ErrorCode, NodeId, RoomName, Timestamp, UserId, VideoQuality};
use tokio::sync::{Mutex, broadcast, mpsc, oneshot};

use crate::clock::Clock;
use crate::directory::{Account, Channel, NewChannel, User, UserPatch};
use crate::follow::Follow;
use crate::media::{MediaPlane, RecordingNotice};
use crate::notice::Notice;
use crate::roster::Roster;
use crate::store::{CallPage, HistoryQuery, Store, StoreError, StoredEvent};
use crate::switchboard_thread::{Job, Seen, look};
use crate::trouble::{Health, Trouble};

/// How long records gather before they go to the store together, unless someone is waiting for one: long enough for a busy
/// server to collect many, short enough that nobody who reads the database directly notices.
pub const LINGER: Duration = Duration::from_millis(100);
/// How long the end waits for the store; what it has not taken by then is in the journal for the next start.
const FLUSH: Duration = Duration::from_secs(3);

/// The control plane's settings, validated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The journal's folder.
    pub journal_dir: std::path::PathBuf,
    /// Settings of the call core.
    pub call: call::Config,
    /// Whether calling user IDs that Stoa has never seen is refused.
    pub strict_users: bool,
    /// How long raw quality reports are kept.
    pub keep_quality: Duration,
    /// How long records gather before they go to the store, usually [`LINGER`].
    pub linger: Duration,
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
    /// There is no such channel, or the asker is not a member.
    #[error("no such channel")]
    ChannelNotFound,
    /// The asker is not allowed to do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
    /// It cannot be done right now.
    #[error("{0}")]
    Unavailable(&'static str),
    /// The journal cannot be used; at the start only.
    #[error("{0}")]
    Journal(String),
    /// A bug in Stoa; the log has the details.
    #[error("{0}")]
    Internal(&'static str),
}

impl ControlError {
    /// The code that clients are given. It does not change between versions.
    pub const fn code(&self) -> ErrorCode {
        match self {
            ControlError::Call(e) => e.code(),
            ControlError::Store(StoreError::Unavailable(_) | StoreError::Damaged(_)) => ErrorCode::Unavailable,
            ControlError::Store(StoreError::Conflict) => ErrorCode::NameTaken,
            ControlError::Store(StoreError::Refused(_) | StoreError::Fault(_)) => ErrorCode::Internal,
            ControlError::UserNotFound(_) => ErrorCode::UserNotFound,
            ControlError::ChannelNotFound => ErrorCode::ChannelNotFound,
            ControlError::Forbidden(_) => ErrorCode::Forbidden,
            ControlError::Stopping | ControlError::Unavailable(_) => ErrorCode::Unavailable,
            ControlError::Journal(_) | ControlError::Internal(_) => ErrorCode::Internal,
        }
    }
}

/// The result of accept and join.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// The call as it is now.
    pub call: CallSnapshot,
    /// The asker as a participant.
    pub participant: ParticipantSnapshot,
}

/// What every clone of a [`Handle`] shares.
pub(crate) struct Shared {
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) notices: broadcast::Sender<Arc<Notice>>,
    pub(crate) recording_changes: broadcast::Sender<Arc<Record>>,
    pub(crate) recording_notices: broadcast::Sender<RecordingNotice>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) media: Arc<dyn MediaPlane>,
    pub(crate) follow: Follow,
    pub(crate) health: Arc<Health>,
    pub(crate) node: NodeId,
    pub(crate) strict_users: bool,
    /// Held over a channel's write to the store and its way to the switchboard, so that the two see the same order.
    pub(crate) channel_writes: Mutex<()>,
}

/// Cheap to clone; every method may be called from any task.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// Everything that goes out to devices, in order. A receiver that lags is told so, and must resynchronise its clients.
    pub fn notices(&self) -> broadcast::Receiver<Arc<Notice>> {
        self.shared.notices.subscribe()
    }
    /// Wall clock, as the whole control plane sees it.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// A device's signalling connection is up.
    pub async fn device_connected(&self, user: &UserId, device: &DeviceId) -> Result<(), ControlError> {
        self.command(Command::DeviceConnected { user: user.clone(), device: device.clone() }).await.map(drop)
    }
    /// A device's signalling connection is gone.
    pub async fn device_disconnected(&self, user: &UserId, device: &DeviceId) {
        // Refused only where the server is stopping, and then everyone is gone.
        drop(self.command(Command::DeviceDisconnected { user: user.clone(), device: device.clone() }).await);
    }
    /// Presence of users.
    pub async fn presence(&self, users: &[UserId]) -> Vec<(UserId, PresenceState)> {
        let users = users.to_vec();
        let found = self.read(move |switchboard, _| {
            users.into_iter().map(|user| (user.clone(), switchboard.presence(&user))).collect()
        });
        found.await.unwrap_or_default()
    }
    /// Everyone whose presence this user may see and who is not offline, for a device that has just connected.
    pub async fn visible_presence(&self, user: &UserId) -> Vec<(UserId, PresenceState)> {
        let user = user.clone();
        self.read(move |switchboard, roster| roster.visible(&user, switchboard)).await.unwrap_or_default()
    }

    /// Starts a call.
    pub async fn initiate(&self, request: InitiateCall) -> Result<CallSnapshot, ControlError> {
        if let Target::Users { users, .. } = &request.target {
            self.must_know(users).await?;
        }
        if let Some(earlier) = self.earlier(&request).await? {
            return Ok(earlier);
        }
        self.call_of(Command::Initiate(request)).await
    }
    /// Accepts a call.
    pub async fn accept(&self, call: CallId, user: &UserId, device: &DeviceId) -> Result<Joined, ControlError> {
        self.joined_of(Command::Accept { call, user: user.clone(), device: device.clone() }).await
    }
    /// Declines a call.
    pub async fn decline(&self, call: CallId, user: &UserId, busy: bool) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::Decline { call, user: user.clone(), busy }).await
    }
    /// Cancels a call while it rings.
    pub async fn cancel(&self, call: CallId, user: &UserId) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::Cancel { call, user: user.clone() }).await
    }
    /// Joins or rejoins a call.
    pub async fn join(&self, call: CallId, user: &UserId, device: &DeviceId) -> Result<Joined, ControlError> {
        self.joined_of(Command::Join { call, user: user.clone(), device: device.clone() }).await
    }
    /// Leaves a call.
    pub async fn leave(&self, call: CallId, user: &UserId) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::Leave { call, user: user.clone() }).await
    }
    /// Ends a call for everyone.
    pub async fn end(&self, call: CallId, user: &UserId, reason: Option<String>) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::End { call, user: user.clone(), reason }).await
    }
    /// Invites more people.
    pub async fn invite(&self, call: CallId, user: &UserId, users: Vec<UserId>) -> Result<CallSnapshot, ControlError> {
        self.must_know(&users).await?;
        self.call_of(Command::Invite { call, user: user.clone(), users }).await
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
        let user = user.clone();
        let command =
            Command::SetMediaState { call, user, is_muted, is_video_enabled, is_screen_sharing, video_quality };
        self.call_of(command).await
    }
    /// A call the user has a part in (or a channel call of theirs), running or stored.
    pub async fn call(&self, call: CallId, user: &UserId) -> Result<CallSnapshot, ControlError> {
        if let Some(seen) = self.seen(call, user).await? {
            return if seen.visible { Ok(seen.call) } else { Err(CommandError::CallNotFound.into()) };
        }
        self.wait_for_store().await;
        let mut stored = self.shared.store.call(call).await?.ok_or(CommandError::CallNotFound)?;
        if let Some(winner) = stored.merged_into {
            if let Some(seen) = self.seen(winner, user).await? {
                return if seen.visible { Ok(seen.call) } else { Err(CommandError::CallNotFound.into()) };
            }
            stored = self.shared.store.call(winner).await?.ok_or(CommandError::CallNotFound)?;
        }
        if stored.participant(user).is_some() || self.sees_in_channel(stored.clone(), user).await? {
            return Ok(stored);
        }
        Err(CommandError::CallNotFound.into())
    }
    /// The user's ringing and running calls, newest first.
    pub async fn active_calls(&self, user: &UserId) -> Vec<CallSnapshot> {
        let user = user.clone();
        self.read(move |switchboard, _| switchboard.active_calls(&user)).await.unwrap_or_default()
    }
    /// The number of calls that are ringing or running, and the newest of them, for an administrator.
    pub async fn running_calls(&self, most: usize) -> Result<(usize, Vec<CallSnapshot>), ControlError> {
        self.read(move |switchboard, _| switchboard.running(most)).await
    }
    /// A call that is ringing or running, for an administrator.
    pub async fn running_call(&self, call: CallId) -> Result<Option<CallSnapshot>, ControlError> {
        let found = self.read(move |switchboard, _| switchboard.call(call)).await?;
        Ok(found.filter(|call| call.ended_at.is_none()))
    }
    /// A page of a user's past calls.
    pub async fn history(&self, query: HistoryQuery) -> Result<CallPage, ControlError> {
        self.wait_for_store().await;
        Ok(self.shared.store.history(&query).await?)
    }
    /// The event log of a call the user has a part in.
    pub async fn events(&self, call: CallId, user: &UserId) -> Result<Vec<StoredEvent>, ControlError> {
        self.call(call, user).await?;
        self.wait_for_store().await;
        Ok(self.shared.store.events(call).await?)
    }
    /// The room behind a name: for a call that was merged into another, the other call's room.
    pub async fn room_of(&self, room: RoomName) -> RoomName {
        let Ok(call) = room.as_str().parse::<CallId>() else { return room };
        match self.merged_into_running(call).await {
            Ok(Some(winner)) => RoomName::from(winner),
            Ok(None) | Err(_) => room,
        }
    }

    async fn merged_into_running(&self, call: CallId) -> Result<Option<CallId>, ControlError> {
        let known = self.read(move |switchboard, _| switchboard.call(call).map(|call| call.id)).await?;
        let winner = match known {
            Some(id) => Some(id),
            None => self.merged_into(call).await,
        };
        Ok(winner.filter(|winner| *winner != call))
    }
    /// Whether this identity may enter this room: a call's room asks the call; another room needs no call.
    /// `Ok(true)`: a call's room. `Ok(false)`: a room that no call made. `Err`: refused.
    pub async fn admit(&self, room: &RoomName, identity: &str) -> Result<bool, ControlError> {
        const REFUSED: ControlError = ControlError::Forbidden("you are not allowed into this call's room");
        let Ok(mut call) = room.as_str().parse::<CallId>() else { return Ok(false) };
        if let Some(winner) = self.merged_into_running(call).await? {
            call = winner;
        }
        let user = UserId::new(identity).map_err(|_| REFUSED)?;
        match self.seen(call, &user).await? {
            Some(seen) if seen.may_enter => Ok(true),
            Some(_) => Err(REFUSED),
            None => {
                self.wait_for_store().await;
                // Whoever holds a token for a call that is over is not to open a room under its name.
                if self.shared.store.call(call).await?.is_some() { Err(REFUSED) } else { Ok(false) }
            }
        }
    }

    /// Stores what a token or a backend says about a user, creating the user if needed.
    pub async fn upsert_user(&self, id: &UserId, patch: UserPatch) -> Result<User, ControlError> {
        Ok(self.shared.store.upsert_user(id, &patch, self.now()).await?)
    }
    /// Users by ID, in the order asked. An unknown ID yields a bare user named after its ID.
    pub async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, ControlError> {
        let known = self.shared.store.users(ids).await?;
        let mut known: std::collections::HashMap<UserId, User> =
            known.into_iter().map(|user| (user.id.clone(), user)).collect();
        Ok(ids.iter().map(|id| known.remove(id).unwrap_or_else(|| self.bare(id))).collect())
    }
    /// Users with the text in their name, ordered by name.
    pub async fn search_users(
        &self,
        query: &str,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<User>, ControlError> {
        Ok(self.shared.store.search_users(query, after, limit).await?)
    }
    /// Makes a local account and its user.
    pub async fn create_account(&self, account: Account, name: &str) -> Result<User, ControlError> {
        self.shared.store.create_account(&account, name, self.now()).await?;
        let mut users = self.users(std::slice::from_ref(&account.user)).await?;
        users.pop().ok_or(ControlError::Internal("an account has no user"))
    }
    /// An account by name.
    pub async fn account(&self, username: &str) -> Result<Option<Account>, ControlError> {
        Ok(self.shared.store.account(username).await?)
    }

    /// Creates or replaces a channel and tells its members. Only a member may replace one.
    pub async fn upsert_channel(&self, by: &UserId, channel: NewChannel) -> Result<Channel, ControlError> {
        let mut channel = channel;
        if !channel.members.contains(by) {
            channel.members.insert(0, by.clone());
        }
        self.write_channel(Some(by), channel).await
    }
    /// The same for a backend, which need not be a member.
    pub async fn put_channel(&self, channel: NewChannel) -> Result<Channel, ControlError> {
        self.write_channel(None, channel).await
    }
    /// A token says that the user is in a channel, which is made where there is none: so it is at once, whatever the store does.
    /// [`Handle::keep_member`] follows.
    pub async fn join_channel(&self, id: &ChannelId, user: &UserId) -> Result<(), ControlError> {
        self.ask(|reply| Job::MemberJoined(id.clone(), user.clone(), reply)).await.map(drop)
    }
    /// Stores that someone joined.
    pub async fn keep_member(&self, id: &ChannelId, user: &UserId) -> Result<(), ControlError> {
        let _order = self.shared.channel_writes.lock().await;
        // Once more: a channel that was written meanwhile may have been read before.
        self.join_channel(id, user).await?;
        Ok(self.shared.store.upsert_channel(&self.any_channel(id).await?).await?)
    }
    /// Changes who is in a channel that is there, whatever happens to it meanwhile. `by`: only a member may; `None`: the host app.
    pub async fn change_members(
        &self,
        id: &ChannelId,
        by: Option<&UserId>,
        add: &[UserId],
        remove: &[UserId],
    ) -> Result<Channel, ControlError> {
        self.must_know(add).await?;
        let _order = self.shared.channel_writes.lock().await;
        let mut channel = match by {
            Some(user) => self.channel(id, user).await?,
            None => self.any_channel(id).await?,
        };
        channel.members.retain(|member| !remove.contains(member));
        for user in add {
            if !channel.members.contains(user) {
                channel.members.push(user.clone());
            }
        }
        self.store_channel(channel).await
    }
    /// A channel the user is a member of.
    pub async fn channel(&self, id: &ChannelId, user: &UserId) -> Result<Channel, ControlError> {
        let channel = self.any_channel(id).await?;
        if channel.members.contains(user) { Ok(channel) } else { Err(ControlError::ChannelNotFound) }
    }
    /// A channel, for a backend.
    pub async fn any_channel(&self, id: &ChannelId) -> Result<Channel, ControlError> {
        let id = id.clone();
        let found = self.read(move |_, roster| roster.channel(&id).cloned()).await?;
        found.ok_or(ControlError::ChannelNotFound)
    }
    /// The user's channels.
    pub async fn channels(&self, user: &UserId) -> Result<Vec<Channel>, ControlError> {
        let user = user.clone();
        self.read(move |_, roster| roster.channels_of(&user)).await
    }
    /// Deletes a channel the user is a member of.
    pub async fn delete_channel(&self, id: &ChannelId, user: &UserId) -> Result<(), ControlError> {
        let order = self.shared.channel_writes.lock().await;
        self.channel(id, user).await?;
        self.remove_channel(id, order).await
    }
    /// The same for a backend.
    pub async fn drop_channel(&self, id: &ChannelId) -> Result<(), ControlError> {
        let order = self.shared.channel_writes.lock().await;
        self.any_channel(id).await?;
        self.remove_channel(id, order).await
    }

    /// What cannot be written right now. Empty if all is well.
    pub fn troubles(&self) -> Vec<Trouble> {
        self.shared.health.troubles()
    }
    /// Which node this is.
    pub fn node(&self) -> NodeId {
        self.shared.node
    }
    /// The store, for the use cases in other modules.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }
    /// The media side, for the LiveKit endpoint.
    pub fn media(&self) -> &Arc<dyn MediaPlane> {
        &self.shared.media
    }
    /// Flushes journal and store. No command is accepted after it.
    pub async fn shutdown(&self) {
        let (stopped, stops) = oneshot::channel();
        if self.shared.jobs.send(Job::Stop(stopped)).await.is_ok() {
            drop(stops.await);
        }
        if !self.shared.follow.wait(FLUSH).await {
            tracing::warn!("some records are not in the store yet; the next start copies them from the journal");
        }
    }
}

impl Handle {
    /// An id that the switchboard does not know may be another name of a call that runs: it met that one and was merged into it.
    pub(crate) async fn command(&self, command: Command) -> Result<Answer, ControlError> {
        let mut again = command.clone();
        let answer = self.ask(|reply| Job::Command { command, reply: Some(reply) }).await;
        if !matches!(answer, Err(ControlError::Call(CommandError::CallNotFound))) {
            return answer;
        }
        let Some(id) = again.call_id_mut() else { return answer };
        match self.merged_into(*id).await {
            Some(winner) => *id = winner,
            None => return answer,
        }
        self.ask(|reply| Job::Command { command: again, reply: Some(reply) }).await
    }

    /// What the store says that a call was merged into.
    async fn merged_into(&self, id: CallId) -> Option<CallId> {
        self.shared.store.call(id).await.ok().flatten().and_then(|call| call.merged_into)
    }

    pub(crate) async fn ask(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<Answer, ControlError>>) -> Job,
    ) -> Result<Answer, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.shared.jobs.send(job(reply)).await.map_err(|_| ControlError::Stopping)?;
        answer.await.map_err(|_| ControlError::Stopping)?
    }

    pub(crate) async fn call_of(&self, command: Command) -> Result<CallSnapshot, ControlError> {
        match self.command(command).await? {
            Answer::Call(call) | Answer::Joined { call, .. } => Ok(*call),
            Answer::Done => Err(ControlError::Internal("an answer has no call")),
        }
    }

    async fn joined_of(&self, command: Command) -> Result<Joined, ControlError> {
        match self.command(command).await? {
            Answer::Joined { call, participant } => Ok(Joined { call: *call, participant: *participant }),
            Answer::Call(_) | Answer::Done => Err(ControlError::Internal("an answer has no participant")),
        }
    }

    /// Asks the switchboard's thread. The answer comes when all that it may rest on is durable.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Switchboard, &Roster) -> T + Send + 'static,
    ) -> Result<T, ControlError> {
        let (tell, told) = oneshot::channel();
        let reading = Job::Read(Box::new(move |switchboard, roster| {
            let found = look(switchboard, roster);
            Box::new(move || drop(tell.send(found)))
        }));
        self.shared.jobs.send(reading).await.map_err(|_| ControlError::Stopping)?;
        told.await.map_err(|_| ControlError::Stopping)
    }

    pub(crate) async fn seen(&self, call: CallId, user: &UserId) -> Result<Option<Seen>, ControlError> {
        let user = user.clone();
        self.read(move |switchboard, roster| look(switchboard, roster, call, &user)).await
    }

    async fn sees_in_channel(&self, call: CallSnapshot, user: &UserId) -> Result<bool, ControlError> {
        let user = user.clone();
        self.read(move |_, roster| roster.sees_in_channel(&call, &user)).await
    }

    /// Waits for the store to have what was acknowledged before.
    pub(crate) async fn wait_for_store(&self) {
        self.shared.follow.caught_up().await;
    }

    /// A call of the same id that the switchboard has forgotten: the same request gives the same call. For an id that is new, this is one
    /// look into the store.
    async fn earlier(&self, request: &InitiateCall) -> Result<Option<CallSnapshot>, ControlError> {
        let Some(id) = request.id else { return Ok(None) };
        let found = match self.shared.store.call(id).await {
            // A new call does not wait for the database: an id that comes again comes within the switchboard's memory.
            Ok(None) | Err(StoreError::Unavailable(_) | StoreError::Damaged(_)) => return Ok(None),
            Ok(Some(stored)) => Ok(stored),
            Err(error @ (StoreError::Conflict | StoreError::Refused(_) | StoreError::Fault(_))) => Err(error),
        };
        if self.read(move |switchboard, _| switchboard.call(id).is_some()).await? {
            return Ok(None);
        }
        let stored = found?;
        if !call::same_request(&stored, request) {
            return Err(CommandError::CallIdConflict.into());
        }
        match stored.merged_into {
            Some(winner) => Ok(self.shared.store.call(winner).await?),
            None => Ok(Some(stored)),
        }
    }

    pub(crate) async fn must_know(&self, users: &[UserId]) -> Result<(), ControlError> {
        if !self.shared.strict_users {
            return Ok(());
        }
        let known = self.shared.store.users(users).await?;
        match users.iter().find(|user| !known.iter().any(|known| known.id == **user)) {
            Some(unknown) => Err(ControlError::UserNotFound(unknown.clone())),
            None => Ok(()),
        }
    }

    fn bare(&self, id: &UserId) -> User {
        User { id: id.clone(), name: id.to_string(), avatar_url: None, is_guest: false, created_at: self.now() }
    }

    async fn write_channel(&self, by: Option<&UserId>, new: NewChannel) -> Result<Channel, ControlError> {
        self.must_know(&new.members).await?;
        let _order = self.shared.channel_writes.lock().await;
        let id = match new.id {
            Some(id) => id,
            None => ChannelId::new(uuid::Uuid::now_v7().to_string()).expect("a UUID keeps the rules of an id"),
        };
        let before = match self.any_channel(&id).await {
            Ok(before) => Some(before),
            Err(ControlError::ChannelNotFound) => None,
            Err(error) => return Err(error),
        };
        if let (Some(before), Some(by)) = (&before, by)
            && !before.members.contains(by)
        {
            return Err(ControlError::ChannelNotFound);
        }
        let mut seen = std::collections::HashSet::new();
        let members = new.members.into_iter().filter(|member| seen.insert(member.clone())).collect();
        let created_at = before.as_ref().map_or_else(|| self.now(), |before| before.created_at);
        self.store_channel(Channel { id, name: new.name, members, active_call: None, created_at }).await
    }

    /// Under `channel_writes`.
    async fn store_channel(&self, channel: Channel) -> Result<Channel, ControlError> {
        let id = channel.id.clone();
        self.shared.store.upsert_channel(&channel).await?;
        self.ask(|reply| Job::ChannelPut(channel, reply)).await?;
        self.any_channel(&id).await
    }

    /// `_order`: the lock under which the asker's right to it was looked at.
    async fn remove_channel(
        &self,
        id: &ChannelId,
        _order: tokio::sync::MutexGuard<'_, ()>,
    ) -> Result<(), ControlError> {
        self.shared.store.delete_channel(id).await?;
        self.ask(|reply| Job::ChannelDeleted(id.clone(), reply)).await.map(drop)
    }
}
