//! Calls without an envelope, as clients of a NestJS/Prisma backend expect them: `POST /calls` returns the call itself,
//! lists are bare arrays, and the status is one of five words.

use ::call::{CallSnapshot, ParticipantSnapshot};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use control::HistoryQuery;
use model::{CallId, CallMedia, CallStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::caller::Caller;
use crate::http::body::page_size;
use crate::http::body::{Body, CallPath, ChannelPath, OptionalBody, Params};
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::ice::ice_servers_for;
use crate::ice::turn::client;
use crate::people::Shown;
use crate::presentation::call_answers::users_of;
use crate::presentation::call_requests::{End, Initiate, LONGEST_REASON, start};
use crate::presentation::{schema, time, type_and_metadata};
use crate::state::AppState;

const LONGEST_PAGE: usize = 100;
const USUAL_PAGE: usize = 50;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(join))
        .routes(routes!(leave))
        .routes(routes!(end))
        .routes(routes!(one))
        .routes(routes!(of_channel))
        .routes(routes!(ice_servers))
        .routes(routes!(ice_servers_under_api))
}

/// The state of a call, as one of five words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BareCallStatus)]
pub(crate) enum Status {
    Ringing,
    Active,
    Ended,
    Missed,
    Declined,
}

impl Status {
    fn of(status: CallStatus) -> Self {
        match status {
            CallStatus::Initiating | CallStatus::Ringing => Self::Ringing,
            CallStatus::Connecting | CallStatus::Connected => Self::Active,
            CallStatus::Ended | CallStatus::Failed => Self::Ended,
            CallStatus::Declined | CallStatus::Busy => Self::Declined,
            CallStatus::Cancelled | CallStatus::Timeout | CallStatus::NoAnswer => Self::Missed,
        }
    }

    /// Either case is taken.
    fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "ringing" => Some(Self::Ringing),
            "active" => Some(Self::Active),
            "ended" => Some(Self::Ended),
            "missed" => Some(Self::Missed),
            "declined" => Some(Self::Declined),
            _ => None,
        }
    }

    /// Our statuses that this word covers.
    fn ours(self) -> impl Iterator<Item = CallStatus> {
        CallStatus::ALL.iter().copied().filter(move |status| Self::of(*status) == self)
    }
}

/// What kind of call it is, as one of two words.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BareCallType)]
pub(crate) enum Kind {
    Audio,
    Video,
}

/// A call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BareCall)]
pub(crate) struct Call {
    id: String,
    #[schema(required)]
    channel_id: Option<String>,
    call_type: Kind,
    status: Status,
    /// The user who started the call.
    started_by: String,
    /// When it was created.
    #[schema(value_type = schema::Time)]
    started_at: String,
    #[schema(required, value_type = Option<schema::Time>)]
    ended_at: Option<String>,
    /// Length in seconds, once the call is over.
    #[schema(required)]
    duration: Option<u64>,
    /// The client's own data.
    metadata: Value,
}

impl Call {
    pub(super) fn new(call: &CallSnapshot) -> Self {
        Self {
            id: call.id.to_string(),
            channel_id: call.channel.as_ref().map(ToString::to_string),
            call_type: Kind::of(call.media),
            status: Status::of(call.status),
            started_by: call.initiator.to_string(),
            started_at: time(call.created_at),
            ended_at: call.ended_at.map(time),
            duration: call.ended_at.map(|end| call.duration_seconds(end).unwrap_or(0)),
            metadata: type_and_metadata(call).1,
        }
    }
}

impl Kind {
    pub(super) fn of(media: CallMedia) -> Self {
        match media {
            CallMedia::Voice => Self::Audio,
            CallMedia::Video | CallMedia::ScreenShare => Self::Video,
        }
    }
}

/// A call with its participants.
#[derive(Serialize, ToSchema)]
#[schema(as = BareCallWithParticipants)]
pub(crate) struct WholeCall {
    #[serde(flatten)]
    call: Call,
    participants: Vec<Part>,
}

