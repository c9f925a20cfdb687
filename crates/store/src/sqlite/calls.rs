//! Calls: journal records in, snapshots and event logs out.

use std::borrow::Cow;
use std::collections::HashMap;

use call::{CallSnapshot, ParticipantSnapshot, QualitySummary, Record};
use control::{StoreError, StoredEvent};
use model::{CallId, NodeId, UserId};
use sqlx::{AssertSqlSafe, SqliteConnection, SqlitePool};

use super::rows::{self, CALL_COLUMNS};
use super::{SqliteStore, apply_error, erase, people, store_error};

/// A node as the database knows it.
struct Node {
    /// What its events are filed under.
    number: i64,
    /// How far its journal has been taken over.
    applied: i64,
}

/// The highest sequence of a node's journal that is in the store.
pub(super) async fn applied(store: &SqliteStore, node: NodeId) -> Result<u64, StoreError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT applied FROM journal_position WHERE node = ?")
        .bind(node.0)
        .fetch_optional(&store.readers)
        .await
        .map_err(store_error)?;
    let applied = match found {
        Some(applied) => applied,
        None => {
            let mut transaction = store.write().await?;
            let node = known(&mut transaction, node).await?;
            transaction.commit().await?;
            node.applied
        }
    };
    u64::try_from(applied).map_err(|_| StoreError::Fault("journal_position is negative".to_owned()))
}

/// A node's row. One that is here for the first time has been here all along if the node that was has no ID yet.
async fn known(connection: &mut SqliteConnection, node: NodeId) -> Result<Node, StoreError> {
    const FOUND: &str = "SELECT number, applied FROM journal_position WHERE node = ?1";
    const NAMED: &str = "UPDATE journal_position SET node = ?1 WHERE node = zeroblob(16) RETURNING number, applied";
    const MADE: &str = "INSERT INTO journal_position (node, applied) VALUES (?1, 0) RETURNING number, applied";
    for sql in [FOUND, NAMED, MADE] {
        let row: Option<(i64, i64)> =
            sqlx::query_as(sql).bind(node.0).fetch_optional(&mut *connection).await.map_err(store_error)?;
        if let Some((number, applied)) = row {
            return Ok(Node { number, applied });
        }
    }
    Err(StoreError::Fault("a row that was inserted is not returned".to_owned()))
}

/// Applies records in order, all or none; ones already there are passed over.
pub(super) async fn apply(store: &SqliteStore, node: NodeId, records: &[(u64, Record)]) -> Result<(), StoreError> {
    let mut transaction = store.write().await?;
    let Node { number, applied } = known(&mut transaction, node).await?;
    let fresh: Vec<&(u64, Record)> = records.iter().filter(|(sequence, _)| *sequence as i64 > applied).collect();
    let fresh = for_store(&mut transaction, fresh).await?;
    let Some((last, _)) = fresh.last() else { return transaction.commit().await };
    // A record carries its whole call, so of a batch only each call's last one is written; its events all are.
    let latest: HashMap<CallId, u64> = fresh.iter().map(|(sequence, record)| (record.call.id, *sequence)).collect();
    for (_, record) in fresh.iter().filter(|(sequence, record)| latest[&record.call.id] == *sequence) {
        write_call(&mut transaction, &record.call).await.map_err(apply_error)?;
    }
    for (sequence, record) in &fresh {
        write_event(&mut transaction, number, *sequence, record).await.map_err(apply_error)?;
    }
    erase::forget_finished(&mut transaction).await?;
    advance(&mut transaction, number, *last).await?;
    transaction.commit().await
}

async fn advance(connection: &mut SqliteConnection, node: i64, applied: u64) -> Result<(), StoreError> {
    let advance = sqlx::query("UPDATE journal_position SET applied = max(applied, ?2) WHERE number = ?1");
    advance.bind(node).bind(applied as i64).execute(connection).await.map(drop).map_err(store_error)
}

/// Counts a record that was put aside as applied.
pub(super) async fn pass_over(store: &SqliteStore, node: NodeId, sequence: u64) -> Result<(), StoreError> {
    let mut transaction = store.write().await?;
    let node = known(&mut transaction, node).await?;
    advance(&mut transaction, node.number, sequence).await?;
    transaction.commit().await
}

