//! Repeats a message in the log at most once a minute.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(60);

/// When the log last told of one kind of trouble.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle {
    logged: Option<Instant>,
}

impl LogThrottle {
    /// The trouble is there; whether to log it now.
    pub(crate) fn due(&mut self) -> bool {
        let due = self.logged.is_none_or(|at| at.elapsed() >= EVERY);
        if due {
            self.logged = Some(Instant::now());
        }
        due
    }

    /// The trouble is over; whether it had been logged.
    pub(crate) fn reset(&mut self) -> bool {
        self.logged.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_once_and_once_more_after_it_was_over() {
        let mut throttle = LogThrottle::default();
        assert!(!throttle.reset());
        assert!(throttle.due());
        assert!(!throttle.due());
        assert!(throttle.reset());
        assert!(throttle.due());
    }
}
