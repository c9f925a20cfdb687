//! LiveKit's signalling endpoints: who may connect, and how a client learns that it may not.
//!
//! A `join_request` means version 1 (one peer connection), whatever path it comes to: LiveKit's Go SDK sends it to
//! `/rtc`. Without one, `/rtc` speaks version 0 (two peer connections). The room handles the protocol itself; a
//! connection here is a pipe with limits.

mod connection;

use std::borrow::Cow;

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
use livekit::{ClientParameters, Join, RoomOptions};
use livekit_protocol as proto;
use model::RoomName;

use crate::access::identify::bearer;
use crate::http::cors;
use crate::ice::ice_servers_for;
use crate::ice::turn::client;
use crate::livekit::no_room_name;
use crate::state::AppState;
use connection::SignalConnection;

/// The longest frame of a client, in bytes.
const LONGEST_FRAME: usize = 1024 * 1024;

/// Clients take this text, with a 404, for a room that is missing rather than a version that is.
const NO_ROOM: &str = "requested room does not exist";

const IS_WEBSOCKET: &str = "connect to this path with a WebSocket";

/// LiveKit's longest identity and room name, in characters.
const LONGEST_IDENTITY: usize = 256;

pub(crate) fn router(state: &AppState) -> Router {
    Router::new()
        .route("/rtc", get(connect_v0))
        .route("/rtc/v1", get(connect_v1))
        .route("/rtc/validate", get(validate))
        .route("/rtc/v1/validate", get(validate))
        .route("/rtc/", any(unknown))
        .route("/rtc/{*rest}", any(unknown))
        .layer(from_fn_with_state(state.clone(), crate::http::limits::count))
        .layer(cors::for_anyone([Method::GET, Method::HEAD]))
        .with_state(state.clone())
}

/// A refusal, in LiveKit's form: a status and a line of text.
type Refusal = (StatusCode, Cow<'static, str>);

/// Whoever holds the token's key hears more ([`verify`]).
const UNAUTHORIZED: Refusal = (StatusCode::UNAUTHORIZED, Cow::Borrowed("invalid authorization token"));
const NOT_ALLOWED: Refusal = (StatusCode::FORBIDDEN, Cow::Borrowed("not allowed to join this room"));
const TRY_AGAIN: Refusal = (StatusCode::SERVICE_UNAVAILABLE, Cow::Borrowed("try again"));

type Pairs = Query<Vec<(String, String)>>;

async fn unknown() -> Refusal {
    (StatusCode::NOT_FOUND, "not found".into())
}

async fn connect_v0(State(state): State<AppState>, query: Pairs, parts: Parts) -> Response {
    let client = joining(&query).unwrap_or_else(|| {
        let pairs = query.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Ok(livekit::decode_query(pairs))
    });
    connect(state, query, parts, client).await.unwrap_or_else(IntoResponse::into_response)
}

async fn connect_v1(State(state): State<AppState>, query: Pairs, parts: Parts) -> Response {
    let client = joining(&query).unwrap_or_else(|| Err(bad_request("join_request is missing")));
    connect(state, query, parts, client).await.unwrap_or_else(IntoResponse::into_response)
}

/// The client of a join_request. `None`: there is no join_request.
fn joining(query: &Pairs) -> Option<Result<ClientParameters, Refusal>> {
    let decoded = livekit::decode_join_request(value(query, "join_request")?);
    Some(decoded.map_err(|error| {
        tracing::debug!(%error, "refused a join_request");
        bad_request("cannot read join_request")
    }))
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
        WebSocketUpgradeRejection::ConnectionNotUpgradable(_) => (StatusCode::UPGRADE_REQUIRED, IS_WEBSOCKET.into()),
        _ => (StatusCode::NOT_FOUND, IS_WEBSOCKET.into()),
    })?;
    let ice_servers = ice_servers(&state, &entry, &parts).await;
    let join = Join { claims: entry.claims, client, ice_servers };
    let identity = join.claims.sub.clone();
    let link = state.handle().media().connect(entry.room.clone(), join, entry.create).await.map_err(refuse)?;
    tracing::debug!(room = %entry.room, %identity, "a LiveKit client is connecting");
    let limits = state.config.limits;
    let upgrade = upgrade.max_frame_size(LONGEST_FRAME).max_message_size(LONGEST_FRAME);
    Ok(upgrade.on_upgrade(move |socket| SignalConnection::new(socket, link, &limits).run()))
}

