//! Sessions of the web app: a random token in a cookie, and its hash in the store.
//!
//! A short-lived cache in front of the store saves a read per request and lets sessions survive while the store is
//! away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use auth::{SessionToken, session_hash};
use axum::http::{HeaderMap, HeaderValue, header};
use control::{ControlError, Handle};
use model::{Permission, Timestamp, UserId};

/// The session cookie's name.
pub(crate) const COOKIE: &str = "stoa_session";
/// How long an answer of the store is believed.
const FRESH: Duration = Duration::from_secs(30);
/// The most sessions that are kept in memory; beyond that the cache is emptied.
const MOST: usize = 20_000;

/// Who a session belongs to, what it may do, and until when.
pub(crate) type Holder = (UserId, Vec<Permission>, Timestamp);

pub(crate) struct Sessions {
    handle: Handle,
    ttl: Duration,
    cached: Mutex<HashMap<[u8; 32], (Holder, Instant)>>,
}

impl Sessions {
    pub fn new(handle: Handle, ttl: Duration) -> Self {
        Self { handle, ttl, cached: Mutex::default() }
    }

    /// Opens a session; what is returned is the answer's `Set-Cookie`.
    pub async fn open(
        &self,
        user: &UserId,
        permissions: &[Permission],
        secure: bool,
    ) -> Result<HeaderValue, ControlError> {
        let session = SessionToken::from_random(rand::random());
        let expires = self.handle.now() + self.ttl;
        self.handle.open_session(&session.hash, user, permissions, expires).await?;
        Ok(cookie(session.token.reveal(), self.ttl, secure))
    }

    /// Who the cookie's session belongs to.
    pub async fn holder(&self, token: &str) -> Option<Holder> {
        let hash = session_hash(token);
        let cached = self.with(|cached| cached.get(&hash).cloned());
        if let Some((holder, at)) = &cached
            && at.elapsed() < FRESH
        {
            return Some(holder.clone());
        }
        match self.handle.session(&hash).await {
            Ok(Some(holder)) => {
                self.with(|cached| {
                    if cached.len() >= MOST {
                        cached.clear();
                    }
                    cached.insert(hash, (holder.clone(), Instant::now()))
                });
                Some(holder)
            }
            Ok(None) => {
                self.with(|cached| cached.remove(&hash));
                None
            }
            Err(error) => {
                tracing::debug!(%error, "cannot read a session");
                cached.map(|(holder, _)| holder)
            }
        }
    }

    /// Ends the cookie's session; what is returned is the answer's `Set-Cookie`, which takes the cookie away.
    pub async fn close(&self, token: Option<&str>, secure: bool) -> Result<HeaderValue, ControlError> {
        if let Some(token) = token {
            let hash = session_hash(token);
            self.with(|cached| cached.remove(&hash));
            self.handle.close_session(&hash).await?;
        }
        Ok(cookie("", Duration::ZERO, secure))
    }

    /// Forgets the sessions of a user who was erased.
    pub fn forget(&self, user: &UserId) {
        self.with(|cached| cached.retain(|_, ((holder, ..), _)| holder != user));
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<[u8; 32], (Holder, Instant)>) -> T) -> T {
        f(&mut self.cached.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The session token a request came with.
pub(crate) fn token_of(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, token)| token)
}

fn cookie(token: &str, age: Duration, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}", age.as_secs());
    HeaderValue::try_from(text).expect("a token is base64url")
}
