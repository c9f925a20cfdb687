//! Recordings from when they begin to when they are deleted: their rows, their files' way into storage, who may have them and for how
//! long. Knows nothing of how media is recorded or composed; whoever does that is told and asked through [`Compose`] and [`StopRecorder`].

mod check;
mod folder;
mod follow;
mod records;
mod shelf;
mod sweep;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{
    CallId, ChannelId, ErrorCode, RecordingFormat, RecordingId, RecordingLayout, RecordingPolicy, RecordingStatus,
    RoomName, Timestamp, UserId,
};
use storage::{ByteStream, FileId, ObjectKey, Storage, StorageError};
use tokio::sync::{broadcast, mpsc, watch};
use uuid::Uuid;

use crate::handle::{ControlError, Handle};
use crate::store::{Store, StoreError};

pub use records::{
    ChannelRecordingRules, Doomed, FileKind, Recording, RecordingChange, RecordingFile, RecordingOrigin, RecordingPage,
    RecordingQuery, RecordingStore, TrackInfo, UsageOf, Viewer,
};

/// The name of an uploaded file in its folder.
const UPLOAD: &str = "upload";
/// Events that a slow listener may be behind.
const EVENTS: usize = 1_024;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Settings, validated.
#[derive(Debug, Clone)]
pub struct RecordingSettings {
    /// Where recordings are until they are in storage: a folder for each.
    pub folder: PathBuf,
    /// How long recordings are kept; none: until someone deletes them.
    pub retention_days: Option<u32>,
    /// How much all of them may take.
    pub most_bytes: Option<u64>,
    /// How much those of one channel may take.
    pub most_channel_bytes: Option<u64>,
    /// How much those that one user started may take.
    pub most_user_bytes: Option<u64>,
    /// Bytes that stay free on the disk of `folder`.
    pub disk_reserve: u64,
    /// Members of a channel see the recordings of its calls, even of those that they missed.
    pub channel_members: bool,
    /// The longest file that a client may upload.
    pub most_upload: u64,
    /// How often what is over its time is looked for.
    pub sweep_every: Duration,
}

impl RecordingSettings {
    /// The default settings.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            retention_days: None,
            most_bytes: None,
            most_channel_bytes: None,
            most_user_bytes: None,
            disk_reserve: 1 << 30,
            channel_members: false,
            most_upload: 2 << 30,
            sweep_every: Duration::from_secs(60),
        }
    }
}

/// Why something with a recording is refused or fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordingRefusal {
    /// There is none, or it is not for whoever asks.
    #[error("no such recording")]
    NotFound,
    /// There is no file to play yet, or none of that kind.
    #[error("{0}")]
    NotReady(&'static str),
    /// It is on hold.
    #[error("the recording is on legal hold")]
    Held,
    /// Recordings take as much as they may.
    #[error("recordings take up all the space that they may")]
    Quota,
    /// The disk is almost full.
    #[error("the disk is almost full")]
    DiskFull,
    /// What was uploaded is no recording.
    #[error("{0}")]
    NoMedia(&'static str),
    /// It is longer than allowed.
    #[error("the file must not exceed {0} bytes")]
    TooLong(u64),
    /// The storage does not answer, or not as it should.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The rest of the control plane.
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl From<StoreError> for RecordingRefusal {
    fn from(error: StoreError) -> Self {
        Self::Control(error.into())
    }
}

impl RecordingRefusal {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::RecordingNotFound,
            Self::NotReady(_) => ErrorCode::RecordingNotReady,
            Self::Held => ErrorCode::RecordingOnHold,
            Self::Quota => ErrorCode::RecordingQuota,
            Self::DiskFull => ErrorCode::StorageFull,
            Self::NoMedia(_) => ErrorCode::UnsupportedMediaType,
            Self::TooLong(_) => ErrorCode::BodyTooLarge,
            Self::Storage(StorageError::Damaged(_) | StorageError::Missing | StorageError::Source { .. }) => {
                ErrorCode::Internal
            }
            Self::Storage(StorageError::Away(_) | StorageError::Refused(_)) => ErrorCode::Unavailable,
            Self::Control(error) => error.code(),
        }
    }
}

