//! The switchboard's timers: named, each with one due time, firing in the order of their due times.

use std::collections::{BTreeMap, BTreeSet};

use model::{CallId, Timestamp, UserId};

/// What a timer is for. Where two are due at once, the order is this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A call's next deadline; the call knows which.
    Call(CallId),
    /// A user whose devices are gone is taken for offline.
    Offline(UserId),
}

/// All that run.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    moments: BTreeMap<Timer, Timestamp>,
    queue: BTreeSet<(Timestamp, Timer)>,
}

impl Timers {
    /// Sets a timer, or stops it.
    pub fn set(&mut self, timer: Timer, at: Option<Timestamp>) {
        let before = match at {
            Some(at) => self.moments.insert(timer.clone(), at),
            None => self.moments.remove(&timer),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.queue.remove(&(before, timer.clone()));
        }
        if let Some(at) = at {
            self.queue.insert((at, timer));
        }
    }

    /// The next moment at which one is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes the first one that is due.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.queue.pop_first()?;
        self.moments.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(n: u128) -> Timer {
        Timer::Call(CallId(uuid::Uuid::from_u128(n)))
    }

    #[test]
    fn timers_are_due_in_the_order_of_their_moments() {
        let mut timers = Timers::default();
        timers.set(call(1), Some(Timestamp(30)));
        timers.set(call(2), Some(Timestamp(10)));
        timers.set(call(3), Some(Timestamp(20)));
        timers.set(call(1), Some(Timestamp(5)));
        timers.set(call(3), None);
        assert_eq!(timers.next(), Some(Timestamp(5)));
        assert_eq!(timers.pop_due(Timestamp(4)), None);
        assert_eq!(timers.pop_due(Timestamp(99)), Some(call(1)));
        assert_eq!(timers.pop_due(Timestamp(99)), Some(call(2)));
        assert_eq!(timers.pop_due(Timestamp(99)), None);
        assert_eq!(timers.next(), None);
    }
}
