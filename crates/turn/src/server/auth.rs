//! Who sends a request: the long-term credential mechanism (RFC 8489 §9.2.4).

use std::time::Instant;

use model::UserId;

use super::Server;
use crate::credentials::parse_username;
use crate::message::{Key, Message, Method, attr};
use crate::{AllocationId, FiveTuple};

/// Somebody whose request is genuine.
pub(super) struct Caller {
    pub(super) key: Key,
    pub(super) username: Box<str>,
    pub(super) user: UserId,
}

/// Why a request is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// Not authenticated; the answer is unsigned and counts against the source.
    Stranger(u16),
    /// Genuine, but not by the owner of the allocation: 441, signed.
    WrongCredentials(Key),
}

const BAD_REQUEST: Rejection = Rejection::Stranger(400);
const UNAUTHORIZED: Rejection = Rejection::Stranger(401);
const STALE_NONCE: Rejection = Rejection::Stranger(438);

impl Server {
    /// The nonce is looked at first, as it is the cheapest to check and a forged source never has one.
    pub(super) fn authenticate(
        &self,
        now: Instant,
        client: &FiveTuple,
        message: &Message<'_>,
        existing: Option<AllocationId>,
    ) -> Result<Caller, Rejection> {
        if !message.has_integrity() {
            return Err(UNAUTHORIZED);
        }
        let [username, realm, nonce] = [attr::USERNAME, attr::REALM, attr::NONCE].map(|kind| message.attribute(kind));
        let (Some(username), Some(realm), Some(nonce)) = (username, realm, nonce) else { return Err(BAD_REQUEST) };
        if !self.nonces.is_valid(now, client, nonce) {
            return Err(STALE_NONCE);
        }
        let username = std::str::from_utf8(username).map_err(|_| UNAUTHORIZED)?;
        let (expires, user) = parse_username(username).ok_or(UNAUTHORIZED)?;
        if realm != self.config.realm.as_bytes() {
            return Err(UNAUTHORIZED);
        }
        let owner = existing.and_then(|id| self.table.get(id));
        if let Some(owner) = owner.filter(|owner| *owner.username == *username) {
            // The key of the allocation outlives its secret and its expiry, so that a long call is not cut.
            let genuine = Some(owner.key.clone()).filter(|key| message.verify(key));
            let key = genuine.or_else(|| self.verify_with_secrets(message, username)).ok_or(UNAUTHORIZED)?;
            return Ok(caller(key, username, user));
        }
        let key = self.verify_with_secrets(message, username).ok_or(UNAUTHORIZED)?;
        if owner.is_some() {
            return Err(Rejection::WrongCredentials(key));
        }
        if message.method() == Method::Allocate && !self.may_allocate(now, expires, &user) {
            return Err(UNAUTHORIZED);
        }
        Ok(caller(key, username, user))
    }

    fn verify_with_secrets(&self, message: &Message<'_>, username: &str) -> Option<Key> {
        self.config.secrets.keys(username, &self.config.realm).find(|key| message.verify(key))
    }

    fn may_allocate(&self, now: Instant, expires: u64, user: &UserId) -> bool {
        let revoked = self.revoked.get(user).is_some_and(|until| expires <= *until);
        expires > self.unix(now) && !revoked
    }
}

fn caller(key: Key, username: &str, user: UserId) -> Caller {
    Caller { key, username: Box::from(username), user }
}
