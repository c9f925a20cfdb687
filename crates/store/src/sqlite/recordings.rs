//! Recordings and their files.

use async_trait::async_trait;
use control::{
    ChannelRecordingRules, Doomed, FileKind, Recording, RecordingChange, RecordingFile, RecordingOrigin, RecordingPage,
    RecordingQuery, RecordingStore, StoreError, TrackInfo, UsageOf, Viewer,
};
use model::{
    CallId, ChannelId, RecordingFormat, RecordingId, RecordingPolicy, RecordingStatus, RoomName, Timestamp, UserId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use storage::{FileId, Stored};
use uuid::Uuid;

use super::rows::{self, get, maybe_id, maybe_number, maybe_time, maybe_word, number, time, word};
use super::{SqliteStore, store_error};

const DELETED: i64 = RecordingStatus::Deleted.number() as i64;

#[async_trait]
impl RecordingStore for SqliteStore {
    async fn put_recording(&self, new: &Recording) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let done = sqlx::query(
            "INSERT INTO recordings (id, call_id, channel_id, room, origin, status, started_by, started_at, ended_at, \
                duration_ms, size_bytes, layout, audio_only, format, policy, retention_days, updated_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        )
        .bind(new.id.0)
        .bind(new.call.map(|call| call.0))
        .bind(new.channel.as_ref().map(ChannelId::as_str))
        .bind(new.room.as_str())
        .bind(new.origin.number())
        .bind(new.status.number())
        .bind(new.started_by.as_ref().map(UserId::as_str))
        .bind(new.started_at.0)
        .bind(new.ended_at.map(|at| at.0))
        .bind(new.duration_ms.map(|ms| ms as i64))
        .bind(new.size_bytes as i64)
        .bind(new.layout.map(|layout| layout.number()))
        .bind(new.audio_only)
        .bind(new.format.number())
        .bind(new.policy.number())
        .bind(new.retention_days)
        .bind(new.started_at.0)
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn recording(&self, id: RecordingId) -> Result<Option<Recording>, StoreError> {
        let found = sqlx::query("SELECT * FROM recordings WHERE id = ?").bind(id.0).fetch_optional(&self.readers);
        found.await.map_err(store_error)?.as_ref().map(recording).transpose()
    }

    async fn find_recordings(&self, query: &RecordingQuery) -> Result<RecordingPage, StoreError> {
        let limit = query.limit.clamp(1, 100);
        let before = match query.before {
            // One that is not there has nothing before it: the answer must not depend on whether it exists for others.
            Some(id) => match self.recording(id).await? {
                Some(found) if self.may_see_recording(id, &query.viewer).await? => Some((found.started_at, id)),
                _ => return Ok(RecordingPage { recordings: Vec::new(), next: None }),
            },
            None => None,
        };
        let mut found =
            page_sql(query, before, limit + 1).build().fetch_all(&self.readers).await.map_err(store_error)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let recordings = found.iter().map(recording).collect::<Result<Vec<_>, _>>()?;
        let next = recordings.last().filter(|_| more).map(|recording| recording.id);
        Ok(RecordingPage { recordings, next })
    }

    async fn unfinished_recordings(&self) -> Result<Vec<Recording>, StoreError> {
        let found = sqlx::query("SELECT * FROM recordings WHERE status <= 4 ORDER BY started_at, id");
        found.fetch_all(&self.readers).await.map_err(store_error)?.iter().map(recording).collect()
    }

    async fn may_see_recording(&self, id: RecordingId, viewer: &Viewer) -> Result<bool, StoreError> {
        let mut sql = QueryBuilder::new("SELECT 1 FROM recordings r WHERE r.id = ");
        sql.push_bind(id.0);
        seen_by(&mut sql, viewer);
        Ok(sql.build().fetch_optional(&self.readers).await.map_err(store_error)?.is_some())
    }

    async fn change_recording(
        &self,
        id: RecordingId,
        change: &RecordingChange,
        now: Timestamp,
    ) -> Result<Option<Recording>, StoreError> {
        let mut transaction = self.write().await?;
        let mut sql = change_sql(change);
        sql.push(", updated_at = ").push_bind(now.0).push(" WHERE id = ").push_bind(id.0);
        sql.push(" AND status <> 7 RETURNING *");
        let found = sql.build().fetch_optional(&mut *transaction).await.map_err(store_error)?;
        let changed = found.as_ref().map(recording).transpose()?;
        transaction.commit().await?;
        Ok(changed)
    }

    async fn put_recording_file(&self, file: &RecordingFile) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let none = TrackInfo::default();
        let track = file.track.as_ref();
        let info = track.unwrap_or(&none);
        sqlx::query(
            "INSERT OR REPLACE INTO recording_files (id, recording_id, kind, name, size_bytes, sha256, is_sealed, track, \
                user_id, media, source, codec, width, height, stored_at, doomed_at) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
                CASE WHEN status = 7 THEN ?15 END FROM recordings WHERE id = ?2",
        )
        .bind(file.id.0)
        .bind(file.recording.0)
        .bind(file.kind.number())
        .bind(&file.name)
        .bind(file.stored.size as i64)
        .bind(&file.stored.sha256[..])
        .bind(file.stored.is_sealed)
        .bind(track.map(|track| track.track.clone()))
        .bind(info.user.as_ref().map(UserId::as_str))
        .bind(&info.media)
        .bind(&info.source)
        .bind(&info.codec)
        .bind(info.width)
        .bind(info.height)
        .bind(file.stored_at.0)
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
        add_up(&mut transaction, file.recording.0).await?;
        transaction.commit().await
    }

    async fn recording_files(&self, id: RecordingId) -> Result<Vec<RecordingFile>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM recording_files WHERE recording_id = ? AND doomed_at IS NULL ORDER BY kind, name",
        );
        found.bind(id.0).fetch_all(&self.readers).await.map_err(store_error)?.iter().map(file).collect()
    }

    async fn doom_recording(&self, id: RecordingId, now: Timestamp) -> Result<Doomed, StoreError> {
        let mut transaction = self.write().await?;
        let held: Option<bool> = sqlx::query_scalar("SELECT legal_hold FROM recordings WHERE id = ? AND status <> 7")
            .bind(id.0)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(store_error)?;
        let outcome = match held {
            None => Doomed::Missing,
            Some(true) => Doomed::Held,
            Some(false) => {
                doom(&mut transaction, id.0, now).await?;
                Doomed::Done
            }
        };
        transaction.commit().await?;
        Ok(outcome)
    }

    async fn doomed_files(&self, limit: usize) -> Result<Vec<RecordingFile>, StoreError> {
        let found = sqlx::query(
            "SELECT f.* FROM recording_files f JOIN recordings r ON r.id = f.recording_id \
             WHERE f.doomed_at IS NOT NULL AND r.legal_hold = 0 ORDER BY f.doomed_at LIMIT ?",
        );
        found.bind(limit as i64).fetch_all(&self.readers).await.map_err(store_error)?.iter().map(file).collect()
    }

    async fn forget_recording_file(&self, id: FileId) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM recording_files WHERE id = ?")
            .bind(id.0)
            .execute(&mut *transaction)
            .await
            .map_err(store_error)?;
        transaction.commit().await
    }

    async fn expired_recordings(&self, now: Timestamp, limit: usize) -> Result<Vec<RecordingId>, StoreError> {
        let found: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM recordings WHERE expires_at IS NOT NULL AND status <> 7 AND expires_at <= ? AND legal_hold = 0 \
             ORDER BY expires_at LIMIT ?",
        )
        .bind(now.0)
        .bind(limit as i64)
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        Ok(found.into_iter().map(RecordingId).collect())
    }

    async fn recording_usage(&self, of: &UsageOf) -> Result<u64, StoreError> {
        let mut sql =
            QueryBuilder::<Sqlite>::new("SELECT coalesce(sum(size_bytes), 0) FROM recordings WHERE status <> 7");
        match of {
            UsageOf::Server => {}
            UsageOf::Channel(channel) => {
                sql.push(" AND channel_id = ").push_bind(channel.as_str().to_owned());
            }
            UsageOf::User(user) => {
                sql.push(" AND started_by = ").push_bind(user.as_str().to_owned());
            }
        }
        let bytes: i64 = sql.build_query_scalar().fetch_one(&self.readers).await.map_err(store_error)?;
        Ok(bytes.max(0) as u64)
    }

    async fn channel_recording_rules(&self, channel: &ChannelId) -> Result<ChannelRecordingRules, StoreError> {
        let found = sqlx::query("SELECT retention_days, most_bytes FROM channel_recording_rules WHERE channel_id = ?");
        let found = found.bind(channel.as_str()).fetch_optional(&self.readers).await.map_err(store_error)?;
        let Some(row) = found else { return Ok(ChannelRecordingRules::default()) };
        Ok(ChannelRecordingRules {
            retention_days: maybe_number(&row, "retention_days")?,
            most_bytes: maybe_number(&row, "most_bytes")?,
        })
    }

    async fn put_channel_recording_rules(
        &self,
        channel: &ChannelId,
        rules: &ChannelRecordingRules,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let done = sqlx::query(
            "INSERT OR REPLACE INTO channel_recording_rules (channel_id, retention_days, most_bytes) \
             SELECT id, ?2, ?3 FROM channels WHERE id = ?1",
        )
        .bind(channel.as_str())
        .bind(rules.retention_days)
        .bind(rules.most_bytes.map(|bytes| bytes as i64))
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}

