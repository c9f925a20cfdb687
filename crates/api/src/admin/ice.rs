//! ICE servers, for administrators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use control::{IceAuth, IceServerEntry};
use model::{ErrorCode, Secret};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::access::audit::Admin;
use crate::http::body::{Body, UserPath, UuidPath};
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::presentation::Done;
use crate::presentation::{schema, time};
use crate::state::AppState;

const MOST_SERVERS: usize = 100;
const MOST_URLS: usize = 8;
const LONGEST_URL: usize = 256;
const LONGEST_TEXT: usize = 256;
const PRIORITIES: std::ops::RangeInclusive<i32> = 0..=10_000;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_ice_servers))
        .routes(routes!(create_ice_server))
        .routes(routes!(ice_server, patch_ice_server, delete_ice_server))
        .routes(routes!(revoke_turn_credentials))
}

/// How clients authenticate with an ICE server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthWord {
    /// Not at all.
    None,
    /// With `username` and `credential`, whoever it is.
    Static,
    /// With credentials of their own that expire, made with `turn.secret`.
    Expiring,
}

/// A STUN or TURN server as an administrator sees it. Its credential is never shown.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredIceServer {
    id: String,
    urls: Vec<String>,
    auth: AuthWord,
    #[schema(required)]
    username: Option<String>,
    #[schema(required)]
    region: Option<String>,
    priority: i32,
    is_public: bool,
    is_active: bool,
    #[schema(value_type = schema::Time)]
    created_at: String,
    #[schema(value_type = schema::Time)]
    updated_at: String,
}

impl From<&IceServerEntry> for StoredIceServer {
    fn from(server: &IceServerEntry) -> Self {
        let (auth, username) = match &server.auth {
            IceAuth::None => (AuthWord::None, None),
            IceAuth::Fixed { username, .. } => (AuthWord::Static, Some(username.clone())),
            IceAuth::Expiring => (AuthWord::Expiring, None),
        };
        Self {
            id: server.id.to_string(),
            urls: server.urls.clone(),
            auth,
            username,
            region: server.region.clone(),
            priority: server.priority,
            is_public: server.is_public,
            is_active: server.is_active,
            created_at: time(server.created_at),
            updated_at: time(server.updated_at),
        }
    }
}

/// ICE servers, in the order in which clients get them.
#[derive(Serialize, ToSchema)]
pub(crate) struct StoredIceServers {
    servers: Vec<StoredIceServer>,
}

/// A server.
#[derive(Serialize, ToSchema)]
pub(crate) struct IceServerAnswer {
    success: bool,
    server: StoredIceServer,
}

/// A new ICE server.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewIceServer {
    /// `stun:host[:port]`, `turn:host[:port][?transport=udp|tcp]` or `turns:…`. STUN and TURN must not be mixed.
    #[schema(min_items = 1, max_items = 8, example = json!(["turn:turn.example.org:3478?transport=udp"]))]
    urls: Vec<String>,
    /// If left out: `static` with a username, `expiring` for other TURN servers, `none` for STUN servers.
    #[schema(nullable = false)]
    auth: Option<AuthWord>,
    /// For `static` only.
    #[schema(nullable = false, min_length = 1, max_length = 256)]
    username: Option<String>,
    /// For `static` only.
    #[schema(nullable = false, min_length = 1, max_length = 256)]
    credential: Option<String>,
    /// Clients that ask for this region get this server first.
    #[schema(max_length = 256)]
    region: Option<String>,
    /// Lower numbers come first. By default 100.
    #[schema(nullable = false, minimum = 0, maximum = 10_000)]
    priority: Option<i32>,
    /// Whether to offer it without signing in. By default false.
    #[schema(nullable = false)]
    is_public: Option<bool>,
    /// Whether to offer it at all. By default true.
    #[schema(nullable = false)]
    is_active: Option<bool>,
}

