//! Stable error codes: what a client switches on. The text beside a code may change, a code never does.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal;)*) => {
        /// A stable code, with the HTTP status it travels under.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => $word,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(ErrorCode::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// The body, path or query is not what the endpoint takes; `details` says where.
    InvalidRequest = "invalid_request", 400;
    /// An id is not of its form.
    InvalidId = "invalid_id", 400;
    /// No credentials, or ones that do not verify.
    Unauthorized = "unauthorized", 401;
    /// Name and password do not belong together.
    InvalidCredentials = "invalid_credentials", 401;
    /// Signed in, but not allowed.
    Forbidden = "forbidden", 403;
    /// A feature flag forbids this call.
    FeatureDisabled = "feature_disabled", 403;
    /// A request with a cookie came without its CSRF proof.
    CsrfRejected = "csrf_rejected", 403;
    /// No such thing, or none that the asker may know of.
    NotFound = "not_found", 404;
    /// No such call, or none that the asker may know of.
    CallNotFound = "call_not_found", 404;
    /// Nobody of that name is in the call.
    ParticipantNotFound = "participant_not_found", 404;
    /// No such user (`users.strict`).
    UserNotFound = "user_not_found", 404;
    /// No such channel, or none that the asker is a member of.
    ChannelNotFound = "channel_not_found", 404;
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The body did not come in time.
    RequestTimeout = "request_timeout", 408;
    /// The call is over.
    CallOver = "call_over", 409;
    /// Another of the user's devices has taken the call.
    AnsweredElsewhere = "answered_elsewhere", 409;
    /// The act does not fit where the call stands.
    InvalidState = "invalid_state", 409;
    /// The same call id was used for another request.
    CallIdConflict = "call_id_conflict", 409;
    /// The channel has a running call; `details.callId` names it.
    ChannelCallActive = "channel_call_active", 409;
    /// The call is full.
    CallFull = "call_full", 409;
    /// The caller is in another call.
    AlreadyInCall = "already_in_call", 409;
    /// No topology that every device can do.
    NoCommonMedia = "no_common_media", 409;
    /// The name is taken.
    NameTaken = "name_taken", 409;
    /// There are as many of these as there may be.
    TooMany = "too_many", 409;
    /// The body is larger than allowed.
    BodyTooLarge = "body_too_large", 413;
    /// The body's content type is not taken here.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// Too many requests; `Retry-After` says when to come back.
    RateLimited = "rate_limited", 429;
    /// Something on the server failed; the log has the rest under the request id.
    Internal = "internal", 500;
    /// The server is stopping or overloaded; try again.
    Unavailable = "unavailable", 503;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_snake_case() {
        let mut seen = std::collections::BTreeSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!((400..=503).contains(&code.status()));
        }
    }
}
