//! Relay ports of one address: drawn at random (RFC 8656 §7.2), each held by one allocation at a time.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// How long a port that another program holds is not tried again.
const SET_ASIDE: Duration = Duration::from_secs(600);

/// The free ports of a range.
#[derive(Debug, Default)]
pub(crate) struct PortPool {
    free: Vec<u16>,
    /// Those that the system refused, and until when.
    set_aside: VecDeque<(Instant, u16)>,
}

impl PortPool {
    pub(crate) fn new(range: RangeInclusive<u16>) -> Self {
        Self { free: range.collect(), set_aside: VecDeque::new() }
    }

    /// Takes a free port; an even one where that is asked for.
    pub(crate) fn take(&mut self, now: Instant, rng: &mut fastrand::Rng, even: bool) -> Option<u16> {
        while let Some((_, port)) = self.set_aside.pop_front_if(|(until, _)| *until <= now) {
            self.free.push(port);
        }
        if self.free.is_empty() {
            return None;
        }
        let start = rng.usize(..self.free.len());
        let order = (start..self.free.len()).chain(0..start);
        let at = order.into_iter().find(|at| !even || self.free[*at].is_multiple_of(2))?;
        Some(self.free.swap_remove(at))
    }

    /// Gives a port back that was taken from here.
    pub(crate) fn give_back(&mut self, port: u16) {
        self.free.push(port);
    }

    /// Gives a port back that the system refused: the next allocations are to have others.
    pub(crate) fn set_aside(&mut self, now: Instant, port: u16) {
        self.set_aside.push_back((now + SET_ASIDE, port));
    }

    /// How many no allocation holds.
    pub(crate) fn free(&self) -> usize {
        self.free.len() + self.set_aside.len()
    }
}
