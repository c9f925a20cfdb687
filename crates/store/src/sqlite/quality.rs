//! Raw quality reports: written by the batch, read by the call, swept by age.

use call::QualityReport;
use control::{QualitySample, QualitySource, StoreError};
use model::{CallId, Timestamp};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;

use super::{SqliteStore, rows, store_error};

/// Rows deleted in one transaction, so that a sweep does not hold up what else is written.
const SWEPT_AT_ONCE: i64 = 10_000;

/// Keeps reports. One of a user or a call that is not there is a fault.
pub(super) async fn put(store: &SqliteStore, call: CallId, samples: &[QualitySample]) -> Result<(), StoreError> {
    let mut transaction = store.write().await?;
    for sample in samples {
        sqlx::query(
            "INSERT INTO call_quality_reports (call_id, user_id, at, source, band, packet_loss, jitter_ms, round_trip_ms, \
                bitrate_up, bitrate_down, frame_width, frame_height, frames_per_second, frames_dropped, audio_codec, \
                video_codec) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(call.0)
        .bind(sample.user.as_str())
        .bind(sample.at.0)
        .bind(sample.source.number())
        .bind(sample.band.map(|band| band.number()))
        .bind(sample.report.packet_loss)
        .bind(sample.report.jitter_ms)
        .bind(sample.report.round_trip_ms)
        .bind(sample.bitrate_up.map(|value| value.min(i64::MAX as u64) as i64))
        .bind(sample.bitrate_down.map(|value| value.min(i64::MAX as u64) as i64))
        .bind(sample.frame_width.map(i64::from))
        .bind(sample.frame_height.map(i64::from))
        .bind(sample.frames_per_second)
        .bind(sample.frames_dropped.map(|value| value.min(i64::MAX as u64) as i64))
        .bind(&sample.audio_codec)
        .bind(&sample.video_codec)
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
    }
    transaction.commit().await
}

const NEWEST: &str = "SELECT * FROM call_quality_reports WHERE call_id = ? ORDER BY at DESC, id DESC LIMIT ?";

/// A call's newest reports, oldest first.
pub(super) async fn newest(pool: &SqlitePool, call: CallId, limit: usize) -> Result<Vec<QualitySample>, StoreError> {
    let found = sqlx::query(NEWEST).bind(call.0).bind(limit as i64).fetch_all(pool).await.map_err(store_error)?;
    found.iter().rev().map(sample).collect()
}

fn sample(row: &SqliteRow) -> Result<QualitySample, StoreError> {
    let whole = |column| -> Result<Option<u64>, StoreError> {
        Ok(rows::get::<Option<i64>>(row, column)?.and_then(|value| u64::try_from(value).ok()))
    };
    let pixels = |column| -> Result<Option<u32>, StoreError> {
        Ok(rows::get::<Option<i64>>(row, column)?.and_then(|value| u32::try_from(value).ok()))
    };
    Ok(QualitySample {
        at: rows::time(row, "at")?,
        user: rows::id(row, "user_id")?,
        source: match rows::get::<i64>(row, "source")? {
            1 => QualitySource::Client,
            _ => QualitySource::Server,
        },
        band: rows::maybe_word(row, "band", model::QualityBand::from_number)?,
        report: QualityReport {
            packet_loss: rows::get(row, "packet_loss")?,
            jitter_ms: rows::get(row, "jitter_ms")?,
            round_trip_ms: rows::get(row, "round_trip_ms")?,
        },
        bitrate_up: whole("bitrate_up")?,
        bitrate_down: whole("bitrate_down")?,
        frame_width: pixels("frame_width")?,
        frame_height: pixels("frame_height")?,
        frames_per_second: rows::get(row, "frames_per_second")?,
        frames_dropped: whole("frames_dropped")?,
        audio_codec: rows::get(row, "audio_codec")?,
        video_codec: rows::get(row, "video_codec")?,
    })
}

/// Deletes reports from before.
pub(super) async fn sweep(store: &SqliteStore, before: Timestamp) -> Result<u64, StoreError> {
    let mut swept = 0;
    loop {
        let mut transaction = store.write().await?;
        let gone = sqlx::query(
            "DELETE FROM call_quality_reports WHERE id IN (SELECT id FROM call_quality_reports WHERE at < ? LIMIT ?)",
        )
        .bind(before.0)
        .bind(SWEPT_AT_ONCE)
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?
        .rows_affected();
        transaction.commit().await?;
        swept += gone;
        if gone < SWEPT_AT_ONCE as u64 {
            return Ok(swept);
        }
    }
}
