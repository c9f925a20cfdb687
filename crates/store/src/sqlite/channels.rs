//! Channels and their members.

use std::collections::HashMap;

use control::{Channel, StoreError};
use model::{ChannelId, UserId};
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqlitePool};

use super::rows::{self, get};
use super::{SqliteStore, people, store_error};

/// Makes or replaces a channel with its members; unknown users are made. When it was made stays.
pub(super) async fn upsert(store: &SqliteStore, channel: &Channel) -> Result<(), StoreError> {
    let mut transaction = store.write().await?;
    let now = channel.created_at;
    people::make_bare(&mut transaction, &channel.members.iter().collect::<Vec<_>>(), now).await.map_err(store_error)?;
    sqlx::query(
        "INSERT INTO channels (id, name, created_at, updated_at) VALUES (?1, ?2, ?3, ?3) \
         ON CONFLICT (id) DO UPDATE SET name = ?2, updated_at = max(updated_at, ?3)",
    )
    .bind(channel.id.as_str())
    .bind(&channel.name)
    .bind(now.0)
    .execute(&mut *transaction)
    .await
    .map_err(store_error)?;
    write_members(&mut transaction, channel).await.map_err(store_error)?;
    transaction.commit().await
}

async fn write_members(connection: &mut SqliteConnection, channel: &Channel) -> Result<(), sqlx::Error> {
    let members = serde_json::to_string(&channel.members).expect("ids are JSON");
    sqlx::query("DELETE FROM channel_members WHERE channel_id = ? AND user_id NOT IN (SELECT value FROM json_each(?))")
        .bind(channel.id.as_str())
        .bind(&members)
        .execute(&mut *connection)
        .await?;
    // `WHERE true` tells SQLite that ON CONFLICT does not belong to a join.
    sqlx::query(
        "INSERT INTO channel_members (channel_id, user_id, position, since) SELECT ?1, value, key, ?3 FROM json_each(?2) WHERE true \
         ON CONFLICT (channel_id, user_id) DO UPDATE SET position = excluded.position",
    )
    .bind(channel.id.as_str())
    .bind(&members)
    .bind(channel.created_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// One channel.
pub(super) async fn one(pool: &SqlitePool, id: &ChannelId) -> Result<Option<Channel>, StoreError> {
    let found = sqlx::query("SELECT id, name, created_at FROM channels WHERE id = ?")
        .bind(id.as_str())
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let members =
        sqlx::query("SELECT channel_id, user_id FROM channel_members WHERE channel_id = ? ORDER BY position, user_id")
            .bind(id.as_str())
            .fetch_all(pool)
            .await
            .map_err(store_error)?;
    Ok(together(&found, &members)?.pop())
}

/// All channels, or those of one user, oldest first.
pub(super) async fn list(pool: &SqlitePool, of: Option<&UserId>) -> Result<Vec<Channel>, StoreError> {
    let (found, members) = match of {
        None => (sqlx::query(ALL), sqlx::query(ALL_MEMBERS)),
        Some(user) => (sqlx::query(MINE).bind(user.as_str()), sqlx::query(MEMBERS_OF_MINE).bind(user.as_str())),
    };
    let found = found.fetch_all(pool).await.map_err(store_error)?;
    let members = members.fetch_all(pool).await.map_err(store_error)?;
    together(&found, &members)
}

const ALL: &str = "SELECT id, name, created_at FROM channels ORDER BY created_at, id";
const ALL_MEMBERS: &str = "SELECT channel_id, user_id FROM channel_members ORDER BY channel_id, position, user_id";
const MINE: &str = "SELECT c.id, c.name, c.created_at FROM channel_members m CROSS JOIN channels c ON c.id = m.channel_id \
    WHERE m.user_id = ? ORDER BY c.created_at, c.id";
const MEMBERS_OF_MINE: &str = "SELECT o.channel_id, o.user_id FROM channel_members m \
    CROSS JOIN channel_members o ON o.channel_id = m.channel_id WHERE m.user_id = ? ORDER BY o.channel_id, o.position, o.user_id";

fn together(found: &[SqliteRow], member_rows: &[SqliteRow]) -> Result<Vec<Channel>, StoreError> {
    let mut members: HashMap<ChannelId, Vec<UserId>> = HashMap::new();
    for row in member_rows {
        members.entry(rows::id(row, "channel_id")?).or_default().push(rows::id(row, "user_id")?);
    }
    found
        .iter()
        .map(|row| {
            let id: ChannelId = rows::id(row, "id")?;
            Ok(Channel {
                name: get(row, "name")?,
                members: members.remove(&id).unwrap_or_default(),
                active_call: None,
                created_at: rows::time(row, "created_at")?,
                id,
            })
        })
        .collect()
}

/// Deletes a channel and its memberships; its calls stay.
pub(super) async fn delete(store: &SqliteStore, id: &ChannelId) -> Result<(), StoreError> {
    let mut transaction = store.write().await?;
    sqlx::query("DELETE FROM channels WHERE id = ?")
        .bind(id.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    #[tokio::test]
    async fn a_users_channels_come_off_the_index() {
        let directory = tempfile::tempdir().unwrap();
        let store = crate::open(directory.path().join("stoa.db")).await.unwrap();
        for sql in [MINE, MEMBERS_OF_MINE] {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::query(explain).fetch_all(&store.readers).await.unwrap();
            let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(steps.iter().any(|step| step.contains("channel_members_by_user")), "{steps:#?}");
            assert!(!steps.iter().any(|step| step.starts_with("SCAN")), "{steps:#?}");
        }
    }
}
