//! The REST API that apps use: one handler per operation, with its OpenAPI description next to it.

mod call_actions;
mod call_recording;
mod calls;
mod channels;
mod in_call;
mod recordings;
mod server;
mod session;
mod users;

use utoipa_axum::router::OpenApiRouter;

use crate::state::AppState;

/// Every operation.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(session::routes())
        .merge(users::routes())
        .merge(channels::routes())
        .merge(call_actions::routes())
        .merge(calls::routes())
        .merge(in_call::routes())
        .merge(call_recording::routes())
        .merge(recordings::routes())
        .merge(server::routes())
}