/// Nobody sees it from here on, and its files go.
async fn doom(connection: &mut SqliteConnection, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
    for sql in [
        "UPDATE recordings SET status = 7, deleted_at = ?2, expires_at = NULL, size_bytes = 0, updated_at = ?2 WHERE id = ?1",
        "UPDATE recording_files SET doomed_at = coalesce(doomed_at, ?2) WHERE recording_id = ?1",
    ] {
        sqlx::query(sql).bind(id).bind(now.0).execute(&mut *connection).await.map_err(store_error)?;
    }
    Ok(())
}

/// The recording takes what those of its files take that are not to be deleted.
async fn add_up(connection: &mut SqliteConnection, id: Uuid) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE recordings SET size_bytes = (SELECT coalesce(sum(size_bytes), 0) FROM recording_files \
            WHERE recording_id = ?1 AND doomed_at IS NULL) WHERE id = ?1",
    )
    .bind(id)
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
}

/// A user is erased: what they published or uploaded goes, and so does what shows or names them among others. A recording of a call
/// that goes is deleted as a whole. Files on hold are deleted when the hold is over.
pub(super) async fn erase(
    connection: &mut SqliteConnection,
    user: &UserId,
    alias: &UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let touched: Vec<Uuid> = sqlx::query_scalar(
        "SELECT recording_id FROM recording_files WHERE user_id = ?1 \
         UNION SELECT id FROM recordings WHERE started_by = ?1 AND origin = 2",
    )
    .bind(user.as_str())
    .fetch_all(&mut *connection)
    .await
    .map_err(store_error)?;
    for recording in &touched {
        sqlx::query(
            "UPDATE recording_files SET doomed_at = coalesce(doomed_at, ?3) WHERE recording_id = ?1 \
             AND (user_id = ?2 OR kind IN (2, 4, 5))",
        )
        .bind(recording)
        .bind(user.as_str())
        .bind(now.0)
        .execute(&mut *connection)
        .await
        .map_err(store_error)?;
        add_up(connection, *recording).await?;
    }
    for sql in [
        "UPDATE recording_files SET user_id = ?2 WHERE user_id = ?1",
        "UPDATE recordings SET started_by = ?2 WHERE started_by = ?1",
    ] {
        let done = sqlx::query(sql).bind(user.as_str()).bind(alias.as_str()).execute(&mut *connection);
        done.await.map_err(store_error)?;
    }
    for recording in touched {
        let is_empty: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM recordings r WHERE id = ?1 AND status IN (4, 5, 6) AND legal_hold = 0 AND NOT EXISTS (\
                SELECT 1 FROM recording_files f WHERE f.recording_id = r.id AND f.doomed_at IS NULL AND f.kind > 2)",
        )
        .bind(recording)
        .fetch_optional(&mut *connection)
        .await
        .map_err(store_error)?;
        // Nothing is left that could be seen or heard.
        if is_empty.is_some() {
            doom(connection, recording, now).await?;
        }
    }
    Ok(())
}

