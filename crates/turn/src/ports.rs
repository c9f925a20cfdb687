//! Relay ports of one address: drawn at random (RFC 8656 §7.2), each held by one allocation at a time.

use std::ops::RangeInclusive;

/// The free ports of a range.
#[derive(Debug, Default)]
pub(crate) struct PortPool {
    free: Vec<u16>,
}

impl PortPool {
    pub(crate) fn new(range: RangeInclusive<u16>) -> Self {
        Self { free: range.collect() }
    }

    /// Takes a free port; an even one where that is asked for.
    pub(crate) fn take(&mut self, rng: &mut fastrand::Rng, even: bool) -> Option<u16> {
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

    /// How many are free.
    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }
}