/// Something that those who listen (webhooks, the audit log) may want to know.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingEvent {
    /// The recording as it is now.
    pub recording: Recording,
    /// What happened to it.
    pub kind: RecordingEventKind,
}

/// What happened to a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingEventKind {
    /// It is over, and on its way into storage.
    Stopped,
    /// All of it is in storage.
    Completed,
    /// It could not be made or kept.
    Failed,
    /// Someone deleted it.
    Deleted,
    /// Its time was over.
    Expired,
}

/// Makes one file of the tracks of a recording.
#[async_trait]
pub trait Compose: Send + Sync + 'static {
    /// Composes what is in the folder, or goes on with it, and says how far it is, in percent. `None`: there is nothing to show. The error
    /// is for the log.
    async fn compose(
        &self,
        recording: &Recording,
        folder: &std::path::Path,
        progress: watch::Sender<u8>,
    ) -> Result<Option<Composed>, String>;
}

/// A composed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// Where it is; removed once it is in storage.
    pub path: PathBuf,
    /// How it is laid out.
    pub layout: RecordingLayout,
    /// `1280x720`.
    pub resolution: Option<String>,
    /// Its format.
    pub format: RecordingFormat,
}

/// Ends a recording that is being made.
#[async_trait]
pub trait StopRecorder: Send + Sync + 'static {
    /// Ends it as if someone had asked for that. `why`: a stable code.
    async fn stop(&self, recording: &Recording, why: &'static str);
}

/// A file that a client uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The recording it becomes.
    pub recording: RecordingId,
    /// Where it is to be written to.
    pub path: PathBuf,
    /// The longest it may be.
    pub most: u64,
}

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct Recordings {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    handle: Handle,
    store: Arc<dyn Store>,
    storage: Arc<Storage>,
    settings: RecordingSettings,
    events: broadcast::Sender<RecordingEvent>,
    shelve: mpsc::UnboundedSender<RecordingId>,
    sweep: tokio::sync::Notify,
    composer: Option<Arc<dyn Compose>>,
    stopper: Option<Arc<dyn StopRecorder>>,
}

impl std::fmt::Debug for Recordings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recordings").finish_non_exhaustive()
    }
}

impl Recordings {
    /// Starts: takes up what an earlier run has left, and goes on with it in the background. The folder must be writable.
    pub async fn start(
        settings: RecordingSettings,
        handle: Handle,
        storage: Arc<Storage>,
        composer: Option<Arc<dyn Compose>>,
        stopper: Option<Arc<dyn StopRecorder>>,
    ) -> std::io::Result<Self> {
        folder::make(&settings.folder)?;
        // Before anything new can begin: what comes later is not left by anyone.
        let left = folder::recordings(&settings.folder)?;
        let (shelve, waiting) = mpsc::unbounded_channel();
        let (changes, notices) = (handle.recording_changes(), handle.recording_notices());
        let shared = Arc::new(Shared {
            store: Arc::clone(handle.store()),
            handle,
            storage,
            settings,
            events: broadcast::channel(EVENTS).0,
            shelve,
            sweep: tokio::sync::Notify::new(),
            composer,
            stopper,
        });
        tokio::spawn(shelf::run(Arc::downgrade(&shared), left, waiting));
        tokio::spawn(sweep::run(Arc::downgrade(&shared)));
        tokio::spawn(follow::run(Arc::downgrade(&shared), changes, notices));
        Ok(Self { shared })
    }

    /// What happens from here on.
    pub fn events(&self) -> broadcast::Receiver<RecordingEvent> {
        self.shared.events.subscribe()
    }

    /// Where the folder of a recording is.
    pub fn folder(&self, id: RecordingId) -> PathBuf {
        self.shared.folder(id)
    }

    /// The settings.
    pub fn settings(&self) -> &RecordingSettings {
        &self.shared.settings
    }

