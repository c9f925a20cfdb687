//! Users, local accounts and sessions.

use control::{Account, StoreError, User, UserPatch};
use model::{Permission, Secret, Timestamp, UserId};
use sqlx::{SqliteConnection, SqlitePool};

use super::rows::{self, get};
use super::{SqliteStore, store_error};

/// Makes a user or takes over what is newly known. Nothing is written where nothing is new: this is asked at every sign-in.
pub(super) async fn upsert_user(
    store: &SqliteStore,
    id: &UserId,
    patch: &UserPatch,
    now: Timestamp,
) -> Result<User, StoreError> {
    if let Some(user) = users(&store.readers, std::slice::from_ref(id)).await?.pop()
        && patch.name.as_ref().is_none_or(|name| *name == user.name)
        && patch.avatar_url.as_ref().is_none_or(|url| user.avatar_url.as_ref() == Some(url))
        && (!patch.is_guest || user.is_guest)
    {
        return Ok(user);
    }
    let mut transaction = store.write().await?;
    let user = write_user(&mut transaction, id, patch, now).await?;
    transaction.commit().await?;
    Ok(user)
}

async fn write_user(
    connection: &mut SqliteConnection,
    id: &UserId,
    patch: &UserPatch,
    now: Timestamp,
) -> Result<User, StoreError> {
    let row = sqlx::query(
        "INSERT INTO users (id, name, name_folded, avatar_url, is_guest, is_bare, created_at, updated_at) \
         VALUES (?1, coalesce(?2, ?1), coalesce(?3, ?4), ?5, ?6, ?2 IS NULL, ?7, ?7) \
         ON CONFLICT (id) DO UPDATE SET name = coalesce(?2, name), name_folded = coalesce(?3, name_folded), \
            avatar_url = coalesce(?5, avatar_url), is_guest = max(is_guest, ?6), is_bare = is_bare AND ?2 IS NULL, \
            updated_at = ?7 \
         RETURNING id, name, avatar_url, is_guest, created_at",
    )
    .bind(id.as_str())
    .bind(patch.name.as_deref())
    .bind(patch.name.as_deref().map(folded))
    .bind(folded(id.as_str()))
    .bind(patch.avatar_url.as_deref())
    .bind(patch.is_guest)
    .bind(now.0)
    .fetch_one(connection)
    .await
    .map_err(store_error)?;
    rows::user(&row)
}

