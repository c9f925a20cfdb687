//! The main Socket.IO namespace: events of calls, presence and channels go out, a few actions come in.
//!
//! A socket is one connection of one device. Notices of the control plane reach the sockets of their user in the order
//! in which they were published. A client that may have missed some gets `sync`, or is disconnected, and fetches the
//! state again.

mod acts;
mod events;
pub(crate) mod lane;
mod more;
pub(crate) mod refresh;
mod registry;
pub(crate) mod relay;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::{OriginalUri, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::{map_request, map_response};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use call::{Ability, PresenceState};
use governor::{DefaultDirectRateLimiter, RateLimiter};
use model::DeviceId;
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::extract::{Extension, SocketRef, State, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::{ParserConfig, SocketIo};
use tokio::sync::Mutex;

use crate::caller::{self, Caller};
use crate::cors;
use crate::dialect::webrtc;
use crate::error::{ApiError, ApiResult};
use crate::limits::quota;
use crate::origin::client_address;
use crate::standing::{Number, Proof, Reach};
use crate::state::AppState;

use acts::answer;
pub(crate) use registry::Registry;

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
/// So many events over the rate, and the socket is cut off.
const MOST_STRIKES: u32 = 200;
/// What a socket's buffer holds while nothing comes, in bytes: it grows with what does.
const READ_BUFFER: usize = 1024;

/// The namespace's endpoint; also starts the task that feeds it.
pub(crate) fn router(state: &AppState) -> Router {
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
    io.ns("/", connected.with(authenticate));
    webrtc::open(&io);
    tokio::spawn(events::carry(state.clone(), state.handle().notices()));
    Router::new()
        .route_service(PATH, service.clone())
        .route_service("/socket.io/", service)
        .layer(map_request(detached))
        .layer(map_response(with_numbered_code))
        .layer(cors::for_origins(&state.config.cors_origins))
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

/// What a client says of itself when it connects.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credentials {
    token: Option<String>,
    device_id: Option<String>,
    #[serde(flatten)]
    says: Says,
}

/// What a device says that it can do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Says {
    media: Option<Vec<Way>>,
    call_waiting: Option<bool>,
}

/// A way of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    P2p,
    Sfu,
}

impl Says {
    /// Which ways of media; a list that names none says nothing.
    fn ability(&self) -> Option<Ability> {
        let ways = self.media.as_deref().filter(|ways| !ways.is_empty())?;
        Some(Ability { p2p: ways.contains(&Way::P2p), sfu: ways.contains(&Way::Sfu) })
    }

    /// Tells the control plane, if there is anything to tell.
    pub async fn declare(&self, state: &AppState, caller: &Caller) -> ApiResult<()> {
        if self.media.is_none() && self.call_waiting.is_none() {
            return Ok(());
        }
        let waiting = self.call_waiting.unwrap_or(false);
        Ok(state.handle().device_declared(&caller.user, &caller.device, self.ability(), waiting).await?)
    }
}

/// Who a socket belongs to, and how much it has asked of us.
#[derive(Clone)]
pub(crate) struct Seat(pub(crate) Arc<SeatState>);

pub(crate) struct SeatState {
    /// User and device stay the same; a fresh token may permit more or less.
    caller: ArcSwap<Caller>,
    says: Says,
    rate: DefaultDirectRateLimiter,
    strikes: AtomicU32,
    /// What it was let in by, until it has arrived.
    proof: std::sync::Mutex<Option<Proof>>,
    /// Its number in [`Standings`](crate::standing::Standings), once it has arrived.
    number: OnceLock<Number>,
    /// Held while the device is announced, so that it cannot be taken back before.
    announced: Mutex<bool>,
}

impl Seat {
    /// Who it is.
    pub fn caller(&self) -> Arc<Caller> {
        self.0.caller.load_full()
    }

    /// Counts one event.
    pub fn count(&self, socket: &SocketRef) -> ApiResult<()> {
        if self.0.rate.check().is_ok() {
            return Ok(());
        }
        if self.0.strikes.fetch_add(1, Ordering::Relaxed) == MOST_STRIKES {
            tracing::info!(user = %self.caller().user, "disconnecting a socket that sent too many events");
            _ = socket.clone().disconnect();
        }
        Err(ApiError::rate_limited(1))
    }
}

