//! Recordings: the list, one of them, its files, how long it is kept, and its end.
//!
//! Who may see one: whoever took part in the call, whoever started it, administrators, and members of the call's channel where
//! `recording.channel_members` says so. To everyone else it does not exist.

mod files;
mod uploads;

use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use control::{
    ChannelRecordingRules, FileKind, Recording as Known, RecordingFile, RecordingQuery, RecordingRefusal, Recordings,
    Viewer,
};
use model::{CallId, ChannelId, ErrorCode, Permission, RecordingId, RecordingStatus, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::audit::{Address, Admin, note};
use crate::access::caller::Caller;
use crate::http::body::{Body, CallPath, ChannelPath, Params, RecordingPath, page_size};
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::http::origin::base_url;
use crate::presentation::{RecordedTrack, Recording};
use crate::state::AppState;

const LONGEST_PAGE: usize = 100;
const USUAL_PAGE: usize = 50;
/// Longest text to search for.
const LONGEST_TEXT: usize = 100;
/// A hundred years.
const MOST_DAYS: u32 = 36_500;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_recordings))
        .routes(routes!(recordings_of_call))
        .routes(routes!(one_recording, change_recording, delete_recording))
        .routes(routes!(tracks))
        .routes(routes!(channel_rules, set_channel_rules))
        .merge(files::routes())
        .merge(uploads::routes())
}

/// A page of recordings, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordingPage {
    recordings: Vec<Recording>,
    /// Pass this as `before` to get the next page.
    #[schema(required)]
    next: Option<String>,
}

/// A recording.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordingAnswer {
    success: bool,
    recording: Recording,
}

/// The files of a recording's tracks.
#[derive(Serialize, ToSchema)]
pub(crate) struct TrackList {
    tracks: Vec<RecordedTrack>,
}

/// The result of a deletion.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeletedRecording {
    success: bool,
    /// Files that the storage has not deleted yet. The server keeps trying.
    pending_files: usize,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct RecordingParams {
    /// Only recordings of this call.
    call_id: Option<String>,
    /// Only recordings in this channel.
    channel_id: Option<String>,
    /// Only recordings of calls that this user took part in, or that they started.
    user_id: Option<String>,
    /// Only recordings with one of these statuses, separated by commas. By default, all but deleted ones.
    status: Option<String>,
    /// Only recordings that began at this time (RFC 3339) or later.
    from: Option<String>,
    /// Only recordings that began before this time (RFC 3339).
    to: Option<String>,
    /// Only recordings with this in the name of the channel or of someone who took part.
    query: Option<String>,
    /// The `next` of the previous page.
    before: Option<String>,
    /// The most recordings to return: 1 to 100, by default 50.
    limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PageParams {
    /// The `next` of the previous page.
    before: Option<String>,
    /// The most recordings to return: 1 to 100, by default 50.
    limit: Option<usize>,
}

/// What to change about a recording. Fields left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeRecording {
    /// How many days after its end to keep it: 1 to 36,500, or `null` for as long as its channel's or the server's setting says.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    retention_days: Option<Option<u32>>,
    /// Whether to keep it whatever happens. Only for administrators.
    legal_hold: Option<bool>,
}

/// What holds for recordings in a channel.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChannelRecordingSettings {
    /// How many days to keep them; `null` for as long as the server's setting says. It counts for recordings that end from then on.
    #[schema(required)]
    retention_days: Option<u32>,
    /// The most bytes they can take; `null` for as much as the server's setting says.
    #[schema(required)]
    max_bytes: Option<u64>,
}

