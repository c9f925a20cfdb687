//! Recording a call: who asks for it, what the media side says of it, and whoever wants to know what becomes of it.

use std::sync::Arc;

use call::{CallSnapshot, Command, Record, RecordingOptions};
use model::{CallId, UserId};
use tokio::sync::broadcast;

use crate::handle::{ControlError, Handle};
use crate::in_call::Acting;
use crate::media::{RecordingNotice, RecordingNoticeKind};

impl Handle {
    /// Starts to record a call.
    pub async fn start_recording(
        &self,
        call: CallId,
        by: Acting<'_>,
        options: RecordingOptions,
    ) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::StartRecording { call, by: by.user.clone(), admin: by.admin, options }).await
    }
    /// Pauses the recording, or resumes it.
    pub async fn pause_recording(&self, call: CallId, by: Acting<'_>, on: bool) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::PauseRecording { call, by: by.user.clone(), admin: by.admin, on }).await
    }
    /// Stops the recording.
    pub async fn stop_recording(&self, call: CallId, by: Acting<'_>) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::StopRecording { call, by: by.user.clone(), admin: by.admin }).await
    }
    /// Agrees to be recorded, or does not.
    pub async fn consent_to_recording(
        &self,
        call: CallId,
        user: &UserId,
        given: bool,
    ) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::RecordingConsent { call, user: user.clone(), given }).await
    }
    /// What happens to the recordings of calls, once it is on disk. Each with the call as it then is; `recording` is the one it is about.
    pub fn recording_changes(&self) -> broadcast::Receiver<Arc<Record>> {
        self.shared.recording_changes.subscribe()
    }
    /// What the media side says of recordings, in order.
    pub fn recording_notices(&self) -> broadcast::Receiver<RecordingNotice> {
        self.shared.recording_notices.subscribe()
    }
}

/// What becomes of recordings is for the operator to know.
pub(crate) fn log(RecordingNotice { room, recording, kind }: &RecordingNotice) {
    match kind {
        RecordingNoticeKind::Began { .. } => tracing::info!(%recording, %room, "a recording began"),
        RecordingNoticeKind::Stopped { duration_ms, size_bytes, .. } => {
            tracing::info!(%recording, %room, duration_ms, size_bytes, "a recording is complete");
        }
        RecordingNoticeKind::Failed { code, message } => {
            tracing::error!(%recording, %room, code, message, "a recording failed");
        }
    }
}

/// The command that a notice comes to; `None` for rooms that are no call's.
pub(crate) fn command(notice: &RecordingNotice) -> Option<Command> {
    let call: CallId = notice.room.as_str().parse().ok()?;
    let recording = notice.recording;
    Some(match &notice.kind {
        RecordingNoticeKind::Began { .. } => Command::RecordingBegan { call, recording },
        RecordingNoticeKind::Stopped { .. } => Command::RecordingEnded { call, recording },
        RecordingNoticeKind::Failed { code, .. } => {
            Command::RecordingFailed { call, recording, code: (*code).to_owned() }
        }
    })
}
