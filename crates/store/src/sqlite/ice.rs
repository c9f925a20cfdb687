//! ICE servers, and the TURN credentials that were handed out.

use control::{IceAuth, IceServerEntry, IssuedTurn, StoreError};
use model::{CallId, Secret, Timestamp, UserId};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::rows::{self, get};
use super::{SqliteStore, people, store_error};

/// Every server, by priority.
pub(super) async fn all(pool: &SqlitePool) -> Result<Vec<IceServerEntry>, StoreError> {
    sqlx::query("SELECT * FROM ice_servers ORDER BY priority, id")
        .fetch_all(pool)
        .await
        .map_err(store_error)?
        .iter()
        .map(entry)
        .collect()
}

fn entry(row: &SqliteRow) -> Result<IceServerEntry, StoreError> {
    let urls: String = get(row, "urls")?;
    let fault = |what: &str| StoreError::Fault(format!("ice_servers: {what}"));
    let auth = match get::<i64>(row, "auth")? {
        1 => IceAuth::None,
        2 => IceAuth::Fixed {
            username: get::<Option<String>>(row, "username")?.unwrap_or_default(),
            credential: Secret::new(get::<Option<String>>(row, "credential")?.unwrap_or_default()),
        },
        3 => IceAuth::Expiring,
        _ => return Err(fault("unknown auth")),
    };
    Ok(IceServerEntry {
        id: get(row, "id")?,
        urls: serde_json::from_str(&urls).map_err(|_| fault("urls are no list"))?,
        auth,
        region: get(row, "region")?,
        priority: get(row, "priority")?,
        is_public: get(row, "is_public")?,
        is_active: get(row, "is_active")?,
        created_at: rows::time(row, "created_at")?,
        updated_at: rows::time(row, "updated_at")?,
    })
}

/// Makes or replaces one.
pub(super) async fn put(store: &SqliteStore, server: &IceServerEntry) -> Result<(), StoreError> {
    let (auth, username, credential) = match &server.auth {
        IceAuth::None => (1, None, None),
        IceAuth::Fixed { username, credential } => (2, Some(username.as_str()), Some(credential.reveal().as_str())),
        IceAuth::Expiring => (3, None, None),
    };
    let kind = match server.urls.first().and_then(|url| url.split(':').next()) {
        Some("turns") => 3,
        Some("turn") => 2,
        _ => 1,
    };
    let mut transaction = store.write().await?;
    sqlx::query(
        "INSERT INTO ice_servers (id, urls, server_type, auth, username, credential, region, priority, is_public, is_active, \
            created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
         ON CONFLICT (id) DO UPDATE SET urls = ?2, server_type = ?3, auth = ?4, username = ?5, credential = ?6, region = ?7, \
            priority = ?8, is_public = ?9, is_active = ?10, updated_at = ?12",
    )
    .bind(server.id)
    .bind(serde_json::to_string(&server.urls).expect("texts are JSON"))
    .bind(kind)
    .bind(auth)
    .bind(username)
    .bind(credential)
    .bind(server.region.as_deref())
    .bind(server.priority)
    .bind(server.is_public)
    .bind(server.is_active)
    .bind(server.created_at.0)
    .bind(server.updated_at.0)
    .execute(&mut *transaction)
    .await
    .map_err(store_error)?;
    transaction.commit().await
}

/// Deletes one; false: there was none.
pub(super) async fn delete(store: &SqliteStore, id: Uuid) -> Result<bool, StoreError> {
    let mut transaction = store.write().await?;
    let done = sqlx::query("DELETE FROM ice_servers WHERE id = ?")
        .bind(id)
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
    transaction.commit().await?;
    Ok(done.rows_affected() > 0)
}

/// Writes down credentials that were handed out.
pub(super) async fn note(store: &SqliteStore, issued: &[IssuedTurn]) -> Result<(), StoreError> {
    let Some(now) = issued.iter().map(|issued| issued.issued_at).max() else { return Ok(()) };
    let mut transaction = store.write().await?;
    sqlx::query("DELETE FROM turn_credentials WHERE expires_at < ?")
        .bind(now.0)
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
    for issued in issued {
        people::make_bare(&mut transaction, &[&issued.user], issued.issued_at).await.map_err(store_error)?;
        // The call may still be on its way here from the journal.
        sqlx::query(
            "INSERT INTO turn_credentials (username, user_id, call_id, issued_at, expires_at) \
             VALUES (?1, ?2, (SELECT id FROM calls WHERE id = ?3), ?4, ?5) ON CONFLICT (username) DO NOTHING",
        )
        .bind(&issued.username)
        .bind(issued.user.as_str())
        .bind(issued.call.map(|call| call.0))
        .bind(issued.issued_at.0)
        .bind(issued.expires_at.0)
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
    }
    transaction.commit().await
}

/// A user's credentials that are still good.
pub(super) async fn issued(pool: &SqlitePool, user: &UserId, now: Timestamp) -> Result<Vec<IssuedTurn>, StoreError> {
    sqlx::query("SELECT * FROM turn_credentials WHERE user_id = ? AND expires_at > ? ORDER BY issued_at")
        .bind(user.as_str())
        .bind(now.0)
        .fetch_all(pool)
        .await
        .map_err(store_error)?
        .iter()
        .map(|row| {
            Ok(IssuedTurn {
                username: get(row, "username")?,
                user: rows::id(row, "user_id")?,
                call: get::<Option<Uuid>>(row, "call_id")?.map(CallId),
                issued_at: rows::time(row, "issued_at")?,
                expires_at: rows::time(row, "expires_at")?,
            })
        })
        .collect()
}
