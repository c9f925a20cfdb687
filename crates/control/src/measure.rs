//! Quality reports: into the call and the store, and out again.

use call::{CallSnapshot, Command, QualityReport};
use model::{CallId, QualityBand, Timestamp, UserId};

use crate::handle::{ControlError, Handle};

/// Raw reports of one call that are shown.
const SHOWN: usize = 1_000;

/// Who measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QualitySource {
    /// The participant's client.
    Client,
    /// The media server.
    Server,
}

impl QualitySource {
    /// The number in the store.
    pub const fn number(self) -> i64 {
        match self {
            QualitySource::Client => 1,
            QualitySource::Server => 2,
        }
    }
}

/// A report as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct QualitySample {
    /// When the report came.
    pub at: Timestamp,
    /// The user whose connection it is about.
    pub user: UserId,
    /// Who measured.
    pub source: QualitySource,
    /// The worst band that one of the numbers falls in; `None` where there is no number.
    pub band: Option<QualityBand>,
    /// Packet loss, jitter and round trip.
    pub report: QualityReport,
    /// Bits per second that the client sent; `None` where it did not say.
    pub bitrate_up: Option<u64>,
    /// Bits per second that the client received; `None` where it did not say.
    pub bitrate_down: Option<u64>,
    /// Width of the video it receives, in pixels; `None` where it did not say.
    pub frame_width: Option<u32>,
    /// Height of the video it receives, in pixels; `None` where it did not say.
    pub frame_height: Option<u32>,
    /// Frames per second of that video; `None` where it did not say.
    pub frames_per_second: Option<f64>,
    /// Frames of it dropped since the last report; `None` where it did not say.
    pub frames_dropped: Option<u64>,
    /// The audio codec in use, such as `opus`; `None` where it did not say.
    pub audio_codec: Option<String>,
    /// The video codec in use, such as `VP8`; `None` where it did not say.
    pub video_codec: Option<String>,
}

impl Handle {
    /// Takes in what a participant's client measured, oldest first. The call hears of it at once; the store may be away, and then the raw
    /// reports are lost while the averages are not.
    pub async fn report_quality(
        &self,
        call: CallId,
        user: &UserId,
        samples: Vec<QualitySample>,
    ) -> Result<(), ControlError> {
        let reports = samples.iter().map(|sample| sample.report).collect();
        self.command(Command::Quality { call, user: user.clone(), reports, by_server: false }).await?;
        let id = self.call(call, user).await.map_or(call, |call| call.id);
        self.wait_for_store().await;
        if let Err(error) = self.shared.store.put_quality(id, &samples).await {
            tracing::debug!(%error, "cannot store quality reports");
        }
        Ok(())
    }

    /// The call with its averages, and its newest raw reports, oldest first.
    pub async fn quality_of(
        &self,
        call: CallId,
        user: &UserId,
    ) -> Result<(CallSnapshot, Vec<QualitySample>), ControlError> {
        let call = self.call(call, user).await?;
        let samples = self.shared.store.quality(call.id, SHOWN).await?;
        Ok((call, samples))
    }
}

/// Deletes raw reports that are older than `keep`, once an hour, for as long as the program runs.
pub(crate) async fn sweep(
    store: std::sync::Arc<dyn crate::store::Store>,
    clock: std::sync::Arc<crate::clock::Clock>,
    keep: std::time::Duration,
) {
    let mut hourly = tokio::time::interval(std::time::Duration::from_secs(3_600));
    loop {
        hourly.tick().await;
        let before = clock.now() - keep;
        match store.sweep_quality(before).await {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "deleted old quality reports"),
            Err(error) => tracing::debug!(%error, "cannot delete old quality reports"),
        }
    }
}
