//! What becomes of the recordings of calls: what the call says of them and what the media side says becomes their rows.

use std::sync::{Arc, Weak};

use call::{Record, RecordingSnapshot};
use model::{RecordingStatus, VideoQuality};
use storage::Backoff;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::records::{Recording, RecordingOrigin};
use super::{RecordingRefusal, Recordings, Shared};
use crate::log_throttle::LogThrottle;
use crate::media::{RecordingNotice, RecordingNoticeKind};

/// One thing to write down.
enum News {
    /// From the call.
    Change(Arc<Record>),
    /// From whoever writes the folder.
    Notice(RecordingNotice),
}

/// Follows both until the control plane is gone. In the order in which things happened: a recording is asked for before its folder
/// begins, and is over before that is complete.
pub(super) async fn run(
    shared: Weak<Shared>,
    mut changes: Receiver<Arc<Record>>,
    mut notices: Receiver<RecordingNotice>,
) {
    loop {
        let news = tokio::select! {
            biased;
            change = changes.recv() => change.map(News::Change),
            notice = notices.recv() => notice.map(News::Notice),
        };
        match news {
            Ok(news) => {
                if write_down(&shared, &news).await.is_none() {
                    return;
                }
            }
            // Their folders say what they are; a start that finds them makes up for it.
            Err(RecvError::Lagged(missed)) => {
                tracing::error!(missed, "too much happened to recordings to write it down")
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Tries until the store has it. None: the server stops.
async fn write_down(shared: &Weak<Shared>, news: &News) -> Option<()> {
    let (mut backoff, mut throttle) = (Backoff::default(), LogThrottle::default());
    loop {
        let recordings = Recordings { shared: shared.upgrade()? };
        let Err(error) = recordings.take(news).await else { return Some(()) };
        if throttle.due() {
            tracing::error!(%error, "cannot write down what became of a recording; trying again");
        }
        drop(recordings);
        tokio::time::sleep(backoff.wait()).await;
    }
}

impl Recordings {
    async fn take(&self, news: &News) -> Result<(), RecordingRefusal> {
        match news {
            News::Change(record) => {
                let Some(recording) = &record.call.recording else { return Ok(()) };
                match record.event.as_str() {
                    "recording_requested" => {
                        // The row stands beside its call's.
                        self.shared.handle.wait_for_store().await;
                        self.begin(row(record, recording)).await
                    }
                    "recording_started" | "recording_resumed" => {
                        self.status(recording.id, RecordingStatus::Recording).await
                    }
                    "recording_paused" => self.status(recording.id, RecordingStatus::Paused).await,
                    // How it ended is for whoever writes the folder to say.
                    _ => Ok(()),
                }
            }
            News::Notice(RecordingNotice { recording, kind, .. }) => match kind {
                RecordingNoticeKind::Began { .. } => Ok(()),
                RecordingNoticeKind::Stopped { at, duration_ms, size_bytes } => {
                    self.stopped(*recording, *at, Some(*duration_ms), *size_bytes).await
                }
                RecordingNoticeKind::Failed { code, message } => self.failed(*recording, code, message).await,
            },
        }
    }
}

fn row(record: &Record, recording: &RecordingSnapshot) -> Recording {
    let options = &recording.options;
    Recording {
        id: recording.id,
        call: Some(record.call.id),
        channel: record.call.channel.clone(),
        room: record.call.id.into(),
        origin: RecordingOrigin::Server,
        status: recording.status,
        started_by: recording.started_by.clone(),
        started_at: recording.started_at,
        ended_at: None,
        duration_ms: None,
        size_bytes: 0,
        layout: Some(options.layout),
        resolution: (!options.audio_only).then(|| size(options.resolution).to_owned()),
        audio_only: options.audio_only,
        format: options.format,
        policy: recording.policy,
        progress: None,
        retention_days: options.retention_days,
        expires_at: None,
        legal_hold: false,
        error: None,
        deleted_at: None,
    }
}

/// As the size of a composed picture is written.
fn size(quality: VideoQuality) -> &'static str {
    match quality {
        VideoQuality::P180 => "320x180",
        VideoQuality::P360 => "640x360",
        VideoQuality::P720 => "1280x720",
        VideoQuality::P1080 => "1920x1080",
    }
}
