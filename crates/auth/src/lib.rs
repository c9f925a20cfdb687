//! Tokens, pure: verify and mint. Keys and time are passed in. Passwords by argon2id.

mod livekit;

pub use livekit::{LiveKitClaims, VideoGrant};
