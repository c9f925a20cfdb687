//! Actions on a call: start, accept, decline, join, leave, end, invite.

use std::time::Duration;

use ::call::{CallSnapshot, InitiateCall, Target};
use auth::CallPass;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use model::{CallId, CallMedia, ChannelId, DeviceId, Permission, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{Body, CallPath, OptionalBody};
use crate::caller::Caller;
use crate::config::IceServer;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::ice::ice_servers_for;
use crate::origin::livekit_url;
use crate::state::AppState;
use crate::turn::client;
use crate::wire::{AUDIO_MARK, Call, Participant, schema, time};

const RING_SECONDS: std::ops::RangeInclusive<u64> = 5..=180;
const LONGEST_METADATA: usize = 16 * 1024;
pub(crate) const LONGEST_REASON: usize = 200;
const MOST_TARGETS: usize = 1_000;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(initiate))
        .routes(routes!(accept))
        .routes(routes!(join))
        .routes(routes!(decline))
        .routes(routes!(cancel))
        .routes(routes!(leave))
        .routes(routes!(end))
        .routes(routes!(invite))
}

/// A new call. It rings the users in `targetUserId`, `targetUserIds` and `participants` together or, without any of these, the
/// members of the channel.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Initiate {
    /// A UUID that the client chooses. Repeating the request with it returns the same call.
    call_id: Option<String>,
    #[serde(rename = "type")]
    #[schema(value_type = Option<schema::CallType>)]
    word: Option<String>,
    /// Another name for `type`.
    #[schema(value_type = Option<schema::CallType>)]
    pub call_type: Option<String>,
    /// One user to call. The call is one-to-one.
    pub target_user_id: Option<String>,
    target_user_ids: Option<Vec<String>>,
    participants: Option<Vec<String>>,
    pub channel_id: Option<String>,
    /// An object for your app's own use, at most 16 KiB.
    metadata: Option<Value>,
    /// How long to ring, in seconds: 5 to 180.
    ring_timeout: Option<u64>,
}

/// Why the call is declined.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct Decline {
    pub reason: Option<DeclineReason>,
}

/// Either busy or simply declined.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeclineReason {
    Busy,
    Declined,
}

/// What the client reports about the end of the call.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct End {
    pub reason: Option<String>,
    /// Accepted but ignored: the server measures the duration itself.
    #[serde(rename = "duration")]
    #[allow(dead_code)]
    duration: Option<f64>,
}

/// Whom to invite.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invite {
    user_ids: Vec<String>,
}

/// A call.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallAnswer {
    success: bool,
    call: Call,
}

/// What lets a LiveKit client into the call's room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connection {
    call_id: String,
    pub room_name: String,
    pub token: String,
    pub livekit_url: String,
    ice_servers: Vec<IceServer>,
    /// When the token expires.
    #[schema(value_type = schema::Time)]
    expires_at: String,
}

/// The new call, and the way into its room.
#[derive(Serialize, ToSchema)]
pub(crate) struct Initiated {
    success: bool,
    call: Call,
    /// The number of participants, including the caller.
    participants: usize,
    #[serde(flatten)]
    connection: Connection,
}

/// The call, the caller as its participant, and the way into its room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Joined {
    success: bool,
    call: Call,
    participant: Participant,
    #[schema(value_type = schema::CallType)]
    call_type: String,
    #[serde(flatten)]
    connection: Connection,
}

/// Starts a call.
#[utoipa::path(post, path = "/api/calls/initiate", operation_id = "initiate", tag = "calls", request_body = Initiate,
    responses((status = 201, body = Initiated), (status = "default", body = ErrorBody)))]
pub(crate) async fn initiate(
    State(state): State<AppState>,
    caller: Caller,
    parts: Parts,
    Body(body): Body<Initiate>,
) -> ApiResult<(StatusCode, Json<Initiated>)> {
    let call = start(&state, &caller, body).await?;
    let initiated = Initiated {
        success: true,
        participants: call.participants.len(),
        connection: connection(&state, &caller, &call, &parts).await,
        call: call_view(&state, &call).await,
    };
    Ok((StatusCode::CREATED, Json(initiated)))
}

