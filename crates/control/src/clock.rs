//! The control plane's wall clock, which never goes backwards.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use model::Timestamp;

/// Wall-clock time that follows the system's clock forward and goes on at its own pace where that is set back: a ring must not
/// ring an hour longer, nor an event log run backwards, because a time server corrected the machine.
#[derive(Debug)]
pub(crate) struct Clock {
    anchor: Instant,
    /// Wall clock minus the time since `anchor`, in ms; only grows.
    offset: AtomicI64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let clock = Self { anchor: Instant::now(), offset: AtomicI64::new(i64::MIN) };
        clock.now();
        clock
    }

    /// The time now; never earlier than any time it gave before.
    pub(crate) fn now(&self) -> Timestamp {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        self.follow(system, self.anchor.elapsed().as_millis() as i64)
    }

    fn follow(&self, system: i64, elapsed: i64) -> Timestamp {
        let offset = system - elapsed;
        Timestamp(elapsed + self.offset.fetch_max(offset, Ordering::Relaxed).max(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_forward_steps_and_outlives_backward_ones() {
        let clock = Clock { anchor: Instant::now(), offset: AtomicI64::new(i64::MIN) };
        assert_eq!(clock.follow(1_000, 0), Timestamp(1_000));
        assert_eq!(clock.follow(1_010, 10), Timestamp(1_010));
        assert_eq!(clock.follow(5_020, 20), Timestamp(5_020), "set forward by 4 s");
        assert_eq!(clock.follow(30, 30), Timestamp(5_030), "set back: goes on at its own pace");
        assert_eq!(clock.follow(40, 40), Timestamp(5_040));
    }
}
