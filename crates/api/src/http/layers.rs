//! What every request passes through: slashes, host, size limit, panics, request IDs, security headers.

use std::any::Any;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower::Layer as _;
use tower::util::MapRequestLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::config::{ApiConfig, OverTls};
use crate::http::body::{LONGEST_BODY, too_large};
use crate::http::error::ApiError;
use crate::http::origin::check_host;
use crate::state::AppState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts everything around the routes.
pub(crate) fn wrap(routes: Router, state: &AppState) -> Router {
    let (policy, hsts) = (content_security_policy(&state.config), state.config.hsts);
    let routes = routes
        .layer(middleware::from_fn(bound_body))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(state.clone(), check_host))
        .layer(middleware::from_fn(move |request, next| secure(policy.clone(), hsts, request, next)))
        .layer(middleware::from_fn(name_request));
    // Outside of the routes, since it decides which one is taken.
    Router::new().fallback_service(MapRequestLayer::new(collapse_slashes).layer(routes))
}

/// `//rtc` is `/rtc`: SDKs join a base URL that ends in a slash with a path that begins with one.
fn collapse_slashes(mut request: Request) -> Request {
    let uri = request.uri();
    if !uri.path().contains("//") {
        return request;
    }
    let mut path = String::with_capacity(uri.path().len());
    for c in uri.path().chars() {
        if c != '/' || !path.ends_with('/') {
            path.push(c);
        }
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// Refuses a body that says it is too long before a byte of it is read. One that does not say is bounded where it is read, and so is every one of
/// LiveKit's server API, which refuses in a form of its own.
async fn bound_body(request: Request, next: Next) -> Response {
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let path = request.uri().path();
    let is_server_api = path.starts_with("/twirp/");
    // An uploaded file has limits of its own.
    let is_upload = path.ends_with("/recording") && path.trim_start_matches("/api").starts_with("/calls/");
    if !is_server_api && !is_upload && length.is_some_and(|length| length > LONGEST_BODY as u64) {
        return too_large().into_response();
    }
    next.run(request).await
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let what = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(what, "a request handler panicked");
    ApiError::internal().into_response()
}

/// Gives the request an id that the log and the answer share. The query is not logged: it may hold a token.
async fn name_request(request: Request, next: Next) -> Response {
    let id = Uuid::new_v4().simple().to_string();
    let span = tracing::debug_span!("request", %id, method = %request.method(), path = request.uri().path());
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Whether a path is answered by the API, under whichever of its names.
fn is_of_api(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    matches!(first, "api" | "calls" | "webrtc" | "ws") || (first == "channels" && path.ends_with("/calls"))
}

async fn secure(policy: HeaderValue, hsts: bool, request: Request, next: Next) -> Response {
    let is_answer_of_api = is_of_api(request.uri().path());
    let over_tls = request.extensions().get::<OverTls>().is_some();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(self), microphone=(self), display-capture=(self), geolocation=()"),
    );
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    // Only here: a browser may not take it from an answer in clear (RFC 6797, 8.1).
    if hsts && over_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if is_answer_of_api {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

/// Ourselves and nobody else. Styles may be inline since the web app's parts set them; WebAssembly may run (noise
/// suppression, background blur); media flows to any WebSocket the API names; pictures of people come from where the
/// operator says.
fn content_security_policy(config: &ApiConfig) -> HeaderValue {
    let public = config.public_url.as_deref().unwrap_or_default();
    let images = config.image_sources.join(" ");
    let policy = format!(
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data: blob: {images}; media-src 'self' blob: mediastream:; font-src 'self' data:; \
         connect-src 'self' ws: wss: {public}; worker-src 'self' blob:; manifest-src 'self'; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'self'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn slashes_are_collapsed_and_the_query_stays() {
        for (before, after) in
            [("//rtc//v1?a=//b", "/rtc/v1?a=//b"), ("/rtc", "/rtc"), ("//", "/"), ("///api/calls/", "/api/calls/")]
        {
            let request = Request::builder().uri(format!("http://x{before}")).body(Body::empty()).unwrap();
            let request = collapse_slashes(request);
            assert_eq!(request.uri().path_and_query().unwrap().as_str(), after);
        }
    }
}
