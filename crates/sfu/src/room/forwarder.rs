//! One subscription's outgoing numbering: what a subscriber sees is one unbroken stream, whatever is switched behind it.
//!
//! Owns sequence number, RTP time, VP8 picture ids and frame numbers across layer switches, pauses and restarts of the
//! publisher. Knows nothing of why a layer was chosen.

use std::time::Duration;

use super::layering::{Layering, Reading};
use super::packet::{Packet, Rewrite, SenderClock};
use super::selector::{Ceiling, Choice, Selector};
use super::sparse::Sparse;
use crate::codec::{descriptor, vp8};
use crate::types::{Codec, Kind, Layer};

/// Least step of RTP time at a switch: one frame of so many a second, one packet of 20 ms.
const VIDEO_STEPS: u32 = 30;
const AUDIO_STEPS: u32 = 50;
/// Two clocks that differ by more than this at a switch do not come from one sender; arrival decides.
const CLOCK_TRUST: Duration = Duration::from_secs(2);

/// A packet as renumbered for one subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// Extended sequence number.
    pub seq: u64,
    /// RTP time.
    pub timestamp: u32,
    /// Payload and extension changes.
    pub rewrite: Rewrite,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not for this subscriber.
    Drop,
    /// To be judged once more when it is known what comes after it.
    Await,
    /// Part of the running stream.
    Continue(Numbered),
    /// First packet after a switch; packets after it that came earlier may follow now.
    Switched(Numbered),
}

/// The numbering of one subscription on one m-line.
#[derive(Debug, Clone)]
pub struct Forwarder {
    kind: Kind,
    first_seq: u64,
    current: Option<Source>,
    /// What goes out of the current source, where it has layers.
    thinning: Option<Box<Thinning>>,
    /// The source before the last switch: its late packets still belong to the stream.
    previous: Option<Source>,
    /// RTP time mapping of the source forwarded last, kept over a pause.
    resting: Option<(u32, u32)>,
    sent: Option<Sent>,
}

/// One encoding that is or was forwarded, by its offsets.
#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    layer: Layer,
    /// First and (for a previous source) last sequence number that belongs to the stream.
    first: u64,
    last: u64,
    seq_offset: u64,
    time_offset: u32,
    picture_offset: u16,
    tl0_offset: u8,
    frame_offset: u16,
    clock: Option<SenderClock>,
}

/// Which frames of a source with layers go out, and how the rest is numbered.
#[derive(Debug, Clone)]
struct Thinning {
    selector: Selector,
    sparse: Sparse,
}

/// A packet of an encoding with layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layered<'a> {
    /// The encoding it came in.
    pub(super) encoding: Layer,
    pub(super) packet: &'a Packet,
    /// What was read of it.
    pub(super) reading: &'a Reading,
    /// Decoding can start with it.
    pub(super) starts: bool,
    /// What is known of the encoding.
    pub(super) layering: &'a Layering,
}

/// The furthest that went out.
#[derive(Debug, Clone, Copy)]
struct Sent {
    seq: u64,
    timestamp: u32,
    arrival: Duration,
    picture_id: u16,
    tl0_pic_idx: u8,
    frame_number: u16,
}

impl Thinning {
    /// `first` is the next to come, and goes out as `out`.
    fn new(first: u64, out: u64) -> Self {
        Self { selector: Selector::default(), sparse: Sparse::new(first, out) }
    }
}

impl Forwarder {
    /// A fresh stream. `first_seq` must be below 32,768, so that a few early packets cannot roll over before the
    /// receiver has seen one (RFC 3711 §3.3.1).
    pub fn new(kind: Kind, first_seq: u64) -> Self {
        debug_assert!(first_seq < 32_768);
        Self { kind, first_seq, current: None, thinning: None, previous: None, resting: None, sent: None }
    }

    /// The encoding that goes out, `None` before the first keyframe and while paused.
    pub fn layer(&self) -> Option<Layer> {
        self.current.map(|source| source.layer)
    }

    /// Stops the stream; it goes on with a keyframe.
    pub fn pause(&mut self) {
        if let Some(source) = self.current.take() {
            self.resting = Some((source.ssrc, source.time_offset));
        }
        (self.thinning, self.previous) = (None, None);
    }

