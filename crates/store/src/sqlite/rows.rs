//! Rows back into the words of the house. A row that does not read back is a fault of ours, told as such.

use std::collections::HashMap;

use call::{CallSnapshot, Consent, ParticipantSnapshot, QualitySummary, RecordingSnapshot, Transfer};
use control::{StoreError, User};
use model::{CallId, ParticipantId, Permission, Timestamp, UserId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, SqlitePool, Type};
use uuid::Uuid;

use super::store_error;

/// What of `calls` makes a snapshot.
pub(super) const CALL_COLUMNS: &str = "id, kind, media, topology, status, initiator_id, channel_id, in_channel, created_at, \
    started_at, connected_at, ended_at, end_reason, ended_by, ring_until, max_participants, metadata, \
    merged_into, transfer, recording, is_recorded";

/// A column's value.
pub(super) fn get<'r, T>(row: &'r SqliteRow, column: &str) -> Result<T, StoreError>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(column).map_err(store_error)
}

/// A text that is an id.
pub(super) fn id<T: TryFrom<String>>(row: &SqliteRow, column: &str) -> Result<T, StoreError> {
    T::try_from(get::<String>(row, column)?).map_err(|_| fault(column, "not an id"))
}

/// A text that is an id, or NULL.
pub(super) fn maybe_id<T: TryFrom<String>>(row: &SqliteRow, column: &str) -> Result<Option<T>, StoreError> {
    get::<Option<String>>(row, column)?.map(T::try_from).transpose().map_err(|_| fault(column, "not an id"))
}

/// A time.
pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, StoreError> {
    get(row, column).map(Timestamp)
}

pub(super) fn maybe_time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp))
}

pub(super) fn word<T>(row: &SqliteRow, column: &str, from: fn(i64) -> Option<T>) -> Result<T, StoreError> {
    from(get(row, column)?).ok_or_else(|| fault(column, "unknown number"))
}

pub(super) fn maybe_word<T>(
    row: &SqliteRow,
    column: &str,
    from: fn(i64) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    match get::<Option<i64>>(row, column)? {
        Some(number) => from(number).map(Some).ok_or_else(|| fault(column, "unknown number")),
        None => Ok(None),
    }
}

pub(super) fn number<T: TryFrom<i64>>(row: &SqliteRow, column: &str) -> Result<T, StoreError> {
    T::try_from(get(row, column)?).map_err(|_| fault(column, "out of range"))
}

pub(super) fn maybe_number<T: TryFrom<i64>>(row: &SqliteRow, column: &str) -> Result<Option<T>, StoreError> {
    let number = get::<Option<i64>>(row, column)?;
    number.map(T::try_from).transpose().map_err(|_| fault(column, "out of range"))
}

/// A column's text, read as JSON.
pub(super) fn json(row: &SqliteRow, column: &str) -> Result<serde_json::Value, StoreError> {
    serde_json::from_str(&get::<String>(row, column)?).map_err(|_| fault(column, "not JSON"))
}

/// What a token may do, as it is stored.
pub(super) fn permissions(row: &SqliteRow) -> Result<Vec<Permission>, StoreError> {
    serde_json::from_str(&get::<String>(row, "permissions")?).map_err(|_| fault("permissions", "not a list"))
}

fn fault(column: &str, what: &str) -> StoreError {
    StoreError::Fault(format!("column {column}: {what}"))
}

/// A user.
pub(super) fn user(row: &SqliteRow) -> Result<User, StoreError> {
    Ok(User {
        id: id(row, "id")?,
        name: get(row, "name")?,
        avatar_url: get(row, "avatar_url")?,
        is_guest: get(row, "is_guest")?,
        created_at: time(row, "created_at")?,
    })
}

