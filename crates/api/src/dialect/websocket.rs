//! The raw signalling WebSocket, `/ws/webrtc/{call_id}?token=`, as clients of a FastAPI backend use it.
//!
//! It is refused before the upgrade unless the token is valid and the user is part of the call. After that, each
//! message is checked for type and size and relayed to the other peer. A malformed message gets `error`. Only size,
//! rate, silence and the end of the call close the connection.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body;
use axum::extract::ws::close_code;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::SinkExt as _;
use model::{CallId, DeviceId, Permission};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use yawc::close::CloseCode;
use yawc::{DeflatePool, Frame, HttpStream, IncomingUpgrade, OpCode, Options, UpgradeFut, WebSocket, WebSocketError};

use crate::access::caller::Caller;
use crate::access::identify;
use crate::access::standing::{Number, Proof, WeakClientSocket};
use crate::http::body::{CallPath, Params};
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::presentation::{schema, time};
use crate::signalling::meetings::{Arrival, ClientSocket, MeetingView, Peer, Signal, ToRaw, join_meeting};
use crate::signalling::pace::{Pace, Verdict};
use crate::signalling::refresh::renewed;
use crate::signalling::{note_peer, signalling_call};
use crate::state::AppState;

/// The longest message of a client, in bytes, whatever it was compressed to.
const LONGEST_MESSAGE: usize = 64 * 1024;
/// Where reading and inflating a message stops. More than the longest, so that one that is somewhat too long is read to its end and its sender
/// still hears why it is refused.
const MOST_READ: usize = 4 * LONGEST_MESSAGE;
/// Messages shorter than this are sent as they are.
const WORTH_DEFLATING: usize = 256;
/// Compressors that wait for the next message: no connection has its own.
const IDLE_COMPRESSORS: usize = 16;
/// The longest chat text, in characters.
const LONGEST_TEXT: usize = 4_096;
/// Messages that may wait for a slow client before it is cut off.
const WAITING_MESSAGES: usize = 256;
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// A peer of which nothing was heard for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);
const WRITE: Duration = Duration::from_secs(10);
const GOODBYE: Duration = Duration::from_secs(2);
/// The words of RTCPeerConnection's and RTCIceTransport's states.
const STATES: [&str; 8] =
    ["new", "checking", "connecting", "connected", "completed", "disconnected", "failed", "closed"];

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(connect)).routes(routes!(active_connections)).routes(routes!(connection_state))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Credentials {
    /// A user's token. A bearer token, or the session cookie on Stoa's own pages, works as well.
    token: Option<String>,
    /// The device, if the user has several.
    #[serde(rename = "deviceId")]
    #[param(rename = "deviceId")]
    device_id: Option<String>,
}

/// Opens the signalling WebSocket of a call.
#[utoipa::path(get, path = "/ws/webrtc/{call_id}", operation_id = "signallingSocket", tag = "dialects",
    params(("call_id" = String, Path, description = "The call"), Credentials),
    responses((status = 101, description = "The WebSocket"), (status = "default", body = ErrorBody)))]
async fn connect(
    State(state): State<AppState>,
    Params(credentials): Params<Credentials>,
    call: ApiResult<CallPath>,
    mut parts: Parts,
) -> ApiResult<Response> {
    let arrival = state.meetings.arrive();
    let (caller, proof) = identify(&state, &parts, credentials).await?;
    state.limits.requests.check(&caller.user)?;
    caller.require(Permission::CallsJoin)?;
    let CallPath(id) = call?;
    let call = signalling_call(&state, id, &caller.user).await?.id;
    let no_upgrade = || ApiError::invalid("upgrade", "connect to this path with a WebSocket");
    let upgrade = IncomingUpgrade::from_request_parts(&mut parts, &state).await.map_err(|_| no_upgrade())?;
    let (answer, upgraded) = upgrade.upgrade(OPTIONS.clone()).map_err(|_| no_upgrade())?;
    tokio::spawn(serve(state, Entry { caller, proof, call, arrival }, upgraded));
    Ok(answer.map(Body::new))
}

/// permessage-deflate without a memory of earlier messages, in both directions, so that an idle connection costs next to nothing.
static OPTIONS: LazyLock<Options> = LazyLock::new(|| {
    Options::default()
        .with_limits(MOST_READ, MOST_READ)
        .with_low_latency_compression()
        .server_no_context_takeover()
        .client_no_context_takeover()
        .with_deflate_pool(DeflatePool::new(IDLE_COMPRESSORS))
        .with_compression_threshold(WORTH_DEFLATING)
        .with_read_buffer_capacity(1024)
        .with_write_buffer_capacity(1024)
});

