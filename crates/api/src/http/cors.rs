//! What pages of other origins may use (Fetch standard, "HTTP-response headers for CORS").
//!
//! Headers are named or mirrored, never `*`, which would not cover `Authorization`.

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

/// Lets pages of the configured origins use the API with a bearer token; never with our cookie.
pub(crate) fn for_origins(origins: &[String]) -> CorsLayer {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("stoa-device"),
            HeaderName::from_static("stoa-user"),
            header::RANGE,
            header::IF_RANGE,
        ])
        .expose_headers([
            header::RETRY_AFTER,
            header::ETAG,
            header::CONTENT_RANGE,
            header::ACCEPT_RANGES,
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            HeaderName::from_static("ratelimit-limit"),
            HeaderName::from_static("ratelimit-remaining"),
            HeaderName::from_static("ratelimit-reset"),
        ])
}

/// Lets any page use what LiveKit's SDKs use; who may is said by the token alone.
pub(crate) fn for_anyone<const N: usize>(methods: [Method; N]) -> CorsLayer {
    CorsLayer::new().allow_origin(Any).allow_methods(methods).allow_headers(AllowHeaders::mirror_request())
}
