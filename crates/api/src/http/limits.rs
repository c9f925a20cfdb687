//! How often a client may ask, and how it learns where it stands: `RateLimit` and its policy on every response,
//! `Retry-After` on a refusal.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use model::UserId;

use crate::config::Limits;
use crate::http::error::ApiError;
use crate::http::origin::client_address;
use crate::state::AppState;

/// After so many checks, keys that have been quiet are forgotten.
const SWEEP_EVERY: u32 = 4_096;
/// Recordings that one user may upload, a minute and at once.
const UPLOADS_A_MINUTE: u32 = 10;

/// The limits that outlive a request.
#[derive(Debug)]
pub(crate) struct RequestLimits {
    /// Attempts to sign in, by address.
    pub sign_ins: Keyed<IpAddr>,
    /// API requests, by user.
    pub requests: Keyed<UserId>,
    /// LiveKit's server API, by API key.
    pub server_api: Keyed<String>,
    /// API requests of host apps, by key.
    pub keys: Keyed<UserId>,
    /// API requests of anyone, by address.
    pub addresses: Keyed<IpAddr>,
    /// Uploads of recordings, by user.
    pub uploads: Keyed<UserId>,
}

impl RequestLimits {
    pub fn new(limits: &Limits) -> Self {
        let second = Duration::from_secs(1);
        Self {
            server_api: Keyed::new("server-api", limits.server_requests_a_second, limits.server_request_burst, second),
            sign_ins: Keyed::new("sign-in", limits.sign_ins_a_minute, limits.sign_in_burst, Duration::from_secs(60)),
            requests: Keyed::new("user", limits.requests_a_second, limits.request_burst, second),
            keys: Keyed::new("api-key", limits.key_requests_a_second, limits.key_request_burst, second),
            uploads: Keyed::new("upload", UPLOADS_A_MINUTE, UPLOADS_A_MINUTE, Duration::from_secs(60)),
            addresses: Keyed::new("address", limits.address_requests_a_second, limits.address_request_burst, second),
        }
    }
}

/// `count` each `period`, `burst` at once. Zero counts as one.
pub(crate) fn quota(count: u32, burst: u32, period: Duration) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(period / count.max(1)).unwrap_or(Quota::per_second(burst)).allow_burst(burst)
}

/// How much of a limit a client has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The limit's name.
    policy: &'static str,
    /// So many at once.
    quota: u32,
    /// Seconds in which that many come back.
    window: u64,
    /// So many are left.
    remaining: u32,
    /// Seconds until all are back; of one that is refused, until the next is.
    reset: u64,
}

/// A limit for each key.
#[derive(Debug)]
pub(crate) struct Keyed<K: Hash + Eq + Clone> {
    policy: &'static str,
    quota: Quota,
    limiter: RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>,
    checks: AtomicU32,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    fn new(policy: &'static str, count: u32, burst: u32, period: Duration) -> Self {
        let quota = quota(count, burst, period);
        let limiter = RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>();
        Self { policy, quota, limiter, checks: AtomicU32::new(0) }
    }

    /// Counts one for this key, or says when to come back.
    pub fn check(&self, key: &K) -> Result<Reading, ApiError> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let spent = self.quota.burst_size().get().saturating_sub(remaining);
                Ok(self.reading(remaining, seconds(self.quota.replenish_interval() * spent)))
            }
            Err(refused) => {
                let wait = refused.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
                Err(ApiError { limited: Some(self.reading(0, wait)), ..ApiError::rate_limited(wait) })
            }
        }
    }

    fn reading(&self, remaining: u32, reset: u64) -> Reading {
        let window = seconds(self.quota.burst_size_replenished_in());
        Reading { policy: self.policy, quota: self.quota.burst_size().get(), window, remaining, reset }
    }
}

/// Whole seconds, begun ones counted.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

impl Reading {
    /// `RateLimit` and `RateLimit-Policy` as the IETF draft has them, and the three headers that its earlier versions had, which is what
    /// most clients read.
    pub fn write(self, headers: &mut HeaderMap) {
        let Self { policy, quota, window, remaining, reset } = self;
        for (name, text) in [
            ("ratelimit", format!("\"{policy}\";r={remaining};t={reset}")),
            ("ratelimit-policy", format!("\"{policy}\";q={quota};w={window}")),
            ("ratelimit-limit", quota.to_string()),
            ("ratelimit-remaining", remaining.to_string()),
            ("ratelimit-reset", reset.to_string()),
        ] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// Where whoever counts a request leaves the sender's reading, for the response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted(Arc<Mutex<Option<Reading>>>);

impl Counted {
    /// The last one counts: someone who is signed in sees their own limit rather than that of their address.
    pub fn note(&self, reading: Reading) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
    }

    fn read(&self) -> Option<Reading> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts every request against its address, and puts the sender's reading on the response.
pub(crate) async fn count(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let counted = Counted::default();
    match state.limits.addresses.check(&client_address(&parts, &state.config)) {
        Ok(reading) => counted.note(reading),
        Err(refused) => return refused.into_response(),
    }
    parts.extensions.insert(counted.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(reading) = counted.read()
        && !response.headers().contains_key("ratelimit")
    {
        reading.write(response.headers_mut());
    }
    response
}

/// Leaves the sender's reading of a limit for the response.
pub(crate) fn count_request(parts: &Parts, reading: Reading) {
    if let Some(counted) = parts.extensions.get::<Counted>() {
        counted.note(reading);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_is_told_when_to_come_back() {
        let keyed = Keyed::new("test", 10, 3, Duration::from_secs(60));
        for remaining in [2, 1, 0] {
            let reading = keyed.check(&"a").unwrap();
            assert_eq!((reading.remaining, reading.quota, reading.window), (remaining, 3, 18));
        }
        let refused = keyed.check(&"a").unwrap_err();
        assert!((1..=7).contains(&refused.retry_after.unwrap()), "{refused:?}");
        assert_eq!(refused.limited.unwrap().remaining, 0);
        assert!(keyed.check(&"b").is_ok());
    }
}
