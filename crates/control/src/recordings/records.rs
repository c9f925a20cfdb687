//! What is known of recordings, and the port to where it is kept.

use async_trait::async_trait;
use model::{
    CallId, ChannelId, RecordingFormat, RecordingId, RecordingLayout, RecordingPolicy, RecordingStatus, RoomName,
    Timestamp, UserId,
};
use storage::{FileId, ObjectKey, Stored};

use crate::store::StoreError;

/// Who made a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingOrigin {
    /// This server.
    Server,
    /// A client, which uploaded it.
    Upload,
}

impl RecordingOrigin {
    /// The number in the store.
    pub const fn number(self) -> i64 {
        match self {
            RecordingOrigin::Server => 1,
            RecordingOrigin::Upload => 2,
        }
    }
    /// The origin of a number in the store.
    pub const fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(RecordingOrigin::Server),
            2 => Some(RecordingOrigin::Upload),
            _ => None,
        }
    }
}

/// A recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// A UUID, also the name of its folder.
    pub id: RecordingId,
    /// Of which call; none: of a room that belongs to no call.
    pub call: Option<CallId>,
    /// The call's channel.
    pub channel: Option<ChannelId>,
    /// The room.
    pub room: RoomName,
    /// Who made it.
    pub origin: RecordingOrigin,
    /// Where it stands.
    pub status: RecordingStatus,
    /// Who asked for it; none: the server did by itself.
    pub started_by: Option<UserId>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// How long it is.
    pub duration_ms: Option<u64>,
    /// What its files take, before they are sealed.
    pub size_bytes: u64,
    /// Of the composed picture.
    pub layout: Option<RecordingLayout>,
    /// Of the composed picture, `1280x720`.
    pub resolution: Option<String>,
    /// Without pictures.
    pub audio_only: bool,
    /// Of the composed or uploaded file.
    pub format: RecordingFormat,
    /// The rule it was made under.
    pub policy: RecordingPolicy,
    /// How far composing has come, percent.
    pub progress: Option<u8>,
    /// Its own retention; none: its channel's or the server's.
    pub retention_days: Option<u32>,
    /// When it will be deleted.
    pub expires_at: Option<Timestamp>,
    /// Nothing of it is deleted as long as this is set.
    pub legal_hold: bool,
    /// Why it failed: a stable code, and words.
    pub error: Option<(String, String)>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

/// What a file of a recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// What began the folder.
    Manifest,
    /// What happened.
    Events,
    /// A part of one track, as it was sent.
    Track,
    /// The whole call in one file.
    Composed,
    /// What a client uploaded.
    Uploaded,
}

impl FileKind {
    const ALL: [FileKind; 5] =
        [FileKind::Manifest, FileKind::Events, FileKind::Track, FileKind::Composed, FileKind::Uploaded];

    /// The number in the store.
    pub const fn number(self) -> i64 {
        match self {
            FileKind::Manifest => 1,
            FileKind::Events => 2,
            FileKind::Track => 3,
            FileKind::Composed => 4,
            FileKind::Uploaded => 5,
        }
    }
    /// The kind of a number in the store.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// Whose track a file is of, and what it is, in the recorder's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrackInfo {
    /// Its ID in the room.
    pub track: String,
    /// Whose identity published it.
    pub user: Option<UserId>,
    /// `audio` or `video`.
    pub media: Option<String>,
    /// `camera`, `microphone`, `screen_share`, …
    pub source: Option<String>,
    /// `h264`, `opus`, …
    pub codec: Option<String>,
    /// The width of the picture, in pixels.
    pub width: Option<u32>,
    /// The height of the picture, in pixels.
    pub height: Option<u32>,
}

/// A file of a recording, in storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingFile {
    /// A UUID, also a part of the object's name.
    pub id: FileId,
    /// Of which recording.
    pub recording: RecordingId,
    /// What it is.
    pub kind: FileKind,
    /// Its name within the recording.
    pub name: String,
    /// Length, checksum, and whether it is sealed.
    pub stored: Stored,
    /// Of a track.
    pub track: Option<TrackInfo>,
    /// When it was in storage.
    pub stored_at: Timestamp,
}

impl RecordingFile {
    /// The object's name.
    pub fn key(&self) -> ObjectKey {
        ObjectKey { recording: self.recording, file: self.id }
    }
}

/// Whose recordings someone may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// All: an administrator.
    Everyone,
    /// Those of calls that they took part in, and those they started.
    User {
        /// Who looks.
        user: UserId,
        /// Those of their channels' calls, too.
        in_channels: bool,
    },
}