/// Says whether the upgrade would be taken, for clients to tell people why it was not.
async fn validate(State(state): State<AppState>, query: Pairs, headers: HeaderMap) -> Response {
    let entry = admit(&state, &headers, &query).await;
    let entry = entry.and_then(|entry| joining(&query).transpose().map(|_| entry));
    match entry {
        Ok(entry) if entry.create.is_some() => (StatusCode::OK, "success").into_response(),
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
    /// How the room is made for it where there is none; none: it is not made.
    create: Option<RoomOptions>,
}

async fn admit(state: &AppState, headers: &HeaderMap, query: &Pairs) -> Result<Entry, Refusal> {
    let token = match bearer(headers) {
        Ok(Some(token)) => token,
        Ok(None) => value(query, "access_token").ok_or(UNAUTHORIZED)?,
        Err(_) => return Err(UNAUTHORIZED),
    };
    let claims = verify(state, token)?;
    let allowed = joined_room(&claims).and_then(|room| Ok((room, room_options(&claims)?)));
    let (room, options) = allowed.inspect_err(|(_, text)| {
        tracing::info!(cause = %text, key = claims.iss, "a LiveKit token does not grant entry to a room");
    })?;
    let room = state.handle().room_of(room).await;
    let is_call = state.handle().admit(&room, &claims.sub).await.map_err(|error| {
        tracing::debug!(%error, %room, "refused a LiveKit client");
        if error.code().status() >= 500 { TRY_AGAIN } else { NOT_ALLOWED }
    })?;
    let may_create = is_call || state.config.auto_create_rooms || claims.video.room_create;
    Ok(Entry { claims, room, create: may_create.then_some(options) })
}

fn verify(state: &AppState, token: &str) -> Result<auth::LiveKitClaims, Refusal> {
    state.config.livekit_keys.verify(state.handle().now(), token).map_err(|refusal| {
        state.refusals.note("livekit", &refusal);
        if refusal.is_for_holder() {
            (StatusCode::UNAUTHORIZED, format!("invalid token: {refusal}").into())
        } else {
            UNAUTHORIZED
        }
    })
}

/// The room that a token is for. Whoever hears a refusal has the token's key: LiveKit's words, and which claim it is.
fn joined_room(claims: &auth::LiveKitClaims) -> Result<RoomName, Refusal> {
    if !claims.video.room_join {
        return Err((StatusCode::UNAUTHORIZED, "permissions denied: the grant video.roomJoin is not set".into()));
    }
    if claims.sub.is_empty() {
        return Err(bad_request("identity cannot be empty"));
    }
    if claims.sub.chars().count() > LONGEST_IDENTITY {
        let text = format!("participant identity length exceeds limits: max length {LONGEST_IDENTITY}");
        return Err((StatusCode::BAD_REQUEST, text.into()));
    }
    RoomName::new(&claims.video.room).map_err(|error| (StatusCode::BAD_REQUEST, no_room_name(&error)))
}

/// What a token says of its room. It is refused for that even where the room is there already and stays as it is: whether a token lets
/// in does not depend on who comes first.
fn room_options(claims: &auth::LiveKitClaims) -> Result<RoomOptions, Refusal> {
    RoomOptions::of_token(claims).map_err(|refusal| (StatusCode::BAD_REQUEST, refusal.to_string().into()))
}

fn bad_request(text: &'static str) -> Refusal {
    (StatusCode::BAD_REQUEST, text.into())
}

fn refuse(error: ConnectError) -> Refusal {
    match error {
        ConnectError::RoomNotFound => (StatusCode::NOT_FOUND, NO_ROOM.into()),
        ConnectError::NotAllowed => NOT_ALLOWED,
        ConnectError::RoomFull => (StatusCode::FORBIDDEN, "the room is full".into()),
        ConnectError::Unavailable => TRY_AGAIN,
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
