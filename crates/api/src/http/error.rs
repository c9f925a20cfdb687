//! The one place that turns an error into a response: status, stable code, message, details.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use call::CommandError;
use control::{ControlError, RecordingRefusal, StoreError};
use model::{ErrorCode, IdError};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::http::limits::Reading;

/// A refusal or failure, on its way out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    pub code: ErrorCode,
    pub message: Cow<'static, str>,
    pub details: Option<Value>,
    pub retry_after: Option<u64>,
    /// What the limit that refused it says about its sender.
    pub limited: Option<Reading>,
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), details: None, retry_after: None, limited: None }
    }

    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// No credentials or ones that nobody of ours has made: always these words.
    pub fn unauthorized() -> Self {
        Self::new(ErrorCode::Unauthorized, "sign in, or send a valid bearer token")
    }

    /// A field does not hold what it should.
    pub fn invalid(field: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        let reason = reason.into();
        Self::new(ErrorCode::InvalidRequest, format!("{field}: {reason}"))
            .with_details(json!({"field": field, "reason": reason}))
    }

    /// An id is not of its form.
    pub fn invalid_id(field: &'static str, error: &IdError) -> Self {
        Self::new(ErrorCode::InvalidId, format!("{field}: {error}")).with_details(json!({"field": field}))
    }

    pub fn rate_limited(seconds: u64) -> Self {
        Self { retry_after: Some(seconds.max(1)), ..Self::new(ErrorCode::RateLimited, "too many requests") }
    }

    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "nothing was found at this path")
    }

    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "something went wrong on the server")
    }

    pub fn body(&self) -> ErrorBody {
        ErrorBody {
            error: ErrorParts {
                code: self.code.as_str().to_owned(),
                message: self.message.clone().into_owned(),
                details: self.details.clone(),
            },
        }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        let code = error.code();
        match &error {
            ControlError::Call(refusal) => {
                let known = Self::new(code, refusal.to_string());
                match refusal {
                    CommandError::ChannelCallActive(id) | CommandError::AlreadyInCall(id) => {
                        known.with_details(json!({"callId": id}))
                    }
                    CommandError::RecordingTooOften => Self { retry_after: Some(60), ..known },
                    CommandError::CallOver(status) => known.with_details(json!({"status": status})),
                    _ => known,
                }
            }
            ControlError::Store(error @ (StoreError::Unavailable(_) | StoreError::Damaged(_))) => {
                tracing::warn!(%error, "a request failed because the store is unavailable");
                Self { retry_after: Some(1), ..Self::new(code, "the server cannot store this right now; try again") }
            }
            ControlError::Store(StoreError::Refused(reason) | StoreError::Fault(reason)) => {
                tracing::error!(%reason, "the store failed a request");
                Self::internal()
            }
            ControlError::Store(StoreError::Conflict) => Self::new(code, "already taken"),
            ControlError::Stopping => Self { retry_after: Some(2), ..Self::new(code, error.to_string()) },
            _ => Self::new(code, error.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        ControlError::Store(error).into()
    }
}

impl From<RecordingRefusal> for ApiError {
    fn from(error: RecordingRefusal) -> Self {
        let code = error.code();
        match error {
            RecordingRefusal::Control(error) => error.into(),
            // What is wrong with it is for the operator.
            RecordingRefusal::Storage(error) => {
                tracing::error!(%error, "the storage of recordings failed a request");
                match code {
                    ErrorCode::Unavailable => {
                        Self { retry_after: Some(5), ..Self::new(code, "the storage is unavailable") }
                    }
                    _ => Self::internal(),
                }
            }
            RecordingRefusal::DiskFull => Self { retry_after: Some(60), ..Self::new(code, error.to_string()) },
            _ => Self::new(code, error.to_string()),
        }
    }
}

impl From<auth::Refusal> for ApiError {
    /// Whoever holds the key that signed it hears what is wrong with it; to a stranger all refusals look the same.
    fn from(refusal: auth::Refusal) -> Self {
        if !refusal.is_for_holder() {
            return Self::unauthorized();
        }
        let known = Self::new(ErrorCode::Unauthorized, format!("invalid token: {refusal}"));
        known.with_details(json!({"claim": refusal.claim(), "skewSeconds": refusal.skew()}))
    }
}

impl From<auth::NameError> for ApiError {
    fn from(error: auth::NameError) -> Self {
        match error {
            auth::NameError::Form => Self::invalid("name", error.to_string()),
            auth::NameError::Username => Self::invalid("username", error.to_string()),
            auth::NameError::Reserved => Self::new(ErrorCode::NameTaken, error.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(reading) = self.limited {
            reading.write(headers);
        }
        if self.code == ErrorCode::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Any error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    error: ErrorParts,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorParts {
    /// A stable code that programs can rely on.
    code: String,
    /// A message for people. It may change.
    message: String,
    /// More information, depending on the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}
