//! Finds out who is asking: a bearer token or the web app's session cookie, verified and rate limited, and the device it names.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use model::{DeviceId, ErrorCode, Timestamp};

use crate::access::api_keys;
use crate::access::caller::Caller;
use crate::access::sessions;
use crate::access::standing::Proof;
use crate::http::error::{ApiError, ApiResult};
use crate::http::limits::count_request;
use crate::http::origin::{client_address, request_origin};
use crate::state::AppState;

/// The header that names a device.
const DEVICE_HEADER: &str = "stoa-device";

/// Who holds a bearer token.
pub(crate) async fn by_token(state: &AppState, token: &str, device: DeviceId) -> ApiResult<Caller> {
    Ok(by_token_until(state, token, device).await?.0)
}

/// The same, and when the token expires.
pub(crate) async fn by_token_until(state: &AppState, token: &str, device: DeviceId) -> ApiResult<(Caller, Timestamp)> {
    let verified = state.config.users.load().verify(state.handle().now(), token);
    let claims = verified.inspect_err(|refusal| state.refusals.note("user", refusal))?;
    if claims.user.as_str().starts_with(api_keys::ACTOR) {
        return Err(ApiError::unauthorized());
    }
    state.people.note_token(&claims).await;
    Ok((Caller { user: claims.user, permissions: claims.permissions, device }, claims.expires))
}

/// Who holds a session cookie. Whether the request was made by our own page is for the caller to check.
pub(crate) async fn by_session(state: &AppState, token: &str, device: DeviceId) -> ApiResult<Caller> {
    let (user, permissions, _) = state.sessions.holder(token).await.ok_or_else(ApiError::unauthorized)?;
    Ok(Caller { user, permissions, device })
}

/// Who opens a connection that stays, and by what it may: a token that came along, a bearer token, or the session of our own page.
pub(crate) async fn by_handshake(
    state: &AppState,
    parts: &Parts,
    token: Option<&str>,
    device: DeviceId,
) -> ApiResult<(Caller, Proof)> {
    let token = match token {
        Some(token) => Some(token),
        None => bearer(&parts.headers)?,
    };
    if let Some(token) = token {
        let (caller, expires) = by_token_until(state, token, device).await?;
        return Ok((caller, Proof::token(token, expires)));
    }
    let token = sessions::token_of(&parts.headers).ok_or_else(ApiError::unauthorized)?;
    if !auth::may_open_socket(request_origin(parts)) {
        return Err(ApiError::unauthorized());
    }
    let (user, permissions, expires) = state.sessions.holder(token).await.ok_or_else(ApiError::unauthorized)?;
    Ok((Caller { user, permissions, device }, Proof::Session { hash: auth::session_hash(token), expires }))
}

/// The token of `Authorization: Bearer`; an error where the header holds something else.
pub(crate) fn bearer(headers: &HeaderMap) -> ApiResult<Option<&str>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let (scheme, token) = value.to_str().ok().and_then(|v| v.split_once(' ')).ok_or_else(ApiError::unauthorized)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::unauthorized());
    }
    Ok(Some(token.trim()))
}

/// The device that the headers name.
pub(crate) fn named_device(headers: &HeaderMap) -> ApiResult<DeviceId> {
    match headers.get(DEVICE_HEADER) {
        None => Ok(DeviceId::unnamed()),
        Some(value) => {
            let text = value.to_str().map_err(|_| ApiError::invalid("Stoa-Device", "must be plain text"))?;
            DeviceId::new(text).map_err(|error| ApiError::invalid_id("Stoa-Device", &error))
        }
    }
}

/// Who asks, if anyone who is known.
async fn identify(parts: &Parts, state: &AppState) -> ApiResult<Option<Caller>> {
    let device = named_device(&parts.headers)?;
    let token = bearer(&parts.headers)?;
    let caller = if let Some(key) = token.filter(|token| api_keys::is_key(token)) {
        // Counted there, against the key.
        return api_keys::caller(state, parts, key, device).await.map(Some);
    } else if let Some(token) = token {
        by_token(state, token, device).await?
    } else if let Some(token) = sessions::token_of(&parts.headers) {
        let Ok(caller) = by_session(state, token, device).await else { return Ok(None) };
        caller
    } else {
        return Ok(None);
    };
    count_request(parts, state.limits.requests.check(&caller.user)?);
    Ok(Some(caller))
}

/// Refuses a request that a page of another site made with our cookie.
pub(crate) fn check_csrf(parts: &Parts) -> ApiResult<()> {
    let with_cookie_alone =
        !parts.headers.contains_key(header::AUTHORIZATION) && sessions::token_of(&parts.headers).is_some();
    if parts.method.is_safe() || !with_cookie_alone || auth::may_change_state(request_origin(parts)) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::CsrfRejected,
        "a request with a session cookie must come from this server's own pages",
    ))
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        check_csrf(parts)?;
        identify(parts, state).await?.ok_or_else(ApiError::unauthorized)
    }
}

/// The caller, or nobody.
pub(crate) struct MaybeCaller(pub Option<Caller>);

impl FromRequestParts<AppState> for MaybeCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        check_csrf(parts)?;
        identify(parts, state).await.map(MaybeCaller)
    }
}

/// One attempt to sign in or up, counted against the client's address, made by our own page or by a program.
pub(crate) struct Attempt;

impl FromRequestParts<AppState> for Attempt {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        check_foreign_page(parts)?;
        count_request(parts, state.limits.sign_ins.check(&client_address(parts, &state.config))?);
        Ok(Attempt)
    }
}

/// Signing someone in from another site's page is refused, with or without a cookie; a program, which is no page and
/// says nothing of where it comes from, is not.
pub(crate) fn check_foreign_page(parts: &Parts) -> ApiResult<()> {
    if auth::may_open_socket(request_origin(parts)) {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::CsrfRejected, "only this server's own pages can sign in"))
}
