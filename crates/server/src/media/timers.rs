//! When each room wants to be woken: a heap with lazy deletion. A room's own deadline decides; heap entries only remind.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::routes::Slot;

/// The reminders of one worker.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Slot)>>,
}

impl Timers {
    /// Reminds of a room at `at`.
    pub fn push(&mut self, at: Instant, slot: Slot) {
        self.heap.push(Reverse((at, slot)));
    }

    /// When the next reminder is due.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes a reminder that is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<Slot> {
        match self.heap.peek() {
            Some(Reverse((at, slot))) if *at <= now => {
                let slot = *slot;
                self.heap.pop();
                Some(slot)
            }
            Some(_) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn pops_in_order_and_only_what_is_due() {
        let start = Instant::now();
        let mut timers = Timers::default();
        for (after, slot) in [(30, 3), (10, 1), (20, 2)] {
            timers.push(start + Duration::from_millis(after), slot);
        }
        let now = start + Duration::from_millis(20);
        assert_eq!((timers.pop_due(now), timers.pop_due(now), timers.pop_due(now)), (Some(1), Some(2), None));
        assert_eq!(timers.next(), Some(start + Duration::from_millis(30)));
    }
}
