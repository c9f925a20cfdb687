//! People.

use axum::Json;
use axum::extract::State;
use control::UserPatch;
use model::UserId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::audit::Admin;
use crate::access::caller::Caller;
use crate::http::body::{Body, Params, UserPath, page_size};
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::people::Person;
use crate::presentation::{User, presence_of};
use crate::state::AppState;

const LONGEST_PAGE: usize = 200;
const USUAL_PAGE: usize = 50;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_users, upsert_user)).routes(routes!(user))
}

/// A page of users.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserPage {
    users: Vec<User>,
    /// Pass this as `after` to get the next page.
    #[schema(required)]
    next: Option<String>,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserAnswer {
    success: bool,
    user: User,
}

/// What your app says about a user. Fields left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpsertUser {
    id: String,
    name: Option<String>,
    avatar_url: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct UserQuery {
    /// Only users whose name contains this.
    query: Option<String>,
    /// The `next` of the previous page.
    after: Option<String>,
    /// The most entries to return: 1 to 200, by default 50.
    limit: Option<usize>,
}

/// Lists users by name.
#[utoipa::path(get, path = "/api/users", operation_id = "listUsers", tag = "users", params(UserQuery),
    responses((status = 200, body = UserPage), (status = "default", body = ErrorBody)))]
async fn list_users(
    State(state): State<AppState>,
    _: Caller,
    Params(query): Params<UserQuery>,
) -> ApiResult<Json<UserPage>> {
    let limit = page_size(query.limit, USUAL_PAGE, LONGEST_PAGE)?;
    let after = query.after.map(UserId::new).transpose().map_err(|error| ApiError::invalid_id("after", &error))?;
    let wanted = query.query.unwrap_or_default();
    let mut found = state.handle().search_users(wanted.trim(), after.as_ref(), limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|user| user.id.to_string());
    let ids: Vec<UserId> = found.iter().map(|user| user.id.clone()).collect();
    let presence = state.handle().presence(&ids).await;
    let users =
        found.iter().map(|user| User::new(&user.id, Person::from(user), presence_of(&presence, &user.id))).collect();
    Ok(Json(UserPage { users, next }))
}

/// Creates or updates a user.
#[utoipa::path(post, path = "/api/users", operation_id = "upsertUser", tag = "users", request_body = UpsertUser,
    responses((status = 200, body = UserAnswer), (status = "default", body = ErrorBody)))]
async fn upsert_user(
    State(state): State<AppState>,
    admin: Admin,
    Body(body): Body<UpsertUser>,
) -> ApiResult<Json<UserAnswer>> {
    let id = UserId::new(&body.id).map_err(|error| ApiError::invalid_id("id", &error))?;
    if body.name.as_ref().is_some_and(|name| name.chars().count() > 256) {
        return Err(ApiError::invalid("name", "must not exceed 256 characters"));
    }
    let patch = UserPatch { name: body.name, avatar_url: body.avatar_url, is_guest: false };
    let user = state.people.upsert(&id, patch).await?;
    admin.note(&state, "user.pushed", &id, json!({})).await;
    let presence = state.handle().presence(std::slice::from_ref(&id)).await;
    let user = User::new(&id, Person::from(&user), presence_of(&presence, &id));
    Ok(Json(UserAnswer { success: true, user }))
}

/// Returns one user.
#[utoipa::path(get, path = "/api/users/{id}", operation_id = "getUser", tag = "users",
    params(("id" = String, Path, description = "The user")),
    responses((status = 200, body = UserAnswer), (status = "default", body = ErrorBody)))]
async fn user(State(state): State<AppState>, _: Caller, UserPath(id): UserPath) -> ApiResult<Json<UserAnswer>> {
    let found = state.handle().user(&id).await?;
    let presence = state.handle().presence(std::slice::from_ref(&id)).await;
    let user = User::new(&id, Person::from(&found), presence_of(&presence, &id));
    Ok(Json(UserAnswer { success: true, user }))
}
