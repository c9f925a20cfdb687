//! Calls as records in snake_case, as clients of a FastAPI signalling backend expect them. They negotiate media over
//! the raw WebSocket, and the status is one of three words.

use ::call::CallSnapshot;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{CallStatus, ParticipantStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bare::Kind;
use crate::access::caller::Caller;
use crate::http::body::{Body, CallPath};
use crate::http::error::{ApiResult, ErrorBody};
use crate::people::{Person, Shown};
use crate::presentation::call_answers::users_of;
use crate::presentation::call_requests::{Initiate, start};
use crate::presentation::{schema, time};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(initiate)).routes(routes!(accept)).routes(routes!(active))
}

/// The state of a call, as one of three words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RecordStatus)]
pub(crate) enum Status {
    Pending,
    Ongoing,
    Ended,
}

impl Status {
    fn of(status: CallStatus) -> Self {
        match status {
            CallStatus::Initiating | CallStatus::Ringing => Self::Pending,
            CallStatus::Connecting | CallStatus::Connected => Self::Ongoing,
            CallStatus::Ended
            | CallStatus::Failed
            | CallStatus::Cancelled
            | CallStatus::Declined
            | CallStatus::Busy
            | CallStatus::Timeout
            | CallStatus::NoAnswer => Self::Ended,
        }
    }
}

/// A new call: the fields of `initiate`, or their names in snake_case.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewRecord {
    #[serde(flatten)]
    body: Initiate,
    /// One user to call. The call is one-to-one.
    target_user_id: Option<String>,
    /// Another name for `target_user_id`.
    callee_id: Option<String>,
    /// Another name for `target_user_id`.
    receiver_id: Option<String>,
    call_type: Option<String>,
    channel_id: Option<String>,
}

impl NewRecord {
    fn into_initiate(self) -> Initiate {
        let Self { mut body, target_user_id, callee_id, receiver_id, call_type, channel_id } = self;
        let target = target_user_id.or(callee_id).or(receiver_id);
        body.target_user_id = body.target_user_id.or(target);
        body.call_type = body.call_type.or(call_type);
        body.channel_id = body.channel_id.or(channel_id);
        body
    }
}

/// A call.
#[derive(Serialize, ToSchema)]
#[schema(as = CallRecord)]
pub(crate) struct Record {
    id: String,
    /// The same as `id`.
    call_id: String,
    caller_id: String,
    /// The user being called. Null if there is more than one.
    #[schema(required)]
    callee_id: Option<String>,
    #[schema(required)]
    channel_id: Option<String>,
    call_type: Kind,
    status: Status,
    #[schema(value_type = schema::Time)]
    created_at: String,
    #[schema(required, value_type = Option<schema::Time>)]
    started_at: Option<String>,
    #[schema(required, value_type = Option<schema::Time>)]
    ended_at: Option<String>,
    /// Seconds since the call connected.
    #[schema(required)]
    duration: Option<u64>,
    participants: Vec<Part>,
}

/// One participant of a call.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordParticipant)]
pub(crate) struct Part {
    user_id: String,
    name: String,
    /// Whether they signed in with just a name.
    is_guest: bool,
    #[schema(value_type = schema::ParticipantStatus)]
    status: ParticipantStatus,
}

impl Record {
    fn new(call: &CallSnapshot, shown: &Shown, now: model::Timestamp) -> Self {
        let mut called = call.participants.iter().filter(|part| part.user != call.initiator);
        let callee = called.next().filter(|_| called.next().is_none());
        let part = |part: &::call::ParticipantSnapshot| {
            let Person { name, is_guest, .. } = shown.of(&part.user);
            Part { user_id: part.user.to_string(), name, is_guest, status: part.status }
        };
        Self {
            id: call.id.to_string(),
            call_id: call.id.to_string(),
            caller_id: call.initiator.to_string(),
            callee_id: callee.map(|part| part.user.to_string()),
            channel_id: call.channel.as_ref().map(ToString::to_string),
            call_type: Kind::of(call.media),
            status: Status::of(call.status),
            created_at: time(call.created_at),
            started_at: call.started_at.map(time),
            ended_at: call.ended_at.map(time),
            duration: call.duration_seconds(now),
            participants: call.participants.iter().map(part).collect(),
        }
    }
}

/// Starts a call. Its status is `pending`.
#[utoipa::path(post, path = "/calls/initiate", operation_id = "recordInitiate", tag = "dialects", request_body = NewRecord,
    responses((status = 201, body = Record), (status = "default", body = ErrorBody)))]
async fn initiate(
    State(state): State<AppState>,
    caller: Caller,
    Body(body): Body<NewRecord>,
) -> ApiResult<(StatusCode, Json<Record>)> {
    let call = start(&state, &caller, body.into_initiate()).await?;
    Ok((StatusCode::CREATED, Json(record(&state, &call).await)))
}

/// Accepts the call, on this device. Its status becomes `ongoing`.
#[utoipa::path(post, path = "/calls/accept/{id}", operation_id = "recordAccept", tag = "dialects",
    params(("id" = String, Path, description = "The call")),
    responses((status = 200, body = Record), (status = "default", body = ErrorBody)))]
async fn accept(State(state): State<AppState>, caller: Caller, CallPath(id): CallPath) -> ApiResult<Json<Record>> {
    let joined = super::accept(&state, &caller, id).await?;
    Ok(Json(record(&state, &joined.call).await))
}

/// Returns the caller's newest call that is ringing or running, or null. Clients without a socket poll this to notice a call.
#[utoipa::path(get, path = "/calls/active", operation_id = "recordActive", tag = "dialects",
    responses((status = 200, body = Option<Record>), (status = "default", body = ErrorBody)))]
async fn active(State(state): State<AppState>, caller: Caller) -> ApiResult<Json<Option<Record>>> {
    match state.handle().active_calls(&caller.user).await.first() {
        Some(call) => Ok(Json(Some(record(&state, call).await))),
        None => Ok(Json(None)),
    }
}

async fn record(state: &AppState, call: &CallSnapshot) -> Record {
    let shown = state.people.show(&users_of(call)).await;
    Record::new(call, &shown, state.handle().now())
}
