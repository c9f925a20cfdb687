//! Channels: only members see one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use control::NewChannel;
use model::{ChannelId, Permission, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::audit::{Address, note};
use crate::access::caller::Caller;
use crate::http::body::{Body, ChannelPath, MemberPath};
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::presentation::Channel;
use crate::presentation::Done;
use crate::state::AppState;

const LONGEST_NAME: usize = 120;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_channels, create_channel))
        .routes(routes!(channel, patch_channel, delete_channel))
        .routes(routes!(add_member, remove_member))
}

/// A list of channels.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChannelList {
    channels: Vec<Channel>,
}

/// A channel.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChannelAnswer {
    success: bool,
    channel: Channel,
}

impl ChannelAnswer {
    fn json(channel: &control::Channel) -> Json<Self> {
        Json(Self { success: true, channel: channel.into() })
    }
}

/// A new channel. With an ID that exists, the channel's new state.
#[derive(Deserialize, ToSchema)]
pub(crate) struct CreateChannel {
    #[schema(min_length = 1, max_length = 128)]
    id: Option<String>,
    #[schema(min_length = 1, max_length = 120, pattern = "^[A-Za-z0-9]")]
    name: String,
    /// The members' user IDs. Whoever creates the channel is added.
    #[serde(default)]
    members: Vec<String>,
}

/// The changes to make.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PatchChannel {
    name: Option<String>,
    members: Option<Vec<String>>,
}

/// Lists the caller's channels.
#[utoipa::path(get, path = "/api/channels", operation_id = "listChannels", tag = "channels",
    responses((status = 200, body = ChannelList), (status = "default", body = ErrorBody)))]
async fn list_channels(State(state): State<AppState>, caller: Caller) -> ApiResult<Json<ChannelList>> {
    let channels = state.handle().channels(&caller.user).await?;
    Ok(Json(ChannelList { channels: channels.iter().map(Channel::from).collect() }))
}

/// Creates a channel.
#[utoipa::path(post, path = "/api/channels", operation_id = "createChannel", tag = "channels", request_body = CreateChannel,
    responses((status = 201, body = ChannelAnswer), (status = "default", body = ErrorBody)))]
async fn create_channel(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    Body(body): Body<CreateChannel>,
) -> ApiResult<(StatusCode, Json<ChannelAnswer>)> {
    let id = body.id.map(ChannelId::new).transpose().map_err(|error| ApiError::invalid_id("id", &error))?;
    // An administrator who names the id pushes a host app's channel, and need not be in it.
    let is_push = id.is_some() && caller.may(Permission::Admin);
    let channel = NewChannel { id, name: name(&body.name)?, members: members(&body.members)? };
    let channel = if is_push {
        state.handle().put_channel(channel).await?
    } else {
        state.handle().upsert_channel(&caller.user, channel).await?
    };
    state.people.forget_memberships();
    by_admin(&state, &caller, &address, "channel.pushed", &channel.id).await;
    Ok((StatusCode::CREATED, ChannelAnswer::json(&channel)))
}

/// Returns one channel.
#[utoipa::path(get, path = "/api/channels/{id}", operation_id = "getChannel", tag = "channels",
    params(("id" = String, Path, description = "The channel")),
    responses((status = 200, body = ChannelAnswer), (status = "default", body = ErrorBody)))]
async fn channel(
    State(state): State<AppState>,
    caller: Caller,
    ChannelPath(id): ChannelPath,
) -> ApiResult<Json<ChannelAnswer>> {
    Ok(ChannelAnswer::json(&seen(&state, &caller, &id).await?))
}

/// Renames a channel, or sets its members.
#[utoipa::path(patch, path = "/api/channels/{id}", operation_id = "patchChannel", tag = "channels", request_body = PatchChannel,
    params(("id" = String, Path, description = "The channel")),
    responses((status = 200, body = ChannelAnswer), (status = "default", body = ErrorBody)))]
