//! How often one client may ask.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use model::UserId;

use crate::config::Limits;
use crate::error::ApiError;

/// After so many checks, keys that have been quiet are forgotten.
const SWEEP_EVERY: u32 = 4_096;

/// The limits that outlive a request.
#[derive(Debug)]
pub(crate) struct RequestLimits {
    /// Attempts to sign in, by address.
    pub sign_ins: Keyed<IpAddr>,
    /// API requests, by user.
    pub requests: Keyed<UserId>,
    /// LiveKit's server API, by API key.
    pub server_api: Keyed<String>,
}

impl RequestLimits {
    pub fn new(limits: &Limits) -> Self {
        Self {
            sign_ins: Keyed::new(quota(limits.sign_ins_a_minute, limits.sign_in_burst, Duration::from_secs(60))),
            requests: Keyed::new(quota(limits.requests_a_second, limits.request_burst, Duration::from_secs(1))),
            server_api: Keyed::new(quota(
                limits.server_requests_a_second,
                limits.server_request_burst,
                Duration::from_secs(1),
            )),
        }
    }
}

/// `count` each `period`, `burst` at once. Zero counts as one.
pub(crate) fn quota(count: u32, burst: u32, period: Duration) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(period / count.max(1)).unwrap_or(Quota::per_second(burst)).allow_burst(burst)
}

/// A limit for each key.
#[derive(Debug)]
pub(crate) struct Keyed<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    checks: AtomicU32,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    fn new(quota: Quota) -> Self {
        Self { limiter: RateLimiter::keyed(quota), checks: AtomicU32::new(0) }
    }

    /// Counts one for this key, or says when to come back.
    pub fn check(&self, key: &K) -> Result<(), ApiError> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).map_err(|refused| {
            let wait = refused.wait_time_from(DefaultClock::default().now());
            ApiError::rate_limited(wait.as_secs() + 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_is_told_when_to_come_back() {
        let keyed = Keyed::new(quota(10, 3, Duration::from_secs(60)));
        for _ in 0..3 {
            assert_eq!(keyed.check(&"a"), Ok(()));
        }
        let refused = keyed.check(&"a").unwrap_err();
        assert!((1..=7).contains(&refused.retry_after.unwrap()), "{refused:?}");
        assert_eq!(keyed.check(&"b"), Ok(()));
    }
}
