//! Stable error codes, for clients to rely on. The text next to a code may change; a code never does.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal;)*) => {
        /// A stable code, with the HTTP status it travels under.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code there is.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => $word,)* }
            }

            /// The HTTP status that goes with the code.
            pub const fn status(self) -> u16 {
                match self { $(ErrorCode::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// The body, path or query does not match what the endpoint expects. `details` says where.
    InvalidRequest = "invalid_request", 400;
    /// An ID does not have the right form.
    InvalidId = "invalid_id", 400;
    /// There are no credentials, or they are not valid.
    Unauthorized = "unauthorized", 401;
    /// The user name or the password is wrong.
    InvalidCredentials = "invalid_credentials", 401;
    /// You are signed in, but not allowed to do this.
    Forbidden = "forbidden", 403;
    /// A feature flag forbids this call.
    FeatureDisabled = "feature_disabled", 403;
    /// The server's policy is not to record calls (`recording.policy`).
    RecordingOff = "recording_off", 403;
    /// The link to a recording has expired. Ask for the recording again to get a new one.
    LinkExpired = "link_expired", 403;
    /// The link to a recording is not one that this server made.
    LinkInvalid = "link_invalid", 403;
    /// A request with a session cookie came without its CSRF proof.
    CsrfRejected = "csrf_rejected", 403;
    /// It does not exist, or you may not see it.
    NotFound = "not_found", 404;
    /// The call does not exist, or you may not see it.
    CallNotFound = "call_not_found", 404;
    /// Nobody with that ID is in the call.
    ParticipantNotFound = "participant_not_found", 404;
    /// The recording does not exist, or you may not see it.
    RecordingNotFound = "recording_not_found", 404;
    /// There is no such user (`users.strict`).
    UserNotFound = "user_not_found", 404;
    /// The channel does not exist, or you are not a member.
    ChannelNotFound = "channel_not_found", 404;
    /// The path exists, but does not support this method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", 408;
    /// The call is over.
    CallOver = "call_over", 409;
    /// Another of the user's devices accepted the call.
    AnsweredElsewhere = "answered_elsewhere", 409;
    /// The call is not in a state that allows this.
    InvalidState = "invalid_state", 409;
    /// The same call ID was used for a different request.
    CallIdConflict = "call_id_conflict", 409;
    /// The channel already has a running call. `details.callId` names it.
    ChannelCallActive = "channel_call_active", 409;
    /// The call is full.
    CallFull = "call_full", 409;
    /// The caller is in another call.
    AlreadyInCall = "already_in_call", 409;
    /// The devices share no way to exchange media.
    NoCommonMedia = "no_common_media", 409;
    /// A recording of the call is being made.
    AlreadyRecording = "already_recording", 409;
    /// The call is not being recorded.
    NotRecording = "not_recording", 409;
    /// The recording asks nobody for consent: everyone is told instead.
    ConsentNotAsked = "consent_not_asked", 409;
    /// The name is taken.
    NameTaken = "name_taken", 409;
    /// There are already as many of these as allowed.
    TooMany = "too_many", 409;
    /// The recording has no such file yet, or is still being made.
    RecordingNotReady = "recording_not_ready", 409;
    /// The recording is on legal hold and cannot be deleted.
    RecordingOnHold = "recording_on_hold", 409;
    /// Recordings take up all the space that they may, on the server, in the channel or of the user.
    RecordingQuota = "recording_quota", 409;
    /// The body is larger than allowed.
    BodyTooLarge = "body_too_large", 413;
    /// The endpoint does not accept the body's content type.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// The file has no bytes in the range that was asked for.
    RangeNotSatisfiable = "range_not_satisfiable", 416;
    /// Too many requests. `Retry-After` says when to try again.
    RateLimited = "rate_limited", 429;
    /// Something went wrong on the server. The log has the details under the request ID.
    Internal = "internal", 500;
    /// The server's disk is too full to record. Try again later.
    StorageFull = "storage_full", 503;
    /// The server is stopping or overloaded, or could not store what you asked for (`/readyz` says why). Try again.
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
