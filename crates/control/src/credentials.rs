//! What lets people and programs in: sessions of the web app, API keys, STUN and TURN servers with the credentials handed out for
//! them; and the log of what administrators did. `api` decides who may do what.

use std::time::Duration;

use model::{Permission, Timestamp, UserId};
use uuid::Uuid;

use crate::admin::{ApiKey, AuditEntry, AuditQuery, AuditRecord, IceServerEntry, IssuedTurn};
use crate::directory::User;
use crate::handle::{ControlError, Handle};

/// How long an entry of the audit log is kept.
const AUDIT_KEPT: Duration = Duration::from_secs(400 * 24 * 3600);

impl Handle {
    /// A user, if there is one of that ID.
    pub async fn user(&self, id: &UserId) -> Result<User, ControlError> {
        let found = self.store().users(std::slice::from_ref(id)).await?;
        found.into_iter().next().ok_or_else(|| ControlError::UserNotFound(id.clone()))
    }

    /// Opens a session of the web app until `expires`.
    pub async fn open_session(
        &self,
        token_hash: &[u8; 32],
        user: &UserId,
        permissions: &[Permission],
        expires: Timestamp,
    ) -> Result<(), ControlError> {
        Ok(self.store().put_session(token_hash, user, permissions, expires).await?)
    }

    /// Who holds a session that is open now, what it permits, and when it expires.
    pub async fn session(
        &self,
        token_hash: &[u8; 32],
    ) -> Result<Option<(UserId, Vec<Permission>, Timestamp)>, ControlError> {
        Ok(self.store().session(token_hash, self.now()).await?)
    }

    /// Ends a session.
    pub async fn close_session(&self, token_hash: &[u8; 32]) -> Result<(), ControlError> {
        Ok(self.store().delete_session(token_hash).await?)
    }

    /// Every API key, newest first.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, ControlError> {
        Ok(self.store().api_keys().await?)
    }

    /// The key of a secret, by the secret's hash, even if it is revoked or has expired.
    pub async fn api_key(&self, secret_hash: &[u8; 32]) -> Result<Option<ApiKey>, ControlError> {
        Ok(self.store().api_key(secret_hash).await?)
    }

    /// Keeps a new API key under the hash of its secret.
    pub async fn add_api_key(&self, key: &ApiKey, secret_hash: &[u8; 32]) -> Result<(), ControlError> {
        Ok(self.store().put_api_key(key, secret_hash).await?)
    }

    /// Takes an API key out of use. `false`: there is no such key.
    pub async fn revoke_api_key(&self, id: Uuid) -> Result<bool, ControlError> {
        Ok(self.store().revoke_api_key(id, self.now()).await?)
    }

    /// Notes that an API key was used at this time.
    pub async fn api_key_used(&self, id: Uuid, at: Timestamp) -> Result<(), ControlError> {
        Ok(self.store().touch_api_key(id, at).await?)
    }

    /// Every stored ICE server, by priority.
    pub async fn ice_servers(&self) -> Result<Vec<IceServerEntry>, ControlError> {
        Ok(self.store().ice_servers().await?)
    }

    /// Adds an ICE server, or replaces the one of its ID.
    pub async fn put_ice_server(&self, server: &IceServerEntry) -> Result<(), ControlError> {
        Ok(self.store().put_ice_server(server).await?)
    }

    /// Deletes an ICE server. `false`: there is no such server.
    pub async fn delete_ice_server(&self, id: Uuid) -> Result<bool, ControlError> {
        Ok(self.store().delete_ice_server(id).await?)
    }

    /// Notes TURN credentials that were handed out.
    pub async fn turn_credentials_issued(&self, issued: &[IssuedTurn]) -> Result<(), ControlError> {
        Ok(self.store().note_turn_credentials(issued).await?)
    }

    /// Writes down what an administrator did. Entries older than 400 days go.
    pub async fn audit(&self, record: &AuditRecord) -> Result<(), ControlError> {
        Ok(self.store().audit(record, record.at - AUDIT_KEPT).await?)
    }

    /// A page of the audit log, newest first.
    pub async fn audit_log(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, ControlError> {
        Ok(self.store().audit_log(query).await?)
    }
}
