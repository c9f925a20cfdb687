//! Which STUN and TURN servers a user is told of.

use model::UserId;

use crate::config::IceServer;
use crate::error::ApiResult;
use crate::state::AppState;

/// The servers for a peer connection of this user.
pub(crate) async fn ice_servers_for(state: &AppState, _user: &UserId) -> ApiResult<Vec<IceServer>> {
    Ok(state.config.ice_servers.clone())
}
