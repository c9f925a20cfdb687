//! Recordings that a client has made by itself, with MediaRecorder: `multipart/form-data` with the file in it.

use axum::Json;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::StatusCode;
use control::Upload;
use model::{CallId, ErrorCode, Permission};
use tokio::io::AsyncWriteExt;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{RecordingAnswer, call_of, service, view};
use crate::access::caller::Caller;
use crate::http::body::{CallPath, is_late};
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::state::AppState;

/// Fields that are passed over before the file.
const MOST_FIELDS: usize = 16;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    // The file is counted as it comes in.
    OpenApiRouter::new().routes(routes!(upload)).routes(routes!(upload_bare)).layer(DefaultBodyLimit::disable())
}

/// A form with a file.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes the form for the OpenAPI document")]
pub(crate) struct UploadForm {
    /// The file: WebM or MP4.
    #[schema(value_type = String, format = Binary)]
    recording: Vec<u8>,
}

/// Uploads a recording of a call that a client has made: WebM or MP4, in a form, in the field `recording`. This needs the permission
/// `calls:record`.
#[utoipa::path(post, path = "/api/calls/{id}/recording", operation_id = "uploadRecording", tag = "recordings",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    params(("id" = String, Path, description = "The call")),
    responses((status = 201, body = RecordingAnswer), (status = "default", body = ErrorBody)))]
async fn upload(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(call): CallPath,
    request: Request,
) -> ApiResult<(StatusCode, Json<RecordingAnswer>)> {
    take(&state, &caller, call, request).await
}

/// Uploads a recording of a call that a client has made.
#[utoipa::path(post, path = "/calls/{id}/recording", operation_id = "bareUploadRecording", tag = "dialects",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    params(("id" = String, Path, description = "The call")),
    responses((status = 201, body = RecordingAnswer), (status = "default", body = ErrorBody)))]
async fn upload_bare(
    State(state): State<AppState>,
    caller: Caller,
    CallPath(call): CallPath,
    request: Request,
) -> ApiResult<(StatusCode, Json<RecordingAnswer>)> {
    take(&state, &caller, call, request).await
}

async fn take(
    state: &AppState,
    caller: &Caller,
    call: CallId,
    request: Request,
) -> ApiResult<(StatusCode, Json<RecordingAnswer>)> {
    let service = service(state)?;
    if !state.config.features.call_recording {
        return Err(ApiError::new(ErrorCode::FeatureDisabled, "calls are not recorded on this server"));
    }
    caller.require(Permission::CallsRecord)?;
    let call = call_of(state, caller, call).await?;
    if call.participant(&caller.user).is_none_or(|part| part.joined_at.is_none()) {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            "only those who took part in a call can upload a recording of it",
        ));
    }
    state.limits.uploads.check(&caller.user)?;
    let most = service.settings().most_upload;
    if declared(&request).is_some_and(|length| length > most.saturating_add(64 << 10)) {
        return Err(control::RecordingRefusal::TooLong(most).into());
    }
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts.clone(), body);
    let mut form = Multipart::from_request(request, state).await.map_err(|_| {
        ApiError::new(ErrorCode::UnsupportedMediaType, "send a form: Content-Type: multipart/form-data")
    })?;
    let upload = service.begin_upload(call.channel.as_ref(), &caller.user).await?;
    if let Err(error) = receive(&mut form, &upload).await {
        service.drop_upload(&upload).await;
        return Err(error);
    }
    let known = service.finish_upload(upload, call.id, call.channel.clone(), caller.user.clone()).await?;
    let recording = view(state, &known, &parts).await?;
    Ok((StatusCode::CREATED, Json(RecordingAnswer { success: true, recording })))
}

fn declared(request: &Request) -> Option<u64> {
    request.headers().get(axum::http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Finds the file in the form and writes it to where the upload says.
async fn receive(form: &mut Multipart, upload: &Upload) -> ApiResult<()> {
    for _ in 0..MOST_FIELDS {
        match form.next_field().await.map_err(|error| refuse(&error))? {
            // What the client calls the file is not looked at.
            Some(field) if field.file_name().is_some() || field.name() == Some("recording") => {
                return write(field, upload).await;
            }
            Some(_) => {}
            None => break,
        }
    }
    Err(ApiError::invalid("recording", "the form must have a file in this field"))
}

async fn write(mut field: Field<'_>, upload: &Upload) -> ApiResult<()> {
    let failed = |error: std::io::Error| {
        tracing::error!(%error, "cannot write an upload");
        ApiError::from(control::RecordingRefusal::DiskFull)
    };
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&upload.path).await.map_err(failed)?;
    let mut length = 0;
    while let Some(piece) = field.chunk().await.map_err(|error| refuse(&error))? {
        length += piece.len() as u64;
        if length > upload.most {
            return Err(control::RecordingRefusal::TooLong(upload.most).into());
        }
        file.write_all(&piece).await.map_err(failed)?;
    }
    if length == 0 {
        return Err(ApiError::invalid("recording", "the file is empty"));
    }
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)
}

fn refuse(error: &MultipartError) -> ApiError {
    if is_late(error) {
        return ApiError::new(ErrorCode::RequestTimeout, "the body did not arrive in time");
    }
    ApiError::new(ErrorCode::InvalidRequest, "the body is not a complete multipart form")
}