    /// Only a keyframe leads to what is wanted of an encoding with layers.
    pub(super) fn waits(&self, encoding: Layer, layering: &Layering, ceiling: Ceiling) -> bool {
        let thinning = self.thinning.as_ref();
        self.layer() != Some(encoding) || thinning.is_some_and(|thinning| thinning.selector.waits(layering, ceiling))
    }

    /// Judges one packet of `layer`. `starts` says that decoding can start with it; `target` which layer is wanted.
    pub fn handle(&mut self, target: Option<Layer>, layer: Layer, packet: &Packet, starts: bool) -> Verdict {
        if let Some(source) = &mut self.current
            && source.ssrc == packet.ssrc
        {
            if packet.seq < source.first {
                return Verdict::Drop;
            }
            source.last = source.last.max(packet.seq);
            if packet.clock.is_some() {
                source.clock = packet.clock;
            }
            let source = *source;
            let seq = match &mut self.thinning {
                Some(thinning) => thinning.sparse.take(packet.seq),
                None => Some(packet.seq.wrapping_add(source.seq_offset)),
            };
            return seq.map_or(Verdict::Drop, |seq| Verdict::Continue(self.number(&source, packet, seq)));
        }
        if let Some(source) = self.previous
            && source.ssrc == packet.ssrc
            && (source.first..=source.last).contains(&packet.seq)
        {
            return Verdict::Continue(self.number(&source, packet, packet.seq.wrapping_add(source.seq_offset)));
        }
        if target == Some(layer) && starts {
            return Verdict::Switched(self.switch(layer, packet));
        }
        Verdict::Drop
    }

    /// Judges one packet of an encoding with layers. `ceiling` is what is wanted of it, `None` where another encoding is wanted.
    pub(super) fn handle_layered(&mut self, ceiling: Option<Ceiling>, arrived: Layered<'_>) -> Verdict {
        let packet = arrived.packet;
        let Some(source) = self.current.as_mut().filter(|source| source.ssrc == packet.ssrc) else {
            if ceiling.is_none() || !arrived.starts {
                return Verdict::Drop;
            }
            if let Reading::Part(part) = arrived.reading
                && Selector::default().choose(part, arrived.layering, ceiling) == Choice::Await
            {
                return Verdict::Await;
            }
            let numbered = self.switch(arrived.encoding, packet);
            let mut thinning = Thinning::new(packet.seq, numbered.seq);
            let verdict = self.thin(&mut thinning, ceiling, &arrived);
            self.thinning = Some(Box::new(thinning));
            return match verdict {
                Verdict::Continue(numbered) | Verdict::Switched(numbered) => Verdict::Switched(numbered),
                Verdict::Drop | Verdict::Await => verdict,
            };
        };
        if packet.seq < source.first {
            return Verdict::Drop;
        }
        source.last = source.last.max(packet.seq);
        if packet.clock.is_some() {
            source.clock = packet.clock;
        }
        let (last, offset) = (source.last, source.seq_offset);
        let mut thinning =
            self.thinning.take().unwrap_or_else(|| Box::new(Thinning::new(last, last.wrapping_add(offset))));
        let verdict = self.thin(&mut thinning, ceiling, &arrived);
        self.thinning = Some(thinning);
        verdict
    }

    fn thin(&mut self, thinning: &mut Thinning, ceiling: Option<Ceiling>, arrived: &Layered<'_>) -> Verdict {
        let Some(source) = self.current else { return Verdict::Drop };
        let packet = arrived.packet;
        let choice = match arrived.reading {
            Reading::Plain => Choice::Send { ends_picture: false, active: None },
            Reading::Part(part) => thinning.selector.choose(part, arrived.layering, ceiling),
            Reading::Padding | Reading::Unknown => Choice::Withhold,
        };
        let seq = match choice {
            Choice::Await => return Verdict::Await,
            Choice::Withhold => thinning.sparse.leave_out(packet.seq),
            Choice::Send { .. } => thinning.sparse.take(packet.seq),
        };
        let Some(seq) = seq else { return Verdict::Drop };
        let numbered = self.number(&source, packet, seq);
        let frame_number = match numbered.rewrite {
            Rewrite::FrameNumber(number) => Some(number),
            Rewrite::None | Rewrite::Vp8 { .. } | Rewrite::Layers { .. } | Rewrite::Hollow => None,
        };
        let rewrite = match choice {
            Choice::Withhold | Choice::Await => Rewrite::Hollow,
            Choice::Send { ends_picture: false, active: None } => numbered.rewrite,
            Choice::Send { ends_picture, active } => Rewrite::Layers { frame_number, active, ends_picture },
        };
        Verdict::Continue(Numbered { rewrite, ..numbered })
    }