/// Calls that are about to be dropped: their recordings go with them.
pub(super) async fn drop_with_calls(
    connection: &mut SqliteConnection,
    calls: &[Uuid],
    now: Timestamp,
) -> Result<(), StoreError> {
    for call in calls {
        let found: Vec<Uuid> =
            sqlx::query_scalar("SELECT id FROM recordings WHERE call_id = ? AND status <> 7 AND legal_hold = 0")
                .bind(call)
                .fetch_all(&mut *connection)
                .await
                .map_err(store_error)?;
        for recording in found {
            doom(connection, recording, now).await?;
        }
    }
    Ok(())
}

/// Took part in the call; whoever never answered did not.
const TOOK_PART: &str = "EXISTS (SELECT 1 FROM call_participants p WHERE p.call_id = r.call_id AND p.joined_at IS NOT NULL AND p.user_id = ";

fn seen_by(sql: &mut QueryBuilder<Sqlite>, viewer: &Viewer) {
    let Viewer::User { user, in_channels } = viewer else { return };
    sql.push(" AND (r.started_by = ").push_bind(user.as_str().to_owned());
    sql.push(" OR ").push(TOOK_PART).push_bind(user.as_str().to_owned()).push(")");
    if *in_channels {
        sql.push(" OR EXISTS (SELECT 1 FROM channel_members m WHERE m.channel_id = r.channel_id AND m.user_id = ");
        sql.push_bind(user.as_str().to_owned()).push(")");
    }
    sql.push(")");
}