/// Takes a record that was put aside, in its place among what came since. False: it is there.
pub(super) async fn replay(
    store: &SqliteStore,
    node: NodeId,
    sequence: u64,
    record: &Record,
) -> Result<bool, StoreError> {
    let mut transaction = store.write().await?;
    let Node { number, .. } = known(&mut transaction, node).await?;
    let newest: Option<(i64, i64)> = sqlx::query_as(
        "SELECT node, sequence FROM call_events WHERE call_id = ? ORDER BY node DESC, sequence DESC LIMIT 1",
    )
    .bind(record.call.id.0)
    .fetch_optional(&mut *transaction)
    .await
    .map_err(store_error)?;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM call_events WHERE node = ? AND sequence = ?)")
        .bind(number)
        .bind(sequence as i64)
        .fetch_one(&mut *transaction)
        .await
        .map_err(store_error)?;
    if !there {
        let cleaned = erase::without_erased(&mut transaction, record).await?;
        let record = cleaned.as_ref().unwrap_or(record);
        if newest.is_none_or(|newest| newest < (number, sequence as i64)) {
            write_call(&mut transaction, &record.call).await.map_err(apply_error)?;
        }
        write_event(&mut transaction, number, sequence, record).await.map_err(apply_error)?;
        erase::forget_finished(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(!there)
}

/// The records as they are to be written: without users who were erased while their call ran.
async fn for_store<'a>(
    connection: &mut SqliteConnection,
    records: Vec<&'a (u64, Record)>,
) -> Result<Vec<(u64, Cow<'a, Record>)>, StoreError> {
    let any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM erased_parts)")
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
    let mut written = Vec::with_capacity(records.len());
    for (sequence, record) in records {
        let cleaned = if any { erase::without_erased(connection, record).await? } else { None };
        written.push((*sequence, cleaned.map_or(Cow::Borrowed(record), Cow::Owned)));
    }
    Ok(written)
}

async fn write_call(connection: &mut SqliteConnection, call: &CallSnapshot) -> Result<(), sqlx::Error> {
    let named: Vec<&UserId> =
        std::iter::once(&call.initiator).chain(call.participants.iter().map(|p| &p.user)).collect();
    people::make_bare(connection, &named, call.created_at).await?;
    let duration = call.ended_at.and_then(|end| call.duration_seconds(end)).map(|seconds| seconds as i64);
    sqlx::query(
        "INSERT INTO calls (id, kind, media, topology, status, initiator_id, channel_id, in_channel, created_at, started_at, \
            connected_at, ended_at, duration, end_reason, ended_by, ring_until, max_participants, metadata, \
            merged_into, transfer, avg_packet_loss, avg_jitter_ms, avg_round_trip_ms, recording, is_recorded, \
            recording_consent_given) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26) \
         ON CONFLICT (id) DO UPDATE SET kind = ?2, media = ?3, topology = ?4, status = ?5, channel_id = ?7, in_channel = ?8, \
            started_at = ?10, connected_at = ?11, ended_at = ?12, duration = ?13, end_reason = ?14, ended_by = ?15, \
            ring_until = ?16, max_participants = ?17, metadata = ?18, merged_into = ?19, transfer = ?20, avg_packet_loss = ?21, \
            avg_jitter_ms = ?22, avg_round_trip_ms = ?23, recording = ?24, is_recorded = ?25, recording_consent_given = ?26",
    )
    .bind(call.id.0)
    .bind(call.kind.number())
    .bind(call.media.number())
    .bind(call.topology.number())
    .bind(call.status.number())
    .bind(call.initiator.as_str())
    .bind(call.channel.as_ref().map(|channel| channel.as_str()))
    .bind(call.in_channel)
    .bind(call.created_at.0)
    .bind(call.started_at.map(|at| at.0))
    .bind(call.connected_at.map(|at| at.0))
    .bind(call.ended_at.map(|at| at.0))
    .bind(duration)
    .bind(call.end_reason.map(|reason| reason.number()))
    .bind(call.ended_by.as_ref().map(|user| user.as_str()))
    .bind(call.ring_until.0)
    .bind(call.max_participants as i64)
    .bind(call.metadata.to_string())
    .bind(call.merged_into.map(|id| id.0))
    .bind(call.transfer.as_ref().and_then(|transfer| serde_json::to_string(transfer).ok()))
    .bind(average(call, |quality| quality.packet_loss))
    .bind(average(call, |quality| quality.jitter_ms))
    .bind(average(call, |quality| quality.round_trip_ms))
    .bind(call.recording.as_ref().and_then(|recording| serde_json::to_string(recording).ok()))
    .bind(call.is_recorded)
    .bind(call.is_recorded && call.all_agreed_to_recording())
    .execute(&mut *connection)
    .await?;
    for (position, participant) in call.participants.iter().enumerate() {
        write_participant(connection, call, position, participant).await?;
    }
    Ok(())
}

/// Over all participants, each weighed by its reports.
fn average(call: &CallSnapshot, of: fn(&QualitySummary) -> Option<f64>) -> Option<f64> {
    let all = || call.participants.iter().filter_map(|part| part.quality.as_ref());
    let weighed = all().filter_map(|quality| Some((of(quality)?, quality.reports as f64)));
    let (sum, weight) = weighed.fold((0.0, 0.0), |(sum, weight), (value, count)| (sum + value * count, weight + count));
    (weight > 0.0).then(|| sum / weight)
}

