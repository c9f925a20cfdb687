//! API keys of backends.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use control::ApiKey;
use model::{ErrorCode, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::access::api_keys;
use crate::access::audit::Admin;
use crate::http::body::{Body, UuidPath};
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::presentation::Done;
use crate::presentation::{schema, time};
use crate::state::AppState;

const MOST_KEYS: usize = 1_000;
const LONGEST_NAME: usize = 120;
const LONGEST_LIFE_DAYS: u32 = 3_650;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_api_keys, create_api_key)).routes(routes!(revoke_api_key))
}

/// A backend's API key. The key itself is shown only once, when it is created.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyView {
    id: String,
    name: String,
    #[schema(value_type = Vec<schema::Scope>)]
    scopes: Vec<Scope>,
    /// A user's ID, or `api-key:` and a key's ID.
    #[schema(required)]
    created_by: Option<String>,
    #[schema(value_type = schema::Time)]
    created_at: String,
    /// Accurate to the minute.
    #[schema(required, value_type = Option<schema::Time>)]
    last_used_at: Option<String>,
    #[schema(required, value_type = Option<schema::Time>)]
    expires_at: Option<String>,
    #[schema(required, value_type = Option<schema::Time>)]
    revoked_at: Option<String>,
}

impl From<&ApiKey> for KeyView {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            scopes: key.scopes.clone(),
            created_by: key.created_by.clone(),
            created_at: time(key.created_at),
            last_used_at: key.last_used_at.map(time),
            expires_at: key.expires_at.map(time),
            revoked_at: key.revoked_at.map(time),
        }
    }
}

/// Keys, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyList {
    api_keys: Vec<KeyView>,
}

/// The key that was created.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewKeyAnswer {
    success: bool,
    api_key: KeyView,
    /// The key, a bearer token. It is shown only this once.
    key: String,
}

/// A new API key.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewKey {
    #[schema(min_length = 1, max_length = 120, pattern = r"^[A-Za-z0-9]")]
    name: String,
    #[schema(value_type = Vec<schema::Scope>, min_items = 1)]
    scopes: Vec<Scope>,
    /// Days until it expires. If left out, it works until it is revoked.
    #[schema(minimum = 1, maximum = 3_650)]
    expires_in_days: Option<u32>,
}

/// Lists every API key, including revoked ones.
#[utoipa::path(get, path = "/api/admin/api-keys", operation_id = "listApiKeys", tag = "admin",
    responses((status = 200, body = KeyList), (status = "default", body = ErrorBody)))]
async fn list_api_keys(State(state): State<AppState>, _: Admin) -> ApiResult<Json<KeyList>> {
    let keys = state.handle().api_keys().await?;
    Ok(Json(KeyList { api_keys: keys.iter().map(KeyView::from).collect() }))
}

/// Creates an API key.
#[utoipa::path(post, path = "/api/admin/api-keys", operation_id = "createApiKey", tag = "admin", request_body = NewKey,
    responses((status = 201, body = NewKeyAnswer), (status = "default", body = ErrorBody)))]
async fn create_api_key(
    State(state): State<AppState>,
    admin: Admin,
    Body(body): Body<NewKey>,
) -> ApiResult<(StatusCode, Json<NewKeyAnswer>)> {
    let name = body.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(ApiError::invalid("name", "1 to 120 characters"));
    }
    if body.scopes.is_empty() {
        return Err(ApiError::invalid("scopes", "must have at least one scope"));
    }
    let life = body.expires_in_days;
    if life.is_some_and(|days| !(1..=LONGEST_LIFE_DAYS).contains(&days)) {
        return Err(ApiError::invalid("expiresInDays", "1 to 3650"));
    }
    let now = state.handle().now();
    let there = state.handle().api_keys().await?;
    if there.iter().filter(|key| key.revoked_at.is_none()).count() >= MOST_KEYS {
        return Err(ApiError::new(
            ErrorCode::TooMany,
            format!("there can be at most {MOST_KEYS} keys; revoke one first"),
        ));
    }
    let mut scopes = body.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let key = ApiKey {
        id: Uuid::now_v7(),
        name: name.to_owned(),
        scopes,
        created_by: Some(admin.caller.user.to_string()),
        created_at: now,
        last_used_at: None,
        expires_at: life.map(|days| now + std::time::Duration::from_secs(u64::from(days) * 86_400)),
        revoked_at: None,
    };
    let (secret, hash) = api_keys::mint();
    state.handle().add_api_key(&key, &hash).await?;
    admin.note(&state, "api_key.created", key.id, json!({"name": key.name, "scopes": key.scopes})).await;
    let answer = NewKeyAnswer { success: true, api_key: (&key).into(), key: secret.reveal().clone() };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Revokes an API key, effective at once.
#[utoipa::path(delete, path = "/api/admin/api-keys/{id}", operation_id = "revokeApiKey", tag = "admin",
    params(("id" = String, Path, format = Uuid, description = "The key's ID")),
    responses((status = 200, body = Done), (status = "default", body = ErrorBody)))]
async fn revoke_api_key(State(state): State<AppState>, admin: Admin, UuidPath(id): UuidPath) -> ApiResult<Json<Done>> {
    if !state.handle().revoke_api_key(id).await? {
        return Err(ApiError::new(ErrorCode::NotFound, "no such key"));
    }
    state.keys.forget();
    admin.note(&state, "api_key.revoked", id, json!({})).await;
    Ok(Done::YES)
}
