//! The built-in TURN server as the edge sees it: whom it is handed out to, and whose credentials end. How it runs is the
//! server's.

use axum::http::request::Parts;
use model::UserId;

use crate::config::IceServer;
use crate::origin::host;

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
    /// Takes a user's allocations away, and refuses the credentials handed out so far.
    fn revoke(&self, user: &UserId);
}

/// Whoever made a request.
pub(crate) fn client<'a>(user: &'a str, parts: &'a Parts) -> IceClient<'a> {
    IceClient { user, host: host(parts) }
}