    /// Whether a recording may begin: within every quota, with room on the disk.
    pub async fn admit(&self, channel: Option<&ChannelId>, user: Option<&UserId>) -> Result<(), RecordingRefusal> {
        let Shared { store, settings, .. } = &*self.shared;
        if self.shared.is_disk_full() {
            return Err(RecordingRefusal::DiskFull);
        }
        let mut quotas = vec![(settings.most_bytes, UsageOf::Server)];
        if let Some(channel) = channel {
            let own = store.channel_recording_rules(channel).await?.most_bytes;
            quotas.push((own.or(settings.most_channel_bytes), UsageOf::Channel(channel.clone())));
        }
        if let Some(user) = user {
            quotas.push((settings.most_user_bytes, UsageOf::User(user.clone())));
        }
        for (most, of) in quotas {
            if let Some(most) = most
                && store.recording_usage(&of).await? >= most
            {
                return Err(RecordingRefusal::Quota);
            }
        }
        Ok(())
    }

    /// A recording begins. Doing it again changes nothing.
    pub async fn begin(&self, recording: Recording) -> Result<(), RecordingRefusal> {
        self.shared.store.put_recording(&recording).await?;
        Ok(())
    }

    /// The media side has begun to write, or someone has paused or resumed it.
    pub async fn status(&self, id: RecordingId, status: RecordingStatus) -> Result<(), RecordingRefusal> {
        self.shared.change(id, &RecordingChange::Status(status)).await?;
        Ok(())
    }

    /// The folder is complete: from here on it is on its way into storage.
    pub async fn stopped(
        &self,
        id: RecordingId,
        at: Timestamp,
        duration_ms: Option<u64>,
        size_bytes: u64,
    ) -> Result<(), RecordingRefusal> {
        let changed = self.shared.change(id, &RecordingChange::Stopped { at, duration_ms, size_bytes }).await;
        // The folder is there whatever the store says, and a start that finds it makes up for the rest.
        let _ = self.shared.shelve.send(id);
        if let Some(recording) = changed? {
            self.shared.tell(recording, RecordingEventKind::Stopped);
        }
        Ok(())
    }

    /// It could not be made to its end. What there is of it goes into storage.
    pub async fn failed(&self, id: RecordingId, code: &str, message: &str) -> Result<(), RecordingRefusal> {
        tracing::error!(recording = %id, code, message, "a recording failed");
        let at = self.shared.handle.now();
        let change = RecordingChange::Failed { at, code: code.to_owned(), message: message.to_owned() };
        let changed = self.shared.change(id, &change).await;
        let _ = self.shared.shelve.send(id);
        if let Some(recording) = changed? {
            self.shared.tell(recording, RecordingEventKind::Failed);
        }
        Ok(())
    }

    /// Whose recordings a user may see.
    pub fn viewer(&self, user: UserId) -> Viewer {
        Viewer::User { user, in_channels: self.shared.settings.channel_members }
    }

    /// A page of recordings.
    pub async fn find(&self, query: &RecordingQuery) -> Result<RecordingPage, RecordingRefusal> {
        self.shared.handle.wait_for_store().await;
        Ok(self.shared.store.find_recordings(query).await?)
    }

    /// One that the viewer may see, and that is not deleted.
    pub async fn one(&self, id: RecordingId, viewer: &Viewer) -> Result<Recording, RecordingRefusal> {
        self.shared.handle.wait_for_store().await;
        let found = self.shared.store.recording(id).await?;
        let found = found.filter(|found| found.status != RecordingStatus::Deleted).ok_or(RecordingRefusal::NotFound)?;
        if self.shared.store.may_see_recording(id, viewer).await? { Ok(found) } else { Err(RecordingRefusal::NotFound) }
    }

    /// The files of one.
    pub async fn files(&self, id: RecordingId) -> Result<Vec<RecordingFile>, RecordingRefusal> {
        Ok(self.shared.store.recording_files(id).await?)
    }

    /// The file to play: the composed one, or the uploaded one.
    pub async fn main_file(&self, id: RecordingId) -> Result<RecordingFile, RecordingRefusal> {
        let files = self.files(id).await?;
        let found = files.into_iter().rfind(|file| matches!(file.kind, FileKind::Composed | FileKind::Uploaded));
        found.ok_or(RecordingRefusal::NotReady("the recording has not been composed into one file"))
    }

