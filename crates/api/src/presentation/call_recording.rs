//! Recording a call, whether over REST or over a socket: what is asked for, and what those in the call are shown.

use ::call::{CallSnapshot, RecordingOptions, RecordingSnapshot};
use model::{
    CallId, Permission, RecordingDecline, RecordingFormat, RecordingLayout, RecordingPolicy, RecordingStatus, UserId,
    VideoQuality,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::in_call::acting;
use super::{schema, time};
use crate::access::caller::Caller;
use crate::http::error::{ApiError, ApiResult};
use crate::state::AppState;

/// Ten years.
const LONGEST_RETENTION: u32 = 3_650;

/// What a recording is to become. Everything may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartRecording {
    /// By default `grid`.
    #[serde(alias = "layout_type")]
    #[schema(value_type = Option<schema::RecordingLayout>)]
    layout_type: Option<RecordingLayout>,
    /// By default `720p`.
    #[schema(value_type = Option<schema::VideoQuality>)]
    resolution: Option<VideoQuality>,
    /// By default `mp4`.
    #[schema(value_type = Option<schema::RecordingFormat>)]
    format: Option<RecordingFormat>,
    /// Whether no picture is recorded.
    #[serde(alias = "audio_only")]
    audio_only: Option<bool>,
    /// How many days it is kept, if not as long as the server keeps recordings.
    #[serde(alias = "retention_days")]
    #[schema(minimum = 1, maximum = 3_650)]
    retention_days: Option<u32>,
}

impl StartRecording {
    fn options(self) -> ApiResult<RecordingOptions> {
        if self.retention_days.is_some_and(|days| !(1..=LONGEST_RETENTION).contains(&days)) {
            return Err(ApiError::invalid("retentionDays", "must be from 1 to 3650"));
        }
        let default = RecordingOptions::default();
        let layout = self.layout_type.unwrap_or(default.layout);
        Ok(RecordingOptions {
            layout,
            resolution: self.resolution.unwrap_or(default.resolution),
            format: self.format.unwrap_or(default.format),
            audio_only: self.audio_only.unwrap_or(layout == RecordingLayout::AudioOnly),
            retention_days: self.retention_days,
        })
    }
}

/// Whether the caller agrees to be recorded.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RecordingConsent {
    /// Can be changed for as long as the call is recorded.
    pub given: bool,
}

/// The recording that is being made of a call.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallRecording {
    /// A UUID.
    id: String,
    #[schema(value_type = schema::RecordingStatus)]
    status: RecordingStatus,
    /// Under `ask`, only those who agree are recorded.
    #[schema(value_type = schema::RecordingPolicy)]
    policy: RecordingPolicy,
    /// What becomes of those who do not agree.
    #[schema(value_type = schema::RecordingDecline)]
    decline: RecordingDecline,
    /// The user who started it, if a person did.
    #[schema(required)]
    started_by: Option<String>,
    /// When media was first written, or when it was asked for if none was yet.
    #[schema(value_type = schema::Time)]
    started_at: String,
    audio_only: bool,
}

impl From<&RecordingSnapshot> for CallRecording {
    fn from(recording: &RecordingSnapshot) -> Self {
        Self {
            id: recording.id.to_string(),
            status: recording.status,
            policy: recording.policy,
            decline: recording.decline,
            started_by: recording.started_by.as_ref().map(UserId::to_string),
            started_at: time(recording.began_at.unwrap_or(recording.started_at)),
            audio_only: recording.options.audio_only,
        }
    }
}

/// What can be done with the recording of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Pause,
    Resume,
    Stop,
}

/// Starts to record.
pub(crate) async fn start(
    state: &AppState,
    caller: &Caller,
    id: CallId,
    body: StartRecording,
) -> ApiResult<CallSnapshot> {
    caller.require(Permission::CallsRecord)?;
    let options = body.options()?;
    // Whoever may not record the call hears that from the call.
    if let Some(kept) = &state.config.recordings
        && let Some(call) = state.handle().running_call(id).await?
        && call.participant(&caller.user).is_some()
    {
        kept.admit(call.channel.as_ref(), Some(&caller.user)).await?;
    }
    Ok(state.handle().start_recording(id, acting(caller), options).await?)
}

/// Pauses, resumes or stops.
pub(crate) async fn carry_out(state: &AppState, caller: &Caller, id: CallId, act: Act) -> ApiResult<CallSnapshot> {
    caller.require(Permission::CallsRecord)?;
    let (handle, by) = (state.handle(), acting(caller));
    Ok(match act {
        Act::Pause => handle.pause_recording(id, by, true).await?,
        Act::Resume => handle.pause_recording(id, by, false).await?,
        Act::Stop => handle.stop_recording(id, by).await?,
    })
}