    fn switch(&mut self, layer: Layer, packet: &Packet) -> Numbered {
        let next_seq = self.sent.map_or(self.first_seq, |sent| sent.seq + 1);
        let numbers = vp8_numbers(packet);
        let frame_number = frame_number(packet);
        let (picture_offset, tl0_offset, frame_offset) = match self.sent {
            None => (0, 0, 0),
            Some(sent) => (
                sent.picture_id.wrapping_add(1).wrapping_sub(numbers.picture_id.unwrap_or(0)),
                sent.tl0_pic_idx.wrapping_add(1).wrapping_sub(numbers.tl0_pic_idx.unwrap_or(0)),
                sent.frame_number.wrapping_add(1).wrapping_sub(frame_number.unwrap_or(0)),
            ),
        };
        let source = Source {
            ssrc: packet.ssrc,
            layer,
            first: packet.seq,
            last: packet.seq,
            seq_offset: next_seq.wrapping_sub(packet.seq),
            time_offset: self.time_offset(packet),
            picture_offset,
            tl0_offset,
            frame_offset,
            clock: packet.clock,
        };
        // What is late of a source that was thinned would need the numbers that it left out.
        self.previous = self.current.replace(source).filter(|_| self.thinning.take().is_none());
        self.number(&source, packet, next_seq)
    }

    /// What to add to the new source's RTP time so that the subscriber's clock runs on.
    fn time_offset(&self, packet: &Packet) -> u32 {
        let Some(sent) = self.sent else { return 0 };
        if let Some((ssrc, offset)) = self.resting
            && self.current.is_none()
            && ssrc == packet.ssrc
            && is_ahead(packet.timestamp.wrapping_add(offset), sent.timestamp)
        {
            return offset;
        }
        let clock = packet.format.codec.clock_rate();
        let step = self.step(clock);
        let by_arrival = ticks(packet.arrival.saturating_sub(sent.arrival), clock).max(step);
        let expected = sent.timestamp.wrapping_add(by_arrival);
        let by_report = self.current.and_then(|old| same_moment(&old, packet, clock));
        let timestamp = match by_report {
            Some(timestamp) if near(timestamp, expected, clock) => timestamp,
            Some(_) | None => expected,
        };
        let timestamp = if is_ahead(timestamp, sent.timestamp) { timestamp } else { sent.timestamp.wrapping_add(step) };
        timestamp.wrapping_sub(packet.timestamp)
    }

    /// Numbers for a packet of the server's own, where nothing else goes out. `now`: since the room opened.
    pub fn fill(&mut self, now: Duration, clock: u32) -> Numbered {
        debug_assert!(self.current.is_none());
        let sent = match self.sent {
            None => {
                Sent { seq: self.first_seq, timestamp: 0, arrival: now, picture_id: 0, tl0_pic_idx: 0, frame_number: 0 }
            }
            Some(sent) => {
                let since = ticks(now.saturating_sub(sent.arrival), clock).max(self.step(clock));
                let timestamp = sent.timestamp.wrapping_add(since);
                Sent { seq: sent.seq + 1, timestamp, arrival: now, ..sent }
            }
        };
        self.sent = Some(sent);
        Numbered { seq: sent.seq, timestamp: sent.timestamp, rewrite: Rewrite::None }
    }

    fn step(&self, clock: u32) -> u32 {
        match self.kind {
            Kind::Video => clock / VIDEO_STEPS,
            Kind::Audio => clock / AUDIO_STEPS,
        }
    }