/// Starts a call, in whatever shape it is then answered.
pub(crate) async fn start(state: &AppState, caller: &Caller, body: Initiate) -> ApiResult<CallSnapshot> {
    caller.require(Permission::CallsCreate)?;
    Ok(state.handle().initiate(request(body, caller)?).await?)
}

/// Accepts the call, on this device.
#[utoipa::path(post, path = "/api/calls/{id}/accept", operation_id = "accept", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = Joined), (status = "default", body = ErrorBody)))]
async fn accept(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    parts: Parts,
) -> ApiResult<Json<Joined>> {
    caller.require(Permission::CallsJoin)?;
    let answer = state.handle().accept(id, &caller.user, &caller.device).await?;
    Ok(Json(joined(&state, &caller, answer, &parts).await))
}

/// Joins or rejoins a running call. For someone being called, this is `accept`.
#[utoipa::path(post, path = "/api/calls/{id}/join", operation_id = "join", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = Joined), (status = "default", body = ErrorBody)))]
async fn join(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    parts: Parts,
) -> ApiResult<Json<Joined>> {
    caller.require(Permission::CallsJoin)?;
    let answer = state.handle().join(id, &caller.user, &caller.device).await?;
    Ok(Json(joined(&state, &caller, answer, &parts).await))
}

/// Declines a call.
#[utoipa::path(post, path = "/api/calls/{id}/decline", operation_id = "decline", tag = "calls", request_body = Option<Decline>,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn decline(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    OptionalBody(body): OptionalBody<Decline>,
) -> ApiResult<Json<CallAnswer>> {
    let busy = body.reason == Some(DeclineReason::Busy);
    let call = state.handle().decline(id, &caller.user, busy).await?;
    answer(&state, &call).await
}

/// Cancels the caller's own call while it rings.
#[utoipa::path(post, path = "/api/calls/{id}/cancel", operation_id = "cancel", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn cancel(State(state): State<AppState>, caller: Caller, CallPath(id): CallPath) -> ApiResult<Json<CallAnswer>> {
    let call = state.handle().cancel(id, &caller.user).await?;
    answer(&state, &call).await
}

/// Leaves a call.
#[utoipa::path(post, path = "/api/calls/{id}/leave", operation_id = "leave", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn leave(State(state): State<AppState>, caller: Caller, CallPath(id): CallPath) -> ApiResult<Json<CallAnswer>> {
    let call = state.handle().leave(id, &caller.user).await?;
    answer(&state, &call).await
}

/// Ends a call for everyone. While it rings, this is `cancel` for the caller and `decline` for anyone being called.
#[utoipa::path(post, path = "/api/calls/{id}/end", operation_id = "end", tag = "calls", request_body = Option<End>,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn end(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    OptionalBody(body): OptionalBody<End>,
) -> ApiResult<Json<CallAnswer>> {
    let reason = body.reason.map(|reason| reason.chars().take(LONGEST_REASON).collect());
    let call = state.handle().end(id, &caller.user, reason).await?;
    answer(&state, &call).await
}

/// Invites more people into the call.
#[utoipa::path(post, path = "/api/calls/{id}/invite", operation_id = "invite", tag = "calls", request_body = Invite,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn invite(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    Body(body): Body<Invite>,
) -> ApiResult<Json<CallAnswer>> {
    caller.require(Permission::CallsCreate)?;
    let users = user_ids("userIds", &body.user_ids)?;
    if users.is_empty() {
        return Err(ApiError::invalid("userIds", "must name at least one user"));
    }
    let call = state.handle().invite(id, &caller.user, users).await?;
    answer(&state, &call).await
}

