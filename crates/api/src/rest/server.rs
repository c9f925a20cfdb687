//! The server itself: health, ICE servers.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use model::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::identify::MaybeCaller;
use crate::config::{ApiConfig, IceServer};
use crate::http::body::Params;
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::ice::ice_servers_for;
use crate::ice::turn::client;
use crate::presentation::time;
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(ice_servers))
        .routes(routes!(connection_check))
        .routes(routes!(health))
        .routes(routes!(ready))
}

/// STUN and TURN servers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IceServers {
    ice_servers: Vec<IceServer>,
}

/// The server is up.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct IceParams {
    /// Servers in this region come first.
    #[param(nullable = false)]
    region: Option<String>,
}

/// Lists STUN and TURN servers for peer connections, with credentials that expire. Without signing in, only public servers.
#[utoipa::path(get, path = "/api/ice-servers", operation_id = "iceServers", tag = "server", params(IceParams),
    responses((status = 200, body = IceServers), (status = "default", body = ErrorBody)))]
async fn ice_servers(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    Params(params): Params<IceParams>,
    parts: Parts,
) -> Json<IceServers> {
    let client = caller.as_ref().map(|caller| client(caller.user.as_str(), &parts));
    Json(IceServers { ice_servers: ice_servers_for(&state, client, None, params.region.as_deref()).await })
}

/// What a client can test to find out which paths to the server work.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionCheck {
    /// As at `/api/ice-servers`.
    ice_servers: Vec<IceServer>,
    /// The media server's ports. Empty without signing in.
    media: Vec<MediaPort>,
}

/// One port of the media server.
#[derive(Serialize, ToSchema)]
pub(crate) struct MediaPort {
    transport: MediaTransport,
    port: u16,
    /// The port as an ICE server, at each announced address. Reaching one of them is enough.
    server: IceServer,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MediaTransport {
    /// Answers STUN.
    Udp,
    /// Answers TURN.
    Tcp,
}

/// Lists the paths to this server, so that a client can test which of them work for it.
#[utoipa::path(get, path = "/api/connection-check", operation_id = "connectionCheck", tag = "server",
    responses((status = 200, body = ConnectionCheck), (status = "default", body = ErrorBody)))]
async fn connection_check(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    parts: Parts,
) -> Json<ConnectionCheck> {
    let client = caller.as_ref().map(|caller| client(caller.user.as_str(), &parts));
    let ice_servers = ice_servers_for(&state, client, None, None).await;
    let media = if client.is_some() { media_ports(&state.config, &ice_servers) } else { Vec::new() };
    Json(ConnectionCheck { ice_servers, media })
}

fn media_ports(config: &ApiConfig, ice_servers: &[IceServer]) -> Vec<MediaPort> {
    let ports = &config.media_ports;
    if ports.addresses.is_empty() {
        return Vec::new();
    }
    let urls = |write: &dyn Fn(SocketAddr) -> String, port| {
        ports.addresses.iter().map(|ip| write(SocketAddr::new(*ip, port))).collect()
    };
    let stun = |port: &u16| MediaPort {
        transport: MediaTransport::Udp,
        port: *port,
        server: IceServer { urls: urls(&|at| format!("stun:{at}"), *port), username: None, credential: None },
    };
    // The built-in server's come first, and are good on each of its ports.
    let credentials = ice_servers.iter().find(|server| server.credential.is_some());
    let turn = ports.tcp.zip(credentials).map(|(port, known)| MediaPort {
        transport: MediaTransport::Tcp,
        port,
        server: IceServer { urls: urls(&|at| format!("turn:{at}?transport=tcp"), port), ..known.clone() },
    });
    ports.udp.iter().map(stun).chain(turn).collect()
}

/// Answers while the server is up. Whether it can take work, `/readyz` says.
#[utoipa::path(get, path = "/healthz", operation_id = "health", tag = "server",
    responses((status = 200, body = Health), (status = "default", body = ErrorBody)))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Says whether the server can take work. Answers `unavailable`, with `details.troubles`, if it cannot write the journal or the store.
#[utoipa::path(get, path = "/readyz", operation_id = "ready", tag = "server",
    responses((status = 200, body = Health), (status = "default", body = ErrorBody)))]
async fn ready(State(state): State<AppState>) -> ApiResult<Json<Health>> {
    let troubles = state.handle().troubles();
    if troubles.is_empty() {
        return Ok(Json(Health { status: "ok" }));
    }
    let told: Vec<Value> = troubles
        .iter()
        .map(|trouble| {
            json!({"part": trouble.part.as_str(), "cause": trouble.cause.as_str(), "since": time(trouble.since)})
        })
        .collect();
    let refusal = ApiError::new(ErrorCode::Unavailable, "what is asked of the server cannot all be kept at present");
    Err(ApiError { retry_after: Some(1), ..refusal.with_details(json!({"troubles": told})) })
}
