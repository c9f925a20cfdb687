//! LiveKit's signalling endpoints: who may connect, and how a client learns that it may not.
//!
//! `/rtc` speaks version 0 (two peer connections), `/rtc/v1` version 1 (one). The protocol itself is the room's; a
//! connection here is a pipe with bounds.

mod link;
pub(crate) mod pace;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use control::ConnectError;
use livekit::{ClientParameters, Join};
use livekit_protocol as proto;
use model::RoomName;

use crate::caller::bearer;
use crate::cors;
use crate::ice::ice_servers_for;
use crate::state::AppState;
use crate::turn::client;
use link::Link;

/// The longest frame of a client, in bytes.
const LONGEST_FRAME: usize = 1024 * 1024;

/// Clients take this text, with a 404, for a room that is missing rather than a version that is.
const NO_ROOM: &str = "requested room does not exist";

pub(crate) fn router(state: &AppState) -> Router {
    Router::new()
        .route("/rtc", get(connect_v0))
        .route("/rtc/v1", get(connect_v1))
        .route("/rtc/validate", get(validate))
        .route("/rtc/v1/validate", get(validate))
        .route("/rtc/", any(unknown))
        .route("/rtc/{*rest}", any(unknown))
        .layer(from_fn_with_state(state.clone(), crate::limits::count))
        .layer(cors::for_anyone([Method::GET, Method::HEAD]))
        .with_state(state.clone())
}

/// A refusal, in LiveKit's form: a status and a line of text.
type Refusal = (StatusCode, &'static str);

const UNAUTHORIZED: Refusal = (StatusCode::UNAUTHORIZED, "invalid authorization token");
const NOT_ALLOWED: Refusal = (StatusCode::FORBIDDEN, "not allowed to join this room");

type Pairs = Query<Vec<(String, String)>>;

async fn unknown() -> Refusal {
    (StatusCode::NOT_FOUND, "not found")
}

async fn connect_v0(State(state): State<AppState>, query: Pairs, parts: Parts) -> Response {
    let client = livekit::decode_query(query.0.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    connect(state, query, parts, Ok(client)).await.unwrap_or_else(IntoResponse::into_response)
}

async fn connect_v1(State(state): State<AppState>, query: Pairs, parts: Parts) -> Response {
    let client =
        value(&query, "join_request").ok_or((StatusCode::BAD_REQUEST, "join_request is missing")).and_then(|text| {
            livekit::decode_join_request(text).map_err(|error| {
                tracing::debug!(%error, "a join_request was refused");
                (StatusCode::BAD_REQUEST, "join_request cannot be read")
            })
        });
    connect(state, query, parts, client).await.unwrap_or_else(IntoResponse::into_response)
}

/// Lets a client into a room: first whether it may, then the upgrade.
async fn connect(
    state: AppState,
    query: Pairs,
    mut parts: Parts,
    client: Result<ClientParameters, Refusal>,
) -> Result<Response, Refusal> {
    let entry = admit(&state, &parts.headers, &query).await?;
    let mut client = client?;
    if let Some(user_agent) = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()) {
        client.observe_user_agent(user_agent);
    }
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.map_err(|refused| match refused {
        WebSocketUpgradeRejection::ConnectionNotUpgradable(_) => (StatusCode::UPGRADE_REQUIRED, "this is a WebSocket"),
        _ => (StatusCode::NOT_FOUND, "this is a WebSocket"),
    })?;
    let ice_servers = ice_servers(&state, &entry, &parts).await;
    let join = Join { claims: entry.claims, client, ice_servers };
    let identity = join.claims.sub.clone();
    let link = state.handle().media().connect(entry.room.clone(), join, entry.create).await.map_err(refuse)?;
    tracing::debug!(room = %entry.room, %identity, "a LiveKit client connects");
    let limits = state.config.limits;
    let upgrade = upgrade.max_frame_size(LONGEST_FRAME).max_message_size(LONGEST_FRAME);
    Ok(upgrade.on_upgrade(move |socket| Link::new(socket, link, &limits).run()))
}

/// Says whether the upgrade would be taken, for clients to tell people why it was not.
async fn validate(State(state): State<AppState>, query: Pairs, headers: HeaderMap) -> Response {
    match admit(&state, &headers, &query).await {
        Ok(entry) if entry.create => (StatusCode::OK, "success").into_response(),
        Ok(entry) => {
            let open = state.handle().media().rooms().await;
            let answer = if open.iter().any(|(name, _)| *name == entry.room) {
                (StatusCode::OK, "success")
            } else {
                (StatusCode::NOT_FOUND, NO_ROOM)
            };
            answer.into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// A client that may enter.
struct Entry {
    claims: auth::LiveKitClaims,
    room: RoomName,
    /// Whether the room is made for it where there is none.
    create: bool,
}

async fn admit(state: &AppState, headers: &HeaderMap, query: &Pairs) -> Result<Entry, Refusal> {
    let token = match bearer(headers) {
        Ok(Some(token)) => token,
        Ok(None) => value(query, "access_token").ok_or(UNAUTHORIZED)?,
        Err(_) => return Err(UNAUTHORIZED),
    };
    let claims = state.config.livekit_keys.verify(state.handle().now(), token).map_err(|_| UNAUTHORIZED)?;
    if !claims.video.room_join || claims.sub.is_empty() {
        return Err(UNAUTHORIZED);
    }
    let room = RoomName::new(&claims.video.room).map_err(|_| UNAUTHORIZED)?;
    let room = state.handle().room_of(room).await;
    let is_call = state.handle().admit(&room, &claims.sub).await.map_err(|error| {
        tracing::debug!(%error, %room, "a LiveKit client was refused");
        if error.code().status() >= 500 { (StatusCode::SERVICE_UNAVAILABLE, "try again") } else { NOT_ALLOWED }
    })?;
    let create = is_call || state.config.auto_create_rooms || claims.video.room_create;
    Ok(Entry { claims, room, create })
}

fn refuse(error: ConnectError) -> Refusal {
    match error {
        ConnectError::RoomNotFound => (StatusCode::NOT_FOUND, NO_ROOM),
        ConnectError::NotAllowed => NOT_ALLOWED,
        ConnectError::RoomFull => (StatusCode::FORBIDDEN, "the room is full"),
        ConnectError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "try again"),
    }
}

fn value<'a>(query: &'a Pairs, name: &str) -> Option<&'a str> {
    query.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// The same list as the REST API's, for whoever the token names.
async fn ice_servers(state: &AppState, entry: &Entry, parts: &Parts) -> Vec<proto::IceServer> {
    let call = entry.room.as_str().parse().ok();
    let servers = ice_servers_for(state, Some(client(&entry.claims.sub, parts)), call, None).await.into_iter();
    servers
        .map(|server| proto::IceServer {
            urls: server.urls,
            username: server.username.unwrap_or_default(),
            credential: server.credential.unwrap_or_default(),
        })
        .collect()
}
