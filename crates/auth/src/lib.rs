//! Tokens and passwords: verifying and minting them. Pure: keys, time and randomness are passed in.
//!
//! Owns what a credential says, whether it is valid, and what a name may look like. Knows no HTTP, no store and no
//! clock. A refused token says why ([`Refusal`]), and whether its sender may learn the reason.

mod csrf;
mod jwks;
mod jwt;
mod link;
mod livekit;
mod names;
mod password;
mod refusal;
mod session;
mod user;

pub use csrf::{RequestOrigin, may_change_state, may_open_socket};
pub use jwks::{KeySet, KeySetError};
pub use link::{LinkError, LinkKey};
pub use livekit::{CallPass, LiveKitClaims, LiveKitKey, LiveKitKeys, VideoGrant, mint_call_pass, mint_livekit};
pub use names::{
    LONGEST_NAME, LONGEST_TYPED_NAME, NameError, is_reserved, shown_name, skeleton, typed_name, username, username_key,
};
pub use password::{hash_password, verify_absent, verify_password};
pub use refusal::Refusal;
pub use session::{SessionToken, session_hash};
pub use user::{DEFAULT_PERMISSIONS, UserClaims, UserVerifier, mint_user};

/// Clock skew that is forgiven between us and whoever minted a token, in seconds.
pub const LEEWAY_SECONDS: u64 = 60;

/// The longest token that is looked at, in bytes; a host app's claims fit many times over.
pub const LONGEST_TOKEN: usize = 16 * 1024;
