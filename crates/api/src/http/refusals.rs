//! Logs every refused token: the operator must learn what the sender may not.

use std::time::Duration;

use auth::Refusal;
use governor::{DefaultDirectRateLimiter, RateLimiter};

use crate::http::limits::quota;

/// So many lines a second about tokens that nobody of ours has made, after a burst of as many: anyone can send those.
const LINES_A_SECOND: u32 = 10;

pub(crate) struct Refusals {
    lines: DefaultDirectRateLimiter,
}

impl Refusals {
    pub fn new() -> Self {
        Self { lines: RateLimiter::direct(quota(LINES_A_SECOND, LINES_A_SECOND, Duration::from_secs(1))) }
    }

    /// Says why. `kind`: whose token it should have been, a user's or LiveKit's.
    pub fn note(&self, kind: &'static str, refusal: &Refusal) {
        let skew_seconds = refusal.skew();
        if refusal.is_for_holder() || self.lines.check().is_ok() {
            tracing::info!(kind, cause = %refusal, skew_seconds, "refused a token");
        } else {
            tracing::debug!(kind, cause = %refusal, skew_seconds, "refused a token");
        }
    }
}