async fn patch_channel(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    ChannelPath(id): ChannelPath,
    Body(body): Body<PatchChannel>,
) -> ApiResult<Json<ChannelAnswer>> {
    let old = seen(&state, &caller, &id).await?;
    let name = body.name.as_deref().map(name).transpose()?.unwrap_or(old.name);
    let members = body.members.as_deref().map(members).transpose()?.unwrap_or(old.members);
    let channel = put(&state, NewChannel { id: Some(id), name, members }).await?;
    by_admin(&state, &caller, &address, "channel.changed", &channel.id).await;
    Ok(ChannelAnswer::json(&channel))
}

/// Deletes a channel. Its calls stay in the history.
#[utoipa::path(delete, path = "/api/channels/{id}", operation_id = "deleteChannel", tag = "channels",
    params(("id" = String, Path, description = "The channel")),
    responses((status = 200, body = Done), (status = "default", body = ErrorBody)))]
async fn delete_channel(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    ChannelPath(id): ChannelPath,
) -> ApiResult<Json<Done>> {
    seen(&state, &caller, &id).await?;
    state.handle().drop_channel(&id).await?;
    state.people.forget_memberships();
    by_admin(&state, &caller, &address, "channel.deleted", &id).await;
    Ok(Done::YES)
}

/// Adds a member.
#[utoipa::path(put, path = "/api/channels/{id}/members/{userId}", operation_id = "addMember", tag = "channels",
    params(("id" = String, Path, description = "The channel"), ("userId" = String, Path, description = "The user")),
    responses((status = 200, body = ChannelAnswer), (status = "default", body = ErrorBody)))]
async fn add_member(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    MemberPath(id, user): MemberPath,
) -> ApiResult<Json<ChannelAnswer>> {
    let old = seen(&state, &caller, &id).await?;
    if old.members.contains(&user) {
        return Ok(ChannelAnswer::json(&old));
    }
    let channel = change_members(&state, &id, &[user], &[]).await?;
    by_admin(&state, &caller, &address, "channel.changed", &id).await;
    Ok(ChannelAnswer::json(&channel))
}

/// Removes a member, which can be the caller.
#[utoipa::path(delete, path = "/api/channels/{id}/members/{userId}", operation_id = "removeMember", tag = "channels",
    params(("id" = String, Path, description = "The channel"), ("userId" = String, Path, description = "The user")),
    responses((status = 200, body = ChannelAnswer), (status = "default", body = ErrorBody)))]
async fn remove_member(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    MemberPath(id, user): MemberPath,
) -> ApiResult<Json<ChannelAnswer>> {
    seen(&state, &caller, &id).await?;
    let channel = change_members(&state, &id, &[], &[user]).await?;
    by_admin(&state, &caller, &address, "channel.changed", &id).await;
    Ok(ChannelAnswer::json(&channel))
}

/// A channel that the caller may see and change: their own, or, for an administrator, any.
async fn seen(state: &AppState, caller: &Caller, id: &ChannelId) -> ApiResult<control::Channel> {
    if caller.may(Permission::Admin) {
        return Ok(state.handle().any_channel(id).await?);
    }
    Ok(state.handle().channel(id, &caller.user).await?)
}

/// Writes down what an administrator did; members' own acts are no one's business.
async fn by_admin(state: &AppState, caller: &Caller, address: &Address, action: &str, id: &ChannelId) {
    if caller.may(Permission::Admin) {
        note(state, caller, address, action, id, json!({})).await;
    }
}

/// By one who was seen to have the right to. One step: two who are added at once both stay.
async fn change_members(
    state: &AppState,
    id: &ChannelId,
    add: &[UserId],
    remove: &[UserId],
) -> ApiResult<control::Channel> {
    let channel = state.handle().change_members(id, None, add, remove).await?;
    state.people.forget_memberships();
    Ok(channel)
}

async fn put(state: &AppState, channel: NewChannel) -> ApiResult<control::Channel> {
    let channel = state.handle().put_channel(channel).await?;
    state.people.forget_memberships();
    Ok(channel)
}

fn name(text: &str) -> ApiResult<String> {
    let name = auth::shown_name(text).filter(|name| name.chars().count() <= LONGEST_NAME);
    name.ok_or_else(|| ApiError::invalid("name", "must have 1 to 120 visible characters"))
}

fn members(ids: &[String]) -> ApiResult<Vec<UserId>> {
    ids.iter().map(|id| UserId::new(id).map_err(|error| ApiError::invalid_id("members", &error))).collect()
}
