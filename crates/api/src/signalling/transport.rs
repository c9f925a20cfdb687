//! Socket.IO's transport: its endpoint, its limits, and Engine.IO's own refusals.

use std::time::Duration;

use axum::extract::{OriginalUri, Request};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::{map_request, map_response};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use socketioxide::{ParserConfig, SocketIo};

use crate::http::cors;
use crate::state::AppState;

const PATH: &str = "/socket.io";
/// The longest message of a client, in bytes.
const LONGEST_MESSAGE: usize = 64 * 1024;
/// Binary attachments of one message; none of our events has any.
const MOST_ATTACHMENTS: usize = 10;
/// Engine.IO's own refusals, in bytes, and the one without details.
const LONGEST_REFUSAL: usize = 1024;
const BAD_REQUEST: (u64, &str) = (3, "Bad request");
/// Packets that may wait for a slow client before it is cut off.
const WAITING_PACKETS: usize = 512;
/// A client that is silent for their sum is gone.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// What a socket's buffer holds while nothing comes, in bytes: it grows with what does.
const READ_BUFFER: usize = 1024;

/// The endpoint, and the namespaces that are opened on it.
pub(crate) fn open(state: &AppState) -> (Router, SocketIo) {
    let parser = ParserConfig::common()
        .max_incoming_binaries(MOST_ATTACHMENTS)
        .max_incoming_binary_buf_size(LONGEST_MESSAGE)
        .packet_completion_timeout(Duration::from_secs(5));
    let (service, io) = SocketIo::builder()
        .req_path(PATH)
        .max_payload(LONGEST_MESSAGE as u64)
        .ws_read_buffer_size(READ_BUFFER)
        .ws_max_message_size(LONGEST_MESSAGE)
        .ws_max_frame_size(LONGEST_MESSAGE)
        .max_buffer_size(WAITING_PACKETS)
        .connect_timeout(Duration::from_secs(10))
        .ping_interval(PING_INTERVAL)
        .ping_timeout(PING_TIMEOUT)
        .with_parser(parser)
        .with_state(state.clone())
        .build_svc();
    let router = Router::new()
        .route_service(PATH, service.clone())
        .route_service("/socket.io/", service)
        .layer(map_request(detached))
        .layer(map_response(with_numbered_code))
        .layer(cors::for_origins(&state.config.cors_origins));
    (router, io)
}

/// Engine.IO's refusals as its reference server words them, `{"code": 1, "message": "Session ID unknown"}`: the library has the code as
/// text, and for some refusals no body.
async fn with_numbered_code(answer: Response) -> Response {
    if answer.status() != StatusCode::BAD_REQUEST {
        return answer;
    }
    let body = axum::body::to_bytes(answer.into_body(), LONGEST_REFUSAL).await.unwrap_or_default();
    let refusal: Value = serde_json::from_slice(&body).unwrap_or_default();
    let code = refusal["code"].as_str().and_then(|code| code.parse().ok()).or_else(|| refusal["code"].as_u64());
    let (code, message) = match (code, refusal["message"].as_str()) {
        (Some(code), Some(message)) => (code, message),
        _ => BAD_REQUEST,
    };
    (StatusCode::BAD_REQUEST, Json(json!({"code": code, "message": message}))).into_response()
}

/// The same request in memory of its own. What hyper read, 16 KiB of it, is shared by all that was parsed from it, and a socket keeps its
/// request for as long as it lives.
async fn detached(mut request: Request) -> Request {
    let headers = std::mem::take(request.headers_mut());
    let copied = headers.iter().filter_map(|(name, value)| {
        let mut copy = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        copy.set_sensitive(value.is_sensitive());
        Some((name.clone(), copy))
    });
    request.headers_mut().extend(copied);
    if let Ok(uri) = request.uri().to_string().parse::<Uri>() {
        request.extensions_mut().insert(OriginalUri(uri.clone()));
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, Bytes};
    use axum::routing::any;
    use tower::ServiceExt as _;

    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_socket_keeps_nothing_of_what_was_read_with_its_request() {
        let kept = Arc::new(std::sync::Mutex::new(None));
        let keeps = Arc::clone(&kept);
        let keep = move |request: Request| {
            *keeps.lock().unwrap() = Some(request);
            std::future::ready(())
        };
        let router: Router = Router::new().route(PATH, any(keep)).layer(map_request(detached));
        let read = Bytes::from(b"/socket.io?EIO=4 websocket".to_vec());
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = Uri::from_maybe_shared(read.slice(..16)).unwrap();
        request.headers_mut().insert("upgrade", HeaderValue::from_maybe_shared(read.slice(17..)).unwrap());
        router.oneshot(request).await.unwrap();
        let kept = kept.lock().unwrap().take().unwrap();
        assert_eq!((kept.uri().query(), &kept.headers()["upgrade"]), (Some("EIO=4"), &"websocket".parse().unwrap()));
        assert!(read.is_unique(), "{:?}", kept.extensions());
    }
}