fn page_sql(query: &RecordingQuery, before: Option<(Timestamp, RecordingId)>, limit: usize) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT r.* FROM recordings r WHERE 1 = 1");
    if let Some(call) = query.call {
        sql.push(" AND r.call_id = ").push_bind(call.0);
    }
    if let Some(channel) = &query.channel {
        sql.push(" AND r.channel_id = ").push_bind(channel.as_str().to_owned());
    }
    if let Some(user) = &query.user {
        sql.push(" AND (r.started_by = ").push_bind(user.as_str().to_owned());
        sql.push(" OR ").push(TOOK_PART).push_bind(user.as_str().to_owned()).push("))");
    }
    if query.statuses.is_empty() {
        sql.push(" AND r.status <> ").push_bind(DELETED);
    } else {
        sql.push(" AND r.status IN (");
        let mut list = sql.separated(", ");
        for status in &query.statuses {
            list.push_bind(status.number());
        }
        sql.push(")");
    }
    if let Some(from) = query.from {
        sql.push(" AND r.started_at >= ").push_bind(from.0);
    }
    if let Some(to) = query.to {
        sql.push(" AND r.started_at < ").push_bind(to.0);
    }
    if let Some(text) = query.text.as_ref().map(|text| text.to_lowercase()) {
        sql.push(
            " AND (EXISTS (SELECT 1 FROM call_participants p JOIN users u ON u.id = p.user_id \
                WHERE p.call_id = r.call_id AND p.joined_at IS NOT NULL AND instr(u.name_folded, ",
        );
        sql.push_bind(text.clone())
            .push(") > 0) OR EXISTS (SELECT 1 FROM channels c WHERE c.id = r.channel_id AND instr(lower(c.name), ");
        sql.push_bind(text).push(") > 0))");
    }
    seen_by(&mut sql, &query.viewer);
    if let Some((at, id)) = before {
        sql.push(" AND (r.started_at, r.id) < (").push_bind(at.0).push(", ").push_bind(id.0).push(")");
    }
    sql.push(" ORDER BY r.started_at DESC, r.id DESC LIMIT ").push_bind(limit as i64);
    sql
}

