//! Extractors for bodies, queries and IDs. Their errors all have the API's one error format.

use std::error::Error;
use std::io;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use model::{CallId, ChannelId, ErrorCode, RecordingId, UserId};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::http::error::{ApiError, ApiResult};

/// The longest body of a request, in bytes.
pub(crate) const LONGEST_BODY: usize = 64 * 1024;

/// A JSON body.
pub(crate) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Json::<T>::from_request(request, state).await.map(|Json(body)| Body(body)).map_err(|r| refuse_json(&r))
    }
}

/// A JSON body that may be left out.
pub(crate) struct OptionalBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let unread = |error: axum::Error| if is_late(&error) { late() } else { too_large() };
        let bytes = axum::body::to_bytes(body, LONGEST_BODY).await.map_err(unread)?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let request = Request::from_parts(parts, bytes.into());
        let Body(body) = Body::from_request(request, state).await?;
        Ok(Self(body))
    }
}

pub(crate) fn too_large() -> ApiError {
    ApiError::new(ErrorCode::BodyTooLarge, format!("the body must not exceed {LONGEST_BODY} bytes"))
}

/// Whether a body could not be read since the rest of it did not come in time.
pub(crate) fn is_late(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn late() -> ApiError {
    ApiError::new(ErrorCode::RequestTimeout, "the body did not arrive in time")
}

fn refuse_json(rejection: &JsonRejection) -> ApiError {
    let reason = rejection.body_text();
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            ApiError::new(ErrorCode::UnsupportedMediaType, "send JSON, with Content-Type: application/json")
        }
        JsonRejection::JsonDataError(_) | JsonRejection::JsonSyntaxError(_) => {
            ApiError::new(ErrorCode::InvalidRequest, "the body does not match what this endpoint expects")
                .with_details(json!({"reason": reason}))
        }
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        other if is_late(other) => late(),
        _ => ApiError::new(ErrorCode::InvalidRequest, "cannot read the body"),
    }
}

/// The query.
pub(crate) struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Query::<T>::from_request_parts(parts, state).await.map(|Query(params)| Params(params)).map_err(|rejection| {
            ApiError::new(ErrorCode::InvalidRequest, "the query does not match what this endpoint expects")
                .with_details(json!({"reason": rejection.body_text()}))
        })
    }
}

async fn path<T: DeserializeOwned + Send, S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<T, ApiError> {
    Path::<T>::from_request_parts(parts, state)
        .await
        .map(|Path(value)| value)
        .map_err(|_| ApiError::new(ErrorCode::InvalidRequest, "the path is not UTF-8"))
}

macro_rules! path_id {
    ($($name:ident($id:ty);)*) => {$(
        /// The `{id}` of the path.
        pub(crate) struct $name(pub $id);

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
                let text: String = path(parts, state).await?;
                text.parse().map($name).map_err(|error| ApiError::invalid_id("id", &error))
            }
        }
    )*};
}

path_id! {
    CallPath(CallId);
    UserPath(UserId);
    ChannelPath(ChannelId);
    RecordingPath(RecordingId);
}

/// The `{id}` of the path, a UUID that is no call's.
pub(crate) struct UuidPath(pub uuid::Uuid);

impl<S: Send + Sync> FromRequestParts<S> for UuidPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text: String = path(parts, state).await?;
        let id = if text.len() == 36 { uuid::Uuid::try_parse(&text).ok() } else { None };
        id.map(Self).ok_or_else(|| {
            ApiError::new(ErrorCode::InvalidId, "id: must be a UUID").with_details(json!({"field": "id"}))
        })
    }
}

/// `{id}` of a channel and `{userId}`.
pub(crate) struct MemberPath(pub ChannelId, pub UserId);

impl<S: Send + Sync> FromRequestParts<S> for MemberPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let (channel, user): (String, String) = path(parts, state).await?;
        let channel = channel.parse().map_err(|error| ApiError::invalid_id("id", &error))?;
        let user = user.parse().map_err(|error| ApiError::invalid_id("userId", &error))?;
        Ok(Self(channel, user))
    }
}

/// `{id}` of a recording and `{track}`.
pub(crate) struct TrackPath(pub RecordingId, pub storage::FileId);

impl<S: Send + Sync> FromRequestParts<S> for TrackPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let (recording, track): (String, String) = path(parts, state).await?;
        let recording = recording.parse().map_err(|error| ApiError::invalid_id("id", &error))?;
        let track = track.parse().map_err(|error| ApiError::invalid_id("track", &error))?;
        Ok(Self(recording, track))
    }
}

/// How long a page is to be.
pub(crate) fn page_size(asked: Option<usize>, usual: usize, longest: usize) -> ApiResult<usize> {
    match asked {
        None => Ok(usual),
        Some(limit) if (1..=longest).contains(&limit) => Ok(limit),
        Some(_) => Err(ApiError::invalid("limit", format!("1 to {longest}"))),
    }
}