/// The changes to make. Fields left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PatchIceServer {
    #[schema(nullable = false, min_items = 1, max_items = 8, example = json!(["turn:turn.example.org:3478?transport=udp"]))]
    urls: Option<Vec<String>>,
    #[schema(nullable = false)]
    auth: Option<AuthWord>,
    #[schema(nullable = false, min_length = 1, max_length = 256)]
    username: Option<String>,
    #[schema(nullable = false, min_length = 1, max_length = 256)]
    credential: Option<String>,
    #[schema(nullable = false, max_length = 256)]
    region: Option<String>,
    #[schema(nullable = false, minimum = 0, maximum = 10_000)]
    priority: Option<i32>,
    #[schema(nullable = false)]
    is_public: Option<bool>,
    #[schema(nullable = false)]
    is_active: Option<bool>,
}

/// Lists every stored ICE server.
#[utoipa::path(get, path = "/api/admin/ice-servers", operation_id = "listIceServers", tag = "admin",
    responses((status = 200, body = StoredIceServers), (status = "default", body = ErrorBody)))]
async fn list_ice_servers(State(state): State<AppState>, _: Admin) -> ApiResult<Json<StoredIceServers>> {
    let servers = state.handle().ice_servers().await?;
    Ok(Json(StoredIceServers { servers: servers.iter().map(StoredIceServer::from).collect() }))
}

/// Adds an ICE server.
#[utoipa::path(post, path = "/api/ice-servers", operation_id = "createIceServer", tag = "admin", request_body = NewIceServer,
    responses((status = 201, body = IceServerAnswer), (status = "default", body = ErrorBody)))]
async fn create_ice_server(
    State(state): State<AppState>,
    admin: Admin,
    Body(body): Body<NewIceServer>,
) -> ApiResult<(StatusCode, Json<IceServerAnswer>)> {
    if state.handle().ice_servers().await?.len() >= MOST_SERVERS {
        return Err(ApiError::new(ErrorCode::TooMany, format!("there can be at most {MOST_SERVERS} ICE servers")));
    }
    let now = state.handle().now();
    let auth = auth(&state, body.auth, &body.urls, body.username, body.credential, None)?;
    let server = IceServerEntry {
        id: Uuid::now_v7(),
        auth,
        urls: body.urls,
        region: region(body.region)?,
        priority: priority(body.priority.unwrap_or(100))?,
        is_public: body.is_public.unwrap_or(false),
        is_active: body.is_active.unwrap_or(true),
        created_at: now,
        updated_at: now,
    };
    let answer = put(&state, &admin, "ice_server.created", &server).await?;
    Ok((StatusCode::CREATED, answer))
}

/// Returns one ICE server.
#[utoipa::path(get, path = "/api/ice-servers/{id}", operation_id = "getIceServer", tag = "admin",
    params(("id" = String, Path, format = Uuid, description = "The server")),
    responses((status = 200, body = IceServerAnswer), (status = "default", body = ErrorBody)))]
async fn ice_server(
    State(state): State<AppState>,
    _: Admin,
    UuidPath(id): UuidPath,
) -> ApiResult<Json<IceServerAnswer>> {
    Ok(Json(IceServerAnswer { success: true, server: (&find(&state, id).await?).into() }))
}

/// Changes an ICE server.
#[utoipa::path(patch, path = "/api/ice-servers/{id}", operation_id = "patchIceServer", tag = "admin", request_body = PatchIceServer,
    params(("id" = String, Path, format = Uuid, description = "The server")),
    responses((status = 200, body = IceServerAnswer), (status = "default", body = ErrorBody)))]
async fn patch_ice_server(
    State(state): State<AppState>,
    admin: Admin,
    UuidPath(id): UuidPath,
    Body(body): Body<PatchIceServer>,
) -> ApiResult<Json<IceServerAnswer>> {
    let old = find(&state, id).await?;
    let urls = body.urls.unwrap_or_else(|| old.urls.clone());
    let server = IceServerEntry {
        id,
        auth: auth(&state, body.auth, &urls, body.username, body.credential, Some(&old.auth))?,
        urls,
        region: if body.region.is_some() { region(body.region)? } else { old.region },
        priority: priority(body.priority.unwrap_or(old.priority))?,
        is_public: body.is_public.unwrap_or(old.is_public),
        is_active: body.is_active.unwrap_or(old.is_active),
        created_at: old.created_at,
        updated_at: state.handle().now(),
    };
    put(&state, &admin, "ice_server.changed", &server).await
}

