//! Twirp's errors: a code, its HTTP status, a JSON body whatever the request was in.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use livekit::RoomRefusal;
use serde_json::{Value, json};

/// Twirp's codes, as far as they are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Aborted,
    AlreadyExists,
    BadRoute,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    Malformed,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Code::Aborted => "aborted",
            Code::AlreadyExists => "already_exists",
            Code::BadRoute => "bad_route",
            Code::DeadlineExceeded => "deadline_exceeded",
            Code::FailedPrecondition => "failed_precondition",
            Code::InvalidArgument => "invalid_argument",
            Code::Malformed => "malformed",
            Code::NotFound => "not_found",
            Code::PermissionDenied => "permission_denied",
            Code::ResourceExhausted => "resource_exhausted",
            Code::Unauthenticated => "unauthenticated",
            Code::Unavailable => "unavailable",
            Code::Unimplemented => "unimplemented",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Code::Aborted | Code::AlreadyExists => StatusCode::CONFLICT,
            Code::BadRoute | Code::NotFound => StatusCode::NOT_FOUND,
            Code::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
            Code::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Code::InvalidArgument | Code::Malformed => StatusCode::BAD_REQUEST,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        }
    }
}

/// An answer that is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TwirpError {
    code: Code,
    message: String,
    meta: Option<Value>,
}

impl TwirpError {
    pub fn new(code: Code, message: String) -> Self {
        Self { code, message, meta: None }
    }

    pub fn invalid(message: &str) -> Self {
        Self::new(Code::InvalidArgument, message.to_owned())
    }
}

/// LiveKit's codes of RPC errors that have a counterpart here; the others are the method's own.
fn rpc_code(code: u32) -> Code {
    match code {
        1400 => Code::Unimplemented,
        1401 => Code::NotFound,
        1402 | 1504 => Code::InvalidArgument,
        1501 | 1502 => Code::DeadlineExceeded,
        1503 | 1505 => Code::Unavailable,
        _ => Code::Aborted,
    }
}

impl From<RoomRefusal> for TwirpError {
    fn from(refusal: RoomRefusal) -> Self {
        let message = refusal.to_string();
        let code = match refusal {
            RoomRefusal::RoomNotFound | RoomRefusal::ParticipantNotFound | RoomRefusal::TrackNotFound => Code::NotFound,
            RoomRefusal::Invalid(_) => Code::InvalidArgument,
            RoomRefusal::Unsupported(_) => Code::Unimplemented,
            RoomRefusal::RemoteUnmute => Code::FailedPrecondition,
            RoomRefusal::IdentityTaken => Code::AlreadyExists,
            RoomRefusal::Busy => Code::ResourceExhausted,
            RoomRefusal::Unavailable => Code::Unavailable,
            RoomRefusal::Rpc { code, data, .. } => {
                let meta = Some(json!({ "rpc_code": code.to_string(), "rpc_data": data }));
                return Self { code: rpc_code(code), message, meta };
            }
        };
        Self::new(code, message)
    }
}

impl IntoResponse for TwirpError {
    fn into_response(self) -> Response {
        let mut body = json!({ "code": self.code.as_str(), "msg": self.message });
        if let Some(meta) = self.meta {
            body["meta"] = meta;
        }
        // Clients compare the content type exactly.
        let form = HeaderValue::from_static("application/json");
        (self.code.status(), [(header::CONTENT_TYPE, form)], body.to_string()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_a_code_and_its_status() {
        let rpc = |code| RoomRefusal::Rpc { code, message: "m".to_owned(), data: "d".to_owned() };
        for (refusal, code, status) in [
            (RoomRefusal::RoomNotFound, "not_found", 404),
            (RoomRefusal::Invalid("x"), "invalid_argument", 400),
            (RoomRefusal::Unsupported("x"), "unimplemented", 501),
            (RoomRefusal::RemoteUnmute, "failed_precondition", 412),
            (RoomRefusal::Busy, "resource_exhausted", 429),
            (rpc(1502), "deadline_exceeded", 408),
            (rpc(1400), "unimplemented", 501),
            (rpc(7), "aborted", 409),
        ] {
            let error = TwirpError::from(refusal);
            assert_eq!((error.code.as_str(), error.code.status().as_u16()), (code, status));
        }
        assert_eq!(TwirpError::from(rpc(7)).meta, Some(json!({ "rpc_code": "7", "rpc_data": "d" })));
    }
}