fn call(row: &SqliteRow) -> Result<CallSnapshot, StoreError> {
    Ok(CallSnapshot {
        id: CallId(get(row, "id")?),
        kind: word(row, "kind", model::CallKind::from_number)?,
        media: word(row, "media", model::CallMedia::from_number)?,
        topology: word(row, "topology", model::Topology::from_number)?,
        status: word(row, "status", model::CallStatus::from_number)?,
        initiator: id(row, "initiator_id")?,
        channel: maybe_id(row, "channel_id")?,
        in_channel: get(row, "in_channel")?,
        created_at: time(row, "created_at")?,
        started_at: maybe_time(row, "started_at")?,
        connected_at: maybe_time(row, "connected_at")?,
        ended_at: maybe_time(row, "ended_at")?,
        end_reason: maybe_word(row, "end_reason", model::EndReason::from_number)?,
        ended_by: maybe_id(row, "ended_by")?,
        ring_until: time(row, "ring_until")?,
        max_participants: number(row, "max_participants")?,
        metadata: json(row, "metadata")?,
        merged_into: get::<Option<Uuid>>(row, "merged_into")?.map(CallId),
        transfer: transfer(row)?,
        recording: recording(row)?,
        is_recorded: get(row, "is_recorded")?,
        participants: Vec::new(),
    })
}

fn participant(row: &SqliteRow) -> Result<ParticipantSnapshot, StoreError> {
    Ok(ParticipantSnapshot {
        id: ParticipantId(get(row, "id")?),
        user: id::<UserId>(row, "user_id")?,
        status: word(row, "status", model::ParticipantStatus::from_number)?,
        device: maybe_id(row, "device_id")?,
        invited_at: time(row, "invited_at")?,
        joined_at: maybe_time(row, "joined_at")?,
        left_at: maybe_time(row, "left_at")?,
        left_reason: maybe_word(row, "left_reason", model::EndReason::from_number)?,
        seconds: number(row, "duration")?,
        is_muted: get(row, "is_muted")?,
        is_video_enabled: get(row, "is_video_enabled")?,
        is_screen_sharing: get(row, "is_screen_sharing")?,
        video_quality: word(row, "video_quality", model::VideoQuality::from_number)?,
        is_on_hold: get(row, "is_on_hold")?,
        is_hard_muted: get(row, "is_hard_muted")?,
        recording_consent: consent(row)?,
        quality: quality(row)?,
    })
}

fn recording(row: &SqliteRow) -> Result<Option<RecordingSnapshot>, StoreError> {
    let text = get::<Option<String>>(row, "recording")?;
    text.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| fault("recording", "not a recording"))
}

fn consent(row: &SqliteRow) -> Result<Option<Consent>, StoreError> {
    let (given, at) = (get::<Option<bool>>(row, "recording_consent")?, maybe_time(row, "recording_consent_at")?);
    Ok(given.zip(at).map(|(given, at)| Consent { given, at }))
}

fn transfer(row: &SqliteRow) -> Result<Option<Transfer>, StoreError> {
    let text = get::<Option<String>>(row, "transfer")?;
    text.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| fault("transfer", "not a transfer"))
}

fn quality(row: &SqliteRow) -> Result<Option<QualitySummary>, StoreError> {
    let Some(band) = maybe_word(row, "connection_quality", model::QualityBand::from_number)? else { return Ok(None) };
    Ok(Some(QualitySummary {
        reports: number(row, "quality_reports")?,
        band,
        packet_loss: get(row, "avg_packet_loss")?,
        jitter_ms: get(row, "avg_jitter_ms")?,
        round_trip_ms: get(row, "avg_round_trip_ms")?,
    }))
}

/// The rows of `calls` with their participants, in the order of the rows.
pub(super) async fn calls(pool: &SqlitePool, rows: &[SqliteRow]) -> Result<Vec<CallSnapshot>, StoreError> {
    let mut calls = rows.iter().map(call).collect::<Result<Vec<_>, _>>()?;
    let places: HashMap<CallId, usize> = calls.iter().enumerate().map(|(place, call)| (call.id, place)).collect();
    // SQLite takes 32,766 parameters; pages and restarts stay far below, but a restart is not bounded by a page.
    let ids: Vec<Uuid> = calls.iter().map(|call| call.id.0).collect();
    for some in ids.chunks(500) {
        let mut query = sqlx::QueryBuilder::<Sqlite>::new("SELECT * FROM call_participants WHERE call_id IN (");
        let mut list = query.separated(", ");
        for id in some {
            list.push_bind(*id);
        }
        query.push(") ORDER BY call_id, position");
        for row in query.build().fetch_all(pool).await.map_err(store_error)? {
            let call = CallId(get(&row, "call_id")?);
            if let Some(place) = places.get(&call) {
                calls[*place].participants.push(participant(&row)?);
            }
        }
    }
    Ok(calls)
}