    /// One track's file.
    pub async fn track(&self, id: RecordingId, file: FileId) -> Result<RecordingFile, RecordingRefusal> {
        let files = self.files(id).await?;
        let found = files.into_iter().find(|found| found.id == file && found.kind == FileKind::Track);
        found.ok_or(RecordingRefusal::NotFound)
    }

    /// Bytes of a file.
    pub async fn read(
        &self,
        file: &RecordingFile,
        range: std::ops::Range<u64>,
    ) -> Result<ByteStream, RecordingRefusal> {
        Ok(self.shared.storage.read(&file.key(), &file.stored, range).await?)
    }

    /// Deletes a recording: at once for whoever asks for it, its files as soon as the storage does. How many of them are left to do.
    pub async fn delete(&self, id: RecordingId) -> Result<usize, RecordingRefusal> {
        let recording = self.shared.store.recording(id).await?.ok_or(RecordingRefusal::NotFound)?;
        if recording.status.is_running() {
            return Err(RecordingRefusal::NotReady("the recording is still being made: stop it first"));
        }
        let left = self.shared.doom(id, RecordingEventKind::Deleted).await?;
        Ok(left)
    }

    /// How long it is kept; none: as its channel or the server says.
    pub async fn set_retention(&self, id: RecordingId, days: Option<u32>) -> Result<Recording, RecordingRefusal> {
        let found = self.shared.store.recording(id).await?.ok_or(RecordingRefusal::NotFound)?;
        let expires_at = match found.ended_at {
            Some(_) => self.shared.expiry(&Recording { retention_days: days, ..found }).await?,
            None => None,
        };
        let changed = self.shared.change(id, &RecordingChange::Retention { days, expires_at }).await?;
        changed.ok_or(RecordingRefusal::NotFound)
    }

    /// Whether nothing of it may be deleted.
    pub async fn set_hold(&self, id: RecordingId, held: bool) -> Result<Recording, RecordingRefusal> {
        let changed = self.shared.change(id, &RecordingChange::Hold(held)).await?;
        // What waited for the hold's end goes now.
        self.shared.sweep.notify_one();
        changed.ok_or(RecordingRefusal::NotFound)
    }

    /// What holds for a channel.
    pub async fn channel_rules(&self, channel: &ChannelId) -> Result<ChannelRecordingRules, RecordingRefusal> {
        Ok(self.shared.store.channel_recording_rules(channel).await?)
    }

    /// Sets it, for recordings that end from here on.
    pub async fn set_channel_rules(
        &self,
        channel: &ChannelId,
        rules: ChannelRecordingRules,
    ) -> Result<(), RecordingRefusal> {
        if self.shared.store.put_channel_recording_rules(channel, &rules).await? {
            return Ok(());
        }
        Err(ControlError::ChannelNotFound.into())
    }

    /// A place for a file that a client uploads.
    pub async fn begin_upload(&self, channel: Option<&ChannelId>, user: &UserId) -> Result<Upload, RecordingRefusal> {
        self.admit(channel, Some(user)).await?;
        let recording = RecordingId(Uuid::now_v7());
        let folder = self.folder(recording);
        let made = tokio::task::spawn_blocking(move || folder::make(&folder).map(|()| folder)).await;
        match made {
            Ok(Ok(folder)) => {
                Ok(Upload { recording, path: folder.join(UPLOAD), most: self.shared.settings.most_upload })
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot make a folder for an upload");
                Err(RecordingRefusal::DiskFull)
            }
            Err(_) => Err(ControlError::Stopping.into()),
        }
    }

    /// An upload came to nothing.
    pub async fn drop_upload(&self, upload: &Upload) {
        let folder = self.folder(upload.recording);
        // Whatever is left, the next start clears away.
        let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
    }

