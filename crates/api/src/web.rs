//! The web app, embedded: its files, and its page for every other path.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::{EmbeddedFile, RustEmbed};
use tower_http::compression::CompressionLayer;

use crate::error::ApiError;

#[derive(RustEmbed)]
#[folder = "$STOA_WEB_DIR"]
struct Files;

/// Paths that belong to a protocol: what is not there is not the web app's either.
const NOT_PAGES: &[&str] =
    &["api", "calls", "webrtc", "rtc", "settings", "twirp", "whip", "whep", "agent", "ws", "socket.io", "assets", "metrics"];

pub(crate) fn router() -> Router {
    Router::new().fallback(serve).layer(CompressionLayer::new())
}

async fn serve(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let is_page = !NOT_PAGES.contains(&path.split('/').next().unwrap_or_default());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return ApiError::not_found().into_response();
    }
    match Files::get(path) {
        Some(file) if !path.is_empty() => file_response(path, &file, request.headers()),
        _ if is_page => match Files::get("index.html") {
            Some(page) => file_response("index.html", &page, request.headers()),
            None => ApiError::not_found().into_response(),
        },
        _ => ApiError::not_found().into_response(),
    }
}

fn file_response(path: &str, file: &EmbeddedFile, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&file.metadata.sha256_hash()[..18]));
    // Names under assets/ carry a hash of their content.
    let caching = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let kind = match (kind.type_(), kind.subtype().as_str()) {
        (mime_guess::mime::TEXT, _) => format!("{kind}; charset=utf-8"),
        _ => kind.to_string(),
    };
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, caching.to_owned()), (header::ETAG, tag.clone())];
    let unchanged = asked.get(header::IF_NONE_MATCH) == HeaderValue::from_str(&tag).ok().as_ref();
    if unchanged {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, file.data.clone().into_owned()).into_response()
}