    fn number(&mut self, source: &Source, packet: &Packet, seq: u64) -> Numbered {
        let timestamp = packet.timestamp.wrapping_add(source.time_offset);
        let mut sent = Sent {
            seq,
            timestamp,
            arrival: packet.arrival,
            picture_id: self.sent.map_or(0, |sent| sent.picture_id),
            tl0_pic_idx: self.sent.map_or(0, |sent| sent.tl0_pic_idx),
            frame_number: self.sent.map_or(0, |sent| sent.frame_number),
        };
        let rewrite = match packet.format.codec {
            Codec::Vp8 => {
                let numbers = vp8_numbers(packet);
                let mask = if numbers.long_picture_id { 0x7fff } else { 0x7f };
                let picture_id = numbers.picture_id.map(|id| id.wrapping_add(source.picture_offset) & mask);
                let tl0_pic_idx = numbers.tl0_pic_idx.map(|index| index.wrapping_add(source.tl0_offset));
                sent.picture_id = picture_id.unwrap_or(sent.picture_id);
                sent.tl0_pic_idx = tl0_pic_idx.unwrap_or(sent.tl0_pic_idx);
                Rewrite::Vp8 { picture_id, tl0_pic_idx }
            }
            Codec::Vp9 | Codec::Av1 => match frame_number(packet) {
                Some(number) => {
                    sent.frame_number = number.wrapping_add(source.frame_offset);
                    Rewrite::FrameNumber(sent.frame_number)
                }
                None => Rewrite::None,
            },
            Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma | Codec::H264 | Codec::H265 => Rewrite::None,
        };
        if self.sent.is_none_or(|furthest| seq > furthest.seq) {
            self.sent = Some(sent);
        }
        Numbered { seq, timestamp, rewrite }
    }
}

fn vp8_numbers(packet: &Packet) -> vp8::Vp8Numbers {
    match packet.format.codec {
        Codec::Vp8 => vp8::numbers(&packet.payload).unwrap_or_default(),
        Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma | Codec::H264 | Codec::H265 | Codec::Vp9 | Codec::Av1 => {
            vp8::Vp8Numbers::default()
        }
    }
}

fn frame_number(packet: &Packet) -> Option<u16> {
    let descriptor = packet.extensions.dependency_descriptor.as_deref()?;
    descriptor::mandatory(descriptor).map(|fields| fields.number)
}

/// The new source's packet on the old source's outgoing RTP time, by both senders' reports.
fn same_moment(old: &Source, packet: &Packet, clock: u32) -> Option<u32> {
    let (old_clock, new_clock) = (old.clock?, packet.clock?);
    let new_on_ntp = i64::from(packet.timestamp.wrapping_sub(new_clock.rtp).cast_signed());
    let apart = match new_clock.ntp.duration_since(old_clock.ntp) {
        Ok(later) => i64::from(ticks(later, clock)),
        Err(earlier) => -i64::from(ticks(earlier.duration(), clock)),
    };
    let since_old_report = u32::try_from((apart + new_on_ntp).rem_euclid(1 << 32)).ok()?;
    Some(old_clock.rtp.wrapping_add(since_old_report).wrapping_add(old.time_offset))
}

fn ticks(time: Duration, clock: u32) -> u32 {
    // The remainder below the clock's tick does not matter, the wrap is meant.
    (time.as_micros() * u128::from(clock) / 1_000_000) as u32
}

fn is_ahead(timestamp: u32, of: u32) -> bool {
    timestamp.wrapping_sub(of).cast_signed() > 0
}