    /// An upload is complete and synced: it is looked at, and becomes a recording of the call.
    pub async fn finish_upload(
        &self,
        upload: Upload,
        call: CallId,
        channel: Option<ChannelId>,
        user: UserId,
    ) -> Result<Recording, RecordingRefusal> {
        let path = upload.path.clone();
        let looked = tokio::task::spawn_blocking(move || check::look(&path)).await;
        let media = match looked.map_err(|_| ControlError::Stopping)? {
            Ok(media) => media,
            Err(refusal) => {
                self.drop_upload(&upload).await;
                return Err(RecordingRefusal::NoMedia(refusal));
            }
        };
        let now = self.shared.handle.now();
        let recording = Recording {
            id: upload.recording,
            call: Some(call),
            channel,
            room: RoomName::from(call),
            origin: RecordingOrigin::Upload,
            status: RecordingStatus::Processing,
            started_by: Some(user),
            started_at: media.duration_ms.map_or(now, |ms| now - Duration::from_millis(ms)),
            ended_at: Some(now),
            duration_ms: media.duration_ms,
            size_bytes: media.size,
            layout: None,
            resolution: media.resolution,
            audio_only: media.audio_only,
            format: media.format,
            policy: RecordingPolicy::Announce,
            progress: None,
            retention_days: None,
            expires_at: None,
            legal_hold: false,
            error: None,
            deleted_at: None,
        };
        self.shared.store.put_recording(&recording).await?;
        let _ = self.shared.shelve.send(recording.id);
        Ok(recording)
    }

    /// Puts the recorder's files of a recording that is in storage back into a folder, to be composed again.
    pub async fn fetch(&self, id: RecordingId, into: &std::path::Path) -> Result<(), RecordingRefusal> {
        for file in self.files(id).await? {
            // The name is one that the recorder gives, or it would not have been taken.
            if let Some(name) = storage::SpoolName::new(&file.name) {
                let pieces = self.read(&file, 0..file.stored.size).await?;
                folder::write(into, &name, pieces).await?;
            }
        }
        Ok(())
    }
}

impl Shared {
    fn folder(&self, id: RecordingId) -> PathBuf {
        self.settings.folder.join(id.to_string())
    }

    async fn change(&self, id: RecordingId, change: &RecordingChange) -> Result<Option<Recording>, StoreError> {
        self.store.change_recording(id, change, self.handle.now()).await
    }

    fn tell(&self, recording: Recording, kind: RecordingEventKind) {
        // Nobody has to listen.
        let _ = self.events.send(RecordingEvent { recording, kind });
    }

    fn is_disk_full(&self) -> bool {
        match rustix::fs::statvfs(&self.settings.folder) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize) < self.settings.disk_reserve,
            // A file system that does not say is judged by the writes alone.
            Err(_) => false,
        }
    }

    /// When a recording that is over is to be deleted: by its own retention, its channel's, or the server's.
    async fn expiry(&self, recording: &Recording) -> Result<Option<Timestamp>, StoreError> {
        let Some(ended_at) = recording.ended_at else { return Ok(None) };
        let days = match (recording.retention_days, &recording.channel) {
            (Some(days), _) => Some(days),
            (None, Some(channel)) => {
                let own = self.store.channel_recording_rules(channel).await?.retention_days;
                own.or(self.settings.retention_days)
            }
            (None, None) => self.settings.retention_days,
        };
        Ok(days.map(|days| ended_at + DAY * days))
    }

    /// Deletes a recording; how many files the storage still has.
    async fn doom(&self, id: RecordingId, kind: RecordingEventKind) -> Result<usize, RecordingRefusal> {
        match self.store.doom_recording(id, self.handle.now()).await? {
            Doomed::Missing => return Err(RecordingRefusal::NotFound),
            Doomed::Held => return Err(RecordingRefusal::Held),
            Doomed::Done => {}
        }
        let folder = self.folder(id);
        let removed = tokio::task::spawn_blocking(move || folder::remove(&folder)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(recording = %id, %error, "cannot remove the folder of a deleted recording; the next start tries again");
        }
        let left = sweep::delete_files(self).await;
        if let Some(recording) = self.store.recording(id).await? {
            self.tell(recording, kind);
        }
        Ok(left)
    }
}

/// The key of a file in a recording's folder.
fn key(recording: RecordingId, name: &str) -> ObjectKey {
    ObjectKey { recording, file: FileId::of(recording, name) }
}
