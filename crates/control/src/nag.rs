//! Repeats a message at most once a minute.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(60);

/// One trouble, as the log knows it.
#[derive(Debug, Default)]
pub(crate) struct Nag {
    said: Option<Instant>,
}

impl Nag {
    /// The trouble is there; whether to say so now.
    pub(crate) fn due(&mut self) -> bool {
        let due = self.said.is_none_or(|said| said.elapsed() >= EVERY);
        if due {
            self.said = Some(Instant::now());
        }
        due
    }

    /// The trouble is over; whether it had been said.
    pub(crate) fn calm(&mut self) -> bool {
        self.said.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_it_once_and_once_more_after_it_was_over() {
        let mut nag = Nag::default();
        assert!(!nag.calm());
        assert!(nag.due());
        assert!(!nag.due());
        assert!(nag.calm());
        assert!(nag.due());
    }
}
