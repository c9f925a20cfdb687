//! Which packet of VP9 without dependency descriptors is the last of its picture for a subscriber.
//!
//! The marker bit is on the last packet of the picture, and a receiver does not begin to decode before it. The payload descriptor
//! says where the frame of one spatial layer ends, and nothing of whether the next one follows: a publisher may leave a layer out
//! of any picture. What comes after a frame says so, and in a burst of layers it comes at once. So the last packet of a lower layer
//! waits for the packet after it, for those subscribers who are to get higher ones. They could not decode it sooner anyway.
//!
//! When the packet after it is lost, nobody knows whether that was the next layer, and the marker is left as the publisher set it.

use std::sync::Arc;
use std::time::Duration;

use super::Room;
use super::layering::{Next, Part, Reading};
use super::packet::{Forward, Packet};
use super::track::{Arrived, Outcome, Track};
use crate::types::{LAYERS, Layer, RoomStats};

/// When nothing has come for so long, the picture has ended: its layers are sent together.
const PATIENCE: Duration = Duration::from_millis(150);

impl Track {
    /// A packet is here that may say whether the one before ended its picture.
    pub(super) fn end_wait(
        &mut self,
        layer: Layer,
        arrived: &Arrived,
        out: &mut Vec<Forward>,
        stats: &mut RoomStats,
        outcome: &mut Outcome,
    ) {
        let Some(ingress) = &mut self.ingress[layer as usize] else { return };
        let is_after = |(packet, _): &mut (Arc<Packet>, Reading)| {
            arrived.packet.ssrc != packet.ssrc || arrived.packet.seq > packet.seq
        };
        if let Some((packet, reading)) = ingress.awaiting.take_if(is_after) {
            let reading = followed_by(reading, next(&packet, &arrived.packet, &arrived.reading));
            self.forward(layer, (&packet, &reading), true, out, stats, outcome);
        }
    }

    /// What was read of a packet. What comes after one that is late has come already, or is missing, too.
    pub(super) fn with_next(&self, layer: Layer, arrived: &Arrived) -> Reading {
        let ingress = self.ingress[layer as usize].as_ref().filter(|ingress| ingress.is_late(&arrived.packet));
        let Some(ingress) = ingress else { return arrived.reading };
        let after = ingress.held_at(arrived.packet.seq + 1);
        let next = after.map_or(Next::Unknown, |(packet, reading)| next(&arrived.packet, packet, reading));
        followed_by(arrived.reading, next)
    }

    pub(super) fn forget_awaiting(&mut self, layer: Layer) {
        if let Some(ingress) = &mut self.ingress[layer as usize] {
            ingress.awaiting = None;
        }
        for (_, subscription) in self.subscriptions.iter_mut() {
            subscription.awaits.take_if(|encoding| *encoding == layer);
        }
    }
}

impl Room {
    /// Sends what has waited long enough. `true`: something goes on waiting.
    pub(super) fn end_long_waits(&mut self, now: Duration) -> bool {
        let mut waits = false;
        let mut sent = Vec::new();
        for (key, track) in self.tracks.iter_mut() {
            for layer in LAYERS {
                if track.spec.muted {
                    track.forget_awaiting(layer);
                    continue;
                }
                let Some(ingress) = &mut track.ingress[layer as usize] else { continue };
                let long = |(packet, _): &mut (Arc<Packet>, Reading)| now.saturating_sub(packet.arrival) >= PATIENCE;
                let ended = ingress.awaiting.take_if(long);
                waits |= ingress.awaiting.is_some();
                if let Some((packet, reading)) = ended {
                    let (out, stats, mut outcome) = (&mut self.forwards, &mut self.stats, Outcome::default());
                    let before = out.len();
                    let reading = followed_by(reading, Next::Picture);
                    track.forward(layer, (&packet, &reading), true, out, stats, &mut outcome);
                    sent.push((key, before..out.len(), outcome.started));
                }
            }
        }
        for (track, forwards, started) in sent {
            self.note_sent(track, forwards, started);
        }
        waits
    }
}

/// Of packets in their order: what comes after each is the one after it.
pub(super) fn follow_each_other(packets: &mut [(Arc<Packet>, Reading)]) {
    for at in 0..packets.len() {
        let (packet, reading) = &packets[at];
        let next = packets.get(at + 1).map_or(Next::Unknown, |(after, reading)| next(packet, after, reading));
        packets[at].1 = followed_by(*reading, next);
    }
}

fn next(packet: &Packet, after: &Packet, reading: &Reading) -> Next {
    match reading {
        // With a gap between, what is missing may be of a layer between.
        _ if after.seq != packet.seq + 1 => Next::Unknown,
        Reading::Part(part) if after.timestamp == packet.timestamp => Next::Layer(part.spatial),
        Reading::Part(_) => Next::Picture,
        Reading::Plain | Reading::Padding | Reading::Unknown => Next::Unknown,
    }
}

/// A reading that says what comes next, where it does not know.
fn followed_by(reading: Reading, next: Next) -> Reading {
    match reading {
        Reading::Part(part) if part.next == Next::Awaited => Reading::Part(Part { next, ..part }),
        Reading::Part(_) | Reading::Plain | Reading::Padding | Reading::Unknown => reading,
    }
}