/// Which recordings, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingQuery {
    /// For whom.
    pub viewer: Viewer,
    /// Only this call's.
    pub call: Option<CallId>,
    /// Only this channel's.
    pub channel: Option<ChannelId>,
    /// Only of calls in which this user took part, or that they started.
    pub user: Option<UserId>,
    /// Only these; empty: all but deleted ones.
    pub statuses: Vec<RecordingStatus>,
    /// Begun at this time or later.
    pub from: Option<Timestamp>,
    /// Begun before this time.
    pub to: Option<Timestamp>,
    /// In the name of the channel or of someone who took part.
    pub text: Option<String>,
    /// Older than this one.
    pub before: Option<RecordingId>,
    /// At most so many (1–100).
    pub limit: usize,
}

/// A page of recordings.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingPage {
    /// Newest first.
    pub recordings: Vec<Recording>,
    /// Pass this as `before` to get the next page.
    pub next: Option<RecordingId>,
}

/// What becomes of a recording.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordingChange {
    /// The media side has begun, paused or gone on.
    Status(RecordingStatus),
    /// It is over; its files go into storage next.
    Stopped {
        /// When it ended.
        at: Timestamp,
        /// How long it is.
        duration_ms: Option<u64>,
        /// How large it is.
        size_bytes: u64,
    },
    /// It could not be made or kept. What there is of it is kept.
    Failed {
        /// When it ended.
        at: Timestamp,
        /// A stable code.
        code: String,
        /// The reason in plain words.
        message: String,
    },
    /// All of it is in storage.
    Kept {
        /// When it will be deleted, unless it is known already.
        expires_at: Option<Timestamp>,
    },
    /// What it was composed into.
    Composed {
        /// The layout.
        layout: RecordingLayout,
        /// The size of the picture.
        resolution: Option<String>,
        /// The format.
        format: RecordingFormat,
    },
    /// How far composing has come.
    Progress(Option<u8>),
    /// How long it is kept.
    Retention {
        /// Its own; none: the channel's or the server's.
        days: Option<u32>,
        /// What that comes to.
        expires_at: Option<Timestamp>,
    },
    /// Whether it may be deleted.
    Hold(bool),
}

/// What came of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doomed {
    /// It is deleted; its files will be.
    Done,
    /// There is none, or none any more.
    Missing,
    /// It is on hold.
    Held,
}

/// What is added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageOf {
    /// All recordings.
    Server,
    /// A channel's.
    Channel(ChannelId),
    /// Those that a user started.
    User(UserId),
}

/// What holds for the recordings of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChannelRecordingRules {
    /// How long they are kept; none: as the server says.
    pub retention_days: Option<u32>,
    /// How much they may take; none: as the server says.
    pub most_bytes: Option<u64>,
}

/// The part of the store that keeps recordings. Every write is one transaction.
#[async_trait]
pub trait RecordingStore: Send + Sync + 'static {
    /// A new recording; false: it is there already, and stays as it is.
    async fn put_recording(&self, recording: &Recording) -> Result<bool, StoreError>;
    /// One, also a deleted one.
    async fn recording(&self, id: RecordingId) -> Result<Option<Recording>, StoreError>;
    /// A page of them.
    async fn find_recordings(&self, query: &RecordingQuery) -> Result<RecordingPage, StoreError>;
    /// Those that are being made or put into storage.
    async fn unfinished_recordings(&self) -> Result<Vec<Recording>, StoreError>;
    /// Whether someone may see one.
    async fn may_see_recording(&self, id: RecordingId, viewer: &Viewer) -> Result<bool, StoreError>;
    /// Changes one that is not deleted; how it stands then.
    async fn change_recording(
        &self,
        id: RecordingId,
        change: &RecordingChange,
        now: Timestamp,
    ) -> Result<Option<Recording>, StoreError>;
    /// A file is in storage. In place of an earlier one of the same ID.
    async fn put_recording_file(&self, file: &RecordingFile) -> Result<(), StoreError>;
    /// The files of one, in order, without those that are to be deleted.
    async fn recording_files(&self, id: RecordingId) -> Result<Vec<RecordingFile>, StoreError>;
    /// Deletes a recording: nobody sees it from here on, and its files are to be deleted.
    async fn doom_recording(&self, id: RecordingId, now: Timestamp) -> Result<Doomed, StoreError>;
    /// Files that are to be deleted and not on hold, at most so many.
    async fn doomed_files(&self, limit: usize) -> Result<Vec<RecordingFile>, StoreError>;
    /// A file is gone from storage.
    async fn forget_recording_file(&self, id: FileId) -> Result<(), StoreError>;
    /// Recordings whose time is over and that are not on hold, at most so many.
    async fn expired_recordings(&self, now: Timestamp, limit: usize) -> Result<Vec<RecordingId>, StoreError>;
    /// Bytes in storage.
    async fn recording_usage(&self, of: &UsageOf) -> Result<u64, StoreError>;
    /// What holds for a channel.
    async fn channel_recording_rules(&self, channel: &ChannelId) -> Result<ChannelRecordingRules, StoreError>;
    /// Sets it; false: no such channel.
    async fn put_channel_recording_rules(
        &self,
        channel: &ChannelId,
        rules: &ChannelRecordingRules,
    ) -> Result<bool, StoreError>;
}
