//! What is not known to be on disk yet, and what a segment must say before it.

use std::collections::{BTreeMap, HashSet, VecDeque};

use call::CallSnapshot;
use model::CallId;

use super::calls::Calls;
use super::line::{self, Line};

/// Lines in their order.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    pub(super) lines: Vec<u8>,
    /// Each line's call and length.
    index: VecDeque<(CallId, usize)>,
    calls: BTreeMap<CallId, Held>,
    /// About the memory that calls take here.
    bases: usize,
}

/// What is held of a call with lines here.
#[derive(Debug)]
struct Held {
    lines: usize,
    /// How it stood before the first of them. `None`: the first one has the whole call.
    base: Option<CallSnapshot>,
}

impl Unwritten {
    /// Takes a line. `before`: how the call stood before it, if the line does not say.
    pub(super) fn push(&mut self, call: CallId, line: &[u8], before: Option<CallSnapshot>) {
        self.lines.extend_from_slice(line);
        self.index.push_back((call, line.len()));
        let bases = &mut self.bases;
        let held = self.calls.entry(call).or_insert_with(|| {
            *bases += weight(before.as_ref());
            Held { lines: 0, base: before }
        });
        held.lines += 1;
    }

    /// About the memory that it takes.
    pub(super) fn weight(&self) -> usize {
        self.lines.len() + self.bases
    }

    /// What a segment that knows these calls has to say before the lines.
    pub(super) fn states(&self, known: &HashSet<CallId>) -> Vec<u8> {
        let unknown = self.calls.iter().filter(|(id, _)| !known.contains(id));
        unknown.filter_map(|(_, held)| held.base.as_ref()).flat_map(line::state).collect()
    }

    /// Whose lines these are.
    pub(super) fn calls(&self) -> impl Iterator<Item = CallId> {
        self.calls.keys().copied()
    }

    /// They are on disk.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.lines.shrink_to(1 << 20);
        self.index.clear();
        self.calls.clear();
        self.bases = 0;
    }

    /// Gives up the oldest lines until it weighs no more than this. Those that stay follow on how their calls stand then. Gives how many.
    pub(super) fn give_up(&mut self, most: usize) -> u64 {
        let (mut cut, mut given_up) = (0, 0);
        while self.weight() - cut > most {
            let Some((call, length)) = self.index.pop_front() else { break };
            self.pass(call, cut..cut + length);
            cut += length;
            given_up += 1;
        }
        self.lines.drain(..cut);
        given_up
    }

    /// Brings the call of a line that is given up to where the line would have brought it.
    fn pass(&mut self, call: CallId, line: std::ops::Range<usize>) {
        let Some(mut held) = self.calls.remove(&call) else { return };
        self.bases -= weight(held.base.as_ref());
        held.lines -= 1;
        if held.lines == 0 {
            return;
        }
        let mut calls = Calls::default();
        held.base.take().into_iter().for_each(|base| calls.note(base));
        if let Some(Line::Record(record)) = line::parse(&self.lines[line]) {
            calls.follow(record.call);
        }
        held.base = calls.forget(call);
        self.bases += weight(held.base.as_ref());
        self.calls.insert(call, held);
    }
}

fn weight(call: Option<&CallSnapshot>) -> usize {
    call.map_or(0, |call| 1_024 + 512 * call.participants.len())
}
