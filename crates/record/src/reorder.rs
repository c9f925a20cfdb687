//! The packets of one stream in their order. Late ones are waited for, as long as a retransmission may take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sfu::room::packet::Packet;

/// How long a missing packet is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_millis(250);
/// Packets behind a gap: a second of a large video. What is beyond makes the gap a loss.
const MOST_HELD: usize = 1_024;

/// A packet, and whether a decoder can start with it.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub packet: Arc<Packet>,
    pub starts: bool,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// A packet, right after the one before.
    Packet(Arrived),
    /// What was missing is lost.
    Lost,
}

#[derive(Debug, Default)]
pub(crate) struct Reorder {
    /// The next sequence number. `None`: before the first packet.
    next: Option<u64>,
    held: BTreeMap<u64, Arrived>,
    /// Since when the next one is missing.
    missing_since: Option<Duration>,
}

impl Reorder {
    /// Begins with this packet: what is before it does not count.
    pub(crate) fn begin(&mut self, seq: u64) {
        self.next = Some(seq);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.next.is_some()
    }

    /// Takes a packet; then ask for [`Reorder::next`].
    pub(crate) fn take(&mut self, now: Duration, arrived: Arrived) {
        let Some(next) = self.next else { return };
        let seq = arrived.packet.seq;
        if seq >= next {
            self.held.entry(seq).or_insert(arrived);
        }
        self.note_gap(now, next);
    }

    /// The next packet in order, or word of those that will not come any more.
    pub(crate) fn next(&mut self, now: Duration) -> Option<Next> {
        let next = self.next?;
        let first = *self.held.first_key_value()?.0;
        if first == next {
            let arrived = self.held.remove(&next)?;
            self.next = Some(next + 1);
            self.missing_since = None;
            self.note_gap(now, next + 1);
            return Some(Next::Packet(arrived));
        }
        let patience_is_over = self.missing_since.is_some_and(|since| since + PATIENCE <= now);
        if patience_is_over || self.held.len() > MOST_HELD {
            self.next = Some(first);
            self.missing_since = None;
            return Some(Next::Lost);
        }
        None
    }

    /// When patience with a missing packet is over.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.missing_since.map(|since| since + PATIENCE)
    }

    fn note_gap(&mut self, now: Duration, next: u64) {
        if self.held.first_key_value().is_some_and(|(first, _)| *first != next) {
            self.missing_since.get_or_insert(now);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use sfu::Codec;
    use sfu::room::packet::{Extensions, Format};

    pub(crate) fn packet(seq: u64, payload: &[u8]) -> Packet {
        Packet {
            format: Format { codec: Codec::Vp8, profile: 0 },
            ssrc: 1,
            seq,
            timestamp: 0,
            marker: false,
            arrival: Duration::ZERO,
            captured: Duration::ZERO,
            payload: payload.into(),
            extensions: Extensions::default(),
            clock: None,
        }
    }

    fn run(steps: &[(u64, u64)]) -> Vec<Option<u64>> {
        let mut reorder = Reorder::default();
        reorder.begin(100);
        let mut out = Vec::new();
        for (ms, seq) in steps {
            let now = Duration::from_millis(*ms);
            if *seq > 0 {
                reorder.take(now, Arrived { packet: Arc::new(packet(*seq, &[])), starts: false });
            }
            while let Some(next) = reorder.next(now) {
                out.push(match next {
                    Next::Packet(arrived) => Some(arrived.packet.seq),
                    Next::Lost => None,
                });
            }
        }
        out
    }

    #[test]
    fn packets_come_out_in_order_and_once() {
        let out = run(&[(0, 100), (1, 102), (2, 101), (3, 101), (4, 99), (5, 104), (200, 103)]);
        assert_eq!(out, [100, 101, 102, 103, 104].map(Some));
    }

    #[test]
    fn what_does_not_come_in_time_is_lost_and_what_comes_after_that_is_late() {
        let out = run(&[(0, 100), (1, 103), (100, 102), (250, 104), (251, 0), (252, 101), (260, 105)]);
        assert_eq!(out, [Some(100), None, Some(102), Some(103), Some(104), Some(105)]);
    }

    #[test]
    fn no_more_is_held_than_allowed() {
        let steps: Vec<(u64, u64)> = (0..1_100).map(|at| (0, 101 + at)).collect();
        let out = run(&steps);
        assert_eq!(out.iter().filter(|next| next.is_none()).count(), 1);
        assert_eq!(out.len(), 1_101);
    }
}
