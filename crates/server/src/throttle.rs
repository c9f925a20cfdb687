//! Log lines that a stranger can cause: at most one every so often, with a count of those left out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(10);

/// One kind of line.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    unsaid: u64,
}

impl Throttle {
    /// Whether it may be said now; if so, how many were left out since the last time.
    pub fn may_say(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.last.is_some_and(|last| now < last + PAUSE) {
            said.unsaid += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_and_the_rest_is_counted() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.may_say(now), Some(0));
        assert_eq!(throttle.may_say(now), None);
        assert_eq!(throttle.may_say(now + PAUSE / 2), None);
        assert_eq!(throttle.may_say(now + PAUSE), Some(2));
        assert_eq!(throttle.may_say(now + PAUSE + PAUSE), Some(0));
    }
}
