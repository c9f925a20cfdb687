//! The API's documentation as a page, from files in the binary: nothing is fetched from elsewhere.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa_swagger_ui::Config;

use crate::error::ApiError;
use crate::state::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/docs", get(async || Redirect::permanent("/api/docs/")))
        .route("/api/docs/", get(async || file("")))
        .route("/api/docs/{*file}", get(async |Path(path): Path<String>| file(&path)))
}

fn file(path: &str) -> Response {
    // The badge of its validator would be a third party's.
    let config = Config::from("/api/openapi.json").validator_url("none");
    match utoipa_swagger_ui::serve(path, Arc::new(config)) {
        Ok(Some(file)) => {
            let kind = HeaderValue::try_from(file.content_type);
            let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
            ([(header::CONTENT_TYPE, kind)], file.bytes.into_owned()).into_response()
        }
        Ok(None) => ApiError::not_found().into_response(),
        Err(error) => {
            tracing::error!(%error, "a file of the API's documentation cannot be served");
            ApiError::internal().into_response()
        }
    }
}
