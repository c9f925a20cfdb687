//! Synthetic VP8 and the model of a decoder that can tell whether it got what was sent.
//!
//! Each payload says which frame it belongs to and which part it is, so a receiver can check that frames are complete,
//! in order and begin with a keyframe, whatever was renumbered on the way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Bytes of the payload descriptor and frame header before the mark.
const HEADER: usize = 7;
const MARK: usize = 12;

/// How large frames are.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Packets of an ordinary frame.
    pub packets: u32,
    /// Packets of a keyframe.
    pub keyframe_packets: u32,
    /// Bytes of a packet's payload.
    pub payload: usize,
}

/// One encoding of one camera.
#[derive(Debug)]
pub struct Encoder {
    shape: Shape,
    /// Told apart by receivers that see several.
    stream: u32,
    frame: u32,
    keyframe_wanted: bool,
    picture_id: u16,
    tl0_pic_idx: u8,
    /// Keyframes made so far.
    pub keyframes: u32,
}

/// One packet to send.
#[derive(Debug)]
pub struct Part {
    /// The payload.
    pub payload: Vec<u8>,
    /// Last of its frame.
    pub marker: bool,
}

impl Encoder {
    /// A camera that has just been switched on: its first frame is a keyframe.
    pub fn new(shape: Shape, stream: u32, rng: &mut fastrand::Rng) -> Self {
        let (picture_id, tl0_pic_idx) = (rng.u16(..0x8000), rng.u8(..));
        Self { shape, stream, frame: 0, keyframe_wanted: true, picture_id, tl0_pic_idx, keyframes: 0 }
    }

    /// The next frame is to be a keyframe.
    pub fn want_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Encodes the next frame.
    pub fn encode(&mut self) -> Vec<Part> {
        let keyframe = std::mem::take(&mut self.keyframe_wanted);
        self.keyframes += u32::from(keyframe);
        self.frame += 1;
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
        let parts = if keyframe { self.shape.keyframe_packets } else { self.shape.packets };
        (0..parts).map(|part| self.part(part, parts, keyframe)).collect()
    }

    fn part(&self, part: u32, parts: u32, keyframe: bool) -> Part {
        let id = self.picture_id.to_be_bytes();
        let first = if part == 0 { 0x90 } else { 0x80 };
        let mut payload = vec![first, 0xe0, 0x80 | id[0], id[1], self.tl0_pic_idx, 0x20, u8::from(!keyframe)];
        payload.extend(self.stream.to_be_bytes());
        payload.extend(self.frame.to_be_bytes());
        payload.extend([part as u8, parts as u8, u8::from(keyframe), 0]);
        payload.resize(self.shape.payload.max(HEADER + MARK), fill(self.frame, part));
        Part { payload, marker: part + 1 == parts }
    }
}

fn fill(frame: u32, part: u32) -> u8 {
    (frame.wrapping_mul(31) ^ part) as u8
}

/// A frame as the decoder shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// When it was shown.
    pub at: Instant,
    /// Which encoding.
    pub stream: u32,
    /// Its number there.
    pub frame: u32,
    /// A keyframe.
    pub keyframe: bool,
    /// RTP time.
    pub timestamp: u32,
}

/// A decoder behind a jitter buffer: frames in the order of their sequence numbers, none before a keyframe, none with
/// a hole.
#[derive(Debug, Default)]
pub struct Decoder {
    packets: BTreeMap<u64, Arrived>,
    /// The next sequence number to decode, once a keyframe has been shown.
    next: Option<u64>,
    /// How many frames had been shown when the stream began.
    fresh_from: usize,
    /// Frames shown, in order.
    pub shown: Vec<Shown>,
    last_picture: Option<(u16, u8)>,
    stuck_since: Option<Instant>,
    asked: Option<Instant>,
    /// Keyframes asked for.
    pub requests: u32,
    /// What should never happen.
    pub faults: Vec<String>,
}

#[derive(Debug)]
struct Arrived {
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    stream: u32,
    frame: u32,
    part: u8,
    parts: u8,
    keyframe: bool,
    picture: (u16, u8),
}

/// A decoder that is stuck for this long asks for a keyframe, and again at this interval. Browsers wait longer.
const PATIENCE: Duration = Duration::from_millis(800);
/// Packets further ahead than this are not waited for.
const BUFFER: usize = 1_500;

impl Decoder {
    /// Takes a packet in.
    pub fn handle_packet(&mut self, now: Instant, seq: u64, timestamp: u32, marker: bool, payload: &[u8]) {
        if self.next.is_some_and(|next| seq < next) {
            return;
        }
        self.packets.insert(seq, Arrived { timestamp, marker, payload: payload.to_vec() });
        while self.packets.len() > BUFFER {
            self.packets.pop_first();
        }
        while self.show_next(now) || self.skip_to_keyframe(now) {}
        if self.packets.is_empty() {
            self.stuck_since = None;
        } else {
            self.stuck_since.get_or_insert(now);
        }
    }

    /// The stream starts again, with another SSRC.
    pub fn restart(&mut self) {
        self.packets.clear();
        self.next = None;
        self.fresh_from = self.shown.len();
        self.stuck_since = None;
    }