impl WholeCall {
    fn new(call: &CallSnapshot, shown: &Shown) -> Self {
        let participants = call.participants.iter().map(|part| Part::new(call.id, part, shown)).collect();
        Self { call: Call::new(call), participants }
    }
}

/// One participant of a call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BareParticipant)]
pub(crate) struct Part {
    id: String,
    call_id: String,
    user_id: String,
    /// Null for someone who has not joined.
    #[schema(required, value_type = Option<schema::Time>)]
    joined_at: Option<String>,
    #[schema(required, value_type = Option<schema::Time>)]
    left_at: Option<String>,
    is_muted: bool,
    is_video_enabled: bool,
    user: PartUser,
}

/// The user behind a participant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BareUser)]
pub(crate) struct PartUser {
    id: String,
    name: String,
    #[schema(required)]
    avatar_url: Option<String>,
    /// Whether they signed in with just a name.
    is_guest: bool,
}

impl Part {
    fn new(call: CallId, part: &ParticipantSnapshot, shown: &Shown) -> Self {
        let person = shown.of(&part.user);
        Self {
            id: part.id.to_string(),
            call_id: call.to_string(),
            user_id: part.user.to_string(),
            joined_at: part.joined_at.map(time),
            left_at: part.left_at.map(time),
            is_muted: part.is_muted,
            is_video_enabled: part.is_video_enabled,
            user: PartUser {
                id: part.user.to_string(),
                name: person.name,
                avatar_url: person.avatar_url,
                is_guest: person.is_guest,
            },
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ChannelCalls {
    /// `ringing`, `active`, `ended`, `missed`, `declined`, in upper or lower case, separated by commas.
    status: Option<String>,
    /// Only calls older than this one.
    before: Option<String>,
    /// The most calls to return: 1 to 100, by default 50.
    limit: Option<usize>,
}

/// One server for a peer connection, with one URL.
#[derive(Serialize, ToSchema)]
#[schema(as = BareIceServer)]
pub(crate) struct Server {
    /// A `stun:`, `turn:` or `turns:` URL.
    urls: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    credential: Option<String>,
}

/// Starts a call.
#[utoipa::path(post, path = "/calls", operation_id = "bareCreateCall", tag = "dialects", request_body = Initiate,
    responses((status = 201, body = Call), (status = "default", body = ErrorBody)))]
async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Body(body): Body<Initiate>,
) -> ApiResult<(StatusCode, Json<Call>)> {
    let call = start(&state, &caller, body).await?;
    Ok((StatusCode::CREATED, Json(Call::new(&call))))
}

/// Accepts a ringing call, or joins a running one.
#[utoipa::path(post, path = "/calls/{id}/join", operation_id = "bareJoin", tag = "dialects",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = Call), (status = "default", body = ErrorBody)))]
async fn join(State(state): State<AppState>, caller: Caller, CallPath(id): CallPath) -> ApiResult<Json<Call>> {
    Ok(Json(Call::new(&super::join(&state, &caller, id).await?)))
}

/// Leaves a call.
#[utoipa::path(post, path = "/calls/{id}/leave", operation_id = "bareLeave", tag = "dialects",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = Call), (status = "default", body = ErrorBody)))]
async fn leave(State(state): State<AppState>, caller: Caller, CallPath(id): CallPath) -> ApiResult<Json<Call>> {
    Ok(Json(Call::new(&state.handle().leave(id, &caller.user).await?)))
}

/// Ends a call for everyone.
#[utoipa::path(post, path = "/calls/{id}/end", operation_id = "bareEnd", tag = "dialects", request_body = Option<End>,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = Call), (status = "default", body = ErrorBody)))]
async fn end(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    OptionalBody(body): OptionalBody<End>,
) -> ApiResult<Json<Call>> {
    let reason = body.reason.map(|reason| reason.chars().take(LONGEST_REASON).collect());
    Ok(Json(Call::new(&state.handle().end(id, &caller.user, reason).await?)))
}

