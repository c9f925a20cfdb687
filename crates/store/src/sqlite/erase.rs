//! Exporting and erasing all of a user's data.
//!
//! In other people's calls, an alias takes an erased user's place and says nothing about who it was. A call that was
//! still running keeps arriving from the journal under the old ID; until it ends, `erased_parts` says what to write
//! instead.

use call::{CallSnapshot, Record};
use control::{Erased, StoreError, UserRecords};
use model::{CallId, Timestamp, UserId};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::rows::{self, get};
use super::{SqliteStore, people, recordings, store_error};

/// What an erased user is called.
const ERASED_NAME: &str = "Erased user";

/// Where else a user's rows are, as JSON, without what is secret: the table, and how it is read.
const TABLES: &[(&str, &str)] = &[
    (
        "channels",
        "SELECT json_object('channelId', channel_id, 'since', since) AS row FROM channel_members WHERE user_id = ?",
    ),
    (
        "devices",
        "SELECT json_object('id', id, 'name', name, 'platform', platform, 'lastSeenAt', last_seen_at, 'createdAt', created_at) \
            AS row FROM devices WHERE user_id = ?",
    ),
    ("sessions", "SELECT json_object('expiresAt', expires_at) AS row FROM sessions WHERE user_id = ?"),
    (
        "turnCredentials",
        "SELECT json_object('issuedAt', issued_at, 'expiresAt', expires_at) AS row FROM turn_credentials WHERE user_id = ?",
    ),
    (
        "qualityReports",
        "SELECT json_object('at', at, 'packetLoss', packet_loss, 'jitterMs', jitter_ms, 'roundTripMs', round_trip_ms) AS row \
            FROM call_quality_reports WHERE user_id = ?",
    ),
    (
        "recordings",
        "SELECT json_object('recordingId', id, 'callId', call_id, 'startedAt', started_at, 'endedAt', ended_at, 'status', status) \
            AS row FROM (SELECT lower(hex(id)) AS id, lower(hex(call_id)) AS call_id, started_at, ended_at, status FROM recordings r \
            WHERE started_by = ?1 OR EXISTS (SELECT 1 FROM call_participants p WHERE p.call_id = r.call_id \
                AND p.joined_at IS NOT NULL AND p.user_id = ?1))",
    ),
    (
        "recordingFiles",
        "SELECT json_object('fileId', lower(hex(id)), 'recordingId', lower(hex(recording_id)), 'track', track, 'media', media, \
            'source', source, 'codec', codec, 'sizeBytes', size_bytes, 'storedAt', stored_at) AS row FROM recording_files \
            WHERE user_id = ? AND doomed_at IS NULL",
    ),
    (
        "events",
        "SELECT json_object('id', sequence, 'at', at, 'event', event) AS row FROM call_events WHERE user_id = ?",
    ),
    (
        "audit",
        "SELECT json_object('at', at, 'actor', actor, 'action', action, 'target', target) AS row FROM audit_log \
            WHERE ?1 IN (actor, target)",
    ),
];

/// What is held of a user besides calls.
pub(super) async fn records(pool: &SqlitePool, user: &UserId) -> Result<Option<UserRecords>, StoreError> {
    let Some(found) = people::users(pool, std::slice::from_ref(user)).await?.pop() else { return Ok(None) };
    let username: Option<String> = sqlx::query_scalar("SELECT username FROM accounts WHERE user_id = ?")
        .bind(user.as_str())
        .fetch_optional(pool)
        .await
        .map_err(store_error)?;
    let mut tables = Vec::with_capacity(TABLES.len());
    for (table, sql) in TABLES {
        let rows = sqlx::query(*sql).bind(user.as_str()).fetch_all(pool).await.map_err(store_error)?;
        let rows = rows.iter().map(|row| rows::json(row, "row")).collect::<Result<Vec<Value>, _>>()?;
        tables.push((*table, rows));
    }
    Ok(Some(UserRecords { user: found, username, tables }))
}

