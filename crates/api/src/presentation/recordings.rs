//! Recordings and their files.

use control::{FileKind, Recording as Known, RecordingFile};
use model::{RecordingFormat, RecordingLayout, RecordingPolicy, RecordingStatus, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{schema, time};
use crate::people::Shown;

/// A recording of a call.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recording {
    /// A UUID.
    pub id: String,
    /// The call that was recorded.
    #[schema(required)]
    call_id: Option<String>,
    /// The call's channel.
    #[schema(required)]
    channel_id: Option<String>,
    room: String,
    #[schema(value_type = schema::RecordingStatus)]
    status: RecordingStatus,
    /// The user who started it, if a person did.
    #[schema(required)]
    started_by: Option<String>,
    #[schema(value_type = schema::Time)]
    started_at: String,
    #[schema(required, value_type = Option<schema::Time>)]
    ended_at: Option<String>,
    #[schema(required)]
    duration_seconds: Option<u64>,
    /// Where to get the composed or uploaded file, with a signature that expires.
    #[schema(required)]
    file_url: Option<String>,
    /// What all its files take.
    file_size_bytes: u64,
    /// Of the picture, such as `1280x720`.
    #[schema(required)]
    resolution: Option<String>,
    #[schema(required, value_type = Option<schema::RecordingLayout>)]
    layout_type: Option<RecordingLayout>,
    audio_only: bool,
    #[schema(value_type = schema::RecordingFormat)]
    format: RecordingFormat,
    #[schema(value_type = schema::RecordingPolicy)]
    policy: RecordingPolicy,
    /// When it will be deleted.
    #[schema(required, value_type = Option<schema::Time>)]
    expires_at: Option<String>,
    /// How long it is kept, if that was set for this recording.
    #[schema(required)]
    retention_days: Option<u32>,
    /// As long as this is true, it cannot be deleted and does not expire.
    legal_hold: bool,
    #[schema(required)]
    error: Option<RecordingError>,
    /// Whether there is one file of the whole call.
    is_composed: bool,
    /// How far composing has come, in percent.
    #[schema(required)]
    progress: Option<u8>,
}

/// Why a recording could not be made or kept.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RecordingError {
    /// A stable code.
    code: String,
    /// A message for people.
    message: String,
}

impl Recording {
    /// `file_url`: of the composed or uploaded file, if there is one.
    pub fn new(known: &Known, main: Option<&RecordingFile>, file_url: Option<String>) -> Self {
        Self {
            id: known.id.to_string(),
            call_id: known.call.map(|call| call.to_string()),
            channel_id: known.channel.as_ref().map(ToString::to_string),
            room: known.room.to_string(),
            status: known.status,
            started_by: known.started_by.as_ref().map(ToString::to_string),
            started_at: time(known.started_at),
            ended_at: known.ended_at.map(time),
            duration_seconds: known.duration_ms.map(|ms| ms / 1_000),
            file_url,
            file_size_bytes: known.size_bytes,
            resolution: known.resolution.clone(),
            layout_type: known.layout,
            audio_only: known.audio_only,
            format: known.format,
            policy: known.policy,
            expires_at: known.expires_at.map(time),
            retention_days: known.retention_days,
            legal_hold: known.legal_hold,
            error: known
                .error
                .as_ref()
                .map(|(code, message)| RecordingError { code: code.clone(), message: message.clone() }),
            is_composed: main.is_some_and(|file| file.kind == FileKind::Composed),
            progress: known.progress,
        }
    }
}

/// A file with a part of what one participant sent, as it was sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordedTrack {
    /// A UUID.
    id: String,
    /// The track's ID in the room. A track can have several files, one after another.
    track_sid: String,
    /// Who published it.
    #[schema(required)]
    user_id: Option<String>,
    /// The name that people see.
    #[schema(required)]
    name: Option<String>,
    /// `audio` or `video`.
    #[schema(required)]
    kind: Option<String>,
    /// `camera`, `microphone`, `screen_share` or `screen_share_audio`.
    #[schema(required)]
    source: Option<String>,
    #[schema(required)]
    codec: Option<String>,
    #[schema(required)]
    width: Option<u32>,
    #[schema(required)]
    height: Option<u32>,
    size_bytes: u64,
    /// Of the file, in hex.
    sha256: String,
    /// Where to get the file, with a signature that expires.
    file_url: String,
}

impl RecordedTrack {
    /// None: the file is of no track.
    pub fn new(file: &RecordingFile, shown: &Shown, file_url: String) -> Option<Self> {
        let info = file.track.as_ref()?;
        Some(Self {
            id: file.id.to_string(),
            track_sid: info.track.clone(),
            user_id: info.user.as_ref().map(UserId::to_string),
            name: info.user.as_ref().map(|user| shown.of(user).name.to_string()),
            kind: info.media.clone(),
            source: info.source.clone(),
            codec: info.codec.clone(),
            width: info.width,
            height: info.height,
            size_bytes: file.stored.size,
            sha256: hex(&file.stored.sha256),
            file_url,
        })
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
