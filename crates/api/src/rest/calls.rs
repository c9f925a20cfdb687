//! Current and past calls, and a participant's own media state.

use axum::Json;
use axum::extract::State;
use control::HistoryQuery;
use model::{CallId, CallStatus, ChannelId, UserId, VideoQuality};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::caller::Caller;
use crate::http::body::page_size;
use crate::http::body::{Body, CallPath, Params};
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::presentation::call_answers::{CallAnswer, answer, users_of};
use crate::presentation::{Call, CallEvent, schema};
use crate::state::AppState;

const LONGEST_PAGE: usize = 100;
const USUAL_PAGE: usize = 50;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_calls))
        .routes(routes!(active_calls))
        .routes(routes!(one_call))
        .routes(routes!(call_events))
        .routes(routes!(media))
}

/// A page of calls, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallPage {
    calls: Vec<Call>,
    /// Pass this as `before` to get the next page.
    #[schema(required)]
    next: Option<String>,
}

/// Calls, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallList {
    calls: Vec<Call>,
}

/// What happened in a call, in order.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallEvents {
    events: Vec<CallEvent>,
}

/// The caller's media state. Fields left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MediaState {
    is_muted: Option<bool>,
    is_video_enabled: Option<bool>,
    is_screen_sharing: Option<bool>,
    #[schema(value_type = Option<schema::VideoQuality>)]
    video_quality: Option<VideoQuality>,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct HistoryParams {
    /// Only calls with one of these statuses, separated by commas.
    status: Option<String>,
    /// Only calls in this channel.
    channel_id: Option<String>,
    /// Only calls with this other user.
    user_id: Option<String>,
    /// The `next` of the previous page.
    before: Option<String>,
    /// The most calls to return: 1 to 100, by default 50.
    limit: Option<usize>,
}

/// Lists the caller's call history.
#[utoipa::path(get, path = "/api/calls", operation_id = "listCalls", tag = "calls", params(HistoryParams),
    responses((status = 200, body = CallPage), (status = "default", body = ErrorBody)))]
async fn list_calls(
    State(state): State<AppState>,
    caller: Caller,
    Params(params): Params<HistoryParams>,
) -> ApiResult<Json<CallPage>> {
    let query = HistoryQuery {
        user: caller.user,
        statuses: statuses(params.status.as_deref())?,
        channel: params
            .channel_id
            .map(ChannelId::new)
            .transpose()
            .map_err(|error| ApiError::invalid_id("channelId", &error))?,
        with: params.user_id.map(UserId::new).transpose().map_err(|error| ApiError::invalid_id("userId", &error))?,
        before: params
            .before
            .map(|id| id.parse::<CallId>())
            .transpose()
            .map_err(|error| ApiError::invalid_id("before", &error))?,
        limit: page_size(params.limit, USUAL_PAGE, LONGEST_PAGE)?,
    };
    let page = state.handle().history(query).await?;
    let next = page.next.map(|id| id.to_string());
    Ok(Json(CallPage { calls: views(&state, &page.calls).await, next }))
}

/// Lists the caller's calls that are ringing or running.
#[utoipa::path(get, path = "/api/calls/active", operation_id = "activeCalls", tag = "calls",
    responses((status = 200, body = CallList), (status = "default", body = ErrorBody)))]
async fn active_calls(State(state): State<AppState>, caller: Caller) -> ApiResult<Json<CallList>> {
    let calls = state.handle().active_calls(&caller.user).await;
    Ok(Json(CallList { calls: views(&state, &calls).await }))
}

/// Returns one call.
#[utoipa::path(get, path = "/api/calls/{id}", operation_id = "getCall", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn one_call(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
) -> ApiResult<Json<CallAnswer>> {
    let call = state.handle().call(id, &caller.user).await?;
    answer(&state, &call).await
}

/// Returns a call's event log.
#[utoipa::path(get, path = "/api/calls/{id}/events", operation_id = "callEvents", tag = "calls",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallEvents), (status = "default", body = ErrorBody)))]
async fn call_events(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
) -> ApiResult<Json<CallEvents>> {
    let events = state.handle().events(id, &caller.user).await?;
    Ok(Json(CallEvents { events: events.into_iter().map(CallEvent::from).collect() }))
}

/// Updates the caller's own media state: microphone, camera and screen.
#[utoipa::path(patch, path = "/api/calls/{id}/media", operation_id = "media", tag = "calls", request_body = MediaState,
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = CallAnswer), (status = "default", body = ErrorBody)))]
async fn media(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(id): CallPath,
    Body(body): Body<MediaState>,
) -> ApiResult<Json<CallAnswer>> {
    let MediaState { is_muted, is_video_enabled, is_screen_sharing, video_quality } = body;
    let call = state
        .handle()
        .set_media_state(id, &caller.user, is_muted, is_video_enabled, is_screen_sharing, video_quality)
        .await?;
    answer(&state, &call).await
}

fn statuses(list: Option<&str>) -> ApiResult<Vec<CallStatus>> {
    list.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| {
            word.parse().map_err(|()| ApiError::invalid("status", "must be call statuses, separated by commas"))
        })
        .collect()
}

async fn views(state: &AppState, calls: &[::call::CallSnapshot]) -> Vec<Call> {
    let users: Vec<_> = calls.iter().flat_map(users_of).collect();
    let shown = state.people.show(&users).await;
    let now = state.handle().now();
    calls.iter().map(|call| Call::new(call, &shown, now)).collect()
}