/// A field that is there, even if it is null.
fn given<'de, D: serde::Deserializer<'de>>(field: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// Recordings, where they are turned on.
pub(super) fn service(state: &AppState) -> ApiResult<&Recordings> {
    state
        .config
        .recordings
        .as_ref()
        .ok_or_else(|| ApiError::new(ErrorCode::FeatureDisabled, "this server keeps no recordings"))
}

fn viewer(service: &Recordings, caller: &Caller) -> Viewer {
    if caller.may(Permission::Admin) { Viewer::Everyone } else { service.viewer(caller.user.clone()) }
}

/// Lists recordings, newest first.
#[utoipa::path(get, path = "/api/recordings", operation_id = "listRecordings", tag = "recordings", params(RecordingParams),
    responses((status = 200, body = RecordingPage), (status = "default", body = ErrorBody)))]
async fn list_recordings(
    State(state): State<AppState>,
    caller: Caller,
    Params(params): Params<RecordingParams>,
    parts: Parts,
) -> ApiResult<Json<RecordingPage>> {
    let service = service(&state)?;
    let text = params.query.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if text.as_ref().is_some_and(|text| text.chars().count() > LONGEST_TEXT) {
        return Err(ApiError::invalid("query", "must not exceed 100 characters"));
    }
    let query = RecordingQuery {
        viewer: viewer(service, &caller),
        call: id(params.call_id, "callId")?,
        channel: id::<ChannelId>(params.channel_id, "channelId")?,
        user: id::<UserId>(params.user_id, "userId")?,
        statuses: statuses(params.status.as_deref())?,
        from: moment(params.from.as_deref(), "from")?,
        to: moment(params.to.as_deref(), "to")?,
        text,
        before: id(params.before, "before")?,
        limit: page_size(params.limit, USUAL_PAGE, LONGEST_PAGE)?,
    };
    page(&state, &query, &parts).await
}

/// Lists the recordings of one call, newest first.
#[utoipa::path(get, path = "/api/calls/{id}/recordings", operation_id = "recordingsOfCall", tag = "recordings",
    params(("id" = String, Path, description = "The call"), PageParams),
    responses((status = 200, body = RecordingPage), (status = "default", body = ErrorBody)))]
async fn recordings_of_call(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(call): CallPath,
    Params(params): Params<PageParams>,
    parts: Parts,
) -> ApiResult<Json<RecordingPage>> {
    let service = service(&state)?;
    let viewer = viewer(service, &caller);
    // Of a call that merged into another, those of the other.
    let call = match viewer {
        Viewer::Everyone => call,
        Viewer::User { .. } => state.handle().call(call, &caller.user).await?.id,
    };
    let query = RecordingQuery {
        viewer,
        call: Some(call),
        channel: None,
        user: None,
        statuses: Vec::new(),
        from: None,
        to: None,
        text: None,
        before: id(params.before, "before")?,
        limit: page_size(params.limit, USUAL_PAGE, LONGEST_PAGE)?,
    };
    page(&state, &query, &parts).await
}

async fn page(state: &AppState, query: &RecordingQuery, parts: &Parts) -> ApiResult<Json<RecordingPage>> {
    let found = service(state)?.find(query).await?;
    let mut recordings = Vec::with_capacity(found.recordings.len());
    for known in &found.recordings {
        recordings.push(view(state, known, parts).await?);
    }
    Ok(Json(RecordingPage { recordings, next: found.next.map(|id| id.to_string()) }))
}

/// Returns one recording.
#[utoipa::path(get, path = "/api/recordings/{id}", operation_id = "getRecording", tag = "recordings",
    params(("id" = String, Path, description = "The recording")),
    responses((status = 200, body = RecordingAnswer), (status = "default", body = ErrorBody)))]
async fn one_recording(
    State(state): State<AppState>,
    caller: Caller,
    RecordingPath(id): RecordingPath,
    parts: Parts,
) -> ApiResult<Json<RecordingAnswer>> {
    let known = seen(&state, &caller, id).await?;
    answer(&state, &known, &parts).await
}

/// Changes how long a recording is kept. Whoever started it can, and administrators.
#[utoipa::path(patch, path = "/api/recordings/{id}", operation_id = "changeRecording", tag = "recordings",
    request_body = ChangeRecording, params(("id" = String, Path, description = "The recording")),
    responses((status = 200, body = RecordingAnswer), (status = "default", body = ErrorBody)))]