/// The code is the message of the client's `connect_error`.
#[derive(Debug)]
pub(crate) struct Refused(&'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

pub(crate) async fn authenticate(
    socket: SocketRef,
    State(state): State<AppState>,
    TryData(credentials): TryData<Option<Credentials>>,
) -> Result<(), Refused> {
    let credentials = credentials.ok().flatten().unwrap_or_default();
    let says = credentials.says.clone();
    let address = client_address(socket.req_parts(), &state.config);
    state.limits.addresses.check(&address).map_err(|error| Refused(error.code.as_str()))?;
    let (caller, proof) =
        identify(&state, socket.req_parts(), credentials).await.map_err(|error| Refused(error.code.as_str()))?;
    let limits = &state.config.limits;
    let rate = RateLimiter::direct(quota(limits.events_a_second, limits.event_burst, Duration::from_secs(1)));
    socket.extensions.insert(Seat(Arc::new(SeatState {
        caller: ArcSwap::from_pointee(caller),
        says,
        rate,
        strikes: AtomicU32::new(0),
        proof: std::sync::Mutex::new(Some(proof)),
        number: OnceLock::new(),
        announced: Mutex::new(false),
    })));
    Ok(())
}

async fn identify(state: &AppState, parts: &Parts, credentials: Credentials) -> ApiResult<(Caller, Proof)> {
    let device = match credentials.device_id {
        Some(id) => DeviceId::new(id).map_err(|error| ApiError::invalid_id("deviceId", &error))?,
        None => DeviceId::unnamed(),
    };
    caller::by_handshake(state, parts, credentials.token.as_deref(), device).await
}

/// Admits a socket: from now on it receives its user's events and may be disconnected. `false`: it was refused, or is already gone.
pub(crate) async fn arrive(state: &AppState, sockets: &Registry, socket: &SocketRef, seat: &Seat) -> bool {
    let mut announced = seat.0.announced.lock().await;
    let caller = seat.caller();
    let proof = seat.0.proof.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(proof) = proof {
        let number = state.standings.begin(&caller.user, proof, Reach::Socket(socket.clone()));
        seat.0.number.get_or_init(|| number);
    }
    // In the registry first: announcing the device may make calls ring on it.
    sockets.add(&caller, socket);
    if let Err(error) = seat.0.says.declare(state, &caller).await {
        tracing::debug!(?error, "cannot read what a device says about itself");
    }
    if let Err(error) = state.handle().device_connected(&caller.user, &caller.device).await {
        tracing::debug!(%error, "cannot register a device");
        // The reason first: a bare disconnect looks like a lost line.
        _ = socket.emit("refused", &json!(ApiError::from(error).body()));
        _ = socket.clone().disconnect();
        return false;
    }
    *announced = true;
    drop(announced);
    // One that went before anybody listened for that has told nobody.
    if !socket.connected() {
        depart(state, sockets, socket, seat).await;
        return false;
    }
    true
}

/// A socket is gone: takes back all that came with it.
pub(crate) async fn depart(state: &AppState, sockets: &Registry, socket: &SocketRef, seat: &Seat) {
    let caller = seat.caller();
    sockets.remove(&caller, socket.id);
    if let Some(number) = seat.0.number.get() {
        state.standings.finish(*number);
    }
    if std::mem::take(&mut *seat.0.announced.lock().await) {
        state.handle().device_disconnected(&caller.user, &caller.device).await;
    }
}

async fn connected(socket: SocketRef, State(state): State<AppState>, Extension(seat): Extension<Seat>) {
    refresh::listen(&socket);
    acts::listen(&socket);
    relay::listen(&socket, &state, &seat);
    socket.on_disconnect(disconnected);
    if !arrive(&state, &state.sockets, &socket, &seat).await {
        return;
    }
    let visible = state.handle().visible_presence(&seat.caller().user).await;
    let users: BTreeMap<String, PresenceState> =
        visible.into_iter().map(|(user, presence)| (user.to_string(), presence)).collect();
    _ = socket.emit("presence:state", &json!({"users": users}));
}

async fn disconnected(socket: SocketRef, State(state): State<AppState>, Extension(seat): Extension<Seat>) {
    depart(&state, &state.sockets, &socket, &seat).await;
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, Bytes};
    use axum::routing::any;
    use tower::ServiceExt as _;

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
