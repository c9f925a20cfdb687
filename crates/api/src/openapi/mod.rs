//! The operations of all surfaces that the OpenAPI document describes, as one router and as the document.

mod document;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::http::body::LONGEST_BODY;
use crate::http::cors;
use crate::http::error::{ApiError, ErrorBody};
use crate::state::AppState;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stoa",
        version = "0.1.0",
        description = "Voice and video calls: ringing, media rooms and history. Times are RFC 3339 in UTC. Every error is an ErrorBody with a stable code.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ErrorBody)),
    tags(
        (name = "session", description = "Signing in to the web app"),
        (name = "users", description = "People"),
        (name = "channels", description = "Groups of people who can call each other"),
        (name = "calls", description = "Calls and their history"),
        (name = "recordings", description = "Recordings of calls"),
        (name = "server", description = "The server itself"),
        (name = "dialects", description = "The same calls, under the paths and in the shapes of other backends"),
        (name = "admin", description = "ICE servers, API keys, the audit log and live connections, for administrators")
    )
)]
struct Document;

/// Every operation, with its part of the document.
fn operations() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(crate::rest::routes())
        .merge(crate::dialect::routes())
        .merge(crate::admin::routes())
}

/// The OpenAPI 3.1 document, as `GET /api/openapi.json` answers it.
pub fn openapi_json() -> String {
    let mut document = operations().into_openapi();
    document::complete(&mut document);
    let mut text = document.to_pretty_json().expect("the document is plain JSON");
    text.push('\n');
    text
}

pub(crate) fn router(state: AppState) -> Router {
    let (operations, _) = operations().split_for_parts();
    let document = openapi_json();
    operations
        .route(
            "/api/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/json")], document) }),
        )
        .route("/api", any(unknown))
        .route("/api/", any(unknown))
        .route("/api/{*rest}", any(unknown))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(from_fn_with_state(state.clone(), crate::http::limits::count))
        .layer(cors::for_origins(&state.config.cors_origins))
        .with_state(state)
}

async fn unknown() -> ApiError {
    ApiError::not_found()
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(model::ErrorCode::MethodNotAllowed, "this path does not support that method")
}
