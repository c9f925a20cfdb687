//! The server's timers. Each is set once and looks, when it fires, whether it came too early; so renewing an allocation
//! costs nothing here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use model::UserId;

use crate::AllocationId;

/// What happens at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The allocation may have run out (RFC 8656 §3.2: LIFETIME).
    Allocation(AllocationId),
    /// Permissions (300 s) and channels (600 s) of the allocation may have run out.
    Bindings(AllocationId),
    /// A user without allocations has a full bucket again and may be forgotten.
    User(Box<UserId>),
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
    /// At most so many are of allocations that have ended.
    dead: usize,
}

/// So many dead timers are not worth a look.
const FEW: usize = 64;

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// The next timer that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Timer> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }

    /// An allocation has ended. Its timers go when dead ones are half of all: they would wait for ten minutes, and much coming
    /// and going would hold much memory.
    pub(crate) fn ended(&mut self, lives: impl Fn(AllocationId) -> bool) {
        self.dead += 2;
        if self.dead > FEW && self.dead > self.heap.len() / 2 {
            self.dead = 0;
            self.heap.retain(|Reverse((_, timer))| match timer {
                Timer::Allocation(id) | Timer::Bindings(id) => lives(*id),
                Timer::User(_) => true,
            });
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}