async fn change_recording(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    RecordingPath(id): RecordingPath,
    parts: Parts,
    Body(body): Body<ChangeRecording>,
) -> ApiResult<Json<RecordingAnswer>> {
    let service = service(&state)?;
    let mut known = own(&state, &caller, id).await?;
    if body.legal_hold.is_some() {
        caller.require(Permission::Admin)?;
    }
    if let Some(days) = body.retention_days {
        known = service.set_retention(id, days_in_range(days)?).await?;
    }
    if let Some(held) = body.legal_hold {
        known = service.set_hold(id, held).await?;
    }
    if caller.may(Permission::Admin) {
        let details = json!({"retentionDays": known.retention_days, "legalHold": known.legal_hold});
        note(&state, &caller, &address, "recording.changed", id, details).await;
    }
    answer(&state, &known, &parts).await
}

/// Deletes a recording with all its files. Whoever started it can, and administrators. One that is still being made has to be stopped
/// first.
#[utoipa::path(delete, path = "/api/recordings/{id}", operation_id = "deleteRecording", tag = "recordings",
    params(("id" = String, Path, description = "The recording")),
    responses((status = 200, body = DeletedRecording), (status = "default", body = ErrorBody)))]
async fn delete_recording(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    RecordingPath(id): RecordingPath,
) -> ApiResult<Json<DeletedRecording>> {
    let known = own(&state, &caller, id).await?;
    let pending_files = service(&state)?.delete(id).await?;
    // Whoever deletes what others took part in leaves a trace, administrator or not.
    let details = json!({"callId": known.call, "startedAt": known.started_at.to_rfc3339()});
    note(&state, &caller, &address, "recording.deleted", id, details).await;
    Ok(Json(DeletedRecording { success: true, pending_files }))
}

/// Lists the files of a recording's tracks: what each participant sent, as it was sent.
#[utoipa::path(get, path = "/api/recordings/{id}/tracks", operation_id = "recordingTracks", tag = "recordings",
    params(("id" = String, Path, description = "The recording")),
    responses((status = 200, body = TrackList), (status = "default", body = ErrorBody)))]
async fn tracks(
    State(state): State<AppState>,
    caller: Caller,
    RecordingPath(id): RecordingPath,
    parts: Parts,
) -> ApiResult<Json<TrackList>> {
    seen(&state, &caller, id).await?;
    let files = service(&state)?.files(id).await?;
    let users: Vec<&UserId> = files.iter().filter_map(|file| file.track.as_ref()?.user.as_ref()).collect();
    let shown = state.people.show(&users).await;
    let tracks = files.iter().filter(|file| file.kind == FileKind::Track);
    let view = |file: &RecordingFile| {
        RecordedTrack::new(file, &shown, link(&state, &format!("/api/recordings/{id}/tracks/{}", file.id), &parts))
    };
    Ok(Json(TrackList { tracks: tracks.filter_map(view).collect() }))
}

/// Returns what holds for the recordings in a channel.
#[utoipa::path(get, path = "/api/channels/{id}/recording-settings", operation_id = "channelRecordingSettings",
    tag = "recordings", params(("id" = String, Path, description = "The channel")),
    responses((status = 200, body = ChannelRecordingSettings), (status = "default", body = ErrorBody)))]
async fn channel_rules(
    State(state): State<AppState>,
    _: Admin,
    ChannelPath(channel): ChannelPath,
) -> ApiResult<Json<ChannelRecordingSettings>> {
    state.handle().any_channel(&channel).await?;
    let ChannelRecordingRules { retention_days, most_bytes } = service(&state)?.channel_rules(&channel).await?;
    Ok(Json(ChannelRecordingSettings { retention_days, max_bytes: most_bytes }))
}

/// Sets what holds for the recordings in a channel.
#[utoipa::path(put, path = "/api/channels/{id}/recording-settings", operation_id = "setChannelRecordingSettings",
    tag = "recordings", request_body = ChannelRecordingSettings, params(("id" = String, Path, description = "The channel")),
    responses((status = 200, body = ChannelRecordingSettings), (status = "default", body = ErrorBody)))]
