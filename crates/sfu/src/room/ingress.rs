//! What is known of one incoming encoding: its rate, its gaps, and the keyframe it owes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Bitrate;

use super::layering::{Layering, Reading};
use super::packet::Packet;
use crate::types::{Kind, Layer};

/// Gaps further behind than this are beyond the receiver's NACK window.
const NACK_WINDOW: u64 = 100;
/// A jump further than this is not loss.
const JUMP: u64 = 1_000;
/// Gaps watched at a time; what is beyond is lost.
const MISSING: usize = 256;
/// Packets kept behind an open gap.
const HELD: usize = 256;
/// How long a missing packet is given to come by retransmission: at least, and at most.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(1));
/// A gap closed faster than this was reordering, not repair.
const REORDERING: Duration = Duration::from_millis(60);
/// A layer that has been silent for this long is not there.
const SILENCE: Duration = Duration::from_millis(1_500);
/// Keyframe requests of one encoding are this far apart. A large keyframe is dear to everyone.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);
const REQUEST_INTERVAL_HIGH: Duration = Duration::from_secs(1);
/// A still screen may send nothing for seconds and yet owe a keyframe to one who has just come; a layer that was
/// switched off will not answer.
const REQUEST_INTERVAL_SILENT: Duration = Duration::from_secs(2);

/// One encoding of a track.
#[derive(Debug)]
pub(super) struct Ingress {
    kind: Kind,
    layer: Layer,
    ssrc: u32,
    highest: u64,
    /// Sequence numbers that have not come, with the time from which they were missed.
    missing: Vec<(u64, Instant)>,
    /// There were more gaps than are watched.
    overrun: bool,
    /// Packets behind the oldest gap: a keyframe whose first packet comes late is not lost to those who wait for it.
    held: VecDeque<(Arc<Packet>, Reading)>,
    /// A packet that somebody gets once it is known what comes after it.
    pub(super) awaiting: Option<(Arc<Packet>, Reading)>,
    /// The layers inside the encoding.
    pub(super) layering: Layering,
    /// Packets that refer to a structure which has not come.
    unread: Vec<Arc<Packet>>,
    /// How long a repair takes, on average.
    repair: Option<Duration>,
    last_packet: Instant,
    rate: Rate,
    keyframe: KeyframeDebt,
}

/// What a packet did to its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Goes on.
    Next,
    /// The publisher started a new RTP sequence.
    Restarted,
}

#[derive(Debug, Default)]
struct KeyframeDebt {
    wanted: bool,
    asked: Option<Instant>,
}

impl Ingress {
    pub(super) fn new(now: Instant, kind: Kind, layer: Layer, packet: &Packet) -> Self {
        Self {
            kind,
            layer,
            ssrc: packet.ssrc,
            highest: packet.seq,
            missing: Vec::new(),
            overrun: false,
            held: VecDeque::new(),
            awaiting: None,
            layering: Layering::default(),
            unread: Vec::new(),
            repair: None,
            last_packet: now,
            rate: Rate::new(now),
            keyframe: KeyframeDebt::default(),
        }
    }

    /// Takes note of a packet.
    pub(super) fn take(
        &mut self,
        now: Instant,
        packet: &Arc<Packet>,
        reading: &Reading,
        starts_keyframe: bool,
    ) -> Taken {
        self.last_packet = self.last_packet.max(now);
        self.rate.add(now, packet.payload.len());
        let restarted = self.note_sequence(now, packet);
        if self.kind == Kind::Video {
            if starts_keyframe {
                self.keyframe.wanted = false;
            }
            match reading {
                Reading::Unknown if self.unread.len() < HELD => self.unread.push(Arc::clone(packet)),
                Reading::Unknown => {}
                Reading::Plain | Reading::Part(_) | Reading::Padding => self.hold(packet, reading),
            }
        }
        if restarted { Taken::Restarted } else { Taken::Next }
    }

    fn note_sequence(&mut self, now: Instant, packet: &Packet) -> bool {
        if packet.ssrc != self.ssrc || packet.seq > self.highest + JUMP {
            self.ssrc = packet.ssrc;
            self.highest = packet.seq;
            self.missing.clear();
            self.held.clear();
            self.unread.clear();
            return true;
        }
        if packet.seq > self.highest {
            // Nobody asks for lost audio again: it is over before it could come.
            if self.kind == Kind::Video {
                self.missing.extend((self.highest + 1..packet.seq).map(|seq| (seq, now)));
                let beyond = self.missing.len().saturating_sub(MISSING);
                self.overrun |= beyond > 0;
                self.missing.drain(..beyond);
            }
            self.highest = packet.seq;
        } else if let Some(at) = self.missing.iter().position(|(seq, _)| *seq == packet.seq) {
            let (_, since) = self.missing.remove(at);
            let took = now.saturating_duration_since(since);
            if took > REORDERING {
                self.repair = Some(self.repair.map_or(took, |repair| (repair * 7 + took) / 8));
            }
        }
        false
    }

    fn hold(&mut self, packet: &Arc<Packet>, reading: &Reading) {
        let oldest_gap = self.missing.first().map(|(seq, _)| *seq);
        match oldest_gap {
            // The packet that closed the last gap is being forwarded; those behind it are needed until then.
            None if self.held.is_empty() || packet.seq == self.highest => self.held.clear(),
            None => {}
            Some(_) => {
                if self.held.len() == HELD {
                    self.held.pop_front();
                }
                self.held.push_back((Arc::clone(packet), *reading));
            }
        }
    }

