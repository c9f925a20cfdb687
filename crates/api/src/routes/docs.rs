//! The API's documentation as a page: part of the web app's build, nothing is fetched from elsewhere.

use axum::Router;
use axum::http::HeaderMap;
use axum::response::Redirect;
use axum::routing::get;

use crate::state::AppState;
use crate::web;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/docs", get(async |asked: HeaderMap| web::page("api-docs.html", &asked)))
        .route("/api/docs/", get(async || Redirect::permanent("/api/docs")))
}
