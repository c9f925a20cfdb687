//! What administrators and host apps do: ICE servers, API keys, the audit log, users' data, live connections.

mod audit;
mod debug;
mod ice;
mod keys;
mod privacy;

use utoipa_axum::router::OpenApiRouter;

use crate::state::AppState;

/// Every operation.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(ice::routes())
        .merge(keys::routes())
        .merge(audit::routes())
        .merge(privacy::routes())
        .merge(debug::routes())
}