fn near(timestamp: u32, expected: u32, clock: u32) -> bool {
    let apart = timestamp.wrapping_sub(expected).cast_signed().unsigned_abs();
    apart < ticks(CLOCK_TRUST, clock)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::super::packet::{Extensions, Format};
    use super::*;

    fn vp8(base: Duration, ssrc: u32, seq: u64, timestamp: u32, picture_id: u16, tl0: u8) -> Packet {
        let id = picture_id.to_be_bytes();
        Packet {
            format: Format { codec: Codec::Vp8, profile: 0 },
            ssrc,
            seq,
            timestamp,
            marker: true,
            arrival: base,
            captured: base,
            payload: Arc::from([0x90, 0xe0, 0x80 | id[0], id[1], tl0, 0x20, 0x00]),
            extensions: Extensions::default(),
            clock: None,
        }
    }

    fn numbered(verdict: Verdict) -> Numbered {
        match verdict {
            Verdict::Continue(numbered) | Verdict::Switched(numbered) => numbered,
            verdict => panic!("{verdict:?}"),
        }
    }

    #[test]
    fn nothing_goes_out_before_a_keyframe_of_the_wanted_layer() {
        let base = Duration::from_secs(10);
        let mut forwarder = Forwarder::new(Kind::Video, 100);
        let packet = vp8(base, 1, 5000, 10, 1, 1);
        assert_eq!(forwarder.handle(Some(Layer::Low), Layer::Low, &packet, false), Verdict::Drop);
        assert_eq!(forwarder.handle(Some(Layer::High), Layer::Low, &packet, true), Verdict::Drop);
        let first = numbered(forwarder.handle(Some(Layer::Low), Layer::Low, &packet, true));
        assert_eq!(first.seq, 100);
        let earlier = vp8(base, 1, 4999, 10, 1, 1);
        assert_eq!(forwarder.handle(Some(Layer::Low), Layer::Low, &earlier, false), Verdict::Drop);
    }

    #[test]
    fn loss_and_reordering_keep_their_gaps() {
        let base = Duration::from_secs(10);
        let mut forwarder = Forwarder::new(Kind::Video, 100);
        let go = |forwarder: &mut Forwarder, seq: u64| {
            let verdict = forwarder.handle(Some(Layer::Low), Layer::Low, &vp8(base, 1, seq, 0, 0, 0), true);
            numbered(verdict).seq
        };
        assert_eq!([5000, 5003, 5001, 5004].map(|seq| go(&mut forwarder, seq)), [100, 103, 101, 104]);
    }

    #[test]
    fn a_switch_continues_every_number() {
        let base = Duration::from_secs(10);
        let later = base + Duration::from_millis(100);
        let mut forwarder = Forwarder::new(Kind::Video, 100);
        numbered(forwarder.handle(Some(Layer::Low), Layer::Low, &vp8(base, 1, 5000, 1_000, 0x7fff, 255), true));
        let high = vp8(later, 2, 70_000, 900_000, 44, 9);
        assert_eq!(forwarder.handle(Some(Layer::High), Layer::High, &high, false), Verdict::Drop);
        let Verdict::Switched(switched) = forwarder.handle(Some(Layer::High), Layer::High, &high, true) else {
            panic!("no switch");
        };
        assert_eq!(switched.seq, 101);
        assert_eq!(switched.timestamp, 1_000 + 9_000, "100 ms later");
        assert_eq!(switched.rewrite, Rewrite::Vp8 { picture_id: Some(0), tl0_pic_idx: Some(0) });
        let next =
            numbered(forwarder.handle(Some(Layer::High), Layer::High, &vp8(later, 2, 70_001, 903_000, 45, 10), false));
        assert_eq!((next.seq, next.timestamp), (102, 13_000));
        assert_eq!(next.rewrite, Rewrite::Vp8 { picture_id: Some(1), tl0_pic_idx: Some(1) });
    }

    #[test]
    fn late_packets_of_the_layer_before_fill_their_gaps_and_no_more() {
        let base = Duration::from_secs(10);
        let mut forwarder = Forwarder::new(Kind::Video, 100);
        for seq in [5000, 5002] {
            forwarder.handle(Some(Layer::Low), Layer::Low, &vp8(base, 1, seq, 0, 0, 0), true);
        }
        forwarder.handle(Some(Layer::High), Layer::High, &vp8(base, 2, 9, 0, 0, 0), true);
        let late = numbered(forwarder.handle(Some(Layer::High), Layer::Low, &vp8(base, 1, 5001, 0, 0, 0), false));
        assert_eq!(late.seq, 101);
        let beyond = forwarder.handle(Some(Layer::High), Layer::Low, &vp8(base, 1, 5003, 0, 0, 0), false);
        assert_eq!(beyond, Verdict::Drop);
    }

    #[test]
    fn sender_reports_map_one_layer_onto_the_other() {
        let base = Duration::from_secs(10);
        let ntp = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let mut low = vp8(base, 1, 1, 50_000, 0, 0);
        low.clock = Some(SenderClock { ntp, rtp: 50_000 });
        let mut forwarder = Forwarder::new(Kind::Video, 1);
        forwarder.handle(Some(Layer::Low), Layer::Low, &low, true);
        // Captured 200 ms after the first, held up by the network until 350 ms.
        let mut high = vp8(base + Duration::from_millis(350), 2, 1, 7_000_000, 0, 0);
        high.clock = Some(SenderClock { ntp: ntp + Duration::from_millis(100), rtp: 7_000_000 - 9_000 });
        let switched = numbered(forwarder.handle(Some(Layer::High), Layer::High, &high, true));
        assert_eq!(switched.timestamp, 50_000 + 18_000);
    }

    #[test]
    fn what_follows_a_packet_of_the_servers_own_continues_its_numbers() {
        let base = Duration::from_secs(10);
        let at = |ms| base + Duration::from_millis(ms);
        let mut forwarder = Forwarder::new(Kind::Video, 100);
        let filled = [0, 200, 600].map(|ms| forwarder.fill(at(ms), 90_000)).map(|one| (one.seq, one.timestamp));
        assert_eq!(filled, [(100, 0), (101, 18_000), (102, 54_000)]);
        let real = vp8(at(1_600), 1, 5000, 4_000_000_000, 44, 9);
        let first = numbered(forwarder.handle(Some(Layer::High), Layer::High, &real, true));
        assert_eq!((first.seq, first.timestamp), (103, 54_000 + 90_000));
        let next = vp8(at(1_633), 1, 5001, 4_000_003_000, 45, 10);
        let next = numbered(forwarder.handle(Some(Layer::High), Layer::High, &next, false));
        assert_eq!((next.seq, next.timestamp), (104, 54_000 + 93_000));
    }

    #[test]
    fn time_runs_on_when_the_codecs_clock_changes() {
        let base = Duration::from_secs(10);
        let packet = |codec, ssrc, ms, timestamp| Packet {
            format: Format { codec, profile: 0 },
            payload: Arc::from([0; 4]),
            ..vp8(base + Duration::from_millis(ms), ssrc, 7, timestamp, 0, 0)
        };
        let mut forwarder = Forwarder::new(Kind::Audio, 100);
        forwarder.handle(Some(Layer::High), Layer::High, &packet(Codec::Pcmu, 1, 0, 1_000), true);
        forwarder.pause();
        let opus = packet(Codec::Opus, 2, 100, 70_000);
        let opus = numbered(forwarder.handle(Some(Layer::High), Layer::High, &opus, true));
        assert_eq!((opus.seq, opus.timestamp), (101, 1_000 + 4_800), "100 ms at 48 kHz");
        forwarder.pause();
        let pcmu = packet(Codec::Pcmu, 3, 200, 5);
        let pcmu = numbered(forwarder.handle(Some(Layer::High), Layer::High, &pcmu, true));
        assert_eq!((pcmu.seq, pcmu.timestamp), (102, 5_800 + 800), "100 ms at 8 kHz");
    }

    #[test]
    fn a_pause_keeps_the_publishers_time_and_leaves_no_gap() {
        let base = Duration::from_secs(10);
        let mut forwarder = Forwarder::new(Kind::Video, 100);
        forwarder.handle(Some(Layer::Low), Layer::Low, &vp8(base, 1, 5000, 0, 7, 7), true);
        forwarder.pause();
        assert_eq!(forwarder.layer(), None);
        let after = vp8(base + Duration::from_secs(3), 1, 5400, 270_000, 90, 90);
        assert_eq!(forwarder.handle(Some(Layer::Low), Layer::Low, &after, false), Verdict::Drop);
        let resumed = numbered(forwarder.handle(Some(Layer::Low), Layer::Low, &after, true));
        assert_eq!((resumed.seq, resumed.timestamp), (101, 270_000));
        assert_eq!(resumed.rewrite, Rewrite::Vp8 { picture_id: Some(8), tl0_pic_idx: Some(8) });
    }
}
