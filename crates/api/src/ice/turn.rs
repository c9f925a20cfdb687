//! The built-in TURN server as the edge sees it: who gets credentials, and whose are revoked. Running it is the
//! server's job.

use std::io;
use std::sync::Arc;

use axum::http::request::Parts;
use model::{ErrorCode, UserId};

use crate::config::IceServer;
use crate::http::error::{ApiError, ApiResult};
use crate::http::origin::host;
use crate::state::AppState;

/// Whom ICE servers are handed out to.
#[derive(Debug, Clone, Copy)]
pub struct IceClient<'a> {
    /// A user's id, or the identity in a LiveKit token.
    pub user: &'a str,
    /// The `Host` it asked, with or without a port.
    pub host: Option<&'a str>,
}

/// A TURN server in this process.
pub trait BuiltInTurn: Send + Sync {
    /// Its URLs as this client reaches them, with credentials that it alone is given.
    fn servers(&self, client: &IceClient<'_>) -> Vec<IceServer>;
    /// Takes a user's allocations away, and refuses the credentials handed out so far. An error: until the next restart only,
    /// as it could not be written down. May wait for the disk.
    fn revoke(&self, user: &UserId) -> io::Result<()>;
}

/// Ends what a user relays through the built-in server, if there is one, and the credentials that they hold.
pub(crate) async fn revoke(state: &AppState, user: &UserId) -> ApiResult<()> {
    state.ice.forget_user(user);
    let Some(turn) = state.config.built_in_turn.as_ref().map(Arc::clone) else { return Ok(()) };
    let revoked = user.clone();
    let done = tokio::task::spawn_blocking(move || turn.revoke(&revoked)).await;
    done.map_err(io::Error::other).flatten().map_err(|error| {
        tracing::error!(%error, "cannot record a revocation of TURN credentials");
        ApiError::new(ErrorCode::Internal, "revoked only until the next restart: the server could not record it")
    })
}

/// Whoever made a request.
pub(crate) fn client<'a>(user: &'a str, parts: &'a Parts) -> IceClient<'a> {
    IceClient { user, host: host(parts) }
}
