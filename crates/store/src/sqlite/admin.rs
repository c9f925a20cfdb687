//! API keys and the audit log.

use async_trait::async_trait;
use call::CallSnapshot;
use control::{
    AdminStore, ApiKey, AuditEntry, AuditQuery, AuditRecord, Erased, IceServerEntry, IssuedTurn, StoreError,
    UserRecords,
};
use model::{CallId, Timestamp, UserId};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqlitePool};
use uuid::Uuid;

use super::rows::{self, get};
use super::{SqliteStore, erase, ice, store_error};

#[async_trait]
impl AdminStore for SqliteStore {
    async fn ice_servers(&self) -> Result<Vec<IceServerEntry>, StoreError> {
        ice::all(&self.readers).await
    }
    async fn put_ice_server(&self, server: &IceServerEntry) -> Result<(), StoreError> {
        ice::put(self, server).await
    }
    async fn delete_ice_server(&self, id: Uuid) -> Result<bool, StoreError> {
        ice::delete(self, id).await
    }
    async fn note_turn_credentials(&self, issued: &[IssuedTurn]) -> Result<(), StoreError> {
        ice::note(self, issued).await
    }
    async fn turn_credentials(&self, user: &UserId, now: Timestamp) -> Result<Vec<IssuedTurn>, StoreError> {
        ice::issued(&self.readers, user, now).await
    }

    async fn put_api_key(&self, key: &ApiKey, secret_hash: &[u8; 32]) -> Result<(), StoreError> {
        put_key(self, key, secret_hash).await
    }
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let found = sqlx::query("SELECT * FROM api_keys ORDER BY created_at DESC, id DESC");
        found.fetch_all(&self.readers).await.map_err(store_error)?.iter().map(key).collect()
    }
    async fn api_key(&self, secret_hash: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
        let found = sqlx::query("SELECT * FROM api_keys WHERE secret_hash = ?").bind(&secret_hash[..]);
        found.fetch_optional(&self.readers).await.map_err(store_error)?.as_ref().map(key).transpose()
    }
    async fn revoke_api_key(&self, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let done = sqlx::query("UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1")
            .bind(id)
            .bind(now.0)
            .execute(&mut *transaction)
            .await
            .map_err(store_error)?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }
    async fn touch_api_key(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let touch = sqlx::query("UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1").bind(id).bind(now.0);
        touch.execute(&mut *transaction).await.map_err(store_error)?;
        transaction.commit().await
    }

    async fn audit(&self, record: &AuditRecord, keep_from: Timestamp) -> Result<(), StoreError> {
        write_audit(self, record, keep_from).await
    }
    async fn audit_log(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        read_audit(&self.readers, query).await
    }

    async fn user_records(&self, user: &UserId) -> Result<Option<UserRecords>, StoreError> {
        erase::records(&self.readers, user).await
    }
    async fn calls_of(
        &self,
        user: &UserId,
        after: Option<CallId>,
        limit: usize,
    ) -> Result<Vec<CallSnapshot>, StoreError> {
        erase::calls_of(&self.readers, user, after, limit).await
    }
    async fn erase_user(&self, user: &UserId, alias: &UserId, now: Timestamp) -> Result<Option<Erased>, StoreError> {
        erase::user(self, user, alias, now).await
    }
}

async fn put_key(store: &SqliteStore, key: &ApiKey, secret_hash: &[u8; 32]) -> Result<(), StoreError> {
    let mut transaction = store.write().await?;
    sqlx::query(
        "INSERT INTO api_keys (id, name, secret_hash, scopes, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(key.id)
    .bind(&key.name)
    .bind(&secret_hash[..])
    .bind(serde_json::to_string(&key.scopes).expect("words are JSON"))
    .bind(key.created_by.as_deref())
    .bind(key.created_at.0)
    .bind(key.expires_at.map(|at| at.0))
    .execute(&mut *transaction)
    .await
    .map_err(store_error)?;
    transaction.commit().await
}

fn key(row: &SqliteRow) -> Result<ApiKey, StoreError> {
    let scopes: String = get(row, "scopes")?;
    let time = |column| Ok::<_, StoreError>(get::<Option<i64>>(row, column)?.map(Timestamp));
    Ok(ApiKey {
        id: get(row, "id")?,
        name: get(row, "name")?,
        scopes: serde_json::from_str(&scopes)
            .map_err(|_| StoreError::Fault("api_keys: the scopes are not a list".to_owned()))?,
        created_by: get(row, "created_by")?,
        created_at: rows::time(row, "created_at")?,
        last_used_at: time("last_used_at")?,
        expires_at: time("expires_at")?,
        revoked_at: time("revoked_at")?,
    })
}

async fn write_audit(store: &SqliteStore, record: &AuditRecord, keep_from: Timestamp) -> Result<(), StoreError> {
    let mut transaction = store.write().await?;
    sqlx::query("DELETE FROM audit_log WHERE at < ?")
        .bind(keep_from.0)
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
    sqlx::query("INSERT INTO audit_log (at, actor, address, action, target, details) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(record.at.0)
        .bind(&record.actor)
        .bind(record.address.as_deref())
        .bind(&record.action)
        .bind(record.target.as_deref())
        .bind(record.details.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
    transaction.commit().await
}

async fn read_audit(pool: &SqlitePool, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM audit_log WHERE id < ");
    sql.push_bind(query.before.unwrap_or(i64::MAX));
    if let Some(actor) = &query.actor {
        sql.push(" AND actor = ").push_bind(actor.clone());
    }
    if let Some(action) = &query.action {
        sql.push(" AND action = ").push_bind(action.clone());
    }
    sql.push(" ORDER BY id DESC LIMIT ").push_bind(query.limit.min(1_000) as i64);
    sql.build().fetch_all(pool).await.map_err(store_error)?.iter().map(audit_entry).collect()
}

fn audit_entry(row: &SqliteRow) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: get(row, "id")?,
        record: AuditRecord {
            at: rows::time(row, "at")?,
            actor: get(row, "actor")?,
            address: get(row, "address")?,
            action: get(row, "action")?,
            target: get(row, "target")?,
            details: rows::json(row, "details")?,
        },
    })
}