/// The request for a new call, checked as far as form goes.
fn request(body: Initiate, caller: &Caller) -> ApiResult<InitiateCall> {
    let id = body.call_id.as_deref().map(str::parse::<CallId>).transpose();
    let word = body.word.or(body.call_type);
    let (media, is_audio) = media(word.as_deref())?;
    let ring_timeout = match body.ring_timeout {
        None => None,
        Some(seconds) if RING_SECONDS.contains(&seconds) => Some(Duration::from_secs(seconds)),
        Some(_) => return Err(ApiError::invalid("ringTimeout", "must be from 5 to 180 seconds")),
    };
    let channel =
        body.channel_id.map(ChannelId::new).transpose().map_err(|error| ApiError::invalid_id("channelId", &error))?;
    let mut users = user_ids("targetUserId", body.target_user_id.as_slice())?;
    users.extend(user_ids("targetUserIds", body.target_user_ids.as_deref().unwrap_or_default())?);
    users.extend(user_ids("participants", body.participants.as_deref().unwrap_or_default())?);
    let mut seen = std::collections::HashSet::new();
    users.retain(|user| *user != caller.user && seen.insert(user.clone()));
    let spoke_of_users = body.target_user_id.is_some() || body.target_user_ids.is_some() || body.participants.is_some();
    let target = match channel {
        Some(channel) if users.is_empty() && !spoke_of_users => Target::Channel(channel),
        Some(channel) if users.is_empty() && body.target_user_id.is_none() => Target::Channel(channel),
        channel => {
            if users.is_empty() {
                return Err(ApiError::invalid("targetUserId", "name a user or a channel to call"));
            }
            let one_to_one = body.target_user_id.is_some() && users.len() == 1;
            Target::Users { users, channel, one_to_one }
        }
    };
    Ok(InitiateCall {
        id: id.map_err(|error| ApiError::invalid_id("callId", &error))?,
        caller: caller.user.clone(),
        device: caller.device.clone(),
        target,
        media,
        ring_timeout,
        metadata: metadata(body.metadata, is_audio)?,
    })
}

/// What a call is started with, and whether the client's word for it was `audio`.
fn media(word: Option<&str>) -> ApiResult<(CallMedia, bool)> {
    match word {
        None => Ok((CallMedia::Voice, false)),
        Some("audio") => Ok((CallMedia::Voice, true)),
        Some(word) => match word.parse() {
            Ok(media) => Ok((media, false)),
            Err(()) => Err(ApiError::invalid("type", "must be voice, audio, video or screen_share")),
        },
    }
}

fn metadata(given: Option<Value>, is_audio: bool) -> ApiResult<Value> {
    let mut object = match given {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(ApiError::invalid("metadata", "must be an object")),
    };
    object.remove(AUDIO_MARK);
    if Value::Object(object.clone()).to_string().len() > LONGEST_METADATA {
        return Err(ApiError::invalid("metadata", "must not exceed 16 KiB"));
    }
    if is_audio {
        object.insert(AUDIO_MARK.to_owned(), json!("audio"));
    }
    Ok(Value::Object(object))
}

fn user_ids(field: &'static str, ids: &[String]) -> ApiResult<Vec<UserId>> {
    if ids.len() > MOST_TARGETS {
        return Err(ApiError::invalid(field, "has too many users"));
    }
    ids.iter().map(|id| UserId::new(id).map_err(|error| ApiError::invalid_id(field, &error))).collect()
}

/// Accept's and join's answer, for REST and for Socket.IO.
pub(crate) async fn joined(state: &AppState, caller: &Caller, answer: control::Joined, parts: &Parts) -> Joined {
    let shown = state.people.show(&users_of(&answer.call)).await;
    let now = state.handle().now();
    let call = Call::new(&answer.call, &shown, now);
    Joined {
        success: true,
        participant: Participant::new(answer.call.id, &answer.participant, &shown, now),
        call_type: call.call_type.clone(),
        connection: connection(state, caller, &answer.call, parts).await,
        call,
    }
}

/// The way into the call's room for the device that asks.
async fn connection(state: &AppState, caller: &Caller, call: &CallSnapshot, parts: &Parts) -> Connection {
    way_in(state, (&caller.user, &caller.device), call.id, parts).await
}

