//! API keys of backends. A key opens the parts of the API that its scopes name, as an administrator of those parts. On
//! calls, it acts for the user named in `Stoa-User`.
//!
//! The store knows only a key's hash. A short-lived cache in front of it saves a read per request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use auth::{SessionToken, session_hash};
use axum::http::Method;
use axum::http::request::Parts;
use control::{ApiKey, Handle};
use model::{DeviceId, ErrorCode, Permission, Scope, Secret, UserId};

use crate::access::caller::Caller;
use crate::http::error::{ApiError, ApiResult};
use crate::http::limits::count_request;
use crate::state::AppState;

/// What precedes a key's ID in the audit log. No user's ID in a token may start with it.
pub(crate) const ACTOR: &str = "api-key:";
/// What every key begins with: a bearer token that does is a key.
const PREFIX: &str = "stoa_";
/// Names the user that a key speaks for.
const USER_HEADER: &str = "stoa-user";
/// How long an answer of the store is believed: the longest that a key outlives its revocation on another machine.
const FRESH: Duration = Duration::from_secs(30);
/// The most keys that are kept in memory; beyond that the cache is emptied.
const MOST: usize = 10_000;
/// How exact `lastUsedAt` is.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// Whether a bearer token is a key.
pub(crate) fn is_key(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// A new key and its hash.
pub(crate) fn mint() -> (Secret<String>, [u8; 32]) {
    let text = format!("{PREFIX}{}", SessionToken::from_random(rand::random()).token.reveal());
    let hash = session_hash(&text);
    (Secret::new(text), hash)
}

/// A key, and when it was read.
type Known = (Arc<ApiKey>, Instant);

pub(crate) struct Keys {
    handle: Handle,
    /// By the hash of the secret.
    cached: Mutex<HashMap<[u8; 32], Known>>,
}

impl Keys {
    pub fn new(handle: Handle) -> Self {
        Self { handle, cached: Mutex::default() }
    }

    /// A key that is good.
    async fn find(&self, secret: &str) -> ApiResult<Arc<ApiKey>> {
        let hash = session_hash(secret);
        let cached = self.with(|cached| cached.get(&hash).cloned());
        let key = match cached {
            Some((key, at)) if at.elapsed() < FRESH => key,
            stale => match self.handle.api_key(&hash).await {
                Ok(Some(key)) => self.remember(hash, key),
                Ok(None) => {
                    self.with(|cached| cached.remove(&hash));
                    return Err(ApiError::unauthorized());
                }
                // A store that is away does not lock out those who were let in before.
                Err(error) => stale.map(|(key, _)| key).ok_or(error)?,
            },
        };
        let now = self.handle.now();
        if key.revoked_at.is_some() || key.expires_at.is_some_and(|expires| expires <= now) {
            return Err(ApiError::unauthorized());
        }
        Ok(key)
    }

    fn remember(&self, hash: [u8; 32], key: ApiKey) -> Arc<ApiKey> {
        let now = self.handle.now();
        if key.last_used_at.is_none_or(|used| now.since(used) >= TOUCH_EVERY) {
            let (handle, id) = (self.handle.clone(), key.id);
            // Behind the request's back: a store that is slow to write keeps nobody waiting.
            tokio::spawn(async move {
                if let Err(error) = handle.api_key_used(id, now).await {
                    tracing::debug!(%error, "cannot record when a key was used");
                }
            });
        }
        let key = Arc::new(key);
        self.with(|cached| {
            if cached.len() >= MOST {
                cached.clear();
            }
            cached.insert(hash, (Arc::clone(&key), Instant::now()));
        });
        key
    }

    /// A key was taken out of use.
    pub fn forget(&self) {
        self.with(HashMap::clear);
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<[u8; 32], Known>) -> T) -> T {
        f(&mut self.cached.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Who asks, with a key: refused where its scopes do not cover what is asked for.
pub(crate) async fn caller(state: &AppState, parts: &Parts, secret: &str, device: DeviceId) -> ApiResult<Caller> {
    let key = state.keys.find(secret).await?;
    let itself = UserId::new(format!("{ACTOR}{}", key.id)).map_err(|_| ApiError::internal())?;
    count_request(parts, state.limits.keys.check(&itself)?);
    let scope = scope_of(&parts.method, parts.uri.path());
    if !key.scopes.iter().any(|held| *held == scope || *held == Scope::Admin) {
        let message = format!("this needs a key with the scope {scope}");
        return Err(ApiError::new(ErrorCode::Forbidden, message));
    }
    match scope {
        Scope::Users | Scope::Channels | Scope::Admin => {
            Ok(Caller { user: itself, permissions: vec![Permission::Admin], device })
        }
        Scope::Calls => Ok(Caller { user: spoken_for(parts)?, permissions: CALLS.to_vec(), device }),
    }
}

/// What a key may do to calls, in a user's name.
const CALLS: &[Permission] = &[Permission::CallsCreate, Permission::CallsJoin, Permission::CallsRecord];

fn spoken_for(parts: &Parts) -> ApiResult<UserId> {
    let named = parts.headers.get(USER_HEADER).and_then(|value| value.to_str().ok());
    let named = named.ok_or_else(|| {
        ApiError::invalid("Stoa-User", "an API key acts for a user here: name that user in this header")
    })?;
    let user = UserId::new(named).map_err(|error| ApiError::invalid_id("Stoa-User", &error))?;
    if named.starts_with(ACTOR) {
        return Err(ApiError::invalid("Stoa-User", "must be a user, not an API key"));
    }
    Ok(user)
}

/// The part of the API that a request is for. What is new and not named here is for calls, or takes a user.
fn scope_of(method: &Method, path: &str) -> Scope {
    let mut parts = path.split('/').filter(|part| !part.is_empty()).skip_while(|part| *part == "api");
    match parts.next() {
        Some("users") => Scope::Users,
        Some("channels") if path.starts_with("/api/") => Scope::Channels,
        Some("admin" | "debug") => Scope::Admin,
        Some("ice-servers") if method != Method::GET => Scope::Admin,
        Some("ice-servers") if parts.next().is_some() => Scope::Admin,
        _ => Scope::Calls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_the_api_takes_its_scope() {
        for (method, path, scope) in [
            ("GET", "/api/users", Scope::Users),
            ("DELETE", "/api/users/ann", Scope::Users),
            ("DELETE", "/api/users/ann/turn-credentials", Scope::Users),
            ("PUT", "/api/channels/c/members/u", Scope::Channels),
            ("GET", "/channels/c/calls", Scope::Calls),
            ("POST", "/api/calls/initiate", Scope::Calls),
            ("GET", "/api/ice-servers", Scope::Calls),
            ("POST", "/api/ice-servers", Scope::Admin),
            ("GET", "/api/ice-servers/1", Scope::Admin),
            ("GET", "/api/admin/audit", Scope::Admin),
            ("GET", "/api/debug/connections", Scope::Admin),
            ("GET", "/ws/webrtc/active-connections", Scope::Calls),
        ] {
            assert_eq!(scope_of(&method.parse().unwrap(), path), scope, "{method} {path}");
        }
    }

    #[test]
    fn a_key_is_known_by_its_beginning_and_its_hash() {
        let (key, hash) = mint();
        assert!(is_key(key.reveal()) && key.reveal().len() == 48);
        assert_eq!(hash, session_hash(key.reveal()));
        assert!(!is_key("eyJhbGciOi.x.y"));
    }
}
