//! Signing in to the web app.

use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use call::PresenceState;
use control::{Account, ControlError, StoreError, UserPatch};
use model::{DeviceId, ErrorCode, Permission, Secret, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::audit::{Address, note};
use crate::access::caller::Caller;
use crate::access::identify::{Attempt, MaybeCaller, check_csrf, check_foreign_page};
use crate::access::sessions;
use crate::config::Features;
use crate::http::body::Body;
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::http::origin::is_tls;
use crate::people::Person;
use crate::presentation::{Done, user_view};
use crate::presentation::{User, schema};
use crate::state::AppState;

/// The user of the admin link.
const ADMIN: &str = "stoa-admin";
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=256;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(session))
        .routes(routes!(sign_up))
        .routes(routes!(sign_in))
        .routes(routes!(guest))
        .routes(routes!(admin_session))
        .routes(routes!(sign_out))
}

/// Who is signed in, and what this server offers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    /// Null if nobody is signed in.
    #[schema(required)]
    user: Option<User>,
    #[schema(value_type = Vec<schema::Permission>)]
    permissions: Vec<Permission>,
    features: Features,
    /// Whether anyone can sign in with just a name.
    dev: bool,
    /// Whether anyone can create an account.
    sign_up: bool,
    server: Server,
}

/// This server.
#[derive(Serialize, ToSchema)]
pub(crate) struct Server {
    name: String,
    version: String,
}

/// Who is now signed in. The session is in the cookie.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedIn {
    success: bool,
    user: User,
}

/// A new account.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SignUp {
    /// 2 to 64 ASCII letters, digits, `.`, `_`, `-`, `@` or `+`. Upper and lower case count as the same. A name that looks like an
    /// existing one counts as taken.
    #[schema(min_length = 2, max_length = 64, pattern = r"^[A-Za-z0-9._@+-]{2,64}$")]
    username: String,
    /// 8 to 256 characters.
    #[schema(min_length = 8, max_length = 256)]
    password: String,
    /// The name that people see. Invisible characters are removed. By default the user name.
    #[schema(max_length = 80)]
    name: Option<String>,
}

/// User name and password.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SignIn {
    username: String,
    password: String,
}

/// A name.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Guest {
    /// The name that people see. Invisible characters are removed.
    #[schema(min_length = 1, max_length = 80)]
    name: String,
}

/// The admin link's code.
#[derive(Deserialize, ToSchema)]
pub(crate) struct AdminCode {
    code: String,
}

/// Returns who is signed in.
#[utoipa::path(get, path = "/api/session", operation_id = "session", tag = "session",
    responses((status = 200, body = Session), (status = "default", body = ErrorBody)))]
async fn session(State(state): State<AppState>, MaybeCaller(caller): MaybeCaller) -> ApiResult<Json<Session>> {
    let user = match &caller {
        Some(caller) => Some(user_view(&state, &caller.user).await),
        None => None,
    };
    Ok(Json(Session {
        user,
        permissions: caller.map(|caller| caller.permissions).unwrap_or_default(),
        features: state.config.features,
        dev: state.config.dev,
        sign_up: state.config.sign_up,
        server: Server { name: "stoa".to_owned(), version: state.config.version.clone() },
    }))
}

/// Creates an account and signs in.
#[utoipa::path(post, path = "/api/session/sign-up", operation_id = "signUp", tag = "session", request_body = SignUp,
    responses((status = 201, body = SignedIn), (status = "default", body = ErrorBody)))]
async fn sign_up(
    State(state): State<AppState>,
    _: Attempt,
    parts: Parts,
    Body(body): Body<SignUp>,
) -> ApiResult<Response> {
    if !state.config.sign_up {
        return Err(ApiError::new(
            ErrorCode::FeatureDisabled,
            "only the administrator can create accounts on this server",
        ));
    }
    let username = auth::username(&body.username)?;
    let length = body.password.chars().count();
    if !PASSWORD_LENGTH.contains(&length) {
        return Err(ApiError::invalid("password", "must have 8 to 256 characters"));
    }
    let name = match &body.name {
        Some(name) if !name.trim().is_empty() => own_name(name)?,
        _ => body.username.trim().to_owned(),
    };
    let password_hash = hash(&state, body.password).await?;
    let permissions = auth::DEFAULT_PERMISSIONS.to_vec();
    let account = Account { username, user: new_user_id("user"), password_hash, permissions: permissions.clone() };
    let user = state.people.create_account(account, &name).await.map_err(|error| match error {
        ControlError::Store(StoreError::Conflict) => ApiError::new(ErrorCode::NameTaken, "this user name is taken"),
        other => other.into(),
    })?;
    signed_in(&state, &parts, StatusCode::CREATED, &user.id, Person::from(&user), &permissions).await
}

/// Signs in with user name and password.
#[utoipa::path(post, path = "/api/session/sign-in", operation_id = "signIn", tag = "session", request_body = SignIn,
    responses((status = 200, body = SignedIn), (status = "default", body = ErrorBody)))]