/// The way into a call's room for one device of one user.
pub(crate) async fn way_in(
    state: &AppState,
    (user, device): (&UserId, &DeviceId),
    call: CallId,
    parts: &Parts,
) -> Connection {
    let person = state.people.show(&[user]).await.of(user);
    let config = &state.config;
    let pass = CallPass { call, user, device, name: &person.name, ttl: config.call_pass_ttl };
    let (token, expires) = auth::mint_call_pass(config.livekit_keys.own(), &pass, state.handle().now());
    Connection {
        call_id: call.to_string(),
        room_name: call.to_string(),
        token,
        livekit_url: livekit_url(parts, config),
        ice_servers: ice_servers_for(state, Some(client(user.as_str(), parts)), Some(call), None).await,
        expires_at: time(expires),
    }
}

/// Everyone with a part in a call.
pub(crate) fn users_of(call: &CallSnapshot) -> Vec<&UserId> {
    call.participants.iter().map(|part| &part.user).collect()
}

/// A call with the names of those in it.
pub(crate) async fn call_view(state: &AppState, call: &CallSnapshot) -> Call {
    let shown = state.people.show(&users_of(call)).await;
    Call::new(call, &shown, state.handle().now())
}

pub(crate) async fn answer(state: &AppState, call: &CallSnapshot) -> ApiResult<Json<CallAnswer>> {
    Ok(Json(CallAnswer { success: true, call: call_view(state, call).await }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(body: Value) -> ApiResult<InitiateCall> {
        let caller = Caller { user: UserId::new("me").unwrap(), permissions: vec![], device: DeviceId::unnamed() };
        request(serde_json::from_value(body).unwrap(), &caller)
    }

    fn users(ids: &[&str]) -> Vec<UserId> {
        ids.iter().map(|id| UserId::new(id).unwrap()).collect()
    }

    #[test]
    fn whom_a_call_is_for() {
        let team = || Some(ChannelId::new("team").unwrap());
        for (body, target) in [
            (json!({"targetUserId": "a"}), Target::Users { users: users(&["a"]), channel: None, one_to_one: true }),
            (
                json!({"targetUserIds": ["a", "me", "a", "b"]}),
                Target::Users { users: users(&["a", "b"]), channel: None, one_to_one: false },
            ),
            (json!({"targetUserIds": ["a"]}), Target::Users { users: users(&["a"]), channel: None, one_to_one: false }),
            (
                json!({"participants": ["a"], "channelId": "team"}),
                Target::Users { users: users(&["a"]), channel: team(), one_to_one: false },
            ),
            (
                json!({"targetUserId": "a", "targetUserIds": ["b"]}),
                Target::Users { users: users(&["a", "b"]), channel: None, one_to_one: false },
            ),
            (json!({"channelId": "team"}), Target::Channel(team().unwrap())),
            (json!({"channelId": "team", "participants": []}), Target::Channel(team().unwrap())),
        ] {
            assert_eq!(ask(body.clone()).unwrap().target, target, "{body}");
        }
    }

    #[test]
    fn what_is_not_a_call() {
        for (body, code) in [
            (json!({}), "invalid_request"),
            (json!({"targetUserId": "me"}), "invalid_request"),
            (json!({"targetUserId": ""}), "invalid_id"),
            (json!({"targetUserId": "a", "callId": "7"}), "invalid_id"),
            (json!({"targetUserId": "a", "type": "smoke"}), "invalid_request"),
            (json!({"targetUserId": "a", "ringTimeout": 4}), "invalid_request"),
            (json!({"targetUserId": "a", "metadata": [1]}), "invalid_request"),
            (json!({"targetUserId": "a", "metadata": {"x": "y".repeat(16 * 1024)}}), "invalid_request"),
        ] {
            assert_eq!(ask(body.clone()).unwrap_err().code.as_str(), code, "{body}");
        }
    }

    #[test]
    fn audio_is_voice_by_another_word() {
        let call = ask(json!({"targetUserId": "a", "callType": "audio", "metadata": {"stoa.type": "forged", "k": 1}}))
            .unwrap();
        assert_eq!((call.media, call.metadata), (CallMedia::Voice, json!({"k": 1, "stoa.type": "audio"})));
        let call = ask(json!({"targetUserId": "a", "metadata": {"stoa.type": "forged"}})).unwrap();
        assert_eq!((call.media, call.metadata), (CallMedia::Voice, json!({})));
    }
}
