//! Files of recordings, as a whole or in ranges (RFC 9110, section 14): for whoever is signed in and may see the recording, and for whoever
//! has a link that this server has signed.

use auth::LinkError;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use control::{FileKind, RecordingFile, Viewer};
use model::{ErrorCode, RecordingFormat, RecordingId};
use serde::Deserialize;
use storage::{Ranged, content_range, ranged};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{service, viewer};
use crate::access::identify::MaybeCaller;
use crate::http::body::{Params, RecordingPath, TrackPath};
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::presentation::hex;
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(file)).routes(routes!(track))
}

/// A media file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code, reason = "it describes the answer for the OpenAPI document")]
pub(crate) struct MediaFile(Vec<u8>);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LinkParams {
    /// When the link expires, in seconds since 1970. Part of `fileUrl`.
    expires: Option<String>,
    /// Part of `fileUrl`.
    signature: Option<String>,
}

/// Returns the composed or uploaded file of a recording, or a range of it.
#[utoipa::path(get, path = "/api/recordings/{id}/file", operation_id = "recordingFile", tag = "recordings",
    params(("id" = String, Path, description = "The recording"), LinkParams),
    responses((status = 200, description = "The file", content((MediaFile = "video/mp4"), (MediaFile = "audio/mp4"), (MediaFile = "video/webm"), (MediaFile = "audio/webm"))),
        (status = 206, description = "The range that was asked for", content((MediaFile = "video/mp4"), (MediaFile = "audio/mp4"), (MediaFile = "video/webm"), (MediaFile = "audio/webm"))),
        (status = 409, description = "It has not been composed", body = ErrorBody),
        (status = 416, description = "There are no such bytes", body = ErrorBody),
        (status = "default", body = ErrorBody)))]
async fn file(
    State(state): State<AppState>,
    caller: MaybeCaller,
    RecordingPath(id): RecordingPath,
    Params(link): Params<LinkParams>,
    parts: Parts,
) -> ApiResult<Response> {
    let service = service(&state)?;
    let viewer = admit(&state, caller, &link, &format!("/api/recordings/{id}/file"))?;
    let recording = service.one(id, &viewer).await?;
    let file = service.main_file(id).await?;
    send(&state, &file, recording.format, recording.audio_only, &parts).await
}

/// Returns the file of one track of a recording, or a range of it.
#[utoipa::path(get, path = "/api/recordings/{id}/tracks/{track}", operation_id = "recordingTrack", tag = "recordings",
    params(("id" = String, Path, description = "The recording"),
        ("track" = String, Path, description = "The `id` from the list of tracks"), LinkParams),
    responses((status = 200, description = "The file", content((MediaFile = "video/mp4"), (MediaFile = "audio/mp4"))),
        (status = 206, description = "The range that was asked for", content((MediaFile = "video/mp4"), (MediaFile = "audio/mp4"))),
        (status = 416, description = "There are no such bytes", body = ErrorBody),
        (status = "default", body = ErrorBody)))]
async fn track(
    State(state): State<AppState>,
    caller: MaybeCaller,
    TrackPath(id, track): TrackPath,
    Params(link): Params<LinkParams>,
    parts: Parts,
) -> ApiResult<Response> {
    let service = service(&state)?;
    let viewer = admit(&state, caller, &link, &format!("/api/recordings/{id}/tracks/{track}"))?;
    service.one(id, &viewer).await?;
    let file = service.track(id, track).await?;
    let is_audio = file.track.as_ref().is_some_and(|info| info.media.as_deref() == Some("audio"));
    send(&state, &file, RecordingFormat::Mp4, is_audio, &parts).await
}

/// Whose eyes the file is seen with. A signature counts before anything else, so that a link works the same for whoever has it.
fn admit(state: &AppState, caller: MaybeCaller, link: &LinkParams, path: &str) -> ApiResult<Viewer> {
    if let Some(signature) = &link.signature {
        let expires = link.expires.as_deref().unwrap_or_default();
        return match state.config.link_key.check(path, expires, signature, state.handle().now()) {
            Ok(()) => Ok(Viewer::Everyone),
            Err(error @ LinkError::Expired) => Err(ApiError::new(ErrorCode::LinkExpired, error.to_string())),
            Err(error @ LinkError::Forged) => Err(ApiError::new(ErrorCode::LinkInvalid, error.to_string())),
        };
    }
    let caller = caller.0.ok_or_else(ApiError::unauthorized)?;
    Ok(viewer(service(state)?, &caller))
}

async fn send(
    state: &AppState,
    file: &RecordingFile,
    format: RecordingFormat,
    is_audio: bool,
    parts: &Parts,
) -> ApiResult<Response> {
    let (size, tag) = (file.stored.size, format!("\"{}\"", hex(&file.stored.sha256)));
    let mut headers = HeaderMap::new();
    let mut set = |name: header::HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    set(header::ETAG, &tag);
    set(header::ACCEPT_RANGES, "bytes");
    // A private copy is good as long as it is the same.
    set(header::CACHE_CONTROL, "private, no-cache");
    if is_listed(&parts.headers, header::IF_NONE_MATCH, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let asked = match if_range(&parts.headers, &tag) {
        true => ranged(parts.headers.get(header::RANGE).and_then(|value| value.to_str().ok()), size),
        false => Ranged::Whole,
    };
    let (status, range) = match asked {
        Ranged::Whole => (StatusCode::OK, 0..size),
        Ranged::Part(part) => {
            set(header::CONTENT_RANGE, &content_range(Some(&part), size));
            (StatusCode::PARTIAL_CONTENT, part)
        }
        Ranged::Unsatisfiable => {
            let refusal = ApiError::new(ErrorCode::RangeNotSatisfiable, format!("the file has {size} bytes"));
            let mut response = refusal.into_response();
            if let Ok(value) = HeaderValue::from_str(&content_range(None, size)) {
                response.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            return Ok(response);
        }
    };
    set(header::CONTENT_TYPE, content_type(format, is_audio));
    set(header::CONTENT_LENGTH, &(range.end - range.start).to_string());
    set(header::CONTENT_DISPOSITION, &disposition(file, format));
    if parts.method == Method::HEAD {
        return Ok((status, headers).into_response());
    }
    let pieces = service(state)?.read(file, range).await?;
    Ok((status, headers, Body::from_stream(pieces)).into_response())
}

fn content_type(format: RecordingFormat, is_audio: bool) -> &'static str {
    match (format, is_audio) {
        (RecordingFormat::Mp4, false) => "video/mp4",
        (RecordingFormat::Mp4, true) => "audio/mp4",
        (RecordingFormat::Webm, false) => "video/webm",
        (RecordingFormat::Webm, true) => "audio/webm",
    }
}

/// A name made of IDs; shown by browsers, which play what they can.
fn disposition(file: &RecordingFile, format: RecordingFormat) -> String {
    let RecordingId(recording) = file.recording;
    match file.kind {
        FileKind::Track => format!("inline; filename=\"{recording}-{}.{format}\"", file.id),
        FileKind::Manifest | FileKind::Events | FileKind::Composed | FileKind::Uploaded => {
            format!("inline; filename=\"{recording}.{format}\"")
        }
    }
}

/// Whether a field lists this entity tag, or any. Weak ones count (RFC 9110, 13.1.2).
fn is_listed(headers: &HeaderMap, name: header::HeaderName, tag: &str) -> bool {
    let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

/// Whether a range counts: there is no `If-Range`, or it names this very file. We give no dates, so a date is never the right one
/// (RFC 9110, 13.1.5).
fn if_range(headers: &HeaderMap, tag: &str) -> bool {
    headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes())
}