/// Calls that a user has a part in, oldest first.
pub(super) async fn calls_of(
    pool: &SqlitePool,
    user: &UserId,
    after: Option<CallId>,
    limit: usize,
) -> Result<Vec<CallSnapshot>, StoreError> {
    let sql = format!(
        "SELECT {} FROM calls WHERE id IN (SELECT call_id FROM call_participants WHERE user_id = ?1 AND \
            (call_created_at, call_id) > (coalesce((SELECT created_at FROM calls WHERE id = ?2), -1), coalesce(?2, x'')) \
            ORDER BY call_created_at, call_id LIMIT ?3) ORDER BY created_at, id",
        rows::CALL_COLUMNS
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(user.as_str())
        .bind(after.map(|call| call.0))
        .bind(limit.min(500) as i64)
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    rows::calls(pool, &found).await
}

/// Takes a user out of every table.
pub(super) async fn user(
    store: &SqliteStore,
    user: &UserId,
    alias: &UserId,
    now: Timestamp,
) -> Result<Option<Erased>, StoreError> {
    let mut transaction = store.write().await?;
    let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM users WHERE id = ?")
        .bind(user.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(store_error)?;
    if known.is_none() {
        transaction.commit().await?;
        return Ok(None);
    }
    let dropped_calls = drop_own_calls(&mut transaction, user, now).await?;
    let kept_calls = stand_in(&mut transaction, user, alias, now).await?;
    recordings::erase(&mut transaction, user, alias, now).await?;
    for sql in [
        "DELETE FROM call_quality_reports WHERE user_id = ?",
        // Sessions, the account, memberships, devices and TURN credentials go with it.
        "DELETE FROM users WHERE id = ?",
    ] {
        sqlx::query(sql).bind(user.as_str()).execute(&mut *transaction).await.map_err(store_error)?;
    }
    transaction.commit().await?;
    Ok(Some(Erased { alias: alias.clone(), kept_calls, dropped_calls }))
}

/// Calls that are over and in which nobody else is left, with their recordings: erased users do not count.
async fn drop_own_calls(connection: &mut SqliteConnection, user: &UserId, now: Timestamp) -> Result<u64, StoreError> {
    let calls: Vec<Uuid> = sqlx::query_scalar(
        "SELECT id FROM calls WHERE ended_at IS NOT NULL AND id IN (SELECT call_id FROM call_participants WHERE user_id = ?1) \
         AND NOT EXISTS (SELECT 1 FROM call_participants other JOIN users ON users.id = other.user_id \
            WHERE other.call_id = calls.id AND other.user_id <> ?1 \
            AND NOT (users.is_bare = 0 AND users.name = ?2 AND users.id LIKE 'erased-%'))",
    )
    .bind(user.as_str())
    .bind(ERASED_NAME)
    .fetch_all(&mut *connection)
    .await
    .map_err(store_error)?;
    recordings::drop_with_calls(connection, &calls, now).await?;
    for call in &calls {
        let dropped = sqlx::query("DELETE FROM calls WHERE id = ?").bind(call).execute(&mut *connection);
        dropped.await.map_err(store_error)?;
    }
    Ok(calls.len() as u64)
}

/// Puts the alias in the user's place, wherever a call names them.
async fn stand_in(
    connection: &mut SqliteConnection,
    user: &UserId,
    alias: &UserId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let calls: Vec<Uuid> = sqlx::query_scalar(
        "SELECT call_id FROM call_participants WHERE user_id = ?1 UNION SELECT id FROM calls WHERE initiator_id = ?1",
    )
    .bind(user.as_str())
    .fetch_all(&mut *connection)
    .await
    .map_err(store_error)?;
    sqlx::query("INSERT INTO users (id, name, name_folded, created_at, updated_at) VALUES (?1, ?2, lower(?2), ?3, ?3)")
        .bind(alias.as_str())
        .bind(ERASED_NAME)
        .bind(now.0)
        .execute(&mut *connection)
        .await
        .map_err(store_error)?;
    for call in &calls {
        rewrite_events(connection, *call, user, alias).await?;
    }
    for sql in [
        "INSERT INTO erased_parts (call_id, user_id, alias) SELECT call_id, ?1, ?2 FROM call_participants \
            JOIN calls ON calls.id = call_id WHERE user_id = ?1 AND ended_at IS NULL",
        "UPDATE call_participants SET user_id = ?2, device_id = NULL, metadata = '{}' WHERE user_id = ?1",
        // What the caller's app wrote into the call goes with the caller.
        "UPDATE calls SET initiator_id = ?2, metadata = '{}' WHERE initiator_id = ?1",
        "UPDATE calls SET ended_by = ?2 WHERE ended_by = ?1",
        "UPDATE calls SET recording = json_set(recording, '$.started_by', ?2) WHERE recording ->> '$.started_by' = ?1",
        "UPDATE calls SET recording = json_set(recording, '$.ended_by', ?2) WHERE recording ->> '$.ended_by' = ?1",
        "UPDATE call_events SET user_id = ?2 WHERE user_id = ?1",
        "UPDATE audit_log SET actor = ?2, address = NULL WHERE actor = ?1",
        "UPDATE audit_log SET target = ?2, details = '{}' WHERE target = ?1",
    ] {
        let done = sqlx::query(sql).bind(user.as_str()).bind(alias.as_str()).execute(&mut *connection);
        done.await.map_err(store_error)?;
    }
    Ok(calls.len() as u64)
}

/// The payloads of a call's events may name users, too.
async fn rewrite_events(
    connection: &mut SqliteConnection,
    call: Uuid,
    user: &UserId,
    alias: &UserId,
) -> Result<(), StoreError> {
    let events = sqlx::query("SELECT node, sequence, payload FROM call_events WHERE call_id = ? AND payload <> '{}'")
        .bind(call)
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    for row in &events {
        let mut payload = rows::json(row, "payload")?;
        if !replace(&mut payload, user.as_str(), alias.as_str()) {
            continue;
        }
        sqlx::query("UPDATE call_events SET payload = ?3 WHERE node = ?1 AND sequence = ?2")
            .bind(get::<i64>(row, "node")?)
            .bind(get::<i64>(row, "sequence")?)
            .bind(payload.to_string())
            .execute(&mut *connection)
            .await
            .map_err(store_error)?;
    }
    Ok(())
}

/// Replaces a text wherever it is a whole string; returns whether it was there.
fn replace(value: &mut Value, from: &str, to: &str) -> bool {
    match value {
        Value::String(text) if text == from => {
            *text = to.to_owned();
            true
        }
        Value::Array(values) => values.iter_mut().fold(false, |found, value| replace(value, from, to) | found),
        Value::Object(object) => {
            let mut found = object.values_mut().fold(false, |found, value| replace(value, from, to) | found);
            if let Some(value) = object.remove(from) {
                object.insert(to.to_owned(), value);
                found = true;
            }
            found
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A record as it is to be written: where a participant was erased meanwhile, with the alias. `None`: as it is.
pub(super) async fn without_erased(
    connection: &mut SqliteConnection,
    record: &Record,
) -> Result<Option<Record>, StoreError> {
    let erased = sqlx::query("SELECT user_id, alias FROM erased_parts WHERE call_id = ?")
        .bind(record.call.id.0)
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    if erased.is_empty() {
        return Ok(None);
    }
    let mut value = serde_json::to_value(record).map_err(|error| StoreError::Refused(error.to_string()))?;
    for row in &erased {
        let (user, alias): (String, String) = (row.get("user_id"), row.get("alias"));
        replace(&mut value, &user, &alias);
    }
    let mut cleaned: Record = serde_json::from_value(value).map_err(|error| StoreError::Refused(error.to_string()))?;
    if erased.iter().any(|row| row.get::<String, _>("user_id") == record.call.initiator.as_str()) {
        cleaned.call.metadata = Value::Object(serde_json::Map::new());
    }
    for row in &erased {
        let alias: String = row.get("alias");
        for part in cleaned.call.participants.iter_mut().filter(|part| part.user.as_str() == alias) {
            part.device = None;
        }
    }
    Ok(Some(cleaned))
}

/// Calls that are over bring nothing more.
pub(super) async fn forget_finished(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM erased_parts WHERE call_id IN (SELECT call_id FROM erased_parts JOIN calls ON calls.id = call_id \
            WHERE calls.ended_at IS NOT NULL)",
    )
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_is_replaced_wherever_it_stands_alone() {
        let mut value = json!({"by": "ann", "users": ["ann", "anna"], "ann": {"x": "ann"}, "text": "ann called"});
        assert!(replace(&mut value, "ann", "nobody"));
        assert_eq!(
            value,
            json!({"by": "nobody", "users": ["nobody", "anna"], "nobody": {"x": "nobody"}, "text": "ann called"})
        );
        assert!(!replace(&mut json!(["anna", 1, null, true]), "ann", "nobody"));
    }
}