fn change_sql(change: &RecordingChange) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("UPDATE recordings SET ");
    match change {
        RecordingChange::Status(status) => {
            // A notice that comes late does not bring back one that is over.
            sql.push("status = CASE WHEN status <= 3 THEN ").push_bind(status.number()).push(" ELSE status END");
        }
        RecordingChange::Stopped { at, duration_ms, size_bytes } => {
            sql.push("status = CASE WHEN status <= 3 THEN 4 ELSE status END, ended_at = coalesce(ended_at, ");
            sql.push_bind(at.0).push("), duration_ms = coalesce(").push_bind(duration_ms.map(|ms| ms as i64));
            sql.push(", duration_ms), size_bytes = max(size_bytes, ").push_bind(*size_bytes as i64).push(")");
        }
        RecordingChange::Failed { at, code, message } => {
            sql.push("status = 6, ended_at = coalesce(ended_at, ").push_bind(at.0).push("), error_code = ");
            sql.push_bind(code.clone()).push(", error_message = ").push_bind(message.clone()).push(", progress = NULL");
        }
        RecordingChange::Kept { expires_at } => {
            sql.push("status = CASE WHEN error_code IS NULL THEN 5 ELSE 6 END, progress = NULL, ");
            sql.push("expires_at = coalesce(expires_at, ").push_bind(expires_at.map(|at| at.0)).push(")");
        }
        RecordingChange::Composed { layout, resolution, format } => {
            sql.push("layout = ").push_bind(layout.number()).push(", resolution = ").push_bind(resolution.clone());
            sql.push(", format = ").push_bind(format.number());
        }
        RecordingChange::Progress(percent) => {
            sql.push("progress = ").push_bind(percent.map(i64::from));
        }
        RecordingChange::Retention { days, expires_at } => {
            sql.push("retention_days = ").push_bind(*days).push(", expires_at = ").push_bind(expires_at.map(|at| at.0));
        }
        RecordingChange::Hold(held) => {
            sql.push("legal_hold = ").push_bind(*held);
        }
    }
    sql
}

fn recording(row: &SqliteRow) -> Result<Recording, StoreError> {
    let code: Option<String> = get(row, "error_code")?;
    let message: Option<String> = get(row, "error_message")?;
    Ok(Recording {
        id: RecordingId(get(row, "id")?),
        call: get::<Option<Uuid>>(row, "call_id")?.map(CallId),
        channel: maybe_id(row, "channel_id")?,
        room: rows::id::<RoomName>(row, "room")?,
        origin: word(row, "origin", RecordingOrigin::from_number)?,
        status: word(row, "status", RecordingStatus::from_number)?,
        started_by: maybe_id(row, "started_by")?,
        started_at: time(row, "started_at")?,
        ended_at: maybe_time(row, "ended_at")?,
        duration_ms: maybe_number(row, "duration_ms")?,
        size_bytes: number(row, "size_bytes")?,
        layout: maybe_word(row, "layout", model::RecordingLayout::from_number)?,
        resolution: get(row, "resolution")?,
        audio_only: get(row, "audio_only")?,
        format: word(row, "format", RecordingFormat::from_number)?,
        policy: word(row, "policy", RecordingPolicy::from_number)?,
        progress: maybe_number(row, "progress")?,
        retention_days: maybe_number(row, "retention_days")?,
        expires_at: maybe_time(row, "expires_at")?,
        legal_hold: get(row, "legal_hold")?,
        error: code.map(|code| (code, message.unwrap_or_default())),
        deleted_at: maybe_time(row, "deleted_at")?,
    })
}

fn file(row: &SqliteRow) -> Result<RecordingFile, StoreError> {
    let sha256: Vec<u8> = get(row, "sha256")?;
    let track: Option<String> = get(row, "track")?;
    let info = |track| {
        Ok::<_, StoreError>(TrackInfo {
            track,
            user: maybe_id(row, "user_id")?,
            media: get(row, "media")?,
            source: get(row, "source")?,
            codec: get(row, "codec")?,
            width: maybe_number(row, "width")?,
            height: maybe_number(row, "height")?,
        })
    };
    Ok(RecordingFile {
        id: FileId(get(row, "id")?),
        recording: RecordingId(get(row, "recording_id")?),
        kind: word(row, "kind", FileKind::from_number)?,
        name: get(row, "name")?,
        stored: Stored {
            size: number(row, "size_bytes")?,
            sha256: sha256.try_into().map_err(|_| StoreError::Fault("column sha256: not 32 bytes".to_owned()))?,
            is_sealed: get(row, "is_sealed")?,
        },
        track: track.map(info).transpose()?,
        stored_at: time(row, "stored_at")?,
    })
}
