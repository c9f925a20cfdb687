//! How fast a client may signal. Pure: the time is passed in.

use std::time::{Duration, Instant};

use crate::config::Limits;

/// What to do with the frame that has just been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Take it, and read on.
    Take,
    /// Take it, and read no further before then.
    Slow(Instant),
    /// It has been over its rate for too long.
    Close,
}

/// A bucket of tokens, one per frame. An empty one slows the client down to the rate; one that has not recovered within
/// the patience closes it.
#[derive(Debug)]
pub(crate) struct Pace {
    a_second: f64,
    burst: f64,
    patience: Duration,
    tokens: f64,
    filled: Instant,
    over_since: Option<Instant>,
}

impl Pace {
    pub fn new(now: Instant, limits: &Limits) -> Self {
        let burst = f64::from(limits.signal_burst.max(1));
        let a_second = f64::from(limits.signals_a_second.max(1));
        Self { a_second, burst, patience: limits.signal_patience, tokens: burst, filled: now, over_since: None }
    }

    pub fn handle_frame(&mut self, now: Instant) -> Verdict {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * self.a_second;
        self.tokens = (self.tokens + gained).min(self.burst);
        self.filled = now;
        // Back within its rate once it has saved up a second's worth.
        if self.tokens >= self.a_second.min(self.burst) {
            self.over_since = None;
        }
        self.tokens -= 1.0;
        if self.tokens >= 0.0 {
            return Verdict::Take;
        }
        let since = *self.over_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= self.patience {
            return Verdict::Close;
        }
        Verdict::Slow(now + Duration::from_secs_f64(-self.tokens / self.a_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a client that sends `a_second` and obeys when it is slowed; how many frames until it is closed, and when.
    fn run(a_second: u32, seconds: u64) -> (u32, Option<Duration>) {
        let start = Instant::now();
        let mut pace = Pace::new(start, &Limits::default());
        let (mut now, mut frames) = (start, 0);
        while now < start + Duration::from_secs(seconds) {
            frames += 1;
            let next = now + Duration::from_secs(1) / a_second;
            match pace.handle_frame(now) {
                Verdict::Take => now = next,
                Verdict::Slow(until) => now = next.max(until),
                Verdict::Close => return (frames, Some(now - start)),
            }
        }
        (frames, None)
    }

    #[test]
    fn who_keeps_the_rate_is_never_slowed() {
        assert_eq!(run(50, 600), (30_000, None));
        assert_eq!(run(1, 600), (600, None));
    }

    #[test]
    fn a_flood_passes_its_burst_is_slowed_to_the_rate_and_closed_after_five_seconds() {
        let (frames, closed) = run(10_000, 60);
        let closed = closed.expect("closed");
        assert!((5_000..5_200).contains(&closed.as_millis()), "{closed:?}");
        assert!((740..780).contains(&frames), "500 at once and 50 a second: {frames}");
    }

    #[test]
    fn a_second_burst_after_a_rest_is_forgiven() {
        let start = Instant::now();
        let mut pace = Pace::new(start, &Limits::default());
        for _ in 0..500 {
            assert_eq!(pace.handle_frame(start), Verdict::Take);
        }
        assert!(matches!(pace.handle_frame(start), Verdict::Slow(_)));
        let later = start + Duration::from_secs(30);
        for _ in 0..500 {
            assert_eq!(pace.handle_frame(later), Verdict::Take);
        }
        assert!(matches!(pace.handle_frame(later), Verdict::Slow(_)));
    }
}