/// Deletes an ICE server.
#[utoipa::path(delete, path = "/api/ice-servers/{id}", operation_id = "deleteIceServer", tag = "admin",
    params(("id" = String, Path, format = Uuid, description = "The server")),
    responses((status = 200, body = Done), (status = "default", body = ErrorBody)))]
async fn delete_ice_server(
    State(state): State<AppState>,
    admin: Admin,
    UuidPath(id): UuidPath,
) -> ApiResult<Json<Done>> {
    if !state.handle().delete_ice_server(id).await? {
        return Err(unknown());
    }
    state.ice.forget();
    admin.note(&state, "ice_server.deleted", id, json!({})).await;
    Ok(Done::YES)
}

/// Ends everything a user relays through the built-in TURN server, and revokes the credentials handed out to them so far. They can
/// still ask for new ones.
#[utoipa::path(delete, path = "/api/users/{id}/turn-credentials", operation_id = "revokeTurnCredentials", tag = "admin",
    params(("id" = String, Path, description = "The user, or the identity in LiveKit tokens")),
    responses((status = 200, body = Done), (status = "default", body = ErrorBody)))]
async fn revoke_turn_credentials(
    State(state): State<AppState>,
    admin: Admin,
    UserPath(user): UserPath,
) -> ApiResult<Json<Done>> {
    if state.config.built_in_turn.is_none() {
        return Err(ApiError::new(ErrorCode::NotFound, "the built-in TURN server is off"));
    }
    crate::ice::turn::revoke(&state, &user).await?;
    admin.note(&state, "turn_credentials.revoked", user, json!({})).await;
    Ok(Done::YES)
}

async fn find(state: &AppState, id: Uuid) -> ApiResult<IceServerEntry> {
    let servers = state.handle().ice_servers().await?;
    servers.into_iter().find(|server| server.id == id).ok_or_else(unknown)
}

fn unknown() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "no such ICE server")
}

async fn put(
    state: &AppState,
    admin: &Admin,
    action: &str,
    server: &IceServerEntry,
) -> ApiResult<Json<IceServerAnswer>> {
    state.handle().put_ice_server(server).await?;
    state.ice.forget();
    let shown = StoredIceServer::from(server);
    admin.note(state, action, server.id, json!({"urls": shown.urls, "auth": shown.auth})).await;
    Ok(Json(IceServerAnswer { success: true, server: shown }))
}

/// How clients are to authenticate, from what was asked for and what was there.
fn auth(
    state: &AppState,
    word: Option<AuthWord>,
    urls: &[String],
    username: Option<String>,
    credential: Option<String>,
    old: Option<&IceAuth>,
) -> ApiResult<IceAuth> {
    let is_turn = check_urls(urls)?;
    let word = match (word, &username, old) {
        (Some(word), _, _) => word,
        (None, Some(_), _) => AuthWord::Static,
        (None, None, Some(IceAuth::Fixed { .. })) => AuthWord::Static,
        (None, None, Some(IceAuth::Expiring)) if is_turn => AuthWord::Expiring,
        (None, None, Some(IceAuth::None | IceAuth::Expiring)) => AuthWord::None,
        (None, None, None) if is_turn => AuthWord::Expiring,
        (None, None, None) => AuthWord::None,
    };
    match word {
        AuthWord::None => Ok(IceAuth::None),
        AuthWord::Expiring if !is_turn => {
            Err(ApiError::invalid("auth", "must be none: STUN servers use no credentials"))
        }
        AuthWord::Expiring if state.config.turn.secret.is_none() => {
            Err(ApiError::invalid("auth", "expiring credentials need turn.secret, which is not set on this server"))
        }
        AuthWord::Expiring => Ok(IceAuth::Expiring),
        AuthWord::Static => {
            let (old_name, old_word) = match old {
                Some(IceAuth::Fixed { username, credential }) => (Some(username.clone()), Some(credential.clone())),
                _ => (None, None),
            };
            let username = text("username", username.or(old_name))?;
            let credential = match credential {
                Some(word) => Some(Secret::new(text("credential", Some(word))?)),
                None => old_word,
            };
            let credential =
                credential.ok_or_else(|| ApiError::invalid("credential", "is required with auth static"))?;
            Ok(IceAuth::Fixed { username, credential })
        }
    }
}