async fn identify(state: &AppState, parts: &Parts, credentials: Credentials) -> ApiResult<(Caller, Proof)> {
    let device = match credentials.device_id {
        Some(id) => DeviceId::new(id).map_err(|error| ApiError::invalid_id("deviceId", &error))?,
        None => identify::named_device(&parts.headers)?,
    };
    identify::by_handshake(state, parts, credentials.token.as_deref(), device).await
}

/// Why a connection ends: the close frame's code and text.
struct End(u16, &'static str);

/// A connection that may come in.
struct Entry {
    caller: Caller,
    proof: Proof,
    call: CallId,
    arrival: Arrival,
}

async fn serve(state: AppState, entry: Entry, upgraded: UpgradeFut) {
    let Ok(socket) = upgraded.await else { return };
    let Entry { caller, proof, call, arrival } = entry;
    let (tell, told) = mpsc::channel(WAITING_MESSAGES);
    let now = Instant::now();
    let id = format!("raw-{:016x}", rand::random::<u64>());
    let pace = Pace::new(now, &state.config.limits);
    let number = state.standings.begin(&caller.user, proof, WeakClientSocket::Raw(tell.downgrade()));
    let (user, device) = (caller.user.clone(), caller.device.clone());
    let mut raw = RawSocket { state, call, caller, number, id, socket, told, pace, read_after: None, heard: now };
    let connected = raw.state.handle().device_connected(&user, &device).await;
    let end = match connected {
        Ok(()) => match raw.join(arrival, tell).await {
            Ok(()) => raw.carry().await,
            Err(error) => {
                _ = raw.refuse(&error).await;
                Some(End(close_code::POLICY, "no seat in this call"))
            }
        },
        Err(_) => Some(End(close_code::POLICY, "too many devices")),
    };
    raw.state.meetings.disconnect(&raw.id);
    raw.state.standings.finish(number);
    if connected.is_ok() {
        raw.state.handle().device_disconnected(&user, &device).await;
    }
    raw.close(end).await;
}

struct RawSocket {
    state: AppState,
    /// The name it came by: another call's, where the call has become that one.
    call: CallId,
    caller: Caller,
    number: Number,
    id: String,
    socket: WebSocket<HttpStream>,
    told: mpsc::Receiver<ToRaw>,
    pace: Pace,
    read_after: Option<Instant>,
    heard: Instant,
}

impl RawSocket {
    async fn join(&mut self, arrival: Arrival, tell: mpsc::Sender<ToRaw>) -> ApiResult<()> {
        let Caller { user, device, .. } = self.caller.clone();
        let call = signalling_call(&self.state, self.call, &user).await?;
        join_meeting(
            &self.state,
            &call,
            Peer { id: self.id.clone(), user, device, socket: ClientSocket::Raw(tell), arrival },
        )
        .await
    }

    /// Carries messages until either side ends it. `None`: the client is gone.
    async fn carry(&mut self) -> Option<End> {
        let mut pings = interval(PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                told = self.told.recv() => match told {
                    Some(ToRaw::Message(message)) => self.send(&message).await?,
                    Some(ToRaw::Close(code, reason)) => return Some(End(code, reason)),
                    None => return Some(End(close_code::AGAIN, "too slow")),
                },
                frame = self.socket.next_frame(), if self.read_after.is_none() => {
                    if let Err(end) = self.handle_frame(frame).await {
                        return end;
                    }
                }
                () = until(self.read_after), if self.read_after.is_some() => self.read_after = None,
                _ = pings.tick() => {
                    if self.heard.elapsed() > SILENCE && self.read_after.is_none() {
                        return Some(End(close_code::POLICY, "no message or pong for 30 seconds"));
                    }
                    self.write(Frame::ping("")).await?;
                }
            }
        }
    }

    /// Takes a frame of the client. `Err(None)`: it is gone.
    async fn handle_frame(&mut self, frame: yawc::Result<Frame>) -> Result<(), Option<End>> {
        // What is wrong with the protocol, its close frame included, is the library's to say.
        let frame = frame.map_err(|_: WebSocketError| None)?;
        if frame.payload().len() > LONGEST_MESSAGE {
            return Err(Some(End(close_code::SIZE, "a message must not exceed 64 KiB")));
        }
        self.heard = Instant::now();
        match self.pace.handle_frame(self.heard) {
            Verdict::Take => {}
            Verdict::Slow(until) => self.read_after = Some(until),
            Verdict::Close => return Err(Some(End(close_code::POLICY, "too many messages"))),
        }
        let result = match frame.opcode() {
            OpCode::Text => match std::str::from_utf8(frame.payload()) {
                Ok(text) => self.handle_text(text).await,
                Err(_) => Err(ApiError::invalid("message", "must be UTF-8")),
            },
            OpCode::Binary | OpCode::Continuation => Err(ApiError::invalid("message", "must be a text frame")),
            OpCode::Ping | OpCode::Pong => return Ok(()),
            OpCode::Close => return Err(None),
        };
        match result {
            Ok(()) => Ok(()),
            Err(error) => self.refuse(&error).await.ok_or(None),
        }
    }

    async fn handle_text(&mut self, text: &str) -> ApiResult<()> {
        let signal = match parse(text)? {
            Said::Signal(signal) => signal,
            Said::Refresh(token) => return self.refresh(&token).await,
        };
        let user = &self.caller.user;
        let call = signalling_call(&self.state, self.call, user).await?;
        if self.state.meetings.spread(self.state.handle().now(), call.id, &self.id, signal) {
            note_peer(&self.state, &call, user).await;
            return Ok(());
        }
        Err(ApiError::new(model::ErrorCode::InvalidState, "nobody else is connected"))
    }

    async fn refresh(&mut self, token: &str) -> ApiResult<()> {
        let (caller, proof) = renewed(&self.state, &self.caller, token).await?;
        let expires = proof.expires();
        self.state.standings.renew(self.number, proof);
        self.caller = caller;
        // Where it cannot be written, reading will say so.
        _ = self.send(&json!({"type": "auth_refreshed", "expires_at": time(expires)})).await;
        Ok(())
    }

    async fn refuse(&mut self, error: &ApiError) -> Option<()> {
        self.send(&json!({"type": "error", "code": error.code, "message": error.message})).await
    }

    async fn send(&mut self, message: &Value) -> Option<()> {
        self.write(Frame::text(message.to_string())).await
    }

    /// `None`: the client is gone.
    async fn write(&mut self, frame: Frame) -> Option<()> {
        timeout(WRITE, self.socket.send(frame)).await.ok()?.ok()
    }

    async fn close(mut self, end: Option<End>) {
        let goodbye = async {
            if let Some(End(code, reason)) = end
                && self.socket.send(Frame::close(CloseCode::from(code), reason)).await.is_err()
            {
                return;
            }
            // Says what is left to say. And a socket that is dropped with unread bytes resets, and the reason may be lost.
            while self.socket.next_frame().await.is_ok() {}
        };
        _ = timeout(GOODBYE, goodbye).await;
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// A client's message. Without `Debug`: it may hold a token.
enum Said {
    /// For the other peer.
    Signal(Signal),
    /// A fresh token.
    Refresh(String),
}

/// Reads a message. Descriptions and candidates stay opaque: peers need not be browsers.
fn parse(text: &str) -> ApiResult<Said> {
    let message: Value = serde_json::from_str(text).map_err(|_| ApiError::invalid("message", "must be JSON"))?;
    let part = |name: &str| message.get(name).cloned().unwrap_or(Value::Null);
    let description = |name: &'static str| match part(name) {
        Value::Object(object) if object.get("sdp").is_some_and(Value::is_string) => Ok(Value::Object(object)),
        _ => Err(ApiError::invalid(name, "must be an object with sdp")),
    };
    let signal = match message.get("type").and_then(Value::as_str) {
        Some("auth_refresh") => match part("token") {
            Value::String(token) => return Ok(Said::Refresh(token)),
            _ => Err(ApiError::invalid("token", "must be a string")),
        },
        Some("offer") => Ok(Signal::Offer(description("offer")?)),
        Some("answer") => Ok(Signal::Answer(description("answer")?)),
        Some("ice_candidate") => match part("candidate") {
            candidate @ (Value::Object(_) | Value::Null) => Ok(Signal::Candidate(candidate)),
            _ => Err(ApiError::invalid("candidate", "must be an object or null")),
        },
        Some("text") => match part("message") {
            Value::String(text) if text.chars().count() <= LONGEST_TEXT => {
                Ok(Signal::Text { message: Value::String(text), timestamp: part("timestamp") })
            }
            _ => Err(ApiError::invalid("message", "must be a string of at most 4096 characters")),
        },
        Some("connection_state") => match part("state") {
            Value::String(state) if STATES.contains(&state.as_str()) => Ok(Signal::State(state)),
            _ => Err(ApiError::invalid("state", "must be a state of a peer connection")),
        },
        _ => Err(ApiError::invalid(
            "type",
            "must be offer, answer, ice_candidate, text, connection_state or auth_refresh",
        )),
    };
    signal.map(Said::Signal)
}

/// The signalling connections of all calls.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActiveConnections {
    total_calls: usize,
    /// Connections by call.
    connections: std::collections::BTreeMap<String, ConnectionState>,
}