async fn write_participant(
    connection: &mut SqliteConnection,
    call: &CallSnapshot,
    position: usize,
    participant: &ParticipantSnapshot,
) -> Result<(), sqlx::Error> {
    let quality = participant.quality.as_ref();
    sqlx::query(
        "INSERT INTO call_participants (id, call_id, user_id, position, status, device_id, invited_at, joined_at, left_at, \
            left_reason, duration, is_muted, is_video_enabled, is_screen_sharing, video_quality, call_created_at, \
            is_on_hold, is_hard_muted, quality_reports, connection_quality, avg_packet_loss, avg_jitter_ms, avg_round_trip_ms, \
            recording_consent, recording_consent_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25) \
         ON CONFLICT (id) DO UPDATE SET position = ?4, status = ?5, device_id = ?6, invited_at = ?7, joined_at = ?8, \
            left_at = ?9, left_reason = ?10, duration = ?11, is_muted = ?12, is_video_enabled = ?13, \
            is_screen_sharing = ?14, video_quality = ?15, is_on_hold = ?17, is_hard_muted = ?18, quality_reports = ?19, \
            connection_quality = ?20, avg_packet_loss = ?21, avg_jitter_ms = ?22, avg_round_trip_ms = ?23, \
            recording_consent = ?24, recording_consent_at = ?25",
    )
    .bind(participant.id.0)
    .bind(call.id.0)
    .bind(participant.user.as_str())
    .bind(position as i64)
    .bind(participant.status.number())
    .bind(participant.device.as_ref().map(|device| device.as_str()))
    .bind(participant.invited_at.0)
    .bind(participant.joined_at.map(|at| at.0))
    .bind(participant.left_at.map(|at| at.0))
    .bind(participant.left_reason.map(|reason| reason.number()))
    .bind(participant.seconds.min(i64::MAX as u64) as i64)
    .bind(participant.is_muted)
    .bind(participant.is_video_enabled)
    .bind(participant.is_screen_sharing)
    .bind(participant.video_quality.number())
    .bind(call.created_at.0)
    .bind(participant.is_on_hold)
    .bind(participant.is_hard_muted)
    .bind(quality.map_or(0, |quality| quality.reports.min(i64::MAX as u64) as i64))
    .bind(quality.map(|quality| quality.band.number()))
    .bind(quality.and_then(|quality| quality.packet_loss))
    .bind(quality.and_then(|quality| quality.jitter_ms))
    .bind(quality.and_then(|quality| quality.round_trip_ms))
    .bind(participant.recording_consent.map(|consent| consent.given))
    .bind(participant.recording_consent.map(|consent| consent.at.0))
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_event(
    connection: &mut SqliteConnection,
    node: i64,
    sequence: u64,
    record: &Record,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO call_events (node, sequence, call_id, at, event, user_id, payload) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(node)
    .bind(sequence as i64)
    .bind(record.call.id.0)
    .bind(record.at.0)
    .bind(&record.event)
    .bind(record.user.as_ref().map(|user| user.as_str()))
    .bind(record.payload.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

const EVENTS: &str =
    "SELECT sequence, at, event, user_id, payload FROM call_events WHERE call_id = ? ORDER BY node, sequence";

/// Calls that are not over, oldest first.
pub(super) async fn running(pool: &SqlitePool) -> Result<Vec<CallSnapshot>, StoreError> {
    let sql = format!("SELECT {CALL_COLUMNS} FROM calls {RUNNING}");
    let found = sqlx::query(AssertSqlSafe(sql)).fetch_all(pool).await.map_err(store_error)?;
    rows::calls(pool, &found).await
}

/// One call.
pub(super) async fn one(pool: &SqlitePool, id: CallId) -> Result<Option<CallSnapshot>, StoreError> {
    let sql = format!("SELECT {CALL_COLUMNS} FROM calls WHERE id = ?");
    let found = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_all(pool).await.map_err(store_error)?;
    Ok(rows::calls(pool, &found).await?.pop())
}

const RUNNING: &str = "WHERE ended_at IS NULL ORDER BY created_at";

/// A call's events in order.
pub(super) async fn events(pool: &SqlitePool, call: CallId) -> Result<Vec<StoredEvent>, StoreError> {
    sqlx::query(EVENTS)
        .bind(call.0)
        .fetch_all(pool)
        .await
        .map_err(store_error)?
        .iter()
        .map(|row| {
            Ok(StoredEvent {
                id: rows::get(row, "sequence")?,
                at: rows::time(row, "at")?,
                event: rows::get(row, "event")?,
                user: rows::maybe_id(row, "user_id")?,
                payload: rows::json(row, "payload")?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    #[tokio::test]
    async fn running_calls_and_event_logs_come_off_an_index_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let store = crate::open(directory.path().join("stoa.db")).await.unwrap();
        let running = format!("SELECT {CALL_COLUMNS} FROM calls {RUNNING}");
        for (sql, index) in [(running.as_str(), "calls_running"), (EVENTS, "call_events_by_call")] {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::query(explain).fetch_all(&store.readers).await.unwrap();
            let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(steps[0].contains(index), "{steps:#?}");
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "sorts: {steps:#?}");
        }
    }
}