    /// It is stuck: ask for a keyframe now.
    pub fn wants_keyframe(&mut self, now: Instant) -> bool {
        let stuck = self.stuck_since.is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE);
        let again = self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= PATIENCE);
        if stuck && again {
            self.asked = Some(now);
            self.requests += 1;
        }
        stuck && again
    }

    fn show_next(&mut self, now: Instant) -> bool {
        let Some(next) = self.next else { return false };
        self.show_from(now, next)
    }

    /// A complete keyframe further on makes what is before it unnecessary.
    fn skip_to_keyframe(&mut self, now: Instant) -> bool {
        let starts = |(seq, arrived): (&u64, &Arrived)| {
            let mark = read(&arrived.payload)?;
            (mark.keyframe && mark.part == 0).then_some(*seq)
        };
        let keyframes: Vec<u64> = self.packets.iter().filter_map(starts).collect();
        keyframes.into_iter().any(|seq| Some(seq) != self.next && self.show_from(now, seq))
    }

    fn show_from(&mut self, now: Instant, start: u64) -> bool {
        let Some(first) = self.packets.get(&start) else { return false };
        let Some(mark) = read(&first.payload) else {
            self.faults.push(format!("packet {start} is not as it was sent"));
            self.next = Some(start + 1);
            return false;
        };
        let timestamp = first.timestamp;
        let end = start + u64::from(mark.parts);
        if let Some(cut) = self.cut_by_switch(start, end, &mark) {
            self.packets = self.packets.split_off(&cut);
            self.next = Some(cut);
            return self.show_from(now, cut);
        }
        if !(start..end).all(|seq| self.packets.contains_key(&seq)) {
            return false;
        }
        for (part, seq) in (start..end).enumerate() {
            let arrived = &self.packets[&seq];
            let found = read(&arrived.payload);
            let right = found.is_some_and(|found| {
                (found.stream, found.frame, usize::from(found.part)) == (mark.stream, mark.frame, part)
                    && found.picture == mark.picture
            });
            if !right || arrived.timestamp != timestamp || arrived.marker != (seq + 1 == end) {
                self.faults.push(format!("frame {} of {}: part {part} is wrong", mark.frame, mark.stream));
            }
        }
        self.check_order(&mark, timestamp);
        self.shown.push(Shown { at: now, stream: mark.stream, frame: mark.frame, keyframe: mark.keyframe, timestamp });
        self.packets = self.packets.split_off(&end);
        self.next = Some(end);
        self.stuck_since = None;
        true
    }

    /// A layer switch may end a frame before its time: the other layer's keyframe follows at once.
    fn cut_by_switch(&self, start: u64, end: u64, mark: &Mark) -> Option<u64> {
        (start + 1..end).find(|seq| {
            let found = self.packets.get(seq).and_then(|arrived| read(&arrived.payload));
            found.is_some_and(|found| found.keyframe && found.part == 0 && found.stream != mark.stream)
        })
    }

    fn check_order(&mut self, mark: &Mark, timestamp: u32) {
        let Some(last) = self.shown[self.fresh_from..].last() else {
            if !mark.keyframe {
                self.faults.push("the first frame is no keyframe".to_owned());
            }
            self.last_picture = Some(mark.picture);
            return;
        };
        let follows = last.stream == mark.stream && mark.frame == last.frame + 1;
        if !mark.keyframe && !follows {
            self.faults.push(format!("frame {} after {} without a keyframe", mark.frame, last.frame));
        }
        if timestamp.wrapping_sub(last.timestamp).cast_signed() <= 0 {
            self.faults.push(format!("time does not run forward at frame {}", mark.frame));
        }
        let next_picture = self.last_picture.map(|(id, tl0)| ((id + 1) & 0x7fff, tl0.wrapping_add(1)));
        if follows && next_picture != Some(mark.picture) {
            self.faults.push(format!("picture ids jump at frame {}", mark.frame));
        }
        self.last_picture = Some(mark.picture);
    }

    /// The pauses between frames shown.
    pub fn gaps(&self) -> Vec<Duration> {
        self.shown.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }
}

fn read(payload: &[u8]) -> Option<Mark> {
    let mark = payload.get(HEADER..HEADER + MARK)?;
    let word = |at: usize| u32::from_be_bytes([mark[at], mark[at + 1], mark[at + 2], mark[at + 3]]);
    let (frame, part) = (word(4), mark[8]);
    let intact = payload[HEADER + MARK..].iter().all(|byte| *byte == fill(frame, u32::from(part)));
    let picture = (u16::from(payload[2] & 0x7f) << 8 | u16::from(payload[3]), payload[4]);
    intact.then_some(Mark { stream: word(0), frame, part, parts: mark[9], keyframe: mark[10] == 1, picture })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { packets: 2, keyframe_packets: 3, payload: 100 };

    #[test]
    fn the_decoder_shows_complete_frames_in_order_and_skips_to_keyframes() {
        let mut encoder = Encoder::new(SHAPE, 1, &mut fastrand::Rng::with_seed(1));
        let now = Instant::now();
        let mut decoder = Decoder::default();
        let mut seq = 0;
        let lose = |seq: u64| seq == 4;
        for frame in 0..6_u32 {
            if frame == 4 {
                encoder.want_keyframe();
            }
            for part in encoder.encode() {
                if !lose(seq) {
                    decoder.handle_packet(now, seq, frame * 3_000, part.marker, &part.payload);
                }
                seq += 1;
            }
        }
        let shown: Vec<_> = decoder.shown.iter().map(|shown| shown.frame).collect();
        assert_eq!(shown, [1, 5, 6]);
        assert_eq!(decoder.faults, Vec::<String>::new());
    }

    #[test]
    fn damage_is_seen() {
        let mut encoder = Encoder::new(SHAPE, 1, &mut fastrand::Rng::with_seed(1));
        let mut decoder = Decoder::default();
        for (seq, mut part) in (0..).zip(encoder.encode()) {
            part.payload[50] ^= u8::from(seq == 1);
            decoder.handle_packet(Instant::now(), seq, 0, part.marker, &part.payload);
        }
        assert!(!decoder.faults.is_empty());
    }
}