/// The signalling of one call.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConnectionState {
    call_id: String,
    /// The last state that a client reported, or `new` before any report.
    connection_state: String,
    ice_candidates_count: u64,
    #[schema(value_type = schema::Time)]
    created_at: String,
    #[schema(value_type = schema::Time)]
    updated_at: String,
}

impl From<MeetingView> for ConnectionState {
    fn from(view: MeetingView) -> Self {
        Self {
            call_id: view.call.to_string(),
            connection_state: view.state,
            ice_candidates_count: view.candidates,
            created_at: time(view.since),
            updated_at: time(view.changed),
        }
    }
}

/// Lists calls with signalling connections. For administrators.
#[utoipa::path(get, path = "/ws/webrtc/active-connections", operation_id = "recordConnections", tag = "dialects",
    responses((status = 200, body = ActiveConnections), (status = "default", body = ErrorBody)))]
async fn active_connections(State(state): State<AppState>, caller: Caller) -> ApiResult<Json<ActiveConnections>> {
    caller.require(Permission::Admin)?;
    let views = state.meetings.views();
    let connections = views.into_iter().map(|view| (view.call.to_string(), view.into()));
    let connections: std::collections::BTreeMap<_, _> = connections.collect();
    Ok(Json(ActiveConnections { total_calls: connections.len(), connections }))
}