async fn set_channel_rules(
    State(state): State<AppState>,
    admin: Admin,
    ChannelPath(channel): ChannelPath,
    Body(body): Body<ChannelRecordingSettings>,
) -> ApiResult<Json<ChannelRecordingSettings>> {
    if body.max_bytes.is_some_and(|bytes| bytes > i64::MAX as u64) {
        return Err(ApiError::invalid("maxBytes", "is too large"));
    }
    let rules =
        ChannelRecordingRules { retention_days: days_in_range(body.retention_days)?, most_bytes: body.max_bytes };
    service(&state)?.set_channel_rules(&channel, rules).await?;
    let details = json!({"retentionDays": body.retention_days, "maxBytes": body.max_bytes});
    admin.note(&state, "channel.recording_settings", &channel, details).await;
    Ok(Json(body))
}

/// A recording that the caller may see.
async fn seen(state: &AppState, caller: &Caller, id: RecordingId) -> ApiResult<Known> {
    let service = service(state)?;
    Ok(service.one(id, &viewer(service, caller)).await?)
}

/// One that the caller may change or delete.
async fn own(state: &AppState, caller: &Caller, id: RecordingId) -> ApiResult<Known> {
    let known = seen(state, caller, id).await?;
    if known.started_by.as_ref() == Some(&caller.user) || caller.may(Permission::Admin) {
        return Ok(known);
    }
    Err(ApiError::new(ErrorCode::Forbidden, "only whoever started the recording can do this, or an administrator"))
}

async fn answer(state: &AppState, known: &Known, parts: &Parts) -> ApiResult<Json<RecordingAnswer>> {
    Ok(Json(RecordingAnswer { success: true, recording: view(state, known, parts).await? }))
}

pub(super) async fn view(state: &AppState, known: &Known, parts: &Parts) -> ApiResult<Recording> {
    let main = match service(state)?.main_file(known.id).await {
        Ok(file) => Some(file),
        Err(RecordingRefusal::NotReady(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let url = main.as_ref().map(|_| link(state, &format!("/api/recordings/{}/file", known.id), parts));
    Ok(Recording::new(known, main.as_ref(), url))
}

/// A signed URL of a path.
fn link(state: &AppState, path: &str, parts: &Parts) -> String {
    let expires = state.handle().now() + state.config.recording_link_ttl;
    format!("{}{path}?{}", base_url(parts, &state.config), state.config.link_key.sign(path, expires))
}

fn id<T: std::str::FromStr<Err = model::IdError>>(text: Option<String>, field: &'static str) -> ApiResult<Option<T>> {
    text.map(|text| text.parse()).transpose().map_err(|error| ApiError::invalid_id(field, &error))
}

fn moment(text: Option<&str>, field: &'static str) -> ApiResult<Option<Timestamp>> {
    let parsed = text.map(|text| Timestamp::from_rfc3339(text).ok_or(()));
    parsed.transpose().map_err(|()| ApiError::invalid(field, "must be a time such as 2026-11-30T02:10:00Z"))
}

fn days_in_range(days: Option<u32>) -> ApiResult<Option<u32>> {
    match days {
        Some(days) if !(1..=MOST_DAYS).contains(&days) => Err(ApiError::invalid("retentionDays", "1 to 36500")),
        days => Ok(days),
    }
}

fn statuses(list: Option<&str>) -> ApiResult<Vec<RecordingStatus>> {
    let words = list.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            word.parse().map_err(|()| ApiError::invalid("status", "must be recording statuses, separated by commas"))
        })
        .collect()
}

/// Whether the call is one that the caller has a part in, for an upload.
pub(super) async fn call_of(state: &AppState, caller: &Caller, call: CallId) -> ApiResult<call::CallSnapshot> {
    Ok(state.handle().call(call, &caller.user).await?)
}
