//! The web app's session: a random token in a cookie, of which the store knows only the hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Secret;
use sha2::{Digest, Sha256};

/// A new session's token.
#[derive(Debug, Clone)]
pub struct SessionToken {
    /// For the cookie; 43 characters.
    pub token: Secret<String>,
    /// Hash of the token, which is all that the store keeps of it.
    pub hash: [u8; 32],
}

impl SessionToken {
    /// From 32 bytes of a cryptographic random source.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let hash = session_hash(&token);
        Self { token: Secret::new(token), hash }
    }
}

/// What the store knows a token by.
pub fn session_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