fn text(field: &'static str, value: Option<String>) -> ApiResult<String> {
    let value = value.ok_or_else(|| ApiError::invalid(field, "is required with auth static"))?;
    if value.is_empty() || value.len() > LONGEST_TEXT || value.chars().any(char::is_control) {
        return Err(ApiError::invalid(field, "must have 1 to 256 characters"));
    }
    Ok(value)
}

fn region(region: Option<String>) -> ApiResult<Option<String>> {
    let Some(region) = region.map(|region| region.trim().to_owned()).filter(|region| !region.is_empty()) else {
        return Ok(None);
    };
    text("region", Some(region)).map(Some)
}

fn priority(priority: i32) -> ApiResult<i32> {
    if PRIORITIES.contains(&priority) {
        return Ok(priority);
    }
    Err(ApiError::invalid("priority", "0 to 10000"))
}

/// Whether they are TURN servers; an error where they are neither or both.
fn check_urls(urls: &[String]) -> ApiResult<bool> {
    if urls.is_empty() || urls.len() > MOST_URLS {
        return Err(ApiError::invalid("urls", "must have 1 to 8 URLs"));
    }
    let mut kinds = urls.iter().map(|url| is_turn(url));
    let first = kinds.next().flatten();
    match first {
        Some(first) if kinds.all(|kind| kind == Some(first)) => Ok(first),
        _ => Err(ApiError::invalid(
            "urls",
            "must all be stun:host[:port], or all turn: or turns:host[:port][?transport=udp|tcp]",
        )),
    }
}

/// Whether a URL is a TURN server's; none: it is not an ICE server's.
fn is_turn(url: &str) -> Option<bool> {
    let (scheme, rest) = url.split_once(':')?;
    let is_turn = match scheme {
        "stun" | "stuns" => false,
        "turn" | "turns" => true,
        _ => return None,
    };
    let (authority, query) = rest.split_once('?').map_or((rest, None), |(authority, query)| (authority, Some(query)));
    let transport = query.is_none_or(|query| is_turn && matches!(query, "transport=udp" | "transport=tcp"));
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (host, port) = v6.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some("1")))
        }
        None => authority.split_once(':').map_or((authority, Some("1")), |(host, port)| (host, Some(port))),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    let good = url.len() <= LONGEST_URL
        && transport
        && !host.is_empty()
        && host.chars().all(plain)
        && port
            .is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0));
    good.then_some(is_turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_ice_server_is_called() {
        for (url, kind) in [
            ("stun:stun.example.org", Some(false)),
            ("stun:192.0.2.1:3478", Some(false)),
            ("turn:turn.example.org:3478?transport=udp", Some(true)),
            ("turns:[2001:db8::1]:5349?transport=tcp", Some(true)),
            ("turns:[2001:db8::1]", Some(true)),
            ("stun:a?transport=udp", None),
            ("turn:", None),
            ("turn:a:0", None),
            ("turn:a:99999", None),
            ("turn:a:+1", None),
            ("turn:a?transport=sctp", None),
            ("turn:[zz]:1", None),
            ("http://example.org", None),
            ("turn:a b", None),
            ("", None),
        ] {
            assert_eq!(is_turn(url), kind, "{url}");
        }
        assert!(check_urls(&["stun:a".into(), "turn:a".into()]).is_err());
        assert_eq!(check_urls(&["turns:a".into(), "turn:a".into()]), Ok(true));
    }
}
