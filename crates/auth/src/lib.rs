//! Tokens and passwords, pure: verify and mint. Keys, time and randomness are passed in.
//!
//! Owns what a credential says and whether it holds. Knows no HTTP, no store and no clock. Every refusal is the
//! one opaque [`Unauthorized`]: whoever is refused learns nothing about why.

mod csrf;
mod jwks;
mod livekit;
mod password;
mod session;
mod user;

pub use csrf::{RequestOrigin, may_change_state, may_open_socket};
pub use jwks::{KeySet, KeySetError};
pub use livekit::{CallPass, LiveKitClaims, LiveKitKey, LiveKitKeys, VideoGrant, mint_call_pass, mint_livekit};
pub use password::{hash_password, verify_absent, verify_password};
pub use session::{SessionToken, session_hash};
pub use user::{DEFAULT_PERMISSIONS, UserClaims, UserVerifier, mint_user};

/// Clock skew that is forgiven between us and whoever minted a token, in seconds.
pub const LEEWAY_SECONDS: u64 = 60;

/// The longest token that is looked at, in bytes; a host app's claims fit many times over.
pub const LONGEST_TOKEN: usize = 16 * 1024;

/// Refused. Says no more than that on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unauthorized")]
pub struct Unauthorized;

/// Whether `now` lies between `not_before` and `expires` (seconds since the epoch), give or take the leeway.
pub(crate) fn in_time(now: model::Timestamp, not_before: Option<f64>, expires: f64) -> bool {
    let now = now.as_millis() as f64 / 1_000.0;
    let leeway = LEEWAY_SECONDS as f64;
    expires.is_finite() && now < expires + leeway && not_before.is_none_or(|from| now >= from - leeway)
}