    /// Packets after `seq` that came before it, in their order.
    pub(super) fn held_after(&self, seq: u64, into: &mut Vec<(Arc<Packet>, Reading)>) {
        into.extend(self.held.iter().filter(|(packet, _)| packet.seq > seq).cloned());
        into.sort_by_key(|(packet, _)| packet.seq);
    }

    /// The packet with this number, if it came before one that was missing.
    pub(super) fn held_at(&self, seq: u64) -> Option<&(Arc<Packet>, Reading)> {
        self.held.iter().find(|(packet, _)| packet.seq == seq)
    }

    pub(super) fn is_late(&self, packet: &Packet) -> bool {
        packet.ssrc == self.ssrc && packet.seq < self.highest
    }

    /// What can be read now that a structure has come, in order.
    pub(super) fn take_unread(&mut self, now: Instant) -> Vec<(Arc<Packet>, Reading)> {
        let mut read = Vec::new();
        let layering = &mut self.layering;
        self.unread.sort_by_key(|packet| packet.seq);
        self.unread.retain(|packet| match layering.read(now, packet) {
            Reading::Unknown => true,
            reading => {
                read.push((Arc::clone(packet), reading));
                false
            }
        });
        read
    }

    /// Gives up on packets that have been missing for too long. `true`: a frame is lost for good.
    pub(super) fn give_up_missing(&mut self, now: Instant, rtt: Option<Duration>) -> bool {
        // Three repairs' time or round trips, which are three requests or more.
        let pace = self.repair.or(rtt).map_or(PATIENCE.1, |pace| pace * 3 + REORDERING);
        let patience = pace.clamp(PATIENCE.0, PATIENCE.1);
        let before = self.missing.len();
        let highest = self.highest;
        self.missing
            .retain(|(seq, since)| seq + NACK_WINDOW > highest && now.saturating_duration_since(*since) < patience);
        if self.missing.is_empty() {
            self.held.clear();
            self.unread.clear();
        }
        std::mem::take(&mut self.overrun) || self.missing.len() < before
    }

    /// Someone cannot go on without a keyframe.
    pub(super) fn want_keyframe(&mut self) {
        self.keyframe.wanted = true;
    }

    /// Nobody waits for a keyframe any more.
    pub(super) fn forget_keyframe(&mut self) {
        self.keyframe.wanted = false;
    }

    /// Whether to ask the publisher now; asking starts the wait until it may be asked again.
    pub(super) fn ask_keyframe(&mut self, now: Instant, only: bool) -> bool {
        let due = self.keyframe_due(now, only).is_some_and(|due| due <= now);
        if due {
            self.keyframe.asked = Some(now);
        }
        due
    }

    /// When the publisher has to be asked for a keyframe. In the past: now. `only`: the track has no other encoding.
    pub(super) fn keyframe_due(&self, now: Instant, only: bool) -> Option<Instant> {
        if !self.keyframe.wanted {
            return None;
        }
        let interval = match self.layer {
            _ if !self.is_live(now) => REQUEST_INTERVAL_SILENT,
            Layer::High if !only => REQUEST_INTERVAL_HIGH,
            Layer::Low | Layer::Medium | Layer::High => REQUEST_INTERVAL,
        };
        Some(self.keyframe.asked.map_or(self.last_packet, |asked| asked + interval))
    }

    /// Packets are missing, so time has to be watched.
    pub(super) fn has_gaps(&self) -> bool {
        self.overrun || !self.missing.is_empty()
    }

    pub(super) fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_packet) < SILENCE
    }

    pub(super) fn bitrate(&self, now: Instant) -> Bitrate {
        self.rate.measure(now)
    }
}

/// Bytes of the last two half seconds or so.
#[derive(Debug)]
struct Rate {
    started: Instant,
    bytes: usize,
    before: Option<Bitrate>,
}

const RATE_WINDOW: Duration = Duration::from_millis(1_000);

impl Rate {
    fn new(now: Instant) -> Self {
        Self { started: now, bytes: 0, before: None }
    }

    fn add(&mut self, now: Instant, bytes: usize) {
        let elapsed = now.saturating_duration_since(self.started);
        if elapsed >= RATE_WINDOW {
            let measured = bits_per_second(self.bytes, elapsed);
            // A keyframe's burst counts, but does not make the layer look twice as dear for a second.
            let smooth = self.before.map_or(measured, |before| Bitrate((before.0 + measured.0) / 2));
            self.before = Some(smooth);
            self.started = now;
            self.bytes = 0;
        }
        self.bytes += bytes;
    }

    fn measure(&self, now: Instant) -> Bitrate {
        let elapsed = now.saturating_duration_since(self.started);
        match self.before {
            Some(before) if elapsed < RATE_WINDOW * 2 => before,
            Some(_) | None if elapsed < RATE_WINDOW / 5 => Bitrate::ZERO,
            Some(_) | None => bits_per_second(self.bytes, elapsed),
        }
    }
}

fn bits_per_second(bytes: usize, time: Duration) -> Bitrate {
    let micros = time.as_micros().max(1);
    Bitrate((bytes as u128 * 8_000_000 / micros) as u64)
}