/// Makes those of whom nothing but the id is known, where they are not there.
pub(super) async fn make_bare(
    connection: &mut SqliteConnection,
    ids: &[&UserId],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    for id in ids {
        sqlx::query(
            "INSERT INTO users (id, name, name_folded, is_bare, created_at, updated_at) VALUES (?1, ?1, ?2, 1, ?3, ?3) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(folded(id.as_str()))
        .bind(now.0)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Several users; unknown ones are left out.
pub(super) async fn users(pool: &SqlitePool, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
    let list = serde_json::to_string(ids).map_err(|e| StoreError::Fault(e.to_string()))?;
    sqlx::query(
        "SELECT users.id, name, avatar_url, is_guest, created_at FROM json_each(?) wanted CROSS JOIN users ON users.id = wanted.value",
    )
    .bind(list)
    .fetch_all(pool)
    .await
    .map_err(store_error)?
    .iter()
    .map(rows::user)
    .collect()
}

/// Users in the order of their names, those that hold the text somewhere in it. The index gives the order; the text is looked for on
/// the way, until the page is full.
pub(super) async fn search(
    pool: &SqlitePool,
    text: &str,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Vec<User>, StoreError> {
    let query = match after {
        Some(after) => sqlx::query(SEARCH_AFTER).bind(folded(text)).bind(limit.min(1_000) as i64).bind(after.as_str()),
        None => sqlx::query(SEARCH).bind(folded(text)).bind(limit.min(1_000) as i64),
    };
    query.fetch_all(pool).await.map_err(store_error)?.iter().map(rows::user).collect()
}

const SEARCH: &str = "SELECT id, name, avatar_url, is_guest, created_at FROM users \
    WHERE (?1 = '' OR instr(name_folded, ?1) > 0) ORDER BY name_folded, id LIMIT ?2";
const SEARCH_AFTER: &str = "SELECT id, name, avatar_url, is_guest, created_at FROM users \
    WHERE (name_folded, id) > ((SELECT name_folded FROM users WHERE id = ?3), ?3) \
    AND (?1 = '' OR instr(name_folded, ?1) > 0) ORDER BY name_folded, id LIMIT ?2";

fn folded(text: &str) -> String {
    text.to_lowercase()
}

/// A new local account with its user; `Conflict` where the name, one that looks like it, or the user's account is taken.
pub(super) async fn create_account(
    store: &SqliteStore,
    account: &Account,
    name: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut transaction = store.write().await?;
    let skeleton = auth::skeleton(&account.username);
    // Under the write lock, so that nobody comes between.
    let alike: i64 = sqlx::query_scalar("SELECT count(*) FROM accounts WHERE skeleton = ?")
        .bind(&skeleton)
        .fetch_one(&mut *transaction)
        .await
        .map_err(store_error)?;
    if alike > 0 {
        return Err(StoreError::Conflict);
    }
    let patch = UserPatch { name: Some(name.to_owned()), ..UserPatch::default() };
    write_user(&mut transaction, &account.user, &patch, now).await?;
    sqlx::query(
        "INSERT INTO accounts (username, skeleton, user_id, password_hash, permissions, created_at, updated_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&account.username)
    .bind(&skeleton)
    .bind(account.user.as_str())
    .bind(account.password_hash.reveal())
    .bind(words(&account.permissions))
    .bind(now.0)
    .bind(now.0)
    .execute(&mut *transaction)
    .await
    .map_err(store_error)?;
    transaction.commit().await
}

/// Works out what names of accounts look like that were made before that was kept.
pub(super) async fn fill_skeletons(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let names: Vec<String> =
        sqlx::query_scalar("SELECT username FROM accounts WHERE skeleton IS NULL").fetch_all(&mut *connection).await?;
    for name in names {
        sqlx::query("UPDATE accounts SET skeleton = ? WHERE username = ?")
            .bind(auth::skeleton(&name))
            .bind(&name)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// An account by its lower-cased name.
pub(super) async fn account(pool: &SqlitePool, username: &str) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query("SELECT username, user_id, password_hash, permissions FROM accounts WHERE username = ?")
        .bind(username)
        .fetch_optional(pool)
        .await
        .map_err(store_error)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Account {
        username: get(&row, "username")?,
        user: rows::id(&row, "user_id")?,
        password_hash: Secret::new(get(&row, "password_hash")?),
        permissions: rows::permissions(&row)?,
    }))
}

/// A session; those past their time are cleared away on the occasion.
pub(super) async fn put_session(
    store: &SqliteStore,
    token_hash: &[u8; 32],
    user: &UserId,
    permissions: &[Permission],
    expires: Timestamp,
) -> Result<(), StoreError> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let mut transaction = store.write().await?;
    sqlx::query("DELETE FROM sessions WHERE expires_at < ?")
        .bind(now.min(expires.0))
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
    make_bare(&mut transaction, &[user], Timestamp(now)).await.map_err(store_error)?;
    sqlx::query(
        "INSERT INTO sessions (token_hash, user_id, permissions, expires_at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (token_hash) DO UPDATE SET user_id = ?2, permissions = ?3, expires_at = ?4",
    )
    .bind(&token_hash[..])
    .bind(user.as_str())
    .bind(words(permissions))
    .bind(expires.0)
    .execute(&mut *transaction)
    .await
    .map_err(store_error)?;
    transaction.commit().await
}

/// Who a session belongs to, and until when.
pub(super) async fn session(
    pool: &SqlitePool,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<(UserId, Vec<Permission>, Timestamp)>, StoreError> {
    let row =
        sqlx::query("SELECT user_id, permissions, expires_at FROM sessions WHERE token_hash = ? AND expires_at > ?")
            .bind(&token_hash[..])
            .bind(now.0)
            .fetch_optional(pool)
            .await
            .map_err(store_error)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((rows::id(&row, "user_id")?, rows::permissions(&row)?, rows::time(&row, "expires_at")?)))
}

/// Ends a session.
pub(super) async fn delete_session(store: &SqliteStore, token_hash: &[u8; 32]) -> Result<(), StoreError> {
    let mut transaction = store.write().await?;
    sqlx::query("DELETE FROM sessions WHERE token_hash = ?")
        .bind(&token_hash[..])
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
    transaction.commit().await
}

fn words(permissions: &[Permission]) -> String {
    serde_json::to_string(permissions).expect("words are JSON")
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    #[tokio::test]
    async fn a_list_of_users_comes_off_the_index_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let store = crate::open(directory.path().join("stoa.db")).await.unwrap();
        for sql in [SEARCH, SEARCH_AFTER] {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::query(explain).fetch_all(&store.readers).await.unwrap();
            let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(steps[0].contains("users USING INDEX users_by_name"), "{steps:#?}");
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "sorts: {steps:#?}");
        }
    }
}