async fn sign_in(
    State(state): State<AppState>,
    _: Attempt,
    parts: Parts,
    Body(body): Body<SignIn>,
) -> ApiResult<Response> {
    let account = state.handle().account(&auth::username_key(&body.username)).await?;
    let password = body.password.chars().take(*PASSWORD_LENGTH.end() + 1).collect();
    if !verify(&state, password, account.as_ref().map(|a| a.password_hash.clone())).await? {
        return Err(ApiError::new(ErrorCode::InvalidCredentials, "wrong user name or password"));
    }
    let account = account.ok_or_else(ApiError::internal)?;
    let person = state.people.show(&[&account.user]).await.of(&account.user);
    signed_in(&state, &parts, StatusCode::OK, &account.user, person, &account.permissions).await
}

/// Signs in with just a name. Works with `--dev` only.
#[utoipa::path(post, path = "/api/session/guest", operation_id = "guest", tag = "session", request_body = Guest,
    responses((status = 201, body = SignedIn), (status = "default", body = ErrorBody)))]
async fn guest(State(state): State<AppState>, parts: Parts, Body(body): Body<Guest>) -> ApiResult<Response> {
    check_foreign_page(&parts)?;
    if !state.config.dev {
        return Err(ApiError::new(ErrorCode::FeatureDisabled, "guests can sign in with --dev only"));
    }
    let name = own_name(&body.name)?;
    let id = new_user_id("guest");
    let patch = UserPatch { name: Some(name), avatar_url: None, is_guest: true };
    let user = state.people.upsert(&id, patch).await?;
    signed_in(&state, &parts, StatusCode::CREATED, &id, Person::from(&user), auth::DEFAULT_PERMISSIONS).await
}

/// Exchanges the admin link's one-time code for a session.
#[utoipa::path(post, path = "/api/session/admin", operation_id = "adminSession", tag = "session", request_body = AdminCode,
    responses((status = 200, body = SignedIn), (status = "default", body = ErrorBody)))]
async fn admin_session(
    State(state): State<AppState>,
    _: Attempt,
    address: Address,
    parts: Parts,
    Body(body): Body<AdminCode>,
) -> ApiResult<Response> {
    let codes = state.config.admin_codes.clone().ok_or_else(ApiError::unauthorized)?;
    let now = state.handle().now();
    let redeemed = tokio::task::spawn_blocking(move || codes.redeem(&body.code, now)).await;
    if !redeemed.map_err(|_| ApiError::internal())? {
        return Err(ApiError::unauthorized());
    }
    let id = UserId::new(ADMIN).expect("a plain word");
    let patch = UserPatch { name: Some("Administrator".to_owned()), ..UserPatch::default() };
    let user = state.people.upsert(&id, patch).await?;
    let caller = Caller { user: id.clone(), permissions: vec![Permission::Admin], device: DeviceId::unnamed() };
    note(&state, &caller, &address, "admin.signed_in", &id, json!({})).await;
    signed_in(&state, &parts, StatusCode::OK, &id, Person::from(&user), &[Permission::Admin]).await
}

/// Ends the session.
#[utoipa::path(post, path = "/api/session/sign-out", operation_id = "signOut", tag = "session",
    responses((status = 200, body = Done), (status = "default", body = ErrorBody)))]
async fn sign_out(State(state): State<AppState>, headers: HeaderMap, parts: Parts) -> ApiResult<Response> {
    check_csrf(&parts)?;
    let token = sessions::token_of(&headers);
    let cookie = state.sessions.close(token, is_tls(&parts, &state.config)).await?;
    if let Some(token) = token {
        state.standings.end_session(&auth::session_hash(token));
    }
    Ok(([(header::SET_COOKIE, cookie)], Done::YES).into_response())
}

async fn signed_in(
    state: &AppState,
    parts: &Parts,
    status: StatusCode,
    id: &UserId,
    person: Person,
    permissions: &[Permission],
) -> ApiResult<Response> {
    let cookie = state.sessions.open(id, permissions, is_tls(parts, &state.config)).await?;
    let user = User::new(id, person, PresenceState::Offline);
    Ok((status, [(header::SET_COOKIE, cookie)], Json(SignedIn { success: true, user })).into_response())
}

/// An id that nobody can have chosen: not a host app's user, not another account's.
fn new_user_id(prefix: &str) -> UserId {
    UserId::new(format!("{prefix}-{:016x}", rand::random::<u64>())).expect("short and plain")
}

/// A name that somebody gives themselves, and that is not one of those who run the server.
fn own_name(text: &str) -> ApiResult<String> {
    let name = auth::typed_name(text)?;
    if auth::is_reserved(&name) { Err(auth::NameError::Reserved.into()) } else { Ok(name) }
}

async fn hash(state: &AppState, password: String) -> ApiResult<Secret<String>> {
    let _turn = state.hashing.acquire().await.map_err(|_| ApiError::internal())?;
    let salt: [u8; 16] = rand::random();
    tokio::task::spawn_blocking(move || auth::hash_password(&password, salt)).await.map_err(|_| ApiError::internal())
}

async fn verify(state: &AppState, password: String, hash: Option<Secret<String>>) -> ApiResult<bool> {
    let _turn = state.hashing.acquire().await.map_err(|_| ApiError::internal())?;
    let check = move || match hash {
        Some(hash) => auth::verify_password(&password, &hash),
        None => auth::verify_absent(&password),
    };
    tokio::task::spawn_blocking(check).await.map_err(|_| ApiError::internal())
}
