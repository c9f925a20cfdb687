//! Twirp's errors: a code, its HTTP status, a JSON body whatever the request was in.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use livekit::RoomRefusal;
use serde::Serialize;

/// Twirp's codes, as far as they are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    AlreadyExists,
    BadRoute,
    Canceled,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
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
            Code::AlreadyExists => "already_exists",
            Code::BadRoute => "bad_route",
            Code::Canceled => "canceled",
            Code::DeadlineExceeded => "deadline_exceeded",
            Code::FailedPrecondition => "failed_precondition",
            Code::Internal => "internal",
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
            Code::AlreadyExists => StatusCode::CONFLICT,
            Code::BadRoute | Code::NotFound => StatusCode::NOT_FOUND,
            Code::Canceled | Code::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
            Code::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Code::InvalidArgument | Code::Malformed => StatusCode::BAD_REQUEST,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        }
    }
}

/// An answer that is none. Its words are LiveKit's where LiveKit has the same refusal: people compare them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TwirpError {
    code: Code,
    message: String,
    meta: Option<Meta>,
}

/// What a program may want to know of it, by name.
type Meta = (&'static str, String);

impl TwirpError {
    pub fn new(code: Code, message: String) -> Self {
        Self { code, message, meta: None }
    }

    /// A refusal that comes from behind LiveKit's server API, which says so before the words.
    pub fn from_behind(code: Code, message: impl std::fmt::Display) -> Self {
        Self::new(code, format!("twirp error unknown: {message}"))
    }

    /// Something in the request is wrong, and what is to be known of that.
    pub fn argument(argument: &str, detail: impl std::fmt::Display) -> Self {
        let meta = Some(("argument", argument.to_owned()));
        Self { code: Code::InvalidArgument, message: format!("{argument} {detail}"), meta }
    }

    /// There is nothing for this verb and path, or not so.
    pub fn bad_route(message: String, verb: &str, path: &str) -> Self {
        Self { code: Code::BadRoute, message, meta: Some(("twirp_invalid_route", format!("{verb} {path}"))) }
    }
}

/// LiveKit's code of an RPC's error as Twirp has it; the codes that are not named are the method's own.
fn rpc_code(code: u32) -> Code {
    match code {
        1400 => Code::InvalidArgument,
        1401 => Code::NotFound,
        1402 | 1504 => Code::Malformed,
        1403 | 1404 => Code::Unimplemented,
        1501 | 1502 => Code::Canceled,
        1503 => Code::Unavailable,
        _ => Code::Internal,
    }
}

impl From<RoomRefusal> for TwirpError {
    fn from(refusal: RoomRefusal) -> Self {
        let message = refusal.to_string();
        let code = match refusal {
            RoomRefusal::RoomNotFound | RoomRefusal::ParticipantNotFound | RoomRefusal::TrackNotFound => Code::NotFound,
            RoomRefusal::TooLong { what, most } => return Self::argument(what, most),
            RoomRefusal::Nonce(_) | RoomRefusal::Invalid(_) => return Self::new(Code::InvalidArgument, message),
            RoomRefusal::Unsupported(_) => return Self::new(Code::Unimplemented, message),
            RoomRefusal::RemoteUnmute => Code::FailedPrecondition,
            RoomRefusal::IdentityTaken => Code::AlreadyExists,
            RoomRefusal::Busy => Code::ResourceExhausted,
            RoomRefusal::Unavailable => Code::Unavailable,
            RoomRefusal::Rpc { code, .. } => rpc_code(code),
        };
        Self::from_behind(code, message)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    msg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_object")]
    meta: Option<Meta>,
}

fn as_object<S: serde::Serializer>(meta: &Option<Meta>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(meta.iter().map(|(name, value)| (name, value)))
}

impl IntoResponse for TwirpError {
    fn into_response(self) -> Response {
        let body = Body { code: self.code.as_str(), msg: &self.message, meta: self.meta };
        let body = serde_json::to_string(&body).unwrap_or_default();
        // Go escapes these in what is plain JSON, as errors are.
        let escaped =
            [("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029")];
        let body = escaped.iter().fold(body, |body, (letter, escape)| body.replace(letter, escape));
        // Clients compare the content type exactly.
        let form = HeaderValue::from_static("application/json");
        (self.code.status(), [(header::CONTENT_TYPE, form)], body).into_response()
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
            (RoomRefusal::TooLong { what: "x", most: 1 }, "invalid_argument", 400),
            (RoomRefusal::Unsupported("x"), "unimplemented", 501),
            (RoomRefusal::RemoteUnmute, "failed_precondition", 412),
            (RoomRefusal::IdentityTaken, "already_exists", 409),
            (RoomRefusal::Busy, "resource_exhausted", 429),
            (rpc(1402), "malformed", 400),
            (rpc(1502), "canceled", 408),
            (rpc(1400), "invalid_argument", 400),
            (rpc(1404), "unimplemented", 501),
            (rpc(7), "internal", 500),
        ] {
            let error = TwirpError::from(refusal);
            assert_eq!((error.code.as_str(), error.code.status().as_u16()), (code, status));
        }
        assert_eq!(TwirpError::from(rpc(7)).message, "twirp error unknown: RpcError 7: m: d");
    }

    #[tokio::test]
    async fn the_body_is_as_go_writes_it() {
        let error = TwirpError::bad_route("no <path> & \"such\"".to_owned(), "POST", "/x");
        let body = axum::body::to_bytes(error.into_response().into_body(), 1_000).await.unwrap();
        let expected = r#"{"code":"bad_route","msg":"no \u003cpath\u003e \u0026 \"such\"","meta":{"twirp_invalid_route":"POST /x"}}"#;
        assert_eq!(body, expected);
    }
}