/// Returns the state of one call's signalling. For administrators.
#[utoipa::path(get, path = "/ws/webrtc/connection-state/{call_id}", operation_id = "recordConnectionState", tag = "dialects",
    params(("call_id" = String, Path, description = "The call")),
    responses((status = 200, body = ConnectionState), (status = "default", body = ErrorBody)))]
async fn connection_state(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
) -> ApiResult<Json<ConnectionState>> {
    caller.require(Permission::Admin)?;
    let view = state.meetings.views().into_iter().find(|view| view.call == id);
    let view =
        view.ok_or_else(|| ApiError::new(model::ErrorCode::CallNotFound, "no call with that ID has connections"))?;
    Ok(Json(view.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(message: &Value) -> Option<Signal> {
        match parse(&message.to_string()) {
            Ok(Said::Signal(signal)) => Some(signal),
            Ok(Said::Refresh(_)) | Err(_) => None,
        }
    }

    #[test]
    fn messages_as_documented_are_read() {
        let offer = json!({"type": "offer", "offer": {"type": "offer", "sdp": "v=0\r\no=..."}});
        assert_eq!(signal(&offer), Some(Signal::Offer(offer["offer"].clone())));
        let candidate = json!({"type": "ice_candidate",
            "candidate": {"candidate": "candidate:...", "sdpMLineIndex": 0, "sdpMid": "0"}});
        assert_eq!(signal(&candidate), Some(Signal::Candidate(candidate["candidate"].clone())));
        let end = json!({"type": "ice_candidate", "candidate": null});
        assert_eq!(signal(&end), Some(Signal::Candidate(Value::Null)));
        let state = json!({"type": "connection_state", "state": "connected"});
        assert_eq!(signal(&state), Some(Signal::State("connected".into())));
        assert!(
            parse(&json!({"type": "text", "message": "Hello!", "timestamp": "2026-01-21T10:30:00Z"}).to_string())
                .is_ok()
        );
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"type":"fly"}"#,
            r#"{"type":"offer","offer":"v=0"}"#,
            r#"{"type":"offer","offer":{"sdp":1}}"#,
            r#"{"type":"answer"}"#,
            r#"{"type":"ice_candidate","candidate":7}"#,
            r#"{"type":"text","message":{}}"#,
            r#"{"type":"connection_state","state":"purple"}"#,
        ] {
            let refused = parse(text).err().map(|error| error.code.as_str());
            assert_eq!(refused, Some("invalid_request"), "{text}");
        }
    }
}