/// Returns one call.
#[utoipa::path(get, path = "/calls/{id}", operation_id = "bareCall", tag = "dialects",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = WholeCall), (status = "default", body = ErrorBody)))]
async fn one(State(state): State<AppState>, caller: Caller, CallPath(id): CallPath) -> ApiResult<Json<WholeCall>> {
    let call = state.handle().call(id, &caller.user).await?;
    let shown = state.people.show(&users_of(&call)).await;
    Ok(Json(WholeCall::new(&call, &shown)))
}

/// Lists a channel's calls, newest first. Members see all of them, others only those they took part in.
#[utoipa::path(get, path = "/channels/{id}/calls", operation_id = "bareChannelCalls", tag = "dialects",
    params(("id" = String, Path, description = "The channel"), ChannelCalls),
    responses((status = 200, body = Vec<WholeCall>), (status = "default", body = ErrorBody)))]
async fn of_channel(
    State(state): State<AppState>,
    caller: Caller,
    ChannelPath(channel): ChannelPath,
    Params(params): Params<ChannelCalls>,
) -> ApiResult<Json<Vec<WholeCall>>> {
    let before = params.before.map(|id| id.parse::<CallId>()).transpose();
    let query = HistoryQuery {
        user: caller.user.clone(),
        statuses: statuses(params.status.as_deref())?,
        channel: Some(channel.clone()),
        with: None,
        before: before.map_err(|error| ApiError::invalid_id("before", &error))?,
        limit: page_size(params.limit, USUAL_PAGE, LONGEST_PAGE)?,
    };
    let calls = state.handle().history(query).await?.calls;
    if calls.is_empty() {
        // A channel that is not there and one of others are not told apart.
        state.handle().channel(&channel, &caller.user).await?;
    }
    let users: Vec<_> = calls.iter().flat_map(users_of).collect();
    let shown = state.people.show(&users).await;
    Ok(Json(calls.iter().map(|call| WholeCall::new(call, &shown)).collect()))
}

/// Lists STUN and TURN servers for a peer connection.
#[utoipa::path(get, path = "/webrtc/ice-servers", operation_id = "bareIceServers", tag = "dialects",
    responses((status = 200, body = Vec<Server>), (status = "default", body = ErrorBody)))]
async fn ice_servers(State(state): State<AppState>, caller: Caller, parts: Parts) -> ApiResult<Json<Vec<Server>>> {
    servers(&state, &caller, &parts).await
}

/// The same, under `/api`.
#[utoipa::path(get, path = "/api/webrtc/ice-servers", operation_id = "bareIceServersUnderApi", tag = "dialects",
    responses((status = 200, body = Vec<Server>), (status = "default", body = ErrorBody)))]
async fn ice_servers_under_api(
    State(state): State<AppState>,
    caller: Caller,
    parts: Parts,
) -> ApiResult<Json<Vec<Server>>> {
    servers(&state, &caller, &parts).await
}

async fn servers(state: &AppState, caller: &Caller, parts: &Parts) -> ApiResult<Json<Vec<Server>>> {
    let servers = ice_servers_for(state, Some(client(caller.user.as_str(), parts)), None, None).await;
    let one_url_each = servers.into_iter().flat_map(|server| {
        let (username, credential) = (server.username, server.credential);
        let each = move |urls| Server { urls, username: username.clone(), credential: credential.clone() };
        server.urls.into_iter().map(each)
    });
    Ok(Json(one_url_each.collect()))
}

fn statuses(list: Option<&str>) -> ApiResult<Vec<CallStatus>> {
    let words = list.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    let mut found = Vec::new();
    for word in words {
        let status = Status::parse(word)
            .ok_or_else(|| ApiError::invalid("status", "must be ringing, active, ended, missed or declined"))?;
        found.extend(status.ours());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_ours_is_one_of_the_five() {
        let words = |list: &str| statuses(Some(list)).unwrap();
        assert_eq!(words("ACTIVE"), [CallStatus::Connecting, CallStatus::Connected]);
        assert_eq!(words("missed,declined").len(), 5);
        assert_eq!(words("RINGING,active,Ended,MISSED,declined").len(), CallStatus::ALL.len());
        assert!(statuses(Some("connected")).is_err());
        assert!(words("").is_empty());
    }
}
